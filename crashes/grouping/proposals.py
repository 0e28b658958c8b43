"""What another mechanism would change: issues that would join, reports that would leave.

A replay gives every report a home (the issue grouping gave it) and a group (of the other mechanism).
A group stands for one issue. Every issue goes on as the group that has most of its reports; of two
that claim the same group, the one with more reports in it keeps its id and the other joins it. A
group that no issue goes on as becomes a new issue. Ties go to what is older.

    home 7: 90 in group x, 10 in y     7 goes on as x, and the 10 are split off as a new issue
    home 9: 40 in group x              9 joins 7
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Join:
    """Reports of one issue that would be part of another."""

    issue_id: int
    into_id: int
    reports: int


@dataclass(frozen=True, slots=True)
class Parting:
    """Reports of one issue that would open a new one; `group` is the group that it would be."""

    issue_id: int
    group: str
    reports: int


@dataclass(frozen=True, slots=True)
class Changes:
    """All that would change, the largest first, and how many reports and groups were looked at."""

    joins: tuple[Join, ...]
    partings: tuple[Parting, ...]
    reports: int
    groups: int


def compare(placed: Iterable[tuple[int, str]]) -> Changes:
    """The changes, from home and group of every report, oldest first."""
    counts: Counter[tuple[int, str]] = Counter(placed)
    sizes: dict[str, Counter[int]] = defaultdict(Counter)
    for (home, group), reports in counts.items():
        sizes[group][home] += reports
    goes_on = _continuations(counts)
    joins, partings = [], []
    for group, homes in sizes.items():
        claims = [home for home in homes if goes_on[home] == group]
        if claims:
            survivor = min(claims, key=lambda home: (-homes[home], home))
            others = (home for home in homes if home != survivor)
            joins += [Join(home, survivor, homes[home]) for home in others]
        else:
            partings += [Parting(home, group, reports) for home, reports in homes.items()]
    return Changes(
        joins=tuple(sorted(joins, key=lambda one: (-one.reports, one.issue_id, one.into_id))),
        partings=tuple(sorted(partings, key=lambda one: (-one.reports, one.issue_id, one.group))),
        reports=counts.total(),
        groups=len(sizes),
    )


def _continuations(counts: Counter[tuple[int, str]]) -> dict[int, str]:
    """For each issue the group that has most of its reports, the oldest of equals."""
    best: dict[int, tuple[int, str]] = {}
    for (home, group), reports in counts.items():  # in order of age
        if home not in best or reports > best[home][0]:
            best[home] = (reports, group)
    return {home: group for home, (_, group) in best.items()}


@dataclass(frozen=True, slots=True)
class Standing:
    """What people said about homes: it comes before what a mechanism says.

    `roots` leads from every home to the issue it is part of by merges, itself without one. `apart`
    are pairs of roots that never become one.
    """

    roots: Mapping[int, int]
    apart: frozenset[frozenset[int]]

    def is_merged(self, home: int) -> bool:
        """Whether somebody made it part of another issue."""
        return self.roots[home] != home

    def may_join(self, home: int, seat: Sequence[int]) -> bool:
        """Whether a home may be one with these; who is merged elsewhere only lets others join."""
        mine = self.roots[home]
        others = {self.roots[one] for one in seat} - {mine}
        if others and self.is_merged(home):
            return False
        return not any(frozenset((mine, other)) in self.apart for other in others)


@dataclass(frozen=True, slots=True)
class Plan:
    """The new homes: for what was in a home and is in a group now, an issue, or None for a new one.

    All that is new in one group becomes one issue. `ends` are issues that are home to nothing any
    more, each with the one that it becomes part of.
    """

    homes: Mapping[tuple[int, str], int | None]
    ends: Mapping[int, int]


def plan_homes(placed: Iterable[tuple[int, str]], standing: Standing) -> Plan:
    """Who goes on as what, from home and group of every report, oldest first.

    As `compare` says, but for people: who was merged goes on first, since a decision hangs on it,
    and nothing parts it; what is apart gets no common home.
    """
    counts: Counter[tuple[int, str]] = Counter(placed)
    sizes: dict[str, Counter[int]] = defaultdict(Counter)
    for (home, group), reports in counts.items():
        sizes[group][home] += reports
    goes_on = _continuations(counts)
    homes: dict[tuple[int, str], int | None] = {}
    for group, sizes_here in sizes.items():
        claims = {home for home in sizes_here if goes_on[home] == group}
        ranked = sorted(
            sizes_here,
            key=lambda home: (
                not (standing.is_merged(home) and home in claims), home not in claims,
                -sizes_here[home], home,
            ),
        )  # fmt: skip
        seats: list[list[int]] = []
        for home in ranked:
            seat = next((seat for seat in seats if standing.may_join(home, seat)), None)
            if seat is None:
                seats.append([home])
            else:
                seat.append(home)
        for number, seat in enumerate(seats):
            first = seat[0]
            is_new = number == 0 and first not in claims and not standing.is_merged(first)
            homes |= {(home, group): None if is_new else first for home in seat}
    return Plan(homes, _ends(homes, goes_on, standing))


def _ends(
    homes: Mapping[tuple[int, str], int | None], goes_on: Mapping[int, str], standing: Standing
) -> dict[int, int]:
    kept = set(homes.values())
    ends = {}
    for home, group in goes_on.items():
        target = homes[home, group]
        if home in kept or target is None or standing.is_merged(home):
            continue
        if standing.roots[home] != standing.roots[target]:
            ends[home] = target
    return ends
