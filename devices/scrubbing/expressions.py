"""Expressions that run in linear time over any bytes.

RE2 takes patterns for UTF-8 unless it is told otherwise, and then `[^ ]` does not match a damaged byte:
a log with one would hide what stands behind it.
"""

import re
from collections.abc import Iterator
from typing import Protocol

import re2


class Expression(Protocol):
    """What we use of a compiled pattern."""

    def finditer(self, text: bytes) -> Iterator[re.Match[bytes]]:
        """All matches, from left to right."""

    def match(self, text: bytes, pos: int) -> re.Match[bytes] | None:
        """The match that begins at a place."""

    def fullmatch(self, text: bytes) -> re.Match[bytes] | None:
        """The match that is the whole text."""


def expression(pattern: bytes) -> Expression:
    """The compiled pattern; a byte is a letter."""
    options = re2.Options()
    options.encoding = re2.Options.Encoding.LATIN1
    options.log_errors = False
    compiled: Expression = re2.compile(pattern, options)
    return compiled
