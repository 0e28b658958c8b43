"""ACRA's HTTP sender: `POST /api/{program}/acra`, or `PUT` with the report's id behind it.

ACRA keeps a report and sends it again after 408 and any 5xx, and throws it away after any other
4xx, 429 too. So a report that could be kept later is answered 503, and 4xx is only for what can
never be a report or has no key. Attachments that come by themselves (`PUT …/ID-NAME`) are read,
counted and not kept; 200 lets the client delete them.
"""

from typing import Final
from urllib.parse import parse_qsl
from uuid import UUID

from django.http import HttpRequest
from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response

from crashes.api.clients.credentials import sender_of
from crashes.api.clients.door import ClientView, Delivered, keep
from crashes.intake.acra import NotAcra, document_of_form, model_of_acra, report_of_acra
from crashes.intake.client_ids import report_id_of, report_id_of_content, split_attachment_name
from crashes.intake.client_losses import NOT_KEPT, LossCounter
from crashes.intake.client_text import decode_object
from devices.selectors.access import Sender
from uxp_diag.api.body import BodyLimits, iterate_body, read_body, read_multipart
from uxp_diag.api.problem import Problem

_MIB = 1 << 20
ACRA_LIMITS: Final = BodyLimits(wire_bytes=25 * _MIB, unpacked_bytes=64 * _MIB, ratio=100)
MAX_DOCUMENT_BYTES: Final = 4 * _MIB
"""The report itself, logs and settings included; the recorded one has 48 KiB."""

_CLIENT = "acra"
_REPORT_PART = "ACRA_REPORT"
_MAX_FIELDS = 200
_TOO_MANY = 429


class AcraView(ClientView):
    """`POST` and `PUT /api/{program}/acra[/{id}]`."""

    def post(self, request: Request, program: int, name: str = "") -> Response:
        """Keep one report."""
        sender = sender_of(request._request, program)
        if split_attachment_name(name) is not None:
            return _take_attachment(request._request, sender)
        return _take_report(request._request, sender, named_id=report_id_of(name))

    put = post

    def handle_exception(self, exc: Exception) -> Response:
        """A spent budget as 503: after 429 the client would throw its report away."""
        if isinstance(exc, Problem) and exc.status_code == _TOO_MANY:
            exc = Problem(503, exc.code, exc.detail, retry=True, headers=exc.headers)
        return super().handle_exception(exc)


def _take_attachment(request: HttpRequest, sender: Sender) -> Response:
    for _ in iterate_body(request, ACRA_LIMITS):
        pass
    losses = LossCounter(_CLIENT)
    losses.add(NOT_KEPT, "attachment")
    keep([], losses.losses(), sender=sender, now=timezone.now())
    return Response({"status": "not_kept"})


def _take_report(request: HttpRequest, sender: Sender, *, named_id: UUID | None) -> Response:
    document, attachments = _read(request)
    if len(document) > MAX_DOCUMENT_BYTES:
        raise Problem(413, "body_too_large", "A report may have 4 MiB.")
    delivered = _delivered(document, named_id)
    losses = LossCounter(_CLIENT)
    if attachments:
        losses.add(NOT_KEPT, "attachment", attachments)
    (receipt,) = keep([delivered], losses.losses(), sender=sender, now=timezone.now())
    report_id = str(delivered.report.report_id)
    return Response({"report_id": report_id, "status": receipt.acceptance.value})


def _delivered(document: bytes, named_id: UUID | None) -> Delivered:
    said = decode_object(document)
    if said is None:
        raise Problem(400, "malformed_json", "The report is not a JSON object.")
    try:
        report = report_of_acra(said, report_id=named_id, content_id=report_id_of_content(document))
    except NotAcra:
        raise Problem(422, "not_acra", "No field of an ACRA report is there.") from None
    return Delivered(report, model_of_acra(said), document)


def _read(request: HttpRequest) -> tuple[bytes, int]:
    """The report as JSON, and how many attachments came with it. Raises Problem."""
    content_type = request.headers.get("Content-Type", "").strip().lower()
    if content_type.startswith("multipart/"):
        parts = read_multipart(request, ACRA_LIMITS)
        reports = [part.content for part in parts if part.name == _REPORT_PART]
        if not reports:
            raise Problem(422, "report_part_missing", "The form has no part `ACRA_REPORT`.")
        return reports[0], len(parts) - len(reports)
    body = read_body(request, ACRA_LIMITS)
    if content_type.startswith("application/x-www-form-urlencoded"):
        return document_of_form(_fields(body)), 0
    return body, 0


def _fields(body: bytes) -> list[tuple[str, str]]:
    """The fields of a form. Raises Problem 413 for more than any ACRA has."""
    if len(body) > MAX_DOCUMENT_BYTES:
        raise Problem(413, "body_too_large", "A report may have 4 MiB.")
    try:
        return parse_qsl(
            body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=_MAX_FIELDS
        )
    except ValueError:
        raise Problem(413, "too_many_parts", "The form has too many fields.") from None
