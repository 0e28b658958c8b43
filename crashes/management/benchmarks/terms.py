"""The words of a benchmark."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import TypeAlias

Measures: TypeAlias = Mapping[str, float]
"""What one side measured in one round: figure to value."""

Side: TypeAlias = Callable[[], Measures]

OURS = "ours"
FEWEST_ROUNDS = 3


class Unavailable(Exception):
    """The benchmark, or one side of it, cannot run here; the text says what is missing."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What a run allows. `folder` is empty and goes away; `cache` stays for the next run."""

    folder: Path
    cache: Path
    is_quick: bool = False
    rounds: int = FEWEST_ROUNDS
    debug_file: Path | None = None
    database_url: str = ""
    redis_url: str = ""

    def size(self, full: int, *, quick: int) -> int:
        """How much to do: one number for a whole run, a smaller one for a quick one."""
        return quick if self.is_quick else full


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table: a figure of one side, and the one to hold it against.

    `peer` names the other side and `peer_figure` its figure, when that has another name. A ratio
    is always how many times better ours is, so `less_is_better` turns it round. `target` is what
    we want to reach.
    """

    label: str
    figure: str
    unit: str
    side: str = OURS
    peer: str | None = None
    peer_figure: str | None = None
    less_is_better: bool = False
    target: float | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Contest:
    """Sides that take turns, and the rows that come of it.

    A side that raises Unavailable in its first round is left out of all others.
    """

    sides: Mapping[str, Side]
    rows: Sequence[Row]
    missing: Mapping[str, str] = field(default_factory=dict)
    """Sides that would belong here, with the reason why they are not."""


@dataclass(frozen=True, slots=True)
class Benchmark:
    """A named contest. `prepare` sets it up when entered and takes it down when left."""

    name: str
    about: str
    prepare: Callable[[Terms], AbstractContextManager[Contest]]
    is_optional: bool = False
    """Runs only when it is asked for."""


Samples: TypeAlias = Mapping[str, Mapping[str, Sequence[float]]]
"""Side to figure to one value per round."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one benchmark. `skipped` is the reason when it could not run."""

    benchmark: str
    rows: Sequence[Row] = ()
    samples: Samples = field(default_factory=dict)
    missing: Mapping[str, str] = field(default_factory=dict)
    skipped: str = ""
    seconds: float = 0.0

    def ours(self, row: Row) -> float | None:
        """The median of the row's own figure; None when it was not measured."""
        return self._median(row.side, row.figure)

    def theirs(self, row: Row) -> float | None:
        """The median of what it is held against."""
        if row.peer is None:
            return None
        return self._median(row.peer, row.peer_figure or row.figure)

    def ratio(self, row: Row) -> float | None:
        """How many times better ours is; None without a peer or with nothing to divide by."""
        ours, theirs = self.ours(row), self.theirs(row)
        if not ours or not theirs:
            return None
        return theirs / ours if row.less_is_better else ours / theirs

    def _median(self, side: str, figure: str) -> float | None:
        values = self.samples.get(side, {}).get(figure)
        return median(values) if values else None
