"""The grouping mechanisms by name, and the one new crashes get.

A released mechanism is frozen: stored keys and scores were made by it. To change how crashes
group, copy the newest module, change the copy, register it here, let it run in shadow, and make it
`CURRENT` when its merges and splits have been looked at.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

from crashes.grouping.mechanisms import v1, v2
from crashes.grouping.values import Candidate, Decision, FrameStats, GroupingInput, Match
from crashes.stack import Crash


class Mechanism(Protocol):
    """What every mechanism module offers."""

    NAME: str
    THRESHOLD: float
    LINK: float

    def prepare(self, crash: Crash, *, package: str | None) -> GroupingInput:
        """What grouping looks at."""

    def index_terms(self, item: GroupingInput) -> tuple[int, ...]:
        """Signed 64-bit terms that find alike variants."""

    def score(self, left: GroupingInput, right: GroupingInput, *, stats: FrameStats) -> Match:
        """How alike two inputs are."""

    def best_match(
        self, item: GroupingInput, candidates: Sequence[Candidate], stats: FrameStats
    ) -> Decision:
        """Which candidate a crash joins, if any."""


MECHANISMS: Mapping[str, Mechanism] = {v1.NAME: v1, v2.NAME: v2}
CURRENT = "v2"
