"""`POST debug-files/` and `GET debug-files/missing/`: symbols in, and what is still wanted.

A debug file may be hundreds of megabytes, so it goes from the stream to disk part by part and is
looked at only in the sandbox. A raw body is one file; a multipart body may hold several.
"""

import tempfile
from typing import IO, Any

from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from crashes.api.staff import LIMIT_PARAMETER, ProblemSchema, StaffView, size_in, viewer_in
from crashes.selectors.debug_files import (
    MissingRow,
    count_missing_debug_files,
    list_missing_debug_files,
)
from crashes.services.symbols import DebugFileRefused, Registration, register_debug_file
from crashes.tasks import ring_symbols
from devices.selectors.access import list_programs
from uxp_diag.api.body import BodyLimits, StreamedPart, stream_parts
from uxp_diag.api.problem import Problem
from uxp_diag.roles import Scope
from uxp_diag.viewer import Viewer

_GIB = 1 << 30
DEBUG_FILE_LIMITS = BodyLimits(wire_bytes=2 * _GIB, unpacked_bytes=2 * _GIB, ratio=200, parts=1000)
_IN_MEMORY_BYTES = 1 << 20


class RecognizedSchema(serializers.Serializer):
    """One file of an upload: what it is, or why it is of no use."""

    name = serializers.CharField()
    build_id = serializers.CharField(allow_null=True)
    kind = serializers.CharField(allow_null=True)
    arch = serializers.CharField(allow_null=True)
    status = serializers.ChoiceField(["created", "known", "refused"])
    code = serializers.CharField(allow_null=True)
    detail = serializers.CharField(allow_null=True)


class DebugFilesSchema(serializers.Serializer):
    """The answer to an upload of debug files."""

    files = RecognizedSchema(many=True)


class DebugFileUploadView(APIView):
    """`POST debug-files/`."""

    required_scopes = {"POST": Scope.SYMBOLS}

    @extend_schema(
        operation_id="upload_debug_files",
        request={
            "multipart/form-data": {
                "type": "object",
                "properties": {"file": {"type": "string", "format": "binary"}},
            },
            "application/octet-stream": OpenApiTypes.BINARY,
        },
        responses={201: DebugFilesSchema},
    )
    def post(self, request: Request) -> Response:
        """Take debug files; 201 tells what was recognised in each."""
        viewer: Viewer = request.auth  # type: ignore[assignment]
        program_id = only_program(viewer)
        answers = []
        with tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY_BYTES) as holder:
            for part in stream_parts(request._request, DEBUG_FILE_LIMITS):
                if part.file_name is None and part.name != "file":
                    part.drain()
                    continue
                holder.seek(0)
                holder.truncate()
                for chunk in part:
                    holder.write(chunk)
                holder.seek(0)
                answers.append(_take(holder, part, program_id=program_id))
        if not answers:
            raise Problem(422, "no_file", "The upload holds no file.")
        if all(answer["status"] == "refused" for answer in answers):
            first = answers[0]
            raise Problem(422, first["code"], f"{first['name']}: {first['detail']}")
        return Response({"files": answers}, status=201)


class MissingSchema(serializers.Serializer):
    """A build id that reports name and that has no debug file."""

    build_id = serializers.CharField()
    arch = serializers.CharField(allow_null=True)
    module = serializers.CharField(allow_null=True)
    reports = serializers.IntegerField()
    last_seen_at = serializers.DateTimeField()


class MissingDebugFilesSchema(serializers.Serializer):
    """The most wanted debug files; `count` is how many are missing in all."""

    results = MissingSchema(many=True)
    count = serializers.IntegerField()


class MissingDebugFilesView(StaffView):
    """`GET debug-files/missing/`."""

    required_scopes = {"GET": frozenset({Scope.READ, Scope.SYMBOLS})}

    @extend_schema(
        operation_id="list_missing_debug_files",
        parameters=[LIMIT_PARAMETER],
        responses={200: MissingDebugFilesSchema, 400: ProblemSchema},
    )
    def get(self, request: Request) -> Response:
        """Build ids without a debug file, those that would help most reports first."""
        viewer = viewer_in(request)
        rows = list_missing_debug_files(viewer=viewer, limit=size_in(request))
        count = count_missing_debug_files(viewer=viewer)
        return Response({"results": [_missing(row) for row in rows], "count": count})


def _missing(row: MissingRow) -> dict[str, Any]:
    return {
        "build_id": row.build_id,
        "arch": row.arch or None,
        "module": row.module or None,
        "reports": row.reports,
        "last_seen_at": row.last_seen_at,
    }


def only_program(viewer: Viewer) -> int:
    """The program that a viewer's upload belongs to: the first of theirs."""
    programs = list_programs(viewer=viewer)
    if not programs:
        raise Problem(403, "no_program", "This credential belongs to no program.")
    return programs[0].pk


def _take(file: IO[bytes], part: StreamedPart, *, program_id: int) -> dict[str, Any]:
    name = part.file_name or part.name
    try:
        registration = register_debug_file(
            file, name=name, program_id=program_id, now=timezone.now()
        )
    except DebugFileRefused as problem:
        return {
            "name": name,
            "build_id": None,
            "kind": None,
            "arch": None,
            "status": "refused",
            "code": problem.code,
            "detail": problem.detail,
        }
    if registration.is_new:
        ring_symbols(registration.debug_file.pk)
    return _recognized(registration, name)


def _recognized(registration: Registration, name: str) -> dict[str, Any]:
    debug_file = registration.debug_file
    return {
        "name": name,
        "build_id": debug_file.build_id,
        "kind": debug_file.kind,
        "arch": debug_file.arch or None,
        "status": "created" if registration.is_new else "known",
        "code": None,
        "detail": None,
    }
