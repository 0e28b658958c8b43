"""`POST reports/batch/`: up to 500 reports, one JSON document per line.

Every line is judged by itself: a bad one is rejected with its code and never hurts its
neighbours. The answer is in the order of the lines. The whole batch is made durable at once, so a
batch that is answered at all has kept everything it calls accepted.

The same batch with the same `Idempotency-Key` that is sent again within three days gets the first answer again;
without one a replay says `duplicate` line by line. Either way nothing counts twice.
"""

import hashlib
import re
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from crashes.api.uploads import unavailable, upload_of, wanted_by
from crashes.intake.report import MalformedReport
from crashes.services.acceptance import (
    Acceptance,
    IntakeUnavailable,
    Receipt,
    Upload,
)
from crashes.services.agent_losses import count_agent_losses, count_malformed
from crashes.services.batch_answers import find_answer, remember_answer
from crashes.services.load import Overloaded, admit_reports
from crashes.tasks import ring
from devices.api.auth import SENDERS
from devices.api.budget import overloaded, spend_reports
from devices.api.consent import refuse_without_consent
from devices.selectors.access import Sender
from uxp_diag.api.body import BodyLimits, read_lines
from uxp_diag.api.permissions import AnyCredential
from uxp_diag.api.problem import Problem

MAX_LINES = 500
BATCH_LIMITS = BodyLimits(wire_bytes=8 << 20, unpacked_bytes=64 << 20)

_MAX_KEY_LENGTH = 100
_REPORT_ID = re.compile(
    rb'"report_id"\s*:\s*"([0-9a-fA-F]{8}-?(?:[0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12})"'
)


class BatchResultSchema(serializers.Serializer):
    """What became of one line. `report_id` is null when the line has none to be read."""

    report_id = serializers.UUIDField(allow_null=True)
    status = serializers.ChoiceField(["accepted", "duplicate", "rejected"])
    code = serializers.CharField(required=False)
    want = serializers.ListField(child=serializers.CharField(), required=False)


class BatchSchema(serializers.Serializer):
    """The answer to a batch."""

    results = BatchResultSchema(many=True)
    server_time = serializers.DateTimeField()


@dataclass(frozen=True, slots=True)
class Rejected:
    """A line that is no report."""

    report_id: str | None
    code: str


class ReportBatchView(APIView):
    """`POST reports/batch/`."""

    authentication_classes = SENDERS
    permission_classes = [AnyCredential]

    @extend_schema(
        operation_id="upload_report_batch",
        request={"application/x-ndjson": OpenApiTypes.STR},
        responses={200: BatchSchema},
    )
    def post(self, request: Request) -> Response:
        """Take many reports; 200 once all that are accepted are durable."""
        sender: Sender = request.auth  # type: ignore[assignment]
        refuse_without_consent(sender)
        lines = read_lines(request._request, BATCH_LIMITS, most=MAX_LINES)
        key = batch_key(request, lines)
        remembered = find_answer(sender, key)
        if remembered is not None:
            return Response(remembered)
        spend_reports(sender, count=len(lines))
        judged = [_judge(line, sender) for line in lines]
        uploads = [item for item in judged if isinstance(item, Upload)]
        try:
            receipts = admit_reports(uploads)
        except Overloaded as problem:
            raise overloaded() from problem
        except IntakeUnavailable as problem:
            raise unavailable(problem) from problem
        count_agent_losses(uploads, receipts)
        now = timezone.now()
        count_malformed(len(judged) - len(uploads), program_id=sender.program_id, day=now.date())
        ring([receipt.pk for receipt in receipts if receipt.pk is not None])
        wanted = wanted_by(sender, uploads, receipts)
        rest = iter(receipts)
        results = [
            _rejected(item) if isinstance(item, Rejected) else _result(item, next(rest), wanted)
            for item in judged
        ]
        answer = {"results": results, "server_time": now}
        return Response(remember_answer(sender, key, answer, now=now))


def batch_key(request: Request, lines: Sequence[bytes]) -> str:
    """The name of a batch with an `Idempotency-Key`; empty without one. Raises Problem 422.

    The content is part of it: what shares only the key, by mistake or because the senders without
    enrollment are not told apart, is another batch and is stored.
    """
    key = request.headers.get("Idempotency-Key", "").strip()
    if len(key) > _MAX_KEY_LENGTH or not key.isprintable():
        raise Problem(422, "bad_idempotency_key", "An Idempotency-Key has up to 100 characters.")
    digest = hashlib.sha256(key.encode())
    for line in lines:
        digest.update(b"\n" + line)
    return digest.hexdigest() if key else ""


def _judge(line: bytes, sender: Sender) -> Upload | Rejected:
    try:
        return upload_of(line, sender)
    except MalformedReport as problem:
        return Rejected(_readable_id(line), problem.code)


def _readable_id(line: bytes) -> str | None:
    """The report id of a line that is otherwise unreadable, so that its sender can drop it."""
    found = _REPORT_ID.search(line)
    return found[1].decode() if found else None


def _rejected(item: Rejected) -> dict[str, Any]:
    return {"report_id": item.report_id, "status": "rejected", "code": item.code}


def _result(
    upload: Upload, receipt: Receipt, wanted: Mapping[uuid.UUID, list[str]]
) -> dict[str, Any]:
    report_id = str(upload.report.report_id)
    if receipt.acceptance is Acceptance.CONSENT_WITHDRAWN:
        return {"report_id": report_id, "status": "rejected", "code": "consent_withdrawn"}
    want = wanted.get(upload.report.report_id)
    more = {"want": want} if want else {}
    return {"report_id": report_id, "status": receipt.acceptance.value, **more}
