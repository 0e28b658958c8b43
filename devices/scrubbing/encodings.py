"""Text inside text: what is hidden in percent signs, JSON escapes, base64, hex and UTF-16.

A stretch that may be encoded is decoded and searched like any other text, to a depth of two. Where
letters map to letters (percent, JSON, UTF-16) a find is carried back to the bytes it came from;
base64 and hex are overwritten at equal length inside and encoded again, so whoever decodes them
still finds everything else.
"""

import base64
import binascii
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from devices.scrubbing.expressions import Expression, expression
from devices.scrubbing.kinds import Hit, fill


@dataclass(frozen=True, slots=True, order=True)
class Patch:
    """New bytes for a stretch that was encoded, as long as the old ones."""

    start: int
    end: int
    new: bytes
    hits: tuple[Hit, ...]


Finder = Callable[[bytes], Sequence[Hit]]

_PERCENT = expression(rb"[^\s\"'<>%]*%[0-9A-Fa-f]{2}[^\s\"'<>]*")
_ESCAPED = expression(rb"[^\s\"<>\\]*\\u00[0-9A-Fa-f]{2}[^\s\"<>]*")
_WIDE = expression(rb"(?:[\x09\x0a\x0d\x20-\x7e]\x00){6,}")
_WIDE_BIG = expression(rb"(?:\x00[\x09\x0a\x0d\x20-\x7e]){6,}")
_PERCENT_UNIT = re.compile(rb"%([0-9A-Fa-f]{2})")
_ESCAPE_UNIT = re.compile(rb"\\u00([0-9A-Fa-f]{2})")
_BASE64 = expression(
    rb"(?:[I-Za-f][C-HS-Xi-nyz0-3][ABEFIJMNQRUVYZcdghklopstwx014589][A-Za-z0-9+/_\-]){3,}"
)
"""Three and more groups of four that stand for three printable letters each: what the first three of
a group may be follows from the two upper bits of 0x20 to 0x7f."""

_BASE64_LETTERS = re.compile(rb"[A-Za-z0-9+/_\-]*={0,2}")
_BEFORE_BASE64 = re.compile(rb"[A-Za-z0-9+/_\-]*\Z")
_HEX = expression(rb"(?:[2-7][0-9A-Fa-f]){8,}")
_FURTHEST_BACK = 4096


def mapped_hits(data: bytes, find: Finder) -> Iterator[Hit]:
    """Finds in stretches whose letters map back one by one."""
    if b"%" in data:
        yield from _in_units(data, _PERCENT, _PERCENT_UNIT, find)
    if b"\\u00" in data:
        yield from _in_units(data, _ESCAPED, _ESCAPE_UNIT, find)


def wide_hits(data: bytes, find: Finder) -> Iterator[Hit]:
    """Finds in UTF-16 of either byte order."""
    if b"\0" not in data:
        return
    for pattern, first in ((_WIDE, 0), (_WIDE_BIG, 1)):
        for match in pattern.finditer(data):
            start, end = match.span()
            for hit in find(data[start + first : end : 2]):
                yield Hit(start + 2 * hit.start, start + 2 * hit.end, hit.kind)


def _in_units(
    data: bytes, stretch: Expression, unit: re.Pattern[bytes], find: Finder
) -> Iterator[Hit]:
    for match in stretch.finditer(data):
        start, end = match.span()
        decoded, places = _decoded(data, start, end, unit)
        for hit in find(decoded):
            yield Hit(places[hit.start], places[hit.end], hit.kind)


def _decoded(data: bytes, start: int, end: int, unit: re.Pattern[bytes]) -> tuple[bytes, list[int]]:
    """The decoded stretch, and where each of its bytes was, with the end behind the last."""
    out = bytearray()
    places: list[int] = []
    at = start
    for match in unit.finditer(data, start, end):
        out += data[at : match.start()]
        places.extend(range(at, match.start()))
        out.append(int(match.group(1), 16))
        places.append(match.start())
        at = match.end()
    out += data[at:end]
    places.extend(range(at, end))
    places.append(end)
    return bytes(out), places


def patches(data: bytes, find: Finder) -> Iterator[Patch]:
    """What base64 and hex hide."""
    done = 0
    for match in _BASE64.finditer(data):
        if match.start() >= done:
            patch, done = _base64_patch(data, match.start(), find)
            if patch is not None:
                yield patch
    for match in _HEX.finditer(data):
        word = data[match.start() : match.end()]
        new, hits = _overwritten(bytes.fromhex(word.decode()), find)
        if hits:
            text = binascii.hexlify(new)
            is_upper = word.upper() == word
            yield Patch(match.start(), match.end(), text.upper() if is_upper else text, hits)


def _base64_patch(data: bytes, place: int, find: Finder) -> tuple[Patch | None, int]:
    """The run of letters that a group belongs to, and where it ends."""
    run = _BASE64_LETTERS.match(data, place)
    end = run.end() if run else place
    ahead = _BEFORE_BASE64.search(data, max(0, place - _FURTHEST_BACK), place)
    back = place - ahead.start() if ahead else 0
    start = place - back + back % 4
    word = data[start:end]
    bare = word.rstrip(b"=")
    bare = bare[: len(bare) - (len(bare) % 4 == 1)]
    is_url = b"-" in bare or b"_" in bare
    if is_url and (b"+" in bare or b"/" in bare):
        return None, end
    plain = bare.translate(_FROM_URL) if is_url else bare
    inner = base64.b64decode(plain + b"=" * (-len(plain) % 4))
    new, hits = _overwritten(inner, find)
    if not hits:
        return None, end
    packed = base64.b64encode(new).rstrip(b"=")
    packed = packed.translate(_TO_URL) if is_url else packed
    return Patch(start, end, packed + word[len(packed) :], hits), end


_FROM_URL = bytes.maketrans(b"-_", b"+/")
_TO_URL = bytes.maketrans(b"+/", b"-_")


def _overwritten(inner: bytes, find: Finder) -> tuple[bytes, tuple[Hit, ...]]:
    hits = (*find(inner), *wide_hits(inner, find))
    new = bytearray(inner)
    for hit in hits:
        new[hit.start : hit.end] = fill(hit.kind, hit.end - hit.start)
    return bytes(new), hits
