"""`reports/`: devices hand reports in, staff look at them."""

import uuid
from collections.abc import Sequence
from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.authentication import BaseAuthentication
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
from crashes.api.uploads import ReportUploadView
from crashes.selectors.attachments import AttachmentRow, list_attachments
from crashes.selectors.reports import (
    Companion,
    Content,
    ReportRow,
    get_report,
    get_report_content,
    list_companions,
    list_reports,
)
from crashes.stack import CrashKind, FrameStatus, to_json
from devices.api.auth import STAFF
from devices.audit import Action
from devices.services.audit import record_look
from uxp_diag.api.permissions import HasScope
from uxp_diag.roles import Scope

_KINDS = [kind.value for kind in CrashKind]
_STATES = ["received", "processing", "done", "quarantined"]


class FrameSchema(serializers.Serializer):
    """One call; frames are innermost first."""

    index = serializers.IntegerField()
    function = serializers.CharField(allow_null=True)
    raw_function = serializers.CharField(allow_null=True)
    file = serializers.CharField(allow_null=True)
    line = serializers.IntegerField(allow_null=True)
    module = serializers.CharField(allow_null=True)
    build_id = serializers.CharField(allow_null=True)
    address = serializers.CharField(allow_null=True)
    inlined = serializers.BooleanField()
    status = serializers.ChoiceField([status.value for status in FrameStatus])
    folded_with = serializers.ListField(
        child=serializers.CharField(),
        required=False,
        help_text="Other functions that have the very same code; any of them may be meant.",
    )


class ThreadSchema(serializers.Serializer):
    """One stack."""

    name = serializers.CharField(allow_null=True)
    tid = serializers.IntegerField(allow_null=True)
    crashing = serializers.BooleanField()
    state = serializers.CharField(allow_null=True)
    frames = FrameSchema(many=True)


class CrashSchema(serializers.Serializer):
    """The parsed content of a report. Absent values are null."""

    kind = serializers.ChoiceField(_KINDS)
    process = serializers.CharField(allow_null=True)
    package = serializers.CharField(allow_null=True)
    version_name = serializers.CharField(allow_null=True)
    version_code = serializers.IntegerField(allow_null=True)
    pid = serializers.IntegerField(allow_null=True)
    tid = serializers.IntegerField(allow_null=True)
    abi = serializers.CharField(allow_null=True)
    build_fingerprint = serializers.CharField(allow_null=True)
    timestamp = serializers.CharField(allow_null=True)
    signal = serializers.CharField(allow_null=True)
    signal_code = serializers.CharField(allow_null=True)
    fault_addr = serializers.CharField(allow_null=True)
    abort_message = serializers.CharField(allow_null=True)
    exception_type = serializers.CharField(allow_null=True)
    exception_message = serializers.CharField(allow_null=True)
    reason = serializers.CharField(allow_null=True)
    threads = ThreadSchema(many=True)
    exceptions = serializers.ListField(child=serializers.DictField())
    modules = serializers.ListField(child=serializers.DictField())
    details = serializers.DictField()


class GroupingSchema(serializers.Serializer):
    """Why the report is in its issue."""

    mechanism = serializers.CharField()
    score = serializers.FloatField(allow_null=True)
    explanation = serializers.ListField(child=serializers.CharField())


class FailureSchema(serializers.Serializer):
    """Why a report could not be digested."""

    code = serializers.CharField()
    detail = serializers.CharField()


class AttachmentSchema(serializers.Serializer):
    """A file that the report announced. Of its name only the kind is kept."""

    sha256 = serializers.CharField()
    format = serializers.CharField()
    name_kind = serializers.CharField(allow_null=True)
    size_bytes = serializers.IntegerField()
    received_bytes = serializers.IntegerField()
    is_complete = serializers.BooleanField()
    is_payload = serializers.BooleanField()


class ReportSchema(serializers.Serializer):
    """One report."""

    report_id = serializers.UUIDField()
    state = serializers.ChoiceField(_STATES)
    issue_id = serializers.CharField(allow_null=True)
    signature = serializers.CharField(allow_null=True)
    fingerprint = serializers.CharField(allow_null=True)
    received_at = serializers.DateTimeField()
    occurred_at = serializers.DateTimeField()
    failure = FailureSchema(allow_null=True)
    crash = CrashSchema(allow_null=True)
    grouping = GroupingSchema(allow_null=True)
    attachments = AttachmentSchema(many=True)
    evidence_of = serializers.UUIDField(
        allow_null=True,
        help_text="The report that shows the same occurrence better and is counted in its place.",
    )
    evidence = serializers.ListField(
        child=serializers.UUIDField(),
        help_text="Further reports of the same occurrence, which are counted with this one.",
    )


class ReportItemSchema(serializers.Serializer):
    """One report in a list."""

    report_id = serializers.UUIDField()
    state = serializers.ChoiceField(_STATES)
    issue_id = serializers.CharField(allow_null=True)
    signature = serializers.CharField(allow_null=True)
    kind = serializers.ChoiceField(_KINDS)
    received_at = serializers.DateTimeField()
    occurred_at = serializers.DateTimeField()
    model = serializers.CharField(allow_null=True)
    os_build = serializers.CharField(allow_null=True)
    package = serializers.CharField(allow_null=True)
    version_name = serializers.CharField(allow_null=True)
    evidence_of = serializers.UUIDField(allow_null=True)


class ReportPageSchema(serializers.Serializer):
    """A page of reports."""

    results = ReportItemSchema(many=True)
    next_cursor = serializers.CharField(allow_null=True)


class ReportsView(ReportUploadView, StaffView):
    """`reports/`. Who uploads and who looks show different credentials."""

    required_scopes = {"GET": Scope.READ}

    def get_authenticators(self) -> list[BaseAuthentication]:
        """Those of staff for looking, those of senders for handing in."""
        if self._is_upload:
            return super().get_authenticators()
        return [authenticate() for authenticate in STAFF]

    def get_permissions(self) -> Any:
        """A scope for looking; for handing in the credential decides."""
        return super().get_permissions() if self._is_upload else [HasScope()]

    @property
    def _is_upload(self) -> bool:
        request: Request | None = self.request  # None while the schema is made
        return request is not None and request.method == "POST"

    @extend_schema(
        operation_id="list_reports",
        parameters=PAGE_PARAMETERS,
        responses={200: ReportPageSchema, 400: ProblemSchema},
    )
    def get(self, request: Request) -> Response:
        """The reports that a query means, newest first."""
        page = list_reports(
            viewer=viewer_in(request),
            query=query_in(request),
            cursor=request.query_params.get("cursor"),
            size=size_in(request),
        )
        results = [report_item(row) for row in page.items]
        return Response({"results": results, "next_cursor": page.next_cursor})


class ReportView(StaffView):
    """`reports/{report_id}/`."""

    required_scopes = {"GET": Scope.READ}

    @extend_schema(operation_id="get_report", responses={200: ReportSchema, 404: ProblemSchema})
    def get(self, request: Request, report_id: uuid.UUID) -> Response:
        """One report with its crash and the reason for its issue."""
        row = get_report(viewer=viewer_in(request), report_id=report_id)
        record_look(
            viewer_in(request),
            Action.REPORT,
            program_id=row.program_id,
            subject=report_id,
            fields=("crash", "grouping"),
            now=timezone.now(),
        )
        content = get_report_content(viewer=viewer_in(request), report_pk=row.pk)
        companions = list_companions(viewer=viewer_in(request), report_pk=row.pk)
        files = list_attachments(viewer=viewer_in(request), report=row)
        return Response(
            _report_document(row, content, companions)
            | {"attachments": [_attachment(file) for file in files]}
        )


def _attachment(file: AttachmentRow) -> dict[str, Any]:
    return {
        "sha256": file.sha256,
        "format": file.format,
        "name_kind": file.name_kind or None,
        "size_bytes": file.size_bytes,
        "received_bytes": file.received_bytes,
        "is_complete": file.is_complete,
        "is_payload": file.is_payload,
    }


def report_item(row: ReportRow) -> dict[str, Any]:
    """A report as lists show it."""
    return {
        **_heading(row),
        "kind": row.kind,
        "model": row.model or None,
        "os_build": row.os_build or None,
        "package": row.package or None,
        "version_name": row.version_name or None,
        "evidence_of": row.evidence_of,
    }


def _heading(row: ReportRow) -> dict[str, Any]:
    return {
        "report_id": str(row.report_id),
        "state": row.state,
        "issue_id": None if row.issue_id is None else str(row.issue_id),
        "signature": row.signature,
        "received_at": row.received_at,
        "occurred_at": row.occurred_at,
    }


def _report_document(
    row: ReportRow, content: Content | None, companions: Sequence[Companion]
) -> dict[str, Any]:
    failure = {"code": row.failure_code, "detail": row.failure_detail}
    return {
        **_heading(row),
        "fingerprint": row.fingerprint,
        "failure": failure if row.state == "quarantined" else None,
        "crash": to_json(content.crash) if content and content.crash else None,
        "grouping": content.grouping if content else None,
        "evidence_of": row.evidence_of,
        "evidence": [one.report_id for one in companions if row.evidence_of is None],
    }
