"""Mechanism v1: exact key first, then a weighted alignment against a few likely variants.

1. `prepare` turns a crash into a `GroupingInput`. Its exact key hashes the type and the collapsed
   own frames; equal keys are one variant, without any scoring.
2. `index_terms` gives 64-bit terms for the own frames, their adjacent pairs, the classes or files
   on top, and the message as a whole. The rarest of them find at most 64 candidates
   (`crashes.grouping.index`).
3. The first 12 of them and the 12 nearest by a cheap edit similarity (Indel) go on.
4. `score` aligns two stacks. With p = the frames before a frame (foreign ones count 0.03), a frame
   weighs (1 + p)^-DECAY * exp(-COMMON * share of variants that have it) * (1 or 0.03); UNSEEN
   keeps that share honest while a program has few variants. Equal frames are paired in order and
   earn both weights times exp(-DRIFT * difference in p); unpaired frames lose theirs, unless a
   kin stands unpaired on the other side (renamed, split, wrapped), which cancels the loss: a
   frame of the same class, or one of the same file whose name shares words with it. Divided by
   all weights this lies in [-1, 1]. Different types and different message words cost, equal words
   earn, and an equal message earns the more the longer and the rarer it is. Few own frames are
   weak evidence, so a pair loses BRIEF / (own frames of the shorter). Two that waited for
   different culprits (`evidence`) never join.
5. `best_match` joins the best variant from THRESHOLD on and names further variants at LINK or
   above, whose issues belong together. Without own frames nothing joins: only the exact key counts.

    >>> best_match(prepare(crash, package="com.example"), candidates, stats).joined
    17

The constants are one set for all kinds of crashes, chosen on labeled development stacks of seven
sources. Frozen once released: copy, then change the copy.
"""

import math
from collections.abc import Iterable, Sequence
from functools import lru_cache
from hashlib import blake2b, sha256
from itertools import pairwise
from typing import TypeAlias

from rapidfuzz.distance import Indel

from crashes.grouping import evidence, signature
from crashes.grouping.normalize import FILE_MARK, name_words
from crashes.grouping.values import (
    Candidate,
    Decision,
    FramePair,
    FrameStats,
    GroupingInput,
    Match,
)
from crashes.stack import Crash, CrashKind

NAME = "v1"

THRESHOLD = 0.25
LINK = THRESHOLD + 0.11
SIMILAR = THRESHOLD - 0.25

DECAY = 0.55
COMMON = 8.0
UNSEEN = 30
DRIFT = 0.15
FOREIGN = 0.03
TYPE_COST = 0.5
WORDS_GAIN = 0.22
WORDS_COST = 0.2
SAID_GAIN = 0.2
SAID_COMMON = 30.0
SAID_WORDS = 5
ALIKE_NAMES = 0.25
BRIEF = 0.15
CULPRIT_COST = 2.0
GATE = 24
RARE = 12
HOMES = 3

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


@lru_cache(maxsize=131_072)
def term(text: str) -> int:
    """A signed 64-bit hash that fits a BIGINT column."""
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "big", signed=True)


def index_terms(item: GroupingInput) -> tuple[int, ...]:
    """Terms of own frames, adjacent pairs, homes and message, without repetition."""
    own = _collapsed(item.own_tokens)
    pairs = (f"{inner}\n{outer}" for inner, outer in pairwise(own))
    homes = (f"home {home}" for home in _top_homes(item))
    said = (said_text(item.words),) if own and item.words else ()
    return tuple(dict.fromkeys(term(text) for text in (*own, *pairs, *homes, *said)))


def said_text(words: Sequence[int]) -> str:
    """A message as the text of one index term."""
    return f"said {' '.join(map(str, words))}"


def _top_homes(item: GroupingInput) -> list[str]:
    """The innermost own classes or files: they find a function that was renamed or is new."""
    own = (home for home, mine in zip(item.homes, item.in_app, strict=True) if mine and home)
    return list(dict.fromkeys(own))[:HOMES]


# Score ----------------------------------------------------------------------------------------


_Spot: TypeAlias = tuple[int, float, float, str]
"""One frame: where it stands, the weighted frames before it, its weight, its class or file.

A plain tuple of values that refer to nothing, so the collector stops following it. Thousands of
profiles are kept, and walking their frames would take longer than all else that an event costs.
"""

_Profile: TypeAlias = dict[str, tuple[_Spot, ...]]


@lru_cache(maxsize=2048)
def _profile(tokens: tuple[str, ...], homes: tuple[str, ...], in_app: tuple[bool, ...]) -> _Profile:
    """The spots of every token, before rarity. Pure in its arguments, hence cached."""
    profile: _Profile = {}
    for index, (token, home, (position, weight)) in enumerate(
        zip(tokens, homes, _places(in_app), strict=True)
    ):
        spot = (index, position, weight, home)
        profile[token] = (*profile[token], spot) if token in profile else (spot,)
    return profile


@lru_cache(maxsize=2048)
def _places(in_app: tuple[bool, ...]) -> tuple[tuple[float, float], ...]:
    """Position and weight of every frame: many stacks have their own frames at the same places."""
    places = []
    position = 0.0
    for own in in_app:
        share = 1.0 if own else FOREIGN
        places.append((position, share * math.pow(1.0 + position, -DECAY)))
        position += share
    return tuple(places)


def profile_of(item: GroupingInput) -> _Profile:
    """Positions and weights of the frames, by token."""
    return _profile(item.tokens, item.homes, item.in_app)


def score(left: GroupingInput, right: GroupingInput, *, stats: FrameStats) -> Match:
    """How alike two inputs are; symmetric, and highest for an input with itself."""
    return _score(left, right, stats, _Rarities(stats))


def _score(
    left: GroupingInput, right: GroupingInput, stats: FrameStats, rarities: "_Rarities"
) -> Match:
    frames, pairs, kinships = _align(profile_of(left), profile_of(right), rarities)
    kind_type = -TYPE_COST if left.exception_type != right.exception_type else 0.0
    message = _message_score(left.words, right.words, stats)
    brevity = -BRIEF / max(1, min(sum(left.in_app), sum(right.in_app)))
    apart = left.culprit and right.culprit and left.culprit != right.culprit
    culprit = -CULPRIT_COST if apart else 0.0
    return Match(
        total=frames + kind_type + message + brevity + culprit,
        frames=frames,
        type=kind_type,
        message=message,
        brevity=brevity,
        culprit=culprit,
        pairs=pairs,
        kinships=kinships,
    )


class _Rarities(dict[str, float]):
    """The rarity of every token that was asked for; the candidates of one crash share many."""

    __slots__ = ("_stats",)

    def __init__(self, stats: FrameStats) -> None:
        self._stats = stats

    def __missing__(self, token: str) -> float:
        stats = self._stats
        count = stats.frequency.get(term(token), 0)
        rarity = math.exp(-COMMON * count / (stats.total + UNSEEN)) if count else 1.0
        self[token] = rarity
        return rarity


_Pair = tuple[_Spot, _Spot, str, float]


_Lonely: TypeAlias = tuple[str, str, float]
"""A frame that found no equal: its name, its class or file, what it loses."""

_Alone: TypeAlias = list[_Lonely]


def _align(
    left: _Profile, right: _Profile, rarities: _Rarities
) -> tuple[float, tuple[FramePair, ...], int]:
    """The frames' part of the score, its pairs, and how many losses kinship cancelled."""
    pairs = _paired(left, right, rarities)
    alone_left, alone_right = _alone(left, right, rarities), _alone(right, left, rarities)
    lost, kinships = _losses(alone_left, alone_right)
    alone = (*alone_left, *alone_right)
    weight = sum(pair[3] for pair in pairs) + sum(part for _, _, part in alone)
    if not weight:
        return -1.0, (), 0
    shares = tuple(
        FramePair(one[0], other[0], token, _gain(one, other, both) / weight)
        for one, other, token, both in pairs
    )
    return sum(pair.share for pair in shares) - lost / weight, shares, kinships


def _paired(left: _Profile, right: _Profile, rarities: _Rarities) -> list[_Pair]:
    """Equal frames in order of occurrence, with the weight of both."""
    return [
        (one, other, token, (one[2] + other[2]) * rarities[token])
        for token, spots in left.items()
        if token in right
        for one, other in zip(spots, right[token], strict=False)
    ]


def _gain(one: _Spot, other: _Spot, both: float) -> float:
    return both * math.exp(-DRIFT * abs(one[1] - other[1]))


def _alone(side: _Profile, other: _Profile, rarities: _Rarities) -> _Alone:
    """The frames that found no equal."""
    return [
        (token, home, weight * rarities[token])
        for token, spots in side.items()
        for _, _, weight, home in spots[len(other.get(token, ())) :]
    ]


def _losses(left: _Alone, right: _Alone) -> tuple[float, int]:
    """The weight of unpaired frames that have no kin on the other side, and how many have."""
    lost, kinships = 0.0, 0
    for side, others in ((left, _by_home(right)), (right, _by_home(left))):
        for token, home, part in side:
            if home in others and home and _has_kin(token, home, others[home]):
                kinships += 1
            else:
                lost += part
    return lost, kinships


def _by_home(side: _Alone) -> dict[str, list[str]]:
    """The names of unpaired frames by class or file."""
    names: dict[str, list[str]] = {}
    for token, home, _ in side:
        names.setdefault(home, []).append(token)
    return names


def _has_kin(token: str, home: str, names: Sequence[str]) -> bool:
    """Whether one of these names of the same home may be the same function, changed."""
    if not home.startswith(FILE_MARK):
        return bool(names)
    return any(_are_alike(token, name) for name in names)


def _are_alike(one: str, other: str) -> bool:
    left, right = name_words(one), name_words(other)
    return len(left & right) >= ALIKE_NAMES * len(left | right)


def _message_score(left: tuple[int, ...], right: tuple[int, ...], stats: FrameStats) -> float:
    """Jaccard of the words, scaled, and what an equal message tells; nothing if one is silent."""
    if not left or not right:
        return 0.0
    if left == right:
        return WORDS_GAIN + _said(left, stats)
    one, other = frozenset(left), frozenset(right)
    jaccard = len(one & other) / len(one | other)
    return WORDS_GAIN * jaccard - WORDS_COST * (1.0 - jaccard)


def _said(words: tuple[int, ...], stats: FrameStats) -> float:
    """What an equal message earns beyond its words: much if it is long and seldom said."""
    share = stats.frequency.get(term(said_text(words)), 0) / (stats.total + UNSEEN)
    return SAID_GAIN * math.exp(-SAID_COMMON * share) * (1.0 - math.exp(-len(words) / SAID_WORDS))


# Decision -------------------------------------------------------------------------------------


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
    rarities = _Rarities(stats)
    matches = {
        candidate.id: _score(item, candidate.input, stats, rarities)
        for candidate in gate(item, candidates)
    }
    ranked = sorted(((key, match.total) for key, match in matches.items()), key=_best_first)
    if not ranked:
        return Decision(None, None, THRESHOLD, explanation=("nothing alike is stored",))
    best, value = ranked[0]
    joined = best if value >= THRESHOLD else None
    return Decision(
        joined=joined,
        score=value,
        threshold=THRESHOLD,
        match=matches[best],
        ranked=tuple(ranked),
        links=tuple(key for key, total in ranked if total >= LINK and key != joined),
        similar=tuple(key for key, total in ranked if SIMILAR <= total < THRESHOLD),
        explanation=explain(item, matches[best], joined=joined, ranked=ranked),
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
        lines.append(f"{match.kinships} differing frames have kin in the same class or file")
    lines.append("type equal" if not match.type else f"type differs, {match.type:+.2f}")
    if match.message:
        lines.append(f"message words worth {match.message:+.2f}")
    if match.culprit:
        lines.append("another culprit was waited for, so they stay apart")
    lines.append(f"few frames are weak evidence, {match.brevity:+.2f}")
    if len(ranked) > 1:
        lines.append(f"next best {ranked[1][1]:.2f}")
    return tuple(lines)
