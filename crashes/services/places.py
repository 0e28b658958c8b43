"""What people decided, as `crashes.triage.places` wants it, and the lock that keeps it still.

Whoever puts reports into issues holds the decisions of the program (any number may); whoever
decides changes them alone. So no report goes where a decision has just ended the way.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping

from django.db.models import Q

from crashes.models import ApartPair, GroupingDecision, Issue, ReportPin, SplitVariant
from crashes.triage.places import Split, Structure
from crashes.triage.query import parse
from uxp_diag.db import lock_name

_SPLITS = GroupingDecision.objects.filter(kind=GroupingDecision.Kind.SPLIT, undone_at=None)


def hold_decisions(program_ids: Iterable[int]) -> None:
    """Keep others from deciding until the transaction ends. Comes before any lock on rows."""
    for program_id in sorted(set(program_ids)):
        lock_name(_name(program_id), shared=True)


def change_decisions(program_id: int) -> None:
    """Be alone with the decisions of a program until the transaction ends."""
    lock_name(_name(program_id))


def _name(program_id: int) -> str:
    return f"decisions/{program_id}"


def load_structure(issue_ids: Iterable[int]) -> Structure:
    """The decisions that may matter for reports that start at these issues."""
    parents: dict[int, int] = {}
    splits: dict[int, list[Split]] = defaultdict(list)
    wanted, seen = set(issue_ids), set[int]()
    while wanted:  # nothing is asked about no issue
        seen |= wanted
        leading_on = _leading_on(wanted)
        parents |= {key: parent for key, parent in leading_on.items() if parent is not None}
        found = _splits_of(leading_on)
        for split in found:
            splits[split.issue_id].append(split)
        wanted = {split.new_issue_id for split in found} | set(parents.values())
        wanted -= seen
    return Structure(parents, splits)


def _leading_on(issue_ids: set[int]) -> dict[int, int | None]:
    """Those of the issues where a way may go on, with what they were merged into: mostly none."""
    ways = Issue.objects.filter(pk__in=issue_ids, leads_on=True)
    return dict(ways.values_list("pk", "merged_into_id"))


def _splits_of(issue_ids: Iterable[int]) -> list[Split]:
    wanted = list(issue_ids)
    if not wanted:
        return []
    rows = _SPLITS.filter(issue_id__in=wanted).order_by("pk")
    return [
        Split(pk, issue_id, other_id, parse(query) if query else None)
        for pk, issue_id, other_id, query in rows.values_list("pk", "issue_id", "other_id", "query")
    ]


def list_listings(variant_ids: Iterable[int]) -> Mapping[int, frozenset[int]]:
    """For stacks that splits list: which splits."""
    listed: dict[int, set[int]] = defaultdict(set)
    rows = SplitVariant.objects.filter(variant_id__in=set(variant_ids), decision__undone_at=None)
    for variant_id, decision_id in rows.values_list("variant_id", "decision_id"):
        listed[variant_id].add(decision_id)
    return {variant_id: frozenset(ids) for variant_id, ids in listed.items()}


def list_pins(report_pks: Iterable[int]) -> dict[int, tuple[int, int]]:
    """For reports that somebody moved: to which issue, and by which decision; the latest counts."""
    rows = ReportPin.objects.filter(report_id__in=report_pks, decision__undone_at=None)
    ordered = rows.order_by("decision_id").values_list("report_id", "issue_id", "decision_id")
    return {report: (issue, decision) for report, issue, decision in ordered}


def tree_of(issue_id: int) -> set[int]:
    """An issue with all that were merged into it."""
    tree, new = {issue_id}, {issue_id}
    while new:
        children = Issue.objects.filter(merged_into_id__in=new)
        new = set(children.values_list("pk", flat=True)) - tree
        tree |= new
    return tree


def root_of(issue_id: int) -> int:
    """The issue that this one is part of by merges; itself if nobody merged it."""
    while True:
        parents = Issue.objects.filter(pk=issue_id, merged_into__isnull=False)
        parent_ids = list(parents.values_list("merged_into_id", flat=True))
        if not parent_ids:
            return issue_id
        issue_id = int(parent_ids[0] or 0)


def find_apart(one: Iterable[int], other: Iterable[int]) -> GroupingDecision | None:
    """The decision that keeps two trees of issues apart, if there is one; the latest."""
    left, right = set(one), set(other)
    pairs = ApartPair.objects.filter(decision__undone_at=None).filter(
        Q(one_id__in=left, other_id__in=right) | Q(one_id__in=right, other_id__in=left)
    )
    found = pairs.select_related("decision").order_by("-decision_id").first()
    return found.decision if found else None
