"""Expressions that run in linear time over any bytes.

RE2 takes patterns for UTF-8 unless it is told otherwise, and then `[^ ]` does not match a damaged byte:
a log with one would hide what stands behind it.

A text is read once for many expressions together: a `Screen` says which of them match nowhere in it,
which are nearly all of them in nearly every text, and only the others look for places.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Final, Protocol

import re2


class Expression(Protocol):
    """What we use of a compiled pattern."""

    def finditer(self, text: bytes) -> Iterator[re.Match[bytes]]:
        """All matches, from left to right."""

    def match(self, text: bytes, pos: int) -> re.Match[bytes] | None:
        """The match that begins at a place."""

    def fullmatch(self, text: bytes) -> re.Match[bytes] | None:
        """The match that is the whole text."""


def _options(*, memory_bytes: int = 8 << 20) -> re2.Options:
    options = re2.Options()
    options.encoding = re2.Options.Encoding.LATIN1
    options.log_errors = False
    options.max_mem = memory_bytes
    return options


def expression(pattern: bytes) -> Expression:
    """The compiled pattern; a byte is a letter."""
    compiled: Expression = re2.compile(pattern, _options())
    return compiled


_screened: list[tuple[bytes, Expression]] = []


def screened(pattern: bytes) -> Expression:
    """The same, for one that `Screen` asks about."""
    compiled = expression(pattern)
    _screened.append((pattern, compiled))
    return compiled


_TOGETHER: Final = 12
"""More expressions in one automaton have too many states for the processor's cache."""

_LARGEST: Final = 256 << 10
"""Text made to hurt brings the automaton a new state with every byte; then one by one is faster."""


class Screen:
    """All screened expressions in a few automata, of which each reads a text once."""

    def __init__(self) -> None:
        self._groups = [
            _Group(_screened[first : first + _TOGETHER])
            for first in range(0, len(_screened), _TOGETHER)
        ]

    def absent(self, data: bytes) -> frozenset[Expression]:
        """Expressions that match nowhere in a text. None is said of a text that is large."""
        if len(data) > _LARGEST:
            return frozenset()
        return frozenset().union(*(group.absent(data) for group in self._groups))


class _Group:
    def __init__(self, members: Sequence[tuple[bytes, Expression]]) -> None:
        self._members = [compiled for _, compiled in members]
        self._all = frozenset(self._members)
        self._set = re2.Set.SearchSet(_options(memory_bytes=16 << 20))
        for pattern, _ in members:
            self._set.Add(pattern)
        # One that matches everywhere: without it in the answer there was no memory for one.
        self._sentinel = self._set.Add(b"")
        self._set.Compile()

    def absent(self, data: bytes) -> frozenset[Expression]:
        found = self._set.Match(data)
        if self._sentinel not in found:
            return frozenset()
        if len(found) == 1:
            return self._all
        return self._all - {self._members[at] for at in found if at != self._sentinel}
