"""Mechanism v2: as v1, but methods have namesakes and windows have an edge.

1. `prepare` turns a crash into a `GroupingInput`. Its exact key hashes the type and the collapsed
   own frames; equal keys are one variant, without any scoring.
2. `index_terms` gives 64-bit terms for the own frames, their adjacent pairs, the classes or files
   on top, the names of the methods on top, and the message as a whole. The rarest of them find at
   most 64 variants (`crashes.grouping.index`).
3. The first 12 of them and the 12 nearest by a cheap edit similarity (Indel) go on.
4. `v2_score` aligns two stacks. What is new there: a method of the same name in another class
   explains a difference, and so does the edge of a stack that was cut at a fixed depth.
5. `best_match` joins the best variant from THRESHOLD on and names further variants at LINK or
   above, whose issues belong together. Without own frames nothing joins: only the exact key counts.

    >>> best_match(prepare(crash, package="com.example"), candidates, stats).joined
    17

The constants that v1 has are the same; what v2 adds has none that were fitted beyond AGREE, which
from 0.3 to 0.7 moves B3 by 0.0001 on the three sources it was tried on. Frozen once released: copy, then change the copy.
"""

from collections.abc import Iterable, Sequence
from hashlib import sha256
from itertools import pairwise

from rapidfuzz.distance import Indel

from crashes.grouping import evidence, signature
from crashes.grouping.mechanisms.v2_score import (
    Rarities,
    compare,
    method_name,
    name_text,
    said_text,
    term,
)
from crashes.grouping.values import Candidate, Decision, FrameStats, GroupingInput, Match
from crashes.stack import Crash, CrashKind

NAME = "v2"

THRESHOLD = 0.25
LINK = THRESHOLD + 0.11
SIMILAR = THRESHOLD - 0.25

GATE = 24
RARE = 12
HOMES = 3
NAMES = 3

_CLASSES = {
    CrashKind.JAVA_CRASH: "managed",
    CrashKind.NATIVE_CRASH: "native",
}


# Input ----------------------------------------------------------------------------------------


def prepare(crash: Crash, *, package: str | None) -> GroupingInput:
    """What grouping looks at. `package` names the program if the crash does not know better."""
    found = evidence.gather(crash)
    own = tuple(token.text for token in found.own)
    keyed = _collapsed(own or tuple(token.text for token in found.tokens))
    scope = _scope(crash, package)
    return GroupingInput(
        mechanism=NAME,
        scope=scope,
        signature=signature.describe(found),
        exact_key=exact_key(scope, found.type, (*keyed, *_culprit_key(found))),
        exception_type=found.type,
        tokens=tuple(token.text for token in found.tokens),
        homes=tuple(token.home for token in found.tokens),
        in_app=tuple(token.in_app for token in found.tokens),
        words=found.words,
        culprit=found.culprit.key,
        explanation=(*found.notes, *_key_notes(scope, own, keyed)),
    )


def exact_key(scope: str, kind_type: str, tokens: Sequence[str]) -> str:
    """Hex SHA-256 over scope, type and frames; the mechanism is part of it."""
    return sha256("\n".join((NAME, scope, kind_type, *tokens)).encode()).hexdigest()


def _culprit_key(found: evidence.Evidence) -> Iterable[str]:
    if found.culprit.key:
        yield found.culprit.key


def _scope(crash: Crash, package: str | None) -> str:
    """Kind class and program: crashes of different programs are never compared."""
    program = package or crash.package or crash.process or "unknown"
    if evidence.is_kernel(crash):
        return "kernel/kernel"
    return f"{_CLASSES.get(crash.kind, str(crash.kind))}/{program}"


def _collapsed(tokens: Iterable[str]) -> tuple[str, ...]:
    kept: list[str] = []
    for token in tokens:
        if not kept or kept[-1] != token:
            kept.append(token)
    return tuple(kept)


def _key_notes(scope: str, own: Sequence[str], keyed: Sequence[str]) -> Iterable[str]:
    yield f"compared within {scope}"
    if own:
        yield f"{len(own)} own frames, innermost {own[0]}"
        yield f"exact key over the type and {len(keyed)} own frames"
    else:
        yield "no own frame is known: only an equal stack joins"
        yield f"exact key over the type and {len(keyed)} frames"


# Terms ----------------------------------------------------------------------------------------


def index_terms(item: GroupingInput) -> tuple[int, ...]:
    """Terms of own frames, adjacent pairs, homes, method names and message, without repetition."""
    own = _collapsed(item.own_tokens)
    pairs = (f"{inner}\n{outer}" for inner, outer in pairwise(own))
    homes = (f"home {home}" for home in _top_homes(item))
    names = (name_text(name) for name in map(method_name, own[:NAMES]) if name)
    said = (said_text(item.words),) if own and item.words else ()
    return tuple(dict.fromkeys(term(text) for text in (*own, *pairs, *homes, *names, *said)))


def _top_homes(item: GroupingInput) -> list[str]:
    """The innermost own classes or files: they find a function that was renamed or is new."""
    own = (home for home, mine in zip(item.homes, item.in_app, strict=True) if mine and home)
    return list(dict.fromkeys(own))[:HOMES]


# Decision -------------------------------------------------------------------------------------


def score(left: GroupingInput, right: GroupingInput, *, stats: FrameStats) -> Match:
    """How alike two inputs are; symmetric, and highest for an input with itself."""
    return compare(left, right, Rarities(stats)).match()


def gate(item: GroupingInput, candidates: Sequence[Candidate]) -> list[Candidate]:
    """The candidates worth aligning: the first RARE, and the nearest by edit similarity.

    The candidates come ordered by the rare terms they share, which edit similarity does not see.
    """
    if len(candidates) <= GATE:
        return list(candidates)
    own = _coded(item)
    near = [
        (-Indel.normalized_similarity(own, _coded(candidate.input)), rank)
        for rank, candidate in enumerate(candidates[RARE:], start=RARE)
    ]
    chosen = [*range(RARE), *(rank for _, rank in sorted(near)[: GATE - RARE])]
    return [candidates[rank] for rank in chosen]


def _coded(item: GroupingInput) -> tuple[int, ...]:
    return tuple(term(token) for token in _collapsed(item.own_tokens))


def best_match(item: GroupingInput, candidates: Sequence[Candidate], stats: FrameStats) -> Decision:
    """Which candidate the crash joins. Without own frames it never joins a different key."""
    if not any(item.in_app):
        return Decision(None, None, THRESHOLD, explanation=("no own frame to compare",))
    rarities = Rarities(stats)
    scored = {
        candidate.id: compare(item, candidate.input, rarities)
        for candidate in gate(item, candidates)
    }
    ranked = sorted(((key, one.total) for key, one in scored.items()), key=_best_first)
    if not ranked:
        return Decision(None, None, THRESHOLD, explanation=("nothing alike is stored",))
    best, value = ranked[0]
    joined = best if value >= THRESHOLD else None
    match = scored[best].match()
    return Decision(
        joined=joined,
        score=value,
        threshold=THRESHOLD,
        match=match,
        ranked=tuple(ranked),
        links=tuple(key for key, total in ranked if total >= LINK and key != joined),
        similar=tuple(key for key, total in ranked if SIMILAR <= total < THRESHOLD),
        explanation=explain(item, match, joined=joined, ranked=ranked),
    )


def _best_first(entry: tuple[int, float]) -> tuple[float, int]:
    return -entry[1], entry[0]


def explain(
    item: GroupingInput,
    match: Match,
    *,
    joined: int | None,
    ranked: Sequence[tuple[int, float]],
) -> tuple[str, ...]:
    """The decision in sentences."""
    verdict = "joined" if joined is not None else "not joined"
    own = sum(item.in_app)
    equal = sum(item.in_app[pair.left] for pair in match.pairs)
    lines = [
        f"{verdict} at {match.total:.2f}, threshold {THRESHOLD:.2f}",
        f"{equal} of {own} own frames equal, worth {match.frames:+.2f}",
    ]
    if match.kinships:
        lines.append(f"{match.kinships} differing frames have kin or namesakes on the other side")
    lines.append("type equal" if not match.type else f"type differs, {match.type:+.2f}")
    if match.message:
        lines.append(f"message words worth {match.message:+.2f}")
    if match.culprit:
        lines.append("another culprit was waited for, so they stay apart")
    lines.append(f"few frames are weak evidence, {match.brevity:+.2f}")
    if len(ranked) > 1:
        lines.append(f"next best {ranked[1][1]:.2f}")
    return tuple(lines)
