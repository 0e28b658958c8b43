"""What another mechanism would change: issues that would join, reports that would leave.

A replay gives every report a home (the issue grouping gave it) and a group (of the other mechanism).
A group stands for one issue. Every issue goes on as the group that has most of its reports; of two
that claim the same group, the one with more reports in it keeps its id and the other joins it. A
group that no issue goes on as becomes a new issue. Ties go to what is older.

    home 7: 90 in group x, 10 in y     7 goes on as x, and the 10 are split off as a new issue
    home 9: 40 in group x              9 joins 7
"""

from collections import Counter, defaultdict
from collections.abc import Iterable
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
