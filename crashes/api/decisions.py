"""`issues/{id}/merge/`, `split/` and the like: what people decide about grouping, and undoing it."""

from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from crashes.api.staff import ProblemSchema, StaffView, viewer_in
from crashes.selectors.decisions import (
    DecisionRow,
    find_reports,
    find_variants,
    get_decision,
    list_decisions,
    list_similar,
)
from crashes.selectors.issues import get_issue
from crashes.selectors.reports import get_report
from crashes.services.decisions import (
    ImpossibleDecision,
    Selection,
    keep_apart,
    merge_all,
    move_report,
    split_issue,
    undo_decision,
)
from uxp_diag.api.problem import Problem
from uxp_diag.roles import Scope

_MOST = 500
_LARGEST = 2**63 - 1
_ANSWERS = {404: ProblemSchema, 409: ProblemSchema}


class DecisionSchema(serializers.Serializer):
    """One decision: `other_id` was merged into the issue, split from it, or got a report of it."""

    id = serializers.CharField()
    kind = serializers.CharField(help_text="merge, split, move or apart")
    issue_id = serializers.CharField()
    other_id = serializers.CharField()
    query = serializers.CharField(allow_null=True)
    reports = serializers.IntegerField()
    by = serializers.CharField()
    at = serializers.DateTimeField()
    undone_at = serializers.DateTimeField(allow_null=True)
    undone_by = serializers.CharField(allow_null=True)


class DecisionListSchema(serializers.Serializer):
    """Decisions, latest first."""

    results = DecisionSchema(many=True)


class AlignedFrameSchema(serializers.Serializer):
    """A frame that two stacks share, and its share of the score."""

    name = serializers.CharField()
    share = serializers.FloatField()


class SimilarIssueSchema(serializers.Serializer):
    """An issue that grouping nearly joined; a strong one most likely belongs here."""

    issue_id = serializers.CharField()
    signature = serializers.CharField()
    report_count = serializers.IntegerField()
    score = serializers.FloatField()
    is_strong = serializers.BooleanField()
    aligned = AlignedFrameSchema(many=True)


class SimilarIssuesSchema(serializers.Serializer):
    """Similar issues, the most alike first."""

    results = SimilarIssueSchema(many=True)


class IssueMergeInput(serializers.Serializer):
    """The issues that become part of this one."""

    issue_ids = serializers.ListField(
        child=serializers.IntegerField(min_value=1, max_value=_LARGEST),
        min_length=1,
        max_length=50,
    )


class IssueSplitInput(serializers.Serializer):
    """What gets an issue of its own: what a query means, stacks, or single reports."""

    query = serializers.CharField(required=False, max_length=1000)
    fingerprints = serializers.ListField(
        child=serializers.CharField(max_length=80), required=False, max_length=_MOST
    )
    report_ids = serializers.ListField(
        child=serializers.UUIDField(), required=False, max_length=_MOST
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """One way of saying it, not several."""
        if len([name for name in attrs if attrs[name]]) != 1:
            raise serializers.ValidationError("Give one of query, fingerprints and report_ids.")
        return attrs


class OtherIssueInput(serializers.Serializer):
    """Another issue."""

    issue_id = serializers.IntegerField(min_value=1, max_value=_LARGEST)


class _DecisionView(StaffView):
    required_scopes = {"POST": Scope.TRIAGE}

    def handle_exception(self, exc: Exception) -> Response:
        """What contradicts earlier decisions is a conflict."""
        if isinstance(exc, ImpossibleDecision):
            exc = Problem(409, "impossible_decision", f"Not possible: {exc}.")
        return super().handle_exception(exc)


class IssueMergeView(_DecisionView):
    """`issues/{id}/merge/`."""

    @extend_schema(
        operation_id="merge_issues",
        request=IssueMergeInput,
        responses={200: DecisionListSchema, **_ANSWERS},
    )
    def post(self, request: Request, issue_id: int) -> Response:
        """Make issues part of this one, now and for whatever would join them later."""
        viewer, now = viewer_in(request), timezone.now()
        kept = get_issue(viewer=viewer, issue_id=issue_id)
        wanted = _input(IssueMergeInput, request)["issue_ids"]
        gone = [get_issue(viewer=viewer, issue_id=other).id for other in wanted]
        made = merge_all(kept_id=kept.id, gone_ids=gone, by=viewer, now=now)
        rows = [get_decision(viewer=viewer, decision_id=one.pk) for one in made]
        return Response({"results": [_document(row) for row in rows]})


class IssueSplitView(_DecisionView):
    """`issues/{id}/split/`."""

    @extend_schema(
        operation_id="split_issue",
        request=IssueSplitInput,
        responses={201: DecisionSchema, 400: ProblemSchema, **_ANSWERS},
    )
    def post(self, request: Request, issue_id: int) -> Response:
        """Give some reports, and those like them to come, an issue of their own (`other_id`)."""
        viewer = viewer_in(request)
        issue = get_issue(viewer=viewer, issue_id=issue_id)
        wanted = _input(IssueSplitInput, request)
        selection = Selection(
            query=wanted.get("query", ""),
            variant_ids=find_variants(
                viewer=viewer, issue_id=issue.id, fingerprints=wanted.get("fingerprints", ())
            ),
            report_pks=find_reports(
                viewer=viewer, issue_id=issue.id, report_ids=wanted.get("report_ids", ())
            ),
        )
        decision = split_issue(
            issue_id=issue.id, selection=selection, by=viewer, now=timezone.now()
        )
        return Response(_document(get_decision(viewer=viewer, decision_id=decision.pk)), status=201)


class IssueApartView(_DecisionView):
    """`issues/{id}/apart/`."""

    @extend_schema(
        operation_id="keep_issues_apart",
        request=OtherIssueInput,
        responses={201: DecisionSchema, **_ANSWERS},
    )
    def post(self, request: Request, issue_id: int) -> Response:
        """Say that two issues are not the same."""
        viewer = viewer_in(request)
        one = get_issue(viewer=viewer, issue_id=issue_id)
        other = get_issue(viewer=viewer, issue_id=_input(OtherIssueInput, request)["issue_id"])
        decision = keep_apart(issue_id=one.id, other_id=other.id, by=viewer, now=timezone.now())
        return Response(_document(get_decision(viewer=viewer, decision_id=decision.pk)), status=201)


class ReportMoveView(_DecisionView):
    """`reports/{report_id}/move/`."""

    @extend_schema(
        operation_id="move_report",
        request=OtherIssueInput,
        responses={201: DecisionSchema, **_ANSWERS},
    )
    def post(self, request: Request, report_id: Any) -> Response:
        """Put one report into another issue."""
        viewer = viewer_in(request)
        report = get_report(viewer=viewer, report_id=report_id)
        target = get_issue(viewer=viewer, issue_id=_input(OtherIssueInput, request)["issue_id"])
        decision = move_report(
            report_pk=report.pk, issue_id=target.id, by=viewer, now=timezone.now()
        )
        return Response(_document(get_decision(viewer=viewer, decision_id=decision.pk)), status=201)


class DecisionUndoView(_DecisionView):
    """`decisions/{id}/undo/`."""

    @extend_schema(
        operation_id="undo_decision", request=None, responses={200: DecisionSchema, **_ANSWERS}
    )
    def post(self, request: Request, decision_id: int) -> Response:
        """Take a decision back, with all that came of it."""
        viewer = viewer_in(request)
        decision = get_decision(viewer=viewer, decision_id=decision_id)
        undo_decision(decision.id, by=viewer, now=timezone.now())
        return Response(_document(get_decision(viewer=viewer, decision_id=decision.id)))


class IssueDecisionsView(StaffView):
    """`issues/{id}/decisions/`."""

    required_scopes = {"GET": Scope.READ}

    @extend_schema(
        operation_id="list_decisions", responses={200: DecisionListSchema, 404: ProblemSchema}
    )
    def get(self, request: Request, issue_id: int) -> Response:
        """What people decided about an issue, latest first."""
        viewer = viewer_in(request)
        issue = get_issue(viewer=viewer, issue_id=issue_id)
        rows = list_decisions(viewer=viewer, issue_id=issue.id)
        return Response({"results": [_document(row) for row in rows]})


class SimilarIssuesView(StaffView):
    """`issues/{id}/similar/`."""

    required_scopes = {"GET": Scope.READ}

    @extend_schema(
        operation_id="list_similar_issues",
        responses={200: SimilarIssuesSchema, 404: ProblemSchema},
    )
    def get(self, request: Request, issue_id: int) -> Response:
        """Issues that are much like this one, with the frames that they share."""
        viewer = viewer_in(request)
        issue = get_issue(viewer=viewer, issue_id=issue_id)
        results = [
            {
                "issue_id": str(row.issue_id),
                "signature": row.signature,
                "report_count": row.report_count,
                "score": row.score,
                "is_strong": row.is_strong,
                "aligned": [{"name": part.name, "share": part.share} for part in row.aligned],
            }
            for row in list_similar(viewer=viewer, issue_id=issue.id)
        ]
        return Response({"results": results})


def _input(kind: type[serializers.Serializer], request: Request) -> dict[str, Any]:
    serializer = kind(data=request.data)
    serializer.is_valid(raise_exception=True)
    values: dict[str, Any] = serializer.validated_data
    return values


def _document(row: DecisionRow) -> dict[str, Any]:
    return {
        "id": str(row.id),
        "kind": row.kind,
        "issue_id": str(row.issue_id),
        "other_id": str(row.other_id),
        "query": row.query or None,
        "reports": row.reports,
        "by": row.by_name,
        "at": row.at,
        "undone_at": row.undone_at,
        "undone_by": row.undone_by_name or None,
    }
