"""All rules over one text, and the text without what they found."""

import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from devices.scrubbing import names, networks, numbers, places, secrets
from devices.scrubbing.encodings import Patch, mapped_hits, patches, wide_hits
from devices.scrubbing.expressions import Screen
from devices.scrubbing.kinds import BLOT, Hit, Kind, Text, fill, token
from devices.scrubbing.packed import binary_hits

_RULES = (*secrets.RULES, *networks.RULES, *numbers.RULES, *names.RULES, *places.RULES)
_SCREEN = Screen()
"""Made when the rules are loaded, so of all their expressions."""


@dataclass(frozen=True, slots=True)
class Scrubbed:
    """The clean bytes, and how often each kind was found; `data` is the very input if nothing was."""

    data: bytes
    hits: Mapping[Kind, int] = field(default_factory=dict)


def find_plain(data: bytes) -> list[Hit]:
    """Finds in a text as it stands; the earliest first, of overlapping ones the longest."""
    text = Text.of(data, _SCREEN)
    hits = (hit for rule in _RULES if rule.may_find(text.low) for hit in rule.find(text))
    if text.data is data:
        return settled(hits)
    return settled(hit for hit in hits if not _is_clean(text.data[hit.start : hit.end]))


def _is_clean(value: bytes) -> bool:
    """Whether all that a find holds is tokens of an earlier run."""
    return BLOT in value and not any(part.strip(_PUNCTUATION) for part in value.split(BLOT))


_PUNCTUATION = b" \t/\\.,:;@&=\"'()[]{}<>-_|#?%+"


def find_hits(data: bytes) -> list[Hit]:
    """Finds in a text as it stands and in its percent signs, escapes and wide letters."""
    return settled(
        [*find_plain(data), *mapped_hits(data, find_plain), *wide_hits(data, find_plain)]
    )


def settled(hits: Iterable[Hit]) -> list[Hit]:
    """Without overlaps: of two that overlap the one that begins first, then the longer, stays and grows."""
    result: list[Hit] = []
    for hit in sorted(set(hits), key=_earlier):
        if result and hit.start < result[-1].end:
            last = result[-1]
            if hit.end > last.end:
                result[-1] = Hit(last.start, hit.end, last.kind)
            continue
        result.append(hit)
    return result


def _earlier(hit: Hit) -> tuple[int, int, int]:
    return hit.start, -hit.end, _RANK[hit.kind]


_RANK = {kind: rank for rank, kind in enumerate(Kind)}
"""Of two finds of the same bytes the more telling word is written: `Kind` names them in that order."""


def scrub_text(data: bytes) -> Scrubbed:
    """A text with tokens in place of what was found."""
    return _applied(data, find_hits(data), list(patches(data, find_hits)), write=_Tokens(data))


def scrub_binary(data: bytes, *, numbers_every: int = 1) -> Scrubbed:
    """Bytes of the same length with what was found overwritten; text in UTF-8 and UTF-16, packed numbers.

    In the memory of a process numbers lie at multiples of eight bytes (`numbers_every`); elsewhere
    half a pointer and half of what is beside it would now and then be taken for one.
    """
    hits = settled([*find_hits(data), *binary_hits(data, numbers_every=numbers_every)])
    return _applied(data, hits, list(patches(data, find_hits)), write=_Fills(data))


def scrub_str(text: str) -> str:
    """One string with tokens in place of what was found."""
    data = text.encode("utf-8", "surrogatepass")
    scrubbed = scrub_text(data)
    return text if scrubbed.data is data else scrubbed.data.decode("utf-8", "replace")


class _Tokens:
    """Tokens of one text: the second value of a kind is told apart from the first.

    A number without quotes in JSON gets them, or becomes 0 in a list, so that the text stays JSON.
    """

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._is_json = data[:64].lstrip()[:1] in (b"{", b"[")
        self._seen: dict[Kind, dict[bytes, int]] = {}

    def __call__(self, hit: Hit) -> bytes:
        value = self._data[hit.start : hit.end]
        seen = self._seen.setdefault(hit.kind, {})
        number = seen.setdefault(value, len(seen) + 1)
        word = token(hit.kind) if number == 1 else f"<{hit.kind.value}#{number}>".encode()
        if self._is_json and _NUMBERS.fullmatch(value):
            before = self._data[max(0, hit.start - 16) : hit.start].rstrip()
            after = self._data[hit.end : hit.end + 16].lstrip()[:1]
            if before.endswith(b'":') and not before.endswith(b'\\":'):
                return b'"' + word + b'"'
            if before[-1:] in (b"[", b",") and after in (b",", b"]"):
                return _NUMBER.sub(b"0", value)
        return word


_NUMBER = re.compile(rb"-?[0-9]+(?:\.[0-9]+)?")
_NUMBERS = re.compile(rb"-?[0-9]+(?:\.[0-9]+)?(?:\s*,\s*-?[0-9]+(?:\.[0-9]+)?)*")


class _Fills:
    """As many bytes as there were; letters of two bytes stay such."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def __call__(self, hit: Hit) -> bytes:
        value = self._data[hit.start : hit.end]
        for first in (0, 1):  # where the letters are; the bytes between them are zero
            count = len(value[first::2])
            if len(value) >= _WIDE_BYTES and not any(value[1 - first :: 2]):
                wide = bytearray(len(value))
                wide[first::2] = fill(hit.kind, count)
                return bytes(wide)
        return fill(hit.kind, len(value))


_WIDE_BYTES = 10
"""More than the eight of a number, half of whose bytes may be zero."""


def _applied(
    data: bytes, hits: list[Hit], patched: list[Patch], *, write: Callable[[Hit], bytes]
) -> Scrubbed:
    if not hits and not patched:
        return Scrubbed(data)
    counts: Counter[Kind] = Counter()
    parts: list[bytes] = []
    at = 0
    for item in _in_order(hits, patched):
        if item.start < at:
            continue
        parts.append(data[at : item.start])
        if isinstance(item, Patch):
            parts.append(item.new)
            counts.update(hit.kind for hit in item.hits)
        else:
            parts.append(write(item))
            counts[item.kind] += 1
        at = item.end
    parts.append(data[at:])
    return Scrubbed(b"".join(parts), dict(counts))


def _in_order(hits: list[Hit], patched: list[Patch]) -> list[Hit | Patch]:
    """A plain find goes before a patch of the same place."""
    starts = [hit.start for hit in hits]
    items: list[Hit | Patch] = [*hits]
    for patch in patched:
        last = bisect_left(starts, patch.end) - 1
        if last < 0 or hits[last].end <= patch.start:
            items.append(patch)
    return sorted(items, key=lambda item: item.start)
