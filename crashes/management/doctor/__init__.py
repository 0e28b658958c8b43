"""What `manage.py doctor` looks at, and the words it answers with.

A check is a function that yields findings. What it did not expect becomes a finding too, so that one
part that is broken hides no other. To add a check: write it in `machine` or `stores`, and enter it in
`CHECKS` of the command.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias


class State(StrEnum):
    """How a part is."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line: the part, how it is, what was seen, and what to do unless all is well."""

    part: str
    state: State
    seen: str
    advice: str = ""


Check: TypeAlias = Callable[[], Iterator[Finding]]


def ok(part: str, seen: str) -> Finding:
    """All is well."""
    return Finding(part, State.OK, seen)


def warning(part: str, seen: str, advice: str) -> Finding:
    """It works, and should not stay so."""
    return Finding(part, State.WARNING, seen, advice)


def failed(part: str, seen: str, advice: str) -> Finding:
    """It does not work."""
    return Finding(part, State.FAILED, seen, advice)


def examine(checks: Iterable[tuple[str, Check]]) -> list[Finding]:
    """What the checks find, in order."""
    found: list[Finding] = []
    for part, check in checks:
        try:
            found += check()
        except Exception as error:  # a doctor that falls ill at one organ still sees the others
            seen = f"{type(error).__name__}: {' '.join(str(error).split())}"
            found.append(failed(part, seen, "This was not expected; the words before say where."))
    return found
