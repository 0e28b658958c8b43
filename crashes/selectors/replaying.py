"""A replay in shadow: what another mechanism would make of the reports that are kept.

Nothing is written. Merges and splits by people stand above every mechanism, so what they parted is
marked, and what they merged is no change.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from django.db.models import Q, QuerySet

from crashes.grouping.engine import Assignment, Grouper
from crashes.grouping.mechanisms import MECHANISMS
from crashes.grouping.proposals import Changes, compare
from crashes.grouping.values import Decision, GroupingInput
from crashes.models import ApartPair, Issue, Report, ReportContent
from crashes.models.report import COUNTED
from crashes.packing import UnreadablePack
from crashes.selectors.contents import FIELDS, document_of, keys_of_contents
from crashes.stack import Crash
from devices.selectors.data_keys import KeyRing

_CHUNK = 200


@dataclass(frozen=True, slots=True)
class Replayed:
    """One report of a replay: its home issue and the group that the other mechanism gives it.

    `opened_by` is the report that its stack was first seen in; for that one itself `opened` has the
    stack, and the decision in which other stacks go by the report they were first seen in.
    """

    report_pk: int
    home_id: int
    group: str
    opened_by: int
    opened: tuple[GroupingInput, Decision] | None = None


def count_replayable(program_id: int, *, since: datetime) -> int:
    """How many reports a replay will look at."""
    return _reports(program_id, since).count()


def replay(program_id: int, *, mechanism: str, since: datetime) -> Iterator[Replayed]:
    """Every kept report since then, in the order of arrival, grouped anew from a cold start.

    Raises KeyError for a mechanism that is not registered. Reports without kept content, or
    with a damaged one, are left out.
    """
    chosen = MECHANISMS[mechanism]
    grouper = Grouper(chosen, is_linking=False)  # links are proposed to people, never acted upon
    openers: dict[str, int] = {}
    last = 0
    while True:
        rows = list(
            _reports(program_id, since).filter(pk__gt=last).select_related("variant")[:_CHUNK]
        )
        if not rows:
            return
        contents = ReportContent.objects.only(*FIELDS).in_bulk([row.pk for row in rows])
        keys = keys_of_contents(contents.values())
        for row in rows:
            last = row.pk
            crash = _crash_of(contents.get(row.pk), keys)
            if crash is None or row.variant is None:
                continue
            item = chosen.prepare(crash, package=row.package or None)
            found = grouper.assign(str(row.pk), item)
            opened_by = openers.setdefault(item.exact_key, row.pk)
            opened = (item, _by_report(found)) if opened_by == row.pk else None
            yield Replayed(row.pk, row.variant.issue_id, found.group, opened_by, opened)


def _crash_of(content: ReportContent | None, keys: KeyRing) -> Crash | None:
    """None for what was not kept, is erased or damaged: it is left out."""
    try:
        return document_of(content, keys).crash if content else None
    except UnreadablePack:
        return None


def _by_report(found: Assignment) -> Decision:
    """The decision, with the reports that opened stacks in place of the grouper's numbers."""
    decision = found.decision
    reports = {
        number: int(opener)
        for (number, _), opener in zip(decision.ranked, found.ranked, strict=True)
    }
    return replace(
        decision,
        joined=None if decision.joined is None else reports[decision.joined],
        similar=tuple(reports[number] for number in decision.similar),
        links=tuple(reports[number] for number in decision.links),
        ranked=_renamed(decision.ranked, reports),
    )


def _renamed(
    ranked: Iterable[tuple[int, float]], reports: Mapping[int, int]
) -> tuple[tuple[int, float], ...]:
    return tuple((reports[number], score) for number, score in ranked)


def list_changes(replayed: list[Replayed]) -> Changes:
    """What the replay would change. What people merged stays merged, so that is left out."""
    roots = roots_of({one.home_id for one in replayed})
    changes = compare((one.home_id, one.group) for one in replayed)
    joins = [
        replace(join, issue_id=roots[join.issue_id], into_id=roots[join.into_id])
        for join in changes.joins
        if roots[join.issue_id] != roots[join.into_id]
    ]
    partings = [replace(one, issue_id=roots[one.issue_id]) for one in changes.partings]
    return replace(changes, joins=tuple(joins), partings=tuple(partings))


def are_apart(one_id: int, other_id: int) -> bool:
    """Whether somebody said that two issues are not the same: then no mechanism joins them."""
    pairs = ApartPair.objects.filter(decision__undone_at=None)
    return pairs.filter(
        Q(one_id=one_id, other_id=other_id) | Q(one_id=other_id, other_id=one_id)
    ).exists()


def _reports(program_id: int, since: datetime) -> QuerySet[Report]:
    rows = Report.objects.filter(
        COUNTED,
        program_id=program_id,
        state=Report.State.DONE,
        received_at__gte=since,
        is_counted_only=False,
    )
    return rows.order_by("pk")


def roots_of(issue_ids: set[int]) -> dict[int, int]:
    """For each issue the one that it is part of by merges; itself if nobody merged it."""
    parents: dict[int, int] = {}
    new = set(issue_ids)
    while new:
        rows = Issue.objects.filter(pk__in=new, leads_on=True, merged_into__isnull=False)
        found = dict(rows.values_list("pk", "merged_into_id"))
        parents |= found
        new = set(found.values()) - parents.keys()
    roots = {}
    for issue_id in issue_ids:
        roots[issue_id] = issue_id
        while roots[issue_id] in parents:
            roots[issue_id] = parents[roots[issue_id]]
    return roots
