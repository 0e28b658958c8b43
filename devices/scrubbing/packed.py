"""Identifiers in binary that are no text: an IMEI as packed digits or as a 64-bit number."""

from collections.abc import Iterator
from typing import Literal

from devices.scrubbing.expressions import expression
from devices.scrubbing.kinds import Hit, Kind
from devices.scrubbing.numbers import is_imei, unswapped

_PAIR = b"[" + b"".join(b"\\x%d0-\\x%d9" % (high, high) for high in range(10)) + b"]"
_SWAPPED = expression(_PAIR + b"{7}[\\xf0-\\xf9]")
_WITH_TYPE = expression(b"[\\x0a\\x1a\\x2a\\x3a\\x4a\\x5a\\x6a\\x7a\\x8a\\x9a]" + _PAIR + b"{7}")
_LITTLE = expression(rb"(?:[\x3e-\x47]\x01|[\x0e-\x17]\x03)\x00")
_BIG = expression(rb"\x00(?:\x01[\x3e-\x47]|\x03[\x0e-\x17])")
"""The upper three bytes of 35 or 86 and thirteen digits. Of other bodies a number alone, without a
word, is too likely an address."""

_NUMBER_BYTES = 8


def binary_hits(data: bytes, *, numbers_every: int = 1) -> Iterator[Hit]:
    """Where an IMEI lies as packed digits, nibbles swapped, or as a little- or big-endian number.

    Numbers are only looked for at multiples of `numbers_every` bytes.
    """
    for match in _SWAPPED.finditer(data):
        if not _is_mostly_zero(match.group()) and is_imei(_digits(data, *match.span())[:15]):
            yield Hit(match.start(), match.end(), Kind.IMEI)
    for match in _WITH_TYPE.finditer(data):
        if not _is_mostly_zero(match.group()) and is_imei(_digits(data, *match.span())[1:]):
            yield Hit(match.start(), match.end(), Kind.IMEI)
    for start, order in _number_places(data):
        end = start + _NUMBER_BYTES
        if start < 0 or end > len(data) or start % numbers_every:
            continue
        if is_imei(b"%015d" % int.from_bytes(data[start:end], order)):
            yield Hit(start, end, Kind.IMEI)


def _number_places(data: bytes) -> Iterator[tuple[int, Literal["little", "big"]]]:
    """Where numbers of fitting size may begin, and which end of them is there."""
    for match in _LITTLE.finditer(data):
        yield match.end() - _NUMBER_BYTES, "little"
    for match in _BIG.finditer(data):
        yield match.start(), "big"


def _is_mostly_zero(value: bytes) -> bool:
    """Whether this is the upper part of a pointer or a small number, and the start of what follows."""
    return value.count(0) > _MAX_ZEROS


_MAX_ZEROS = 2


def _digits(data: bytes, start: int, end: int) -> bytes:
    return unswapped(data[start:end].hex().encode())
