"""`issues/`: the list that a query means, and one issue with its breakdowns."""

from typing import Any

from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from crashes.api.staff import (
    PAGE_PARAMETERS,
    ProblemSchema,
    StaffView,
    query_in,
    size_in,
    viewer_in,
)
from crashes.selectors.issues import (
    ISSUE_ORDERS,
    Breakdown,
    IssueSummary,
    get_issue,
    issue_breakdowns,
    issue_days,
    list_issue_reports,
    list_issues,
)
from crashes.stack import CrashKind
from crashes.triage.transitions import NO_VERSION
from uxp_diag.roles import Scope

_SAMPLES = 10
_BREAKDOWN_NAMES = {
    "model": "models",
    "os_build": "os_builds",
    "version_name": "versions",
    "mcc": "countries",
}


class IssueSchema(serializers.Serializer):
    """One issue."""

    id = serializers.CharField()
    signature = serializers.CharField()
    kind = serializers.ChoiceField([kind.value for kind in CrashKind])
    state = serializers.ChoiceField(["open", "muted", "resolved"])
    package = serializers.CharField(allow_null=True)
    report_count = serializers.IntegerField()
    device_count = serializers.IntegerField()
    first_seen_at = serializers.DateTimeField()
    last_seen_at = serializers.DateTimeField()
    first_os_build = serializers.CharField(allow_null=True)
    last_os_build = serializers.CharField(allow_null=True)
    assignee = serializers.CharField(allow_null=True)
    is_regressed = serializers.BooleanField(help_text="open, and was resolved before")
    regressed_at = serializers.DateTimeField(allow_null=True)
    regressed_in = serializers.CharField(allow_null=True, help_text="build or version")
    resolution = serializers.CharField(
        allow_null=True, help_text="now, build, version or next_release"
    )
    resolved_at = serializers.DateTimeField(allow_null=True)
    resolved_in_build = serializers.CharField(allow_null=True)
    resolved_in_version = serializers.CharField(allow_null=True)
    resolved_in_version_code = serializers.IntegerField(allow_null=True)
    muted_until = serializers.DateTimeField(allow_null=True)
    muted_until_reports = serializers.IntegerField(allow_null=True)
    muted_until_daily_reports = serializers.IntegerField(allow_null=True)


class IssueItemSchema(IssueSchema):
    """One issue in a list: `days` are reports per day of the last fortnight, oldest first."""

    days = serializers.ListField(child=serializers.IntegerField())
    models = serializers.ListField(child=serializers.CharField())


class IssuePageSchema(serializers.Serializer):
    """A page of issues."""

    results = IssueItemSchema(many=True)
    next_cursor = serializers.CharField(allow_null=True)


class ShareSchema(serializers.Serializer):
    """A value and how many reports have it; null was not said by the device."""

    value = serializers.CharField(allow_null=True)
    reports = serializers.IntegerField()


class BreakdownsSchema(serializers.Serializer):
    """The reports of an issue by field, most frequent values first."""

    models = ShareSchema(many=True)
    os_builds = ShareSchema(many=True)
    versions = ShareSchema(many=True)
    countries = ShareSchema(many=True)


class DaySchema(serializers.Serializer):
    """Reports on one day."""

    day = serializers.DateField()
    reports = serializers.IntegerField()


class IssueDetailSchema(IssueSchema):
    """One issue with its breakdowns, its days and its latest reports."""

    breakdowns = BreakdownsSchema()
    days = DaySchema(many=True)
    sample_report_ids = serializers.ListField(child=serializers.UUIDField())


class IssueListView(StaffView):
    """`issues/`."""

    required_scopes = {"GET": Scope.READ}

    @extend_schema(
        operation_id="list_issues",
        parameters=[
            *PAGE_PARAMETERS,
            OpenApiParameter("sort", str, enum=list(ISSUE_ORDERS), description="largest first"),
        ],
        responses={200: IssuePageSchema, 400: ProblemSchema},
    )
    def get(self, request: Request) -> Response:
        """The issues that a query means."""
        page = list_issues(
            viewer=viewer_in(request),
            query=query_in(request),
            today=timezone.now().date(),
            sort=request.query_params.get("sort", ""),
            cursor=request.query_params.get("cursor"),
            size=size_in(request),
        )
        results = [
            {**issue_document(row.issue), "days": row.days, "models": row.models}
            for row in page.items
        ]
        return Response({"results": results, "next_cursor": page.next_cursor})


class IssueView(StaffView):
    """`issues/{id}/`."""

    required_scopes = {"GET": Scope.READ}

    @extend_schema(operation_id="get_issue", responses={200: IssueDetailSchema, 404: ProblemSchema})
    def get(self, request: Request, issue_id: int) -> Response:
        """One issue with its breakdowns and its latest reports."""
        viewer = viewer_in(request)
        issue = get_issue(viewer=viewer, issue_id=issue_id)
        days = issue_days(viewer=viewer, issue_id=issue.id, today=timezone.now().date())
        samples = list_issue_reports(viewer=viewer, issue_id=issue.id, size=_SAMPLES)
        document = {
            **issue_document(issue),
            "breakdowns": {
                _BREAKDOWN_NAMES[part.field]: _shares(part)
                for part in issue_breakdowns(viewer=viewer, issue_id=issue.id)
            },
            "days": [{"day": day.day, "reports": day.reports} for day in days],
            "sample_report_ids": [str(row.report_id) for row in samples.items],
        }
        return Response(document)


def issue_document(issue: IssueSummary) -> dict[str, Any]:
    """An issue as the API shows it."""
    standing = issue.standing
    code = standing.resolved_in_version_code
    return {
        "id": str(issue.id),
        "signature": issue.signature,
        "kind": issue.kind,
        "state": issue.state,
        "package": issue.package or None,
        "report_count": issue.report_count,
        "device_count": issue.device_count,
        "first_seen_at": issue.first_seen_at,
        "last_seen_at": issue.last_seen_at,
        "first_os_build": issue.first_os_build or None,
        "last_os_build": issue.last_os_build or None,
        "assignee": issue.assignee or None,
        "is_regressed": issue.is_regressed,
        "regressed_at": standing.regressed_at,
        "regressed_in": standing.regressed_in or None,
        "resolution": standing.resolution.value or None,
        "resolved_at": standing.resolved_at,
        "resolved_in_build": standing.resolved_in_build or None,
        "resolved_in_version": standing.resolved_in_version or None,
        "resolved_in_version_code": None if code == NO_VERSION else code,
        "muted_until": standing.muted_until,
        "muted_until_reports": standing.muted_until_count,
        "muted_until_daily_reports": standing.muted_until_daily,
    }


def _shares(breakdown: Breakdown) -> list[dict[str, Any]]:
    return [{"value": share.value or None, "reports": share.reports} for share in breakdown.shares]
