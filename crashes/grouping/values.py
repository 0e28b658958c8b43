"""What grouping takes in and gives out: input, candidate, match, decision.

All are frozen, and what the database keeps per variant (`GroupingInput`, `Candidate`) has a plain
JSON form. A *variant* is one exact key; an issue holds one or more variants.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class GroupingInput:
    """Everything about one crash that grouping may look at.

    `scope` bounds the search: only variants of the same scope are ever compared. `exact_key` is
    the hex SHA-256 that makes equal crashes one variant. `tokens`, `homes` and `in_app` are
    parallel, innermost frame first; `homes` holds the class or the source file. `words` are hashes
    of the words of the message: enough to compare two messages, too little to read one. `culprit`
    is who made the crashed thread wait, where the report tells; empty for all others.
    `explanation` tells a person how the values came about.
    """

    mechanism: str
    scope: str
    signature: str
    exact_key: str
    exception_type: str
    tokens: tuple[str, ...] = ()
    homes: tuple[str, ...] = ()
    in_app: tuple[bool, ...] = ()
    words: tuple[int, ...] = ()
    culprit: str = ""
    explanation: tuple[str, ...] = ()

    @property
    def own_tokens(self) -> tuple[str, ...]:
        """The tokens of the program's own code, innermost first."""
        return tuple(token for token, own in zip(self.tokens, self.in_app, strict=True) if own)

    def to_json(self) -> dict[str, Any]:
        """A dict of strings, numbers, booleans and lists."""
        return {
            "mechanism": self.mechanism,
            "scope": self.scope,
            "signature": self.signature,
            "exact_key": self.exact_key,
            "exception_type": self.exception_type,
            "tokens": list(self.tokens),
            "homes": list(self.homes),
            "in_app": list(self.in_app),
            "words": list(self.words),
            "culprit": self.culprit,
            "explanation": list(self.explanation),
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> "GroupingInput":
        """What `to_json` wrote. Raises KeyError or TypeError for anything else."""
        return cls(
            mechanism=document["mechanism"],
            scope=document["scope"],
            signature=document["signature"],
            exact_key=document["exact_key"],
            exception_type=document["exception_type"],
            tokens=tuple(document["tokens"]),
            homes=tuple(document["homes"]),
            in_app=tuple(document["in_app"]),
            words=tuple(document["words"]),
            culprit=document.get("culprit", ""),
            explanation=tuple(document["explanation"]),
        )


@dataclass(frozen=True, slots=True)
class Candidate:
    """A stored variant that may be joined. `id` is the store's own number for it."""

    id: int
    input: GroupingInput

    def to_json(self) -> dict[str, Any]:
        """The number and the input, as plain values."""
        return {"id": self.id, "input": self.input.to_json()}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> "Candidate":
        """What `to_json` wrote. Raises KeyError or TypeError for anything else."""
        return cls(id=document["id"], input=GroupingInput.from_json(document["input"]))


@dataclass(frozen=True, slots=True)
class FrameStats:
    """How common frames are: `frequency` counts, per term, the variants of the scope that have it.

    Take it from a snapshot, not from live counters, when the same day must give the same answer
    in any order. A term that is missing counts as never seen.
    """

    total: int = 0
    frequency: Mapping[int, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FramePair:
    """Two frames that were aligned: index in either input, the name, and its share of the score."""

    left: int
    right: int
    token: str
    share: float


@dataclass(frozen=True, slots=True)
class Match:
    """How alike two inputs are. `total` is `frames` + `type` + `message` + `brevity` + `culprit`.

    `frames` lies in [-1, 1]. `brevity` is what short stacks lose, `culprit` what it costs to have
    waited for different ones. `kinships` counts frames that differ but are of one class, or of
    one file and alike in name.
    """

    total: float
    frames: float
    type: float
    message: float
    brevity: float = 0.0
    culprit: float = 0.0
    pairs: tuple[FramePair, ...] = ()
    kinships: int = 0


@dataclass(frozen=True, slots=True)
class Decision:
    """Which variant a crash joins, if any, and why.

    `ranked` lists the scored variants, best first. `links` are further variants so alike that
    their issues belong together. `similar` missed the threshold, but not by far.
    """

    joined: int | None
    score: float | None
    threshold: float
    match: Match | None = None
    ranked: tuple[tuple[int, float], ...] = ()
    links: tuple[int, ...] = ()
    similar: tuple[int, ...] = ()
    explanation: tuple[str, ...] = ()

    @property
    def next_best(self) -> tuple[int, float] | None:
        """The best variant that was not joined, with its score."""
        rest = [entry for entry in self.ranked if entry[0] != self.joined]
        return rest[0] if rest else None
