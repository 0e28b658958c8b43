"""`intake/`: what waits, what was set aside and why, and what never arrived."""

import uuid
from typing import Any

from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from crashes.api.reports import ReportItemSchema, report_item
from crashes.api.staff import LIMIT_PARAMETER, ProblemSchema, StaffView, size_in, viewer_in
from crashes.selectors.intake import (
    get_backlog,
    list_losses,
    list_quarantine_causes,
    list_quarantined,
)
from crashes.selectors.reports import get_report
from crashes.services.retrying import (
    NotInQuarantine,
    PayloadNotKept,
    retry_report,
    retry_reports,
)
from crashes.tasks import ring_some
from uxp_diag.api.problem import Problem
from uxp_diag.roles import Scope

_MOST_DAYS = 366
_DEFAULT_DAYS = 30


class BacklogSchema(serializers.Serializer):
    """What no worker has finished; counting ends at 100,000."""

    waiting = serializers.IntegerField()
    is_more = serializers.BooleanField()
    oldest_received_at = serializers.DateTimeField(allow_null=True)


class QuarantineCauseSchema(serializers.Serializer):
    """Reports in quarantine with one code."""

    code = serializers.CharField()
    reports = serializers.IntegerField()
    last_received_at = serializers.DateTimeField()


class LossSchema(serializers.Serializer):
    """What one client lost of one category for one reason."""

    program_id = serializers.IntegerField()
    client = serializers.CharField()
    reason = serializers.CharField()
    category = serializers.CharField()
    count = serializers.IntegerField()
    last_day = serializers.DateField()


class LossesSchema(serializers.Serializer):
    """The losses of the last `days` days; `per_day` ends with today."""

    days = serializers.IntegerField()
    total = serializers.IntegerField()
    per_day = serializers.ListField(child=serializers.IntegerField())
    results = LossSchema(many=True)


class IntakeSchema(serializers.Serializer):
    """The state of the door."""

    backlog = BacklogSchema()
    quarantine = QuarantineCauseSchema(many=True)
    losses = LossesSchema()


class QuarantinedItemSchema(ReportItemSchema):
    """A report in quarantine, and why."""

    code = serializers.CharField()
    detail = serializers.CharField()


class QuarantinedPageSchema(serializers.Serializer):
    """A page of reports in quarantine."""

    results = QuarantinedItemSchema(many=True)
    next_cursor = serializers.CharField(allow_null=True)


class QuarantineRetryInput(serializers.Serializer):
    """Which reports are tried again."""

    code = serializers.CharField(max_length=60)


class QuarantineRetriedSchema(serializers.Serializer):
    """What became of the reports with a code.

    `reports` wait again, at most 10,000; `left` more could be tried; of `not_kept`, what the phone
    sent could not be kept.
    """

    reports = serializers.IntegerField()
    left = serializers.IntegerField()
    not_kept = serializers.IntegerField()


class RetriedReportSchema(serializers.Serializer):
    """A report that waits again."""

    report_id = serializers.UUIDField()
    state = serializers.CharField()


class IntakeView(StaffView):
    """`intake/`."""

    required_scopes = {"GET": Scope.READ}

    @extend_schema(
        operation_id="get_intake",
        parameters=[OpenApiParameter("days", int, description="of losses, at most 366")],
        responses={200: IntakeSchema, 400: ProblemSchema},
    )
    def get(self, request: Request) -> Response:
        """What waits, what is in quarantine, what was lost."""
        viewer, days = viewer_in(request), _days(request)
        backlog = get_backlog(viewer=viewer)
        losses = list_losses(viewer=viewer, days=days, today=timezone.now().date())
        return Response(
            {
                "backlog": {
                    "waiting": backlog.waiting,
                    "is_more": backlog.is_more,
                    "oldest_received_at": backlog.oldest_received_at,
                },
                "quarantine": [
                    {
                        "code": cause.code,
                        "reports": cause.reports,
                        "last_received_at": cause.last_received_at,
                    }
                    for cause in list_quarantine_causes(viewer=viewer)
                ],
                "losses": {
                    "days": days,
                    "total": losses.total,
                    "per_day": losses.per_day,
                    "results": [
                        {
                            "program_id": row.program_id,
                            "client": row.client,
                            "reason": row.reason,
                            "category": row.category,
                            "count": row.count,
                            "last_day": row.last_day,
                        }
                        for row in losses.rows
                    ],
                },
            }
        )


class QuarantinedView(StaffView):
    """`intake/quarantined/`."""

    required_scopes = {"GET": Scope.READ}

    @extend_schema(
        operation_id="list_quarantined",
        parameters=[
            OpenApiParameter("code", str, description="only those with this code"),
            OpenApiParameter("cursor", str, description="`next_cursor` of the page before"),
            LIMIT_PARAMETER,
        ],
        responses={200: QuarantinedPageSchema, 400: ProblemSchema},
    )
    def get(self, request: Request) -> Response:
        """Reports that could not be digested, newest first."""
        page = list_quarantined(
            viewer=viewer_in(request),
            code=request.query_params.get("code", "")[:60],
            cursor=request.query_params.get("cursor"),
            size=size_in(request),
        )
        results: list[dict[str, Any]] = [
            report_item(row) | {"code": row.failure_code, "detail": row.failure_detail}
            for row in page.items
        ]
        return Response({"results": results, "next_cursor": page.next_cursor})


class QuarantineRetryView(StaffView):
    """`intake/quarantined/retry/`."""

    required_scopes = {"POST": Scope.TRIAGE}

    @extend_schema(
        operation_id="retry_quarantined",
        request=QuarantineRetryInput,
        responses={200: QuarantineRetriedSchema, 400: ProblemSchema},
    )
    def post(self, request: Request) -> Response:
        """Try all reports again that are in quarantine with one code."""
        given = QuarantineRetryInput(data=request.data)
        given.is_valid(raise_exception=True)
        now = timezone.now()
        retried = retry_reports(given.validated_data["code"], by=viewer_in(request), now=now)
        ring_some(retried.report_pks)
        return Response(
            {
                "reports": len(retried.report_pks),
                "left": retried.left,
                "not_kept": retried.not_kept,
            }
        )


class ReportRetryView(StaffView):
    """`reports/{report_id}/retry/`."""

    required_scopes = {"POST": Scope.TRIAGE}

    @extend_schema(
        operation_id="retry_report",
        request=None,
        responses={202: RetriedReportSchema, 404: ProblemSchema, 409: ProblemSchema},
    )
    def post(self, request: Request, report_id: uuid.UUID) -> Response:
        """Try a report again that is in quarantine."""
        viewer = viewer_in(request)
        report = get_report(viewer=viewer, report_id=report_id)
        try:
            retry_report(report.pk, by=viewer, now=timezone.now())
        except NotInQuarantine:
            raise Problem(409, "not_in_quarantine", "The report is not in quarantine.") from None
        except PayloadNotKept:
            raise Problem(
                409, "payload_not_kept", "What the phone sent could not be kept."
            ) from None
        ring_some([report.pk])
        return Response({"report_id": str(report_id), "state": "received"}, status=202)


def _days(request: Request) -> int:
    text = request.query_params.get("days", str(_DEFAULT_DAYS))
    is_number = text.isascii() and text.isdigit() and len(text) <= len(str(_MOST_DAYS))
    if not (is_number and 1 <= int(text) <= _MOST_DAYS):
        raise Problem(400, "bad_limit", f"`days` is a number from 1 to {_MOST_DAYS}.")
    return int(text)
