"""What people decided about an issue, and which issues are like it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import Q

from crashes.grouping.mechanisms import MECHANISMS
from crashes.grouping.values import FrameStats, GroupingInput
from crashes.models import (
    ApartPair,
    GroupingDecision,
    Issue,
    Report,
    StackVariant,
    VariantLikeness,
)
from crashes.selectors.issues import get_issue
from uxp_diag.viewer import Viewer

_MOST_SIMILAR = 5
_LOOKED_AT = 60
_SHOWN_FRAMES = 12


@dataclass(frozen=True, slots=True)
class DecisionRow:
    """One decision, standing or undone. `other_id` was merged, split off, or got the report."""

    id: int
    kind: str
    issue_id: int
    other_id: int
    query: str
    reports: int
    by_name: str
    at: datetime
    undone_at: datetime | None
    undone_by_name: str


@dataclass(frozen=True, slots=True)
class AlignedFrame:
    """A frame that two stacks share, and its share of the score."""

    name: str
    share: float


@dataclass(frozen=True, slots=True)
class SimilarIssue:
    """An issue with a stack much like one of this issue; strong ones most likely belong together."""

    issue_id: int
    signature: str
    report_count: int
    score: float
    is_strong: bool
    aligned: tuple[AlignedFrame, ...]
    frames: int


def get_decision(*, viewer: Viewer, decision_id: int) -> DecisionRow:
    """One decision. Raises GroupingDecision.DoesNotExist."""
    rows = GroupingDecision.objects.filter(program_id__in=viewer.program_ids)
    return _row(rows.get(pk=decision_id))


def list_decisions(*, viewer: Viewer, issue_id: int) -> list[DecisionRow]:
    """What was decided about an issue and what is part of it, latest first."""
    tree = _tree(issue_id)
    rows = GroupingDecision.objects.filter(
        Q(issue_id__in=tree) | Q(other_id__in=tree), program_id__in=viewer.program_ids
    )
    return [_row(row) for row in rows.order_by("-pk")]


def list_similar(*, viewer: Viewer, issue_id: int) -> list[SimilarIssue]:
    """Issues that grouping nearly joined to this one, the most alike first."""
    tree = _tree(issue_id)
    rows = VariantLikeness.objects.filter(
        Q(variant__issue_id__in=tree) | Q(other__issue_id__in=tree),
        variant__program_id__in=viewer.program_ids,
    )
    apart = _kept_apart(tree)
    found: dict[int, SimilarIssue] = {}
    for row in rows.select_related("variant", "other").order_by("-score", "pk")[:_LOOKED_AT]:
        mine, theirs = row.variant, row.other
        if mine.issue_id not in tree:
            mine, theirs = theirs, mine
        if theirs.issue_id in tree:
            continue
        issue = get_issue(viewer=viewer, issue_id=theirs.issue_id)
        if issue.id in found or issue.id in apart or not issue.report_count:
            continue
        aligned = _aligned(mine, theirs)
        found[issue.id] = SimilarIssue(
            issue_id=issue.id,
            signature=issue.signature,
            report_count=issue.report_count,
            score=row.score,
            is_strong=row.is_strong,
            aligned=aligned[:_SHOWN_FRAMES],
            frames=len(aligned),
        )
        if len(found) == _MOST_SIMILAR:
            break
    return list(found.values())


def find_variants(*, viewer: Viewer, issue_id: int, fingerprints: Sequence[str]) -> list[int]:
    """The stacks with these fingerprints (`v1:…`) in an issue. Raises StackVariant.DoesNotExist."""
    reports = Report.objects.filter(issue_id=issue_id, program_id__in=viewer.program_ids)
    variants = StackVariant.objects.filter(pk__in=reports.values("variant_id"))
    found = []
    for fingerprint in fingerprints:
        mechanism, _, key = fingerprint.partition(":")
        found.append(variants.get(mechanism=mechanism, exact_key=key).pk)
    return found


def find_reports(*, viewer: Viewer, issue_id: int, report_ids: Iterable[UUID]) -> list[int]:
    """The rows of these reports in an issue. Raises Report.DoesNotExist if one is not in it."""
    wanted = set(report_ids)
    rows = Report.objects.filter(
        report_id__in=wanted, issue_id=issue_id, program_id__in=viewer.program_ids
    ).values_list("pk", "report_id")
    if {report_id for _, report_id in rows} != wanted:
        raise Report.DoesNotExist
    return [pk for pk, _ in rows]


def list_stacks(*, viewer: Viewer, report_pks: Iterable[int]) -> list[int]:
    """The numbers of the stacks that these reports have."""
    rows = Report.objects.filter(pk__in=list(report_pks), program_id__in=viewer.program_ids)
    found = rows.filter(variant__isnull=False).order_by("variant_id")
    return [pk for pk in found.values_list("variant_id", flat=True).distinct() if pk]


def _row(decision: GroupingDecision) -> DecisionRow:
    return DecisionRow(
        id=decision.pk,
        kind=decision.kind,
        issue_id=decision.issue_id,
        other_id=decision.other_id,
        query=decision.query,
        reports=decision.reports,
        by_name=decision.by_name,
        at=decision.at,
        undone_at=decision.undone_at,
        undone_by_name=decision.undone_by_name,
    )


def _tree(issue_id: int) -> set[int]:
    tree, new = {issue_id}, {issue_id}
    while new:
        merged = Issue.objects.filter(merged_into_id__in=new).values_list("pk", flat=True)
        new = set(merged) - tree
        tree |= new
    return tree


def _kept_apart(tree: set[int]) -> set[int]:
    pairs = ApartPair.objects.filter(decision__undone_at=None).filter(
        Q(one_id__in=tree) | Q(other_id__in=tree)
    )
    return {issue_id for pair in pairs.values_list("one", "other") for issue_id in pair} - tree


def _aligned(one: StackVariant, other: StackVariant) -> tuple[AlignedFrame, ...]:
    """The frames in common, the weightiest first, by the mechanism that found the two alike."""
    mechanism = MECHANISMS.get(one.mechanism)
    if mechanism is None or one.mechanism != other.mechanism:
        return ()
    match = mechanism.score(
        GroupingInput.from_json(one.content),
        GroupingInput.from_json(other.content),
        stats=FrameStats(),
    )
    pairs = sorted(match.pairs, key=lambda pair: (-pair.share, pair.left))
    return tuple(AlignedFrame(pair.token, pair.share) for pair in pairs)
