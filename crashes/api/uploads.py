"""`POST reports/`: a device hands in one report.

The answer comes when the report is durable and before anybody has looked into it. A replay of the
same report id is answered `duplicate`, whatever became of the first.
"""

import uuid
from collections.abc import Sequence

from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from crashes.intake.report import (
    MalformedReport,
    count_unknown_keys,
    decode_report,
    payload_bytes,
)
from crashes.services.acceptance import (
    Acceptance,
    IntakeUnavailable,
    Receipt,
    Upload,
)
from crashes.services.advising import advise_on_upload
from crashes.services.agent_losses import count_agent_losses, count_malformed
from crashes.services.attachment_rows import list_wanted
from crashes.services.load import Overloaded, admit_reports
from crashes.tasks import ring
from devices.api.auth import SENDERS
from devices.api.budget import overloaded, spend_reports
from devices.api.consent import consent_problem, refuse_without_consent
from devices.selectors.access import Sender
from uxp_diag.api.body import BodyLimits, Part, read_body, read_multipart
from uxp_diag.api.permissions import AnyCredential
from uxp_diag.api.problem import Problem

REPORT_LIMITS = BodyLimits()
"""25 MiB on the wire, 100 MiB unpacked: a minidump with its context fits, a bugreport does not."""


class AcceptedSchema(serializers.Serializer):
    """The answer to one report."""

    report_id = serializers.UUIDField()
    status = serializers.ChoiceField(["accepted", "duplicate"])
    want = serializers.ListField(child=serializers.CharField())
    advice = serializers.ListField(child=serializers.DictField())
    server_time = serializers.DateTimeField()


class ReportUploadView(APIView):
    """`POST reports/`, JSON or multipart."""

    authentication_classes = SENDERS
    permission_classes = [AnyCredential]

    @extend_schema(
        operation_id="upload_report",
        request={
            "application/json": OpenApiTypes.OBJECT,
            "multipart/form-data": {
                "type": "object",
                "properties": {
                    "report": {"type": "string", "description": "the report as JSON"},
                    "payload": {"type": "string", "format": "binary"},
                },
                "required": ["report"],
            },
        },
        responses={202: AcceptedSchema},
    )
    def post(self, request: Request) -> Response:
        """Take one report; 202 once it is durable."""
        sender: Sender = request.auth  # type: ignore[assignment]
        refuse_without_consent(sender)
        spend_reports(sender, count=1)
        upload = _read_upload(request, sender)
        try:
            (receipt,) = admit_reports([upload])
        except Overloaded as problem:
            raise overloaded() from problem
        except IntakeUnavailable as problem:
            raise unavailable(problem) from problem
        count_agent_losses([upload], [receipt])
        if receipt.acceptance is Acceptance.CONSENT_WITHDRAWN:
            raise consent_problem(has_withdrawn=True)
        if receipt.pk is not None:
            ring([receipt.pk])
        answer = {
            "report_id": str(upload.report.report_id),
            "status": receipt.acceptance.value,
            "want": wanted_by(sender, [upload], [receipt]).get(upload.report.report_id, []),
            "advice": advise_on_upload(sender, upload.report),
            "server_time": timezone.now(),
        }
        return Response(answer, status=202)


def unavailable(problem: IntakeUnavailable) -> Problem:
    """The 503 of a door that cannot keep what it is given."""
    return Problem(
        503, "intake_unavailable", str(problem), retry=True, headers={"Retry-After": "30"}
    )


def wanted_by(
    sender: Sender, uploads: Sequence[Upload], receipts: Sequence[Receipt]
) -> dict[uuid.UUID, list[str]]:
    """By report id, which of the files that reports announce are still to be sent."""
    pairs = zip(uploads, receipts, strict=True)
    kept = [up.report for up, receipt in pairs if receipt.acceptance in _KEPT]
    return list_wanted(kept, program_id=sender.program_id, device_id=sender.device_id)


_KEPT = frozenset({Acceptance.ACCEPTED, Acceptance.DUPLICATE})


def upload_of(document: bytes, sender: Sender, *, payload: bytes | None = None) -> Upload:
    """An upload from a report's JSON, with a payload beside it or in it. Raises MalformedReport."""
    report = decode_report(document)
    return Upload(
        program_id=sender.program_id,
        device_id=sender.device_id,
        model=sender.model,
        report=report,
        payload=payload_bytes(report.payload) if payload is None else payload,
        received_at=timezone.now(),
        unknown_keys=count_unknown_keys(document),
    )


def _read_upload(request: Request, sender: Sender) -> Upload:
    """The upload in a request. Raises Problem."""
    content_type = request.headers.get("Content-Type", "").strip().lower()
    raw = request._request
    try:
        if content_type.startswith("multipart/"):
            return _from_parts(read_multipart(raw, REPORT_LIMITS), sender)
        return upload_of(read_body(raw, REPORT_LIMITS), sender)
    except MalformedReport as problem:
        count_malformed(1, program_id=sender.program_id, day=timezone.now().date())
        status = 400 if problem.code == "malformed_json" else 422
        raise Problem(status, problem.code, problem.detail) from None


def _from_parts(parts: list[Part], sender: Sender) -> Upload:
    by_name = {part.name: part.content for part in reversed(parts)}
    if "report" not in by_name:
        raise Problem(422, "report_part_missing", "The multipart body has no part `report`.")
    return upload_of(by_name["report"], sender, payload=by_name.get("payload"))
