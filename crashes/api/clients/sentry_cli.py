"""sentry-cli: debug files and mappings, whole or in chunks, and the calls around them.

    GET  organizations/ORG/chunk-upload/             how pieces are to be cut
    POST projects/ORG/PROJECT/files/difs/assemble/   what is missing; when nothing is, the result
    POST organizations/ORG/chunk-upload/             pieces
    POST projects/ORG/PROJECT/files/dsyms/           a zip, as version 2 sends mappings

The API token knows its program, so the names of organization and project in the address may be
anything. Releases and deployments are what devices run, not what a build machine announces: those
calls are answered so that the client goes on, and the answer says that nothing was stored. Source
bundles are not kept; `accept` does not offer it, but version 3 sends them all the same, and an
error would fail a build whose debug files are safe.
"""

import zlib
from collections.abc import Iterator
from typing import Any, Final

import msgspec
from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from crashes.api.clients.door import AnyAnswer
from crashes.api.debug_files import (
    DEBUG_FILE_LIMITS,
    only_program,
    ring_new,
    take_debug_files,
)
from crashes.selectors.debug_files import has_debug_file
from crashes.services.blobs import incoming_file
from crashes.services.chunks import (
    CHUNK_BYTES,
    MAX_PENDING_BYTES,
    Assembly,
    ChunkRefused,
    WantedFile,
    assemble,
    forget_expired,
    keep_chunk,
    pending_bytes,
)
from crashes.services.debug_archives import ArchiveEntry
from crashes.tasks import ring_symbols
from devices.api.auth import ApiTokenAuthentication
from uxp_diag.api.body import BodyLimits, StreamedPart, read_body, stream_parts
from uxp_diag.api.problem import Problem
from uxp_diag.roles import Scope
from uxp_diag.viewer import Viewer

_MIB = 1 << 20
CHUNKS_PER_REQUEST: Final = 64
REQUEST_BYTES: Final = 32 * _MIB
CHUNK_LIMITS: Final = BodyLimits(
    wire_bytes=REQUEST_BYTES + _MIB,
    unpacked_bytes=REQUEST_BYTES + _MIB,
    parts=2 * CHUNKS_PER_REQUEST,
)
QUESTION_LIMITS: Final = BodyLimits(wire_bytes=8 * _MIB, unpacked_bytes=16 * _MIB)
_MAX_FILES = 1000
_MAX_FILE_BYTES = 2 << 30
_NO_SOURCES = "Source bundles are not kept."
_NOT_STORED = "Releases are what devices report; nothing was stored."


class CliView(APIView):
    """An endpoint of sentry-cli: an API token with the scope `symbols`."""

    authentication_classes = [ApiTokenAuthentication]
    content_negotiation_class = AnyAnswer
    required_scopes = dict.fromkeys(("GET", "POST", "PUT", "DELETE"), Scope.SYMBOLS)
    schema = None

    def handle_exception(self, exc: Exception) -> Response:
        """The problem as plain JSON: of any other type the client does not show the detail."""
        response = super().handle_exception(exc)
        response.content_type = "application/json"
        return response


class RootView(CliView):
    """`GET /api/0/`: who the token is (`sentry-cli info`)."""

    def get(self, request: Request) -> Response:
        viewer = _viewer(request)
        scopes = sorted(scope.value for scope in viewer.scopes)
        return Response({"version": "0", "user": None, "auth": {"scopes": scopes}})


class ChunkUploadView(CliView):
    """`/api/0/organizations/{org}/chunk-upload/`."""

    def get(self, request: Request, org: str) -> Response:
        """How files are to be cut, and of which kinds."""
        del org
        forget_expired(now=timezone.now())
        return Response(
            {
                "url": request.build_absolute_uri(request.path),
                "chunkSize": CHUNK_BYTES,
                "chunksPerRequest": CHUNKS_PER_REQUEST,
                "maxFileSize": _MAX_FILE_BYTES,
                "maxRequestSize": REQUEST_BYTES,
                "concurrency": 2,
                "hashAlgorithm": "sha1",
                "compression": ["gzip"],
                "accept": ["debug_files", "proguard"],
            }
        )

    def post(self, request: Request, org: str) -> Response:
        """Take pieces; each part is named by the SHA-1 of what it unpacks to."""
        del org
        program_id = only_program(_viewer(request))
        room = MAX_PENDING_BYTES - pending_bytes(program_id)
        for part in stream_parts(request._request, CHUNK_LIMITS):
            if part.name not in {"file", "file_gzip"}:
                continue
            data = _chunk(part)
            room -= len(data)
            if room < 0:
                raise Problem(413, "too_many_chunks", "Too much waits for being put together.")
            try:
                keep_chunk(data, sha1=part.file_name or "", program_id=program_id)
            except ChunkRefused as problem:
                raise Problem(400, problem.code, problem.detail) from None
        return Response(status=200)


class AssembleView(CliView):
    """`POST /api/0/projects/{org}/{project}/files/difs/assemble/`."""

    def post(self, request: Request, org: str, project: str) -> Response:
        """For every file: what is missing, or what became of it."""
        del org, project
        program_id = only_program(_viewer(request))
        question = _json_object(request)
        if len(question) > _MAX_FILES:
            raise Problem(413, "too_many_files", f"One question may be about {_MAX_FILES} files.")
        answers = {}
        for sha1, description in question.items():
            wanted = _wanted(sha1, description)
            answers[sha1] = _assembly_answer(
                sha1, assemble(wanted, program_id=program_id, now=timezone.now())
            )
        return Response(answers)


class DebugFilesView(CliView):
    """`/api/0/projects/{org}/{project}/files/dsyms/`."""

    def get(self, request: Request, org: str, project: str) -> Response:
        """Nothing: what is known is asked for by its checksum."""
        del request, org, project
        return Response([])

    def post(self, request: Request, org: str, project: str) -> Response:
        """Take zips of debug files, or single ones."""
        del org, project
        program_id = only_program(_viewer(request))
        entries = []
        for part in stream_parts(request._request, DEBUG_FILE_LIMITS):
            if part.file_name is None and part.name != "file":
                continue
            with incoming_file() as holder:
                for chunk in part:
                    holder.write(chunk)
                holder.seek(0)
                name = part.file_name or part.name
                entries += take_debug_files(holder, name, program_id=program_id)
        _refuse_useless(entries)
        ring_new(entries)
        taken = [entry.registration for entry in entries if entry.registration]
        return Response([_dif(registration.debug_file) for registration in taken])


class ProguardReleaseView(CliView):
    """`/api/0/projects/{org}/{project}/files/proguard-artifact-releases`."""

    def post(self, request: Request, org: str, project: str) -> Response:
        """Whether a mapping is here. Reports name theirs by its id, so no release is needed."""
        del org, project
        said = _json_object(request)
        uuid, release = str(said.get("proguard_uuid")), said.get("release_name")
        if not has_debug_file(viewer=_viewer(request), build_id=uuid):
            raise Problem(404, "not_found", "There is no mapping with this id.")
        return Response({"proguardReleases": [release], "proguardUuid": uuid}, status=201)


class ReleaseListView(CliView):
    """`/api/0/organizations/{org}/releases/` and the same below a project."""

    def get(self, request: Request, **names: str) -> Response:
        """None: releases are not kept here."""
        del request, names
        return Response([])

    def post(self, request: Request, **names: str) -> Response:
        """Acknowledge a release."""
        said = _json_object(request)
        return Response(_release(request, said.get("version"), names), status=201)


class ReleaseView(CliView):
    """`/api/0/organizations/{org}/releases/{version}/` and the same below a project."""

    def get(self, request: Request, version: str, **names: str) -> Response:
        """Acknowledge a release."""
        return Response(_release(request, version, names))

    def put(self, request: Request, version: str, **names: str) -> Response:
        """Acknowledge a change of a release."""
        _json_object(request)
        return Response(_release(request, version, names))


class DeployView(CliView):
    """`/api/0/organizations/{org}/releases/{version}/deploys/`."""

    def get(self, request: Request, **names: str) -> Response:
        """None."""
        del request, names
        return Response([])

    def post(self, request: Request, **names: str) -> Response:
        """Acknowledge a deployment."""
        del names
        said = _json_object(request)
        return Response(
            {key: said.get(key) for key in ("environment", "name", "url")}
            | {
                "id": "0",
                "dateStarted": said.get("dateStarted"),
                "dateFinished": said.get("dateFinished") or timezone.now(),
                "detail": _NOT_STORED,
            },
            status=201,
        )


class NoSuchCallView(CliView):
    """Anything else below `/api/0/`: a 404 that the client can read."""

    def dispatch_unknown(self, request: Request, rest: str) -> Response:
        """There is no such call."""
        del request, rest
        raise Problem(404, "not_found", "This server knows no such call of sentry-cli.")

    get = post = put = delete = dispatch_unknown


def _viewer(request: Request) -> Viewer:
    viewer: Viewer = request.auth  # type: ignore[assignment]
    return viewer


def _json_object(request: Request) -> dict[str, Any]:
    """The JSON object in the body. Raises Problem 400."""
    try:
        said = msgspec.json.decode(read_body(request._request, QUESTION_LIMITS) or b"{}")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        said = None
    if not isinstance(said, dict):
        raise Problem(400, "malformed_json", "The body is not a JSON object.")
    return said


def _chunk(part: StreamedPart) -> bytes:
    """The piece in a part, unpacked. Raises Problem 400 or 413."""
    data = b"".join(_bounded(part))
    if part.name == "file":
        return data
    unpack = zlib.decompressobj(wbits=31)
    try:
        plain = unpack.decompress(data, CHUNK_BYTES)
    except zlib.error:
        raise Problem(400, "damaged_encoding", "A chunk is not gzip.") from None
    if unpack.unconsumed_tail or not unpack.eof:
        raise Problem(413, "body_too_large", "A chunk is cut off or larger than agreed.")
    return plain


def _bounded(part: StreamedPart) -> Iterator[bytes]:
    room = CHUNK_BYTES + _MIB
    for piece in part:
        room -= len(piece)
        if room < 0:
            raise Problem(413, "body_too_large", "A chunk is larger than agreed.")
        yield piece


def _wanted(sha1: str, description: Any) -> WantedFile:
    said = description if isinstance(description, dict) else {}
    chunks = said.get("chunks")
    listed = chunks if isinstance(chunks, list) else []
    return WantedFile(sha1, str(said.get("name", ""))[:300], tuple(map(str, listed)))


def _assembly_answer(sha1: str, assembly: Assembly) -> dict[str, Any]:
    if assembly.is_new and assembly.debug_file:
        ring_symbols(assembly.debug_file.pk)
    if assembly.debug_file:
        dif = _dif(assembly.debug_file) | {"sha1": sha1}
        return {"state": "ok", "missingChunks": [], "detail": None, "dif": dif}
    if assembly.is_ignored:
        return {"state": "ok", "missingChunks": [], "detail": _NO_SOURCES, "dif": None}
    if assembly.problem:
        return {"state": "error", "missingChunks": [], "detail": assembly.problem}
    return {"state": "not_found", "missingChunks": list(assembly.missing), "detail": None}


def _dif(debug_file: Any) -> dict[str, Any]:
    """A debug file in sentry-cli's words."""
    facts = debug_file.facts
    is_mapping = debug_file.kind.startswith("proguard")
    features = {
        "debug": facts.get("has_dwarf"),
        "symtab": facts.get("has_symtab"),
        "unwind": facts.get("has_unwind"),
        "mapping": is_mapping,
    }
    return {
        "id": str(debug_file.pk),
        "uuid": facts.get("debug_id"),
        "debugId": facts.get("debug_id"),
        "codeId": facts.get("build_id"),
        "objectName": debug_file.name,
        "cpuName": debug_file.arch or "any",
        "headers": {"Content-Type": "application/octet-stream"},
        "size": debug_file.size_bytes,
        "sha1": "",
        "dateCreated": debug_file.created_at,
        "symbolType": "proguard" if is_mapping else debug_file.kind.partition("_")[0],
        "data": {"features": [name for name, has in features.items() if has]},
    }


def _refuse_useless(entries: list[ArchiveEntry]) -> None:
    """Raise Problem when an upload held nothing of use."""
    if not entries:
        raise Problem(400, "no_file", "The upload holds no file.")
    if not any(entry.registration for entry in entries):
        raise Problem(400, entries[0].code, f"{entries[0].name}: {entries[0].detail}")


def _release(request: Request, version: Any, names: dict[str, str]) -> dict[str, Any]:
    project = names.get("project", "")
    return {
        "version": str(version),
        "dateCreated": timezone.now(),
        "dateReleased": None,
        "url": None,
        "projects": [{"slug": project, "name": project}] if project else [],
        "detail": _NOT_STORED,
    }
