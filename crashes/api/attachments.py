"""`reports/{report_id}/attachments/{sha256}/`: a file that a report announced, in pieces.

    PUT  Content-Range: bytes 0-262143/700000   202 {"received_bytes": 262144, …}
    PUT  … the connection breaks …
    GET                                         200 {"received_bytes": 300000, …}
    PUT  Content-Range: bytes 300000-699999/…   201 {"is_complete": true, …}

A PUT without Content-Range is the whole file. `Content-Range: bytes */700000` with an empty body asks
to finish a file of which everything is here. Numbers are of the unpacked file, whatever the
Content-Encoding of one piece is.
"""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import InterfaceError, OperationalError
from django.http import FileResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from crashes.api.staff import ProblemSchema, StaffView, viewer_in
from crashes.intake.attachments import ContentRange, MalformedRange, parse_range
from crashes.selectors.attachments import attachment_name, open_attachment
from crashes.selectors.reports import get_report
from crashes.services.attachments import (
    Announced,
    AttachmentRefused,
    ConsentGone,
    Progress,
    UnknownAttachment,
    append,
    find_attachment,
    finish,
    progress_of,
)
from crashes.tasks import ring
from devices.api.auth import SENDERS
from devices.api.budget import spend_attachment
from devices.api.consent import consent_problem, refuse_without_consent
from devices.selectors.access import Sender
from uxp_diag.api.body import BodyLimits, iterate_body
from uxp_diag.api.permissions import AnyCredential
from uxp_diag.api.problem import Problem
from uxp_diag.roles import Scope
from uxp_diag.web.downloads import attachment as download

_PACKING_BYTES = 64 * 1024
"""What packing may add to bytes that cannot be packed."""

_STATUSES = {"offset_mismatch": 409}


class ProgressSchema(serializers.Serializer):
    """How much of a file is here and on disk."""

    received_bytes = serializers.IntegerField()
    size_bytes = serializers.IntegerField()
    is_complete = serializers.BooleanField()


class AttachmentView(APIView):
    """One file of one report, for whoever sent the report."""

    authentication_classes = SENDERS
    permission_classes = [AnyCredential]

    @extend_schema(operation_id="get_attachment_progress", responses={200: ProgressSchema})
    def get(self, request: Request, report_id: uuid.UUID, sha256: str) -> Response:
        """Where to go on."""
        with _problems():
            attachment = _find(request, report_id, sha256)
            return _answer(progress_of(attachment), 200)

    @extend_schema(
        operation_id="upload_attachment",
        parameters=[
            OpenApiParameter(
                "Content-Range", str, OpenApiParameter.HEADER, description="`bytes 0-99/700000`"
            )
        ],
        request={"application/octet-stream": OpenApiTypes.BINARY},
        responses={200: ProgressSchema, 201: ProgressSchema, 202: ProgressSchema},
    )
    def put(self, request: Request, report_id: uuid.UUID, sha256: str) -> Response:
        """Take a piece: 202 while some is missing, 201 once the whole is durable, 200 for a replay."""
        sender: Sender = request.auth  # type: ignore[assignment]
        refuse_without_consent(sender)
        with _problems():
            attachment = _find(request, report_id, sha256)
            progress = progress_of(attachment)
            if progress.is_complete:
                return _answer(progress, 200)
            piece = _range(request, progress)
            spend_attachment(sender, size_bytes=piece.length)
            if piece.length:
                body = _body(request, piece.length)
                whole = request.headers.get("Content-Range") is None
                progress = append(attachment, body, start=None if whole else piece.start)
            if not progress.is_all_here:
                return _answer(progress, 202)
            finished = finish(attachment)
        ring([finished.report_pk] if finished.report_pk is not None else [])
        size = progress.size_bytes
        return _answer(Progress(size, size, is_complete=True), 201 if finished.is_new else 200)


def _find(request: Request, report_id: uuid.UUID, sha256: str) -> Announced:
    sender: Sender = request.auth  # type: ignore[assignment]
    return find_attachment(
        program_id=sender.program_id,
        device_id=sender.device_id,
        report_id=report_id,
        sha256=sha256,
    )


def _range(request: Request, progress: Progress) -> ContentRange:
    """Which part the body is. Raises Problem."""
    text = request.headers.get("Content-Range")
    if text is None:
        return ContentRange(0, progress.size_bytes, progress.size_bytes)
    try:
        found = parse_range(text)
    except MalformedRange:
        raise Problem(400, "bad_range", "Content-Range is not like `bytes 0-99/700000`.") from None
    if found.total != progress.size_bytes:
        raise Problem(422, "size_mismatch", "The report has announced another size.")
    return found


def _body(request: Request, length: int) -> Iterator[bytes]:
    """The unpacked body, which may not be longer than it says. Raises Problem."""
    limits = BodyLimits(wire_bytes=length + _PACKING_BYTES, unpacked_bytes=length)
    return iterate_body(request._request, limits)


def _answer(progress: Progress, status: int) -> Response:
    document = {
        "received_bytes": progress.received_bytes,
        "size_bytes": progress.size_bytes,
        "is_complete": progress.is_complete,
    }
    return Response(document, status=status)


class AttachmentFileView(StaffView):
    """`reports/{report_id}/attachments/{sha256}/file/`. As with raw payloads, no token may."""

    required_scopes = {"GET": Scope.RAW_PAYLOAD}

    @extend_schema(
        operation_id="get_attachment_file",
        responses={
            (200, "application/octet-stream"): OpenApiTypes.BINARY,
            403: ProblemSchema,
            404: ProblemSchema,
        },
    )
    def get(self, request: Request, report_id: uuid.UUID, sha256: str) -> FileResponse:
        """The bytes of a whole file, as a file to keep."""
        viewer = viewer_in(request)
        report = get_report(viewer=viewer, report_id=report_id)
        payload = open_attachment(viewer=viewer, report=report, sha256=sha256)
        return download(payload.stream, file_name=attachment_name(sha256, payload))


@contextmanager
def _problems() -> Iterator[None]:
    """What services raise, in the words of HTTP."""
    try:
        yield
    except UnknownAttachment:
        raise Problem(404, "not_found", "This report has announced no such file.") from None
    except AttachmentRefused as problem:
        raise _refusal(problem) from None
    except ConsentGone:
        raise consent_problem(has_withdrawn=True) from None
    except (OperationalError, InterfaceError) as error:
        raise _unavailable("The database is away.") from error
    except OSError as error:
        raise _unavailable("The file cannot be written.") from error


def _unavailable(detail: str) -> Problem:
    return Problem(503, "intake_unavailable", detail, retry=True, headers={"Retry-After": "30"})


def _refusal(problem: AttachmentRefused) -> Problem:
    status = _STATUSES.get(problem.code, 422)
    if problem.expected_offset is None:
        return Problem(status, problem.code, problem.detail)
    expected = problem.expected_offset
    return Problem(
        status,
        problem.code,
        problem.detail,
        retry=True,
        headers={"Upload-Offset": str(expected)},
        extra={"expected_offset": expected},
    )
