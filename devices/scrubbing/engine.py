"""All rules over one text, and the text without what they found."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from devices.scrubbing import names, networks, numbers, places, secrets
from devices.scrubbing.encodings import Patch, mapped_hits, patches, wide_hits
from devices.scrubbing.kinds import BLOT, Hit, Kind, Text, fill, token
from devices.scrubbing.packed import binary_hits

_RULES = (*secrets.RULES, *networks.RULES, *numbers.RULES, *names.RULES, *places.RULES)


@dataclass(frozen=True, slots=True)
class Scrubbed:
    """The clean bytes, and how often each kind was found; `data` is the very input if nothing was."""

    data: bytes
    hits: Mapping[Kind, int] = field(default_factory=dict)


def find_plain(data: bytes) -> list[Hit]:
    """Finds in a text as it stands; the earliest first, of overlapping ones the longest."""
    text = Text.of(data)
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
    return _applied(data, find_hits(data), list(patches(data, find_hits)), token_for=_tokens)


def scrub_binary(data: bytes) -> Scrubbed:
    """Bytes of the same length with what was found overwritten; text in UTF-8 and UTF-16, packed numbers."""
    hits = settled([*find_hits(data), *binary_hits(data)])
    return _applied(data, hits, list(patches(data, find_hits)), token_for=_fills)


def scrub_str(text: str) -> str:
    """One string with tokens in place of what was found."""
    data = text.encode("utf-8", "surrogatepass")
    scrubbed = scrub_text(data)
    return text if scrubbed.data is data else scrubbed.data.decode("utf-8", "replace")


class _tokens:  # noqa: N801  used like a function with a memory
    """Tokens of one text: the second value of a kind is told apart from the first."""

    def __init__(self) -> None:
        self._seen: dict[Kind, dict[bytes, int]] = {}

    def __call__(self, kind: Kind, value: bytes) -> bytes:
        seen = self._seen.setdefault(kind, {})
        number = seen.setdefault(value, len(seen) + 1)
        return token(kind) if number == 1 else f"<{kind.value}#{number}>".encode()


class _fills:  # noqa: N801
    def __call__(self, kind: Kind, value: bytes) -> bytes:
        return fill(kind, len(value))


def _applied(data: bytes, hits: list[Hit], patched: list[Patch], *, token_for: type) -> Scrubbed:
    if not hits and not patched:
        return Scrubbed(data)
    write = token_for()
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
            parts.append(write(item.kind, data[item.start : item.end]))
            counts[item.kind] += 1
        at = item.end
    parts.append(data[at:])
    return Scrubbed(b"".join(parts), dict(counts))


def _in_order(hits: list[Hit], patched: list[Patch]) -> list[Hit | Patch]:
    """A plain find goes before a patch of the same place."""
    items: list[Hit | Patch] = [*hits, *(patch for patch in patched if not _touches(patch, hits))]
    return sorted(items, key=lambda item: item.start)


def _touches(patch: Patch, hits: list[Hit]) -> bool:
    return any(hit.start < patch.end and patch.start < hit.end for hit in hits)
