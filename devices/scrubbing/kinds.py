"""What is looked for, and how a find is written down."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from devices.scrubbing.expressions import Expression, Screen


class Kind(StrEnum):
    """What a piece of text gives away; the word is the token that takes its place."""

    IMEI = "imei"
    IMSI = "imsi"
    ICCID = "iccid"
    PHONE = "phone"
    MAC = "mac"
    EMAIL = "email"
    IPV4 = "ipv4"
    IPV6 = "ipv6"
    SSID = "ssid"
    BLUETOOTH_NAME = "bluetooth_name"
    COORDINATES = "coordinates"
    PATH = "path"
    USER = "user"
    SECRET = "secret"  # noqa: S105  the word for one
    SERIAL = "serial"


@dataclass(frozen=True, slots=True, order=True)
class Hit:
    """A find: bytes `start` to `end`."""

    start: int
    end: int
    kind: Kind


BLOT = b"\x1a"
"""What stands for a token while a text is searched: nothing that a rule would take for a letter."""

_TOKENS = re.compile(
    rb"<(?:%s)(?:#[0-9]+)?>(?![^<\r\n]{1,200}</)\**"
    % b"|".join(kind.value.encode() for kind in Kind)
)
"""Not the element of an XML document that has the same name."""


def _blot(match: re.Match[bytes]) -> bytes:
    return BLOT * len(match.group())


@dataclass(frozen=True, slots=True)
class Text:
    """What is searched, and the same in lower case; rules look for their words there."""

    data: bytes
    low: bytes
    absent: frozenset[Expression] = frozenset()

    @classmethod
    def of(cls, data: bytes, screen: Screen) -> "Text":
        """A text to search. Tokens of an earlier run are blotted out, so that none is read as text."""
        if b"<" in data:
            data = _TOKENS.sub(_blot, data)
        return cls(data, data.lower(), screen.absent(data))

    def find(self, what: Expression) -> Iterator[re.Match[bytes]]:
        """All matches, from left to right."""
        return iter(()) if what in self.absent else what.finditer(self.data)

    def before(self, start: int, count: int) -> bytes:
        """Up to `count` bytes of the same line before a place, in lower case."""
        window = self.low[max(0, start - count) : start]
        return window[window.rfind(b"\n") + 1 :]

    def after(self, end: int, count: int) -> bytes:
        """Up to `count` bytes of the same line from a place on, in lower case."""
        return self.low[end : end + count].partition(b"\n")[0]


@dataclass(frozen=True, slots=True)
class Rule:
    """`needles`: bytes of which one must be in the lower-case text, or there can be no find."""

    name: str
    needles: tuple[bytes, ...]
    find: Callable[[Text], Iterator[Hit]]

    def may_find(self, low: bytes) -> bool:
        """Whether it is worth looking; costs next to nothing."""
        return not self.needles or any(needle in low for needle in self.needles)


def token(kind: Kind) -> bytes:
    """What stands in a text where a find was."""
    return f"<{kind.value}>".encode()


def fill(kind: Kind, length: int) -> bytes:
    """As many bytes as the find had: the token where there is room for it, and asterisks."""
    word = token(kind)
    return word.ljust(length, b"*") if len(word) <= length else b"*" * length
