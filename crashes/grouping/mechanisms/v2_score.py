"""How alike two inputs are to mechanism v2. Frozen with it.

With p = the frames before a frame (foreign ones count 0.03), a frame weighs
(1 + p)^-DECAY * exp(-COMMON * share of variants that have it) * (1 or 0.03); UNSEEN keeps that
share honest while a program has few variants. Equal frames are paired in order and earn both
weights times exp(-DRIFT * difference in p). Unpaired frames lose theirs. Three things cancel a loss:

* *Kin*: a frame of the same class, or one of the same file whose name shares words with it, stands
  unpaired on the other side: renamed, split, wrapped.
* *Namesakes*: a method of the same name in another class stands there, as subclasses and siblings
  have it. The more variants have a method of that name on top (`run`, `onCreate`), the less; and
  not at all between two messages that have less than AGREE of their words in common, because two
  overriding methods that complain of different things are different bugs.
* *The cut*: both stacks have as many frames, and one begins further out: a window of fixed depth.
  What lies beyond the window of the other could not be seen there.

      f  g  h  i          f and the outermost j are no difference: both stacks stop after four,
         g  h  i  j       but f is one, because the innermost frame is always seen

Divided by all weights this lies in [-1, 1]. Different types and different message words cost,
equal words earn, and an equal message earns the more the longer and the rarer it is. Few own
frames are weak evidence, so a pair loses BRIEF / (own frames of the shorter). Two that waited for
different culprits (`evidence`) never join.

Dozens of pairs are scored for one crash and one is shown, so a score is made of plain tuples;
`Scored.match` turns one into what is kept.
"""

import math
import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from hashlib import blake2b
from typing import NamedTuple, TypeAlias

from crashes.grouping.normalize import FILE_MARK, name_words
from crashes.grouping.values import FramePair, FrameStats, GroupingInput, Match

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
AGREE = 0.5
FEWEST_EQUAL = 2
BRIEF = 0.15
CULPRIT_COST = 2.0


# Terms ----------------------------------------------------------------------------------------


@lru_cache(maxsize=131_072)
def term(text: str) -> int:
    """A signed 64-bit hash that fits a BIGINT column."""
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "big", signed=True)


def said_text(words: Iterable[int]) -> str:
    """A message as the text of one index term."""
    return f"said {' '.join(map(str, words))}"


def name_text(name: str) -> str:
    """A method's own name as the text of one index term."""
    return f"name {name}"


_METHOD = re.compile(r"[^ ]*(?:::|\.)([A-Za-z_]\w{3,})")


@lru_cache(maxsize=65_536)
def method_name(token: str) -> str:
    """The own name of a method of a class; empty for all else, and for names that say nothing.

    Constructors, operators, functions without a class and the letters R8 leaves have no namesakes.
    """
    found = _METHOD.fullmatch(token)
    return found[1] if found else ""


# Profiles -------------------------------------------------------------------------------------


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


class Rarities(dict[str, float]):
    """The rarity of every token that was asked for; the candidates of one crash share many."""

    __slots__ = ("stats",)

    def __init__(self, stats: FrameStats) -> None:
        self.stats = stats

    def __missing__(self, token: str) -> float:
        stats = self.stats
        count = stats.frequency.get(term(token), 0)
        rarity = math.exp(-COMMON * count / (stats.total + UNSEEN)) if count else 1.0
        self[token] = rarity
        return rarity


# Score ----------------------------------------------------------------------------------------


_Pair: TypeAlias = tuple[_Spot, _Spot, str, float]
"""Two equal frames, their name, and the weight of both."""

_Lonely: TypeAlias = tuple[str, str, float]
"""A frame that found no equal: its name, its class or file, what it loses."""


class Scored(NamedTuple):
    """One score and what it is made of; `weight` is what the shares of the pairs are of."""

    total: float
    frames: float
    type: float
    message: float
    brevity: float
    culprit: float
    pairs: list[_Pair]
    weight: float
    kinships: int

    def match(self) -> Match:
        """The same as values that are kept and shown."""
        return Match(
            total=self.total,
            frames=self.frames,
            type=self.type,
            message=self.message,
            brevity=self.brevity,
            culprit=self.culprit,
            pairs=tuple(
                FramePair(one[0], other[0], token, _gain(one, other, both) / self.weight)
                for one, other, token, both in self.pairs
            ),
            kinships=self.kinships,
        )


def compare(left: GroupingInput, right: GroupingInput, rarities: Rarities) -> Scored:
    """How alike two inputs are; symmetric, and highest for an input with itself."""
    agree, message = _message(left.words, right.words, rarities.stats)
    frames, pairs, weight, kinships = _align(left, right, rarities, agree=agree)
    kind_type = -TYPE_COST if left.exception_type != right.exception_type else 0.0
    brevity = -BRIEF / max(1, min(sum(left.in_app), sum(right.in_app)))
    apart = left.culprit and right.culprit and left.culprit != right.culprit
    culprit = -CULPRIT_COST if apart else 0.0
    total = frames + kind_type + message + brevity + culprit
    return Scored(total, frames, kind_type, message, brevity, culprit, pairs, weight, kinships)


def _align(
    left: GroupingInput, right: GroupingInput, rarities: Rarities, *, agree: bool
) -> tuple[float, list[_Pair], float, int]:
    """The frames' part of the score, its pairs, all weights, and how many losses were cancelled."""
    one = _profile(left.tokens, left.homes, left.in_app)
    other = _profile(right.tokens, right.homes, right.in_app)
    pairs = _paired(one, other, rarities)
    ends = _ends(pairs, len(left.tokens), len(right.tokens))
    alone_left = _alone(one, other, rarities, ends[0])
    alone_right = _alone(other, one, rarities, ends[1])
    lost, kinships = _losses(alone_left, alone_right, rarities, agree=agree)
    weight = sum(pair[3] for pair in pairs)
    weight += sum(part for _, _, part in alone_left) + sum(part for _, _, part in alone_right)
    if not weight:
        return -1.0, [], 1.0, 0
    gained = sum(_gain(here, there, both) for here, there, _, both in pairs)
    return (gained - lost) / weight, pairs, weight, kinships


def _paired(left: _Profile, right: _Profile, rarities: Rarities) -> list[_Pair]:
    """Equal frames in order of occurrence, with the weight of both."""
    return [
        (one, other, token, (one[2] + other[2]) * rarities[token])
        for token, spots in left.items()
        if token in right
        for one, other in zip(spots, right[token], strict=False)
    ]


def _gain(one: _Spot, other: _Spot, both: float) -> float:
    return both * math.exp(-DRIFT * abs(one[1] - other[1]))


def _ends(pairs: Sequence[_Pair], left: int, right: int) -> tuple[int, int]:
    """Up to which frame each stack is compared, if both were cut at one depth; else to the end."""
    end_left, end_right = left, right
    if left == right and len(pairs) >= FEWEST_EQUAL:
        for one, other, _, _ in pairs:
            if one[0] == left - 1:
                end_right = other[0]
            if other[0] == right - 1:
                end_left = one[0]
    return end_left, end_right


def _alone(side: _Profile, other: _Profile, rarities: Rarities, end: int) -> list[_Lonely]:
    """The frames that found no equal, as far as the other side could show one."""
    return [
        (token, home, weight * rarities[token])
        for token, spots in side.items()
        for index, _, weight, home in spots[len(other.get(token, ())) :]
        if index <= end
    ]


def _losses(
    left: list[_Lonely], right: list[_Lonely], rarities: Rarities, *, agree: bool
) -> tuple[float, int]:
    """The weight of unpaired frames that nothing explains, and how many something explains."""
    lost, kinships = 0.0, 0
    for side, others in ((left, right), (right, left)):
        if not others:
            lost += sum(part for _, _, part in side)
            continue
        homes = _by_home(others)
        names = {method_name(token) for token, _, _ in others} - {""} if agree else set()
        for token, home, part in side:
            if home and home in homes and _has_kin(token, home, homes[home]):
                kinships += 1
            elif (name := method_name(token)) in names:
                kinships += 1
                lost += part * (1.0 - rarities[name_text(name)])
            else:
                lost += part
    return lost, kinships


def _by_home(side: Iterable[_Lonely]) -> dict[str, list[str]]:
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


def _message(
    left: tuple[int, ...], right: tuple[int, ...], stats: FrameStats
) -> tuple[bool, float]:
    """Whether two messages may tell of the same, and what they are worth; nothing for silence."""
    if not left or not right:
        return True, 0.0
    if left == right:
        return True, WORDS_GAIN + _said(left, stats)
    one, other = frozenset(left), frozenset(right)
    jaccard = len(one & other) / len(one | other)
    return jaccard >= AGREE, WORDS_GAIN * jaccard - WORDS_COST * (1.0 - jaccard)


def _said(words: tuple[int, ...], stats: FrameStats) -> float:
    """What an equal message earns beyond its words: much if it is long and seldom said."""
    share = stats.frequency.get(term(said_text(words)), 0) / (stats.total + UNSEEN)
    return SAID_GAIN * math.exp(-SAID_COMMON * share) * (1.0 - math.exp(-len(words) / SAID_WORDS))
