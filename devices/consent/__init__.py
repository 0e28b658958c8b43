"""Why we collect, and whether it is allowed.

A person agrees to each purpose by itself, under one version of the policy text. The ledger only
grows; what is allowed at a moment is a pure function of the entries before it. Silence is no.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Purpose(StrEnum):
    """What data may be used for."""

    DEVELOPMENT = "development"
    PERSONALISATION = "personalisation"


@dataclass(frozen=True, slots=True)
class ConsentStatement:
    """All purposes that a person agrees to from `recorded_at` on; an empty set is withdrawal."""

    purposes: frozenset[Purpose]
    policy_version: str
    recorded_at: datetime


def purposes_at(statements: Iterable[ConsentStatement], *, moment: datetime) -> frozenset[Purpose]:
    """What is agreed to at a moment: the last statement not after it, or nothing."""
    earlier = [item for item in statements if item.recorded_at <= moment]
    if not earlier:
        return frozenset()
    return max(earlier, key=lambda item: item.recorded_at).purposes


def is_agreed_since(
    statements: Iterable[ConsentStatement], *, purpose: Purpose, since: datetime
) -> bool:
    """Whether the purpose is agreed to without a break from a moment on.

    Statements are in the order in which they were made. One that comes after the moment and leaves
    the purpose out is a break, whatever was agreed to later; so is a moment behind such a one and
    before the next that agrees. Without any statement until then nobody had said no.
    """
    said_before: ConsentStatement | None = None
    for statement in statements:
        if statement.recorded_at >= since and purpose not in statement.purposes:
            return False
        if statement.recorded_at <= since:
            said_before = statement
    return said_before is None or purpose in said_before.purposes
