"""Keyset pages: a cursor names the last row seen, so new rows never shift a page.

A cursor is opaque to clients: base64 of the JSON list of the ordering values of the last row.
"""

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import msgspec

from uxp_diag.api.problem import Problem

T = TypeVar("T")

DEFAULT_SIZE = 50
MAX_SIZE = 200


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Some rows, and the cursor of the next page (None on the last)."""

    items: Sequence[T]
    next_cursor: str | None


def encode_cursor(values: Sequence[Any]) -> str:
    """The cursor behind a row with these ordering values."""
    return base64.urlsafe_b64encode(msgspec.json.encode(list(values))).decode().rstrip("=")


def decode_cursor(text: str) -> list[Any]:
    """The ordering values in a cursor. Raises Problem 400 for a damaged one."""
    try:
        data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        values = msgspec.json.decode(data)
    except (binascii.Error, ValueError, msgspec.DecodeError):
        values = None
    if not isinstance(values, list):
        raise Problem(400, "bad_cursor", "The cursor is none of ours.")
    return values
