"""`POST debug-files/` and `GET debug-files/missing/`: symbols in, and what is still wanted.

A debug file may be hundreds of megabytes, so it goes from the stream to disk part by part and is
looked at only in the sandbox. A raw body is one file; a multipart body may hold several; a zip
holds as many as it has entries. `package` and `version_code`, in the query or as fields, say which
version of an app the mappings of the upload belong to.
"""

import re
from collections.abc import Mapping
from typing import IO, Any

from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
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
from crashes.services.blobs import incoming_file
from crashes.services.debug_archives import ArchiveEntry, is_archive, register_archive
from crashes.services.symbols import DebugFileRefused, name_mapping, register_debug_file
from crashes.tasks import ring_symbols
from devices.selectors.access import list_programs
from uxp_diag.api.body import BodyLimits, StreamedPart, stream_parts
from uxp_diag.api.problem import Problem
from uxp_diag.roles import Scope
from uxp_diag.viewer import Viewer

_GIB = 1 << 30
DEBUG_FILE_LIMITS = BodyLimits(wire_bytes=2 * _GIB, unpacked_bytes=2 * _GIB, ratio=200, parts=1000)
_APP_FIELDS = ("package", "version_code")
_MAX_FIELD_BYTES = 300


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
        parameters=[
            OpenApiParameter("package", str, description="The app a mapping belongs to."),
            OpenApiParameter("version_code", int, description="The version of that app."),
        ],
        request={
            "multipart/form-data": {
                "type": "object",
                "properties": {
                    "file": {"type": "string", "format": "binary"},
                    "package": {"type": "string"},
                    "version_code": {"type": "integer"},
                },
            },
            "application/octet-stream": OpenApiTypes.BINARY,
        },
        responses={201: DebugFilesSchema},
    )
    def post(self, request: Request) -> Response:
        """Take debug files; 201 tells what was recognised in each."""
        viewer: Viewer = request.auth  # type: ignore[assignment]
        program_id = only_program(viewer)
        said = {name: request.query_params.get(name, "") for name in _APP_FIELDS}
        entries: list[ArchiveEntry] = []
        for part in stream_parts(request._request, DEBUG_FILE_LIMITS):
            if part.name in _APP_FIELDS and part.file_name is None:
                said[part.name] = _text(part)
            elif part.file_name is None and part.name != "file":
                part.drain()
            else:
                with incoming_file() as holder:
                    for chunk in part:
                        holder.write(chunk)
                    holder.seek(0)
                    name = part.file_name or part.name
                    entries += take_debug_files(holder, name, program_id=program_id)
        _refuse_useless(entries)
        _name_mappings(entries, said)
        ring_new(entries)
        return Response({"files": [_answer(entry) for entry in entries]}, status=201)


def take_debug_files(file: IO[bytes], name: str, *, program_id: int) -> list[ArchiveEntry]:
    """What became of an uploaded file, or of every entry when it is a zip."""
    now = timezone.now()
    try:
        if is_archive(file):
            return list(register_archive(file, program_id=program_id, now=now))
        registration = register_debug_file(file, name=name, program_id=program_id, now=now)
    except DebugFileRefused as problem:
        return [ArchiveEntry(name, code=problem.code, detail=problem.detail)]
    return [ArchiveEntry(name, registration)]


def ring_new(entries: list[ArchiveEntry]) -> None:
    """Have the tables made of what was not known before."""
    for entry in entries:
        if entry.registration and entry.registration.is_new:
            ring_symbols(entry.registration.debug_file.pk)


def _refuse_useless(entries: list[ArchiveEntry]) -> None:
    """Raise Problem when an upload held nothing of use."""
    if not entries:
        raise Problem(422, "no_file", "The upload holds no file.")
    if not any(entry.registration for entry in entries):
        raise Problem(422, entries[0].code, f"{entries[0].name}: {entries[0].detail}")


def _text(part: StreamedPart) -> str:
    """A short field. Raises Problem for a long one."""
    data = bytearray()
    for chunk in part:
        data += chunk
        if len(data) > _MAX_FIELD_BYTES:
            raise Problem(422, "invalid_field", f"{part.name} is too long.")
    return data.decode("utf-8", "replace").strip()


def _name_mappings(entries: list[ArchiveEntry], said: Mapping[str, str]) -> None:
    """Tie the mappings of an upload to the version of the app it names. Raises Problem."""
    package, version_code = said["package"], said["version_code"]
    if not package and not version_code:
        return
    if not re.fullmatch(r"[\w.]{1,200}", package):
        raise Problem(422, "invalid_field", "package is not the name of a package.")
    if not re.fullmatch(r"[0-9]{1,18}", version_code):
        raise Problem(422, "invalid_field", "version_code is not a number.")
    for entry in entries:
        if entry.registration:
            name_mapping(
                entry.registration.debug_file.pk,
                package=package,
                version_code=int(version_code),
                now=timezone.now(),
            )


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


def _answer(entry: ArchiveEntry) -> dict[str, Any]:
    debug_file = entry.registration.debug_file if entry.registration else None
    is_new = entry.registration is not None and entry.registration.is_new
    return {
        "name": entry.name,
        "build_id": debug_file.build_id if debug_file else None,
        "kind": debug_file.kind if debug_file else None,
        "arch": (debug_file.arch or None) if debug_file else None,
        "status": "created" if is_new else "known" if debug_file else "refused",
        "code": entry.code or None,
        "detail": entry.detail or None,
    }
