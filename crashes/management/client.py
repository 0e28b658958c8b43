"""A small client of the upload API: one kept-alive connection, packed bodies, patient retries.

A body of more than a kilobyte is sent with gzip; a connection that
broke, and answers 429, 502, 503 and 504, are tried again after a random pause whose limit doubles
each time (full jitter), never before `Retry-After` has passed. A retry repeats the same report id,
so one report stays one report. Other answers are final, and are values, not exceptions. Whoever
brings patience and a queue of its own (`crashes.management.agent`) asks for one attempt.

One client serves one thread. Sockets are opened by the first call and closed by `close`.
"""

import gzip
import json
import secrets
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from random import SystemRandom
from types import TracebackType
from typing import Any, Literal
from urllib.parse import urlsplit

import zstandard

RETRIED_STATUSES = frozenset({429, 502, 503, 504})
_PACK_FROM_BYTES = 1024
_GZIP_LEVEL = 1  # the network is a loopback or a Wi-Fi; the processor is the scarce part
_BASE_SECONDS = 0.5
_CAP_SECONDS = 30.0
_MOST_PATIENCE_SECONDS = 300.0
_OK = range(200, 300)

Packing = Literal["gzip", "zstd"]
_PACKINGS: Mapping[Packing, Callable[[bytes], bytes]] = {
    "gzip": lambda body: gzip.compress(body, _GZIP_LEVEL, mtime=0),
    "zstd": zstandard.compress,
}


class ServerUnreachable(Exception):
    """No answer came, however often we tried."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the server said. `document` is empty when the body was no JSON object.

    `retry_after_seconds` is how long it asks us to wait, zero when it does not.
    """

    status: int
    document: Mapping[str, Any] = field(default_factory=dict)
    retry_after_seconds: float = 0.0

    @property
    def is_ok(self) -> bool:
        """Whether the server did what was asked."""
        return self.status in _OK

    @property
    def code(self) -> str:
        """The stable code of a refusal, or `http_STATUS` when there is none."""
        return str(self.document.get("code") or f"http_{self.status}")


@dataclass(frozen=True, slots=True)
class FilePart:
    """A file part of a multipart body."""

    name: str
    file_name: str
    content: bytes = field(repr=False)


class UploadClient:
    """Calls the upload API of one server; see the module. Raises ValueError for a bad address."""

    def __init__(
        self,
        url: str,
        *,
        attempts: int = 6,
        timeout_seconds: float = 60.0,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError(f"{url!r} is no http or https address")
        kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
        self._connection = kind(parts.hostname, parts.port, timeout=timeout_seconds)
        self._prefix = f"{parts.path.rstrip('/')}/api/v1"
        self._attempts = attempts
        self._sleep = sleep
        self._random = SystemRandom()

    def __enter__(self) -> "UploadClient":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection; the next call opens a new one."""
        self._connection.close()

    def enroll(self, document: Mapping[str, Any], *, key: str) -> Answer:
        """Enroll a phone with an ingest key."""
        return self._post_json("/devices/enroll/", document, credential=key)

    def send_report(
        self, document: Mapping[str, Any], payload: bytes | None = None, *, credential: str
    ) -> Answer:
        """Hand in one report. With `payload` the body is multipart, for formats that are no text."""
        if payload is None:
            return self._post_json("/reports/", document, credential=credential)
        parts = [
            FilePart("report", "report.json", json.dumps(document).encode()),
            FilePart("payload", "payload.bin", payload),
        ]
        return self._post_parts("/reports/", parts, credential=credential)

    def send_batch(
        self, lines: Sequence[bytes], *, batch_id: str, credential: str, packing: Packing = "gzip"
    ) -> Answer:
        """Hand in many reports, one JSON document each. The same id again gets the same answer."""
        headers = {
            "Authorization": f"Bearer {credential}",
            "Content-Type": "application/x-ndjson",
            "Content-Encoding": packing,
            "Idempotency-Key": batch_id,
        }
        body = _PACKINGS[packing](b"\n".join(lines))
        return self._persistently("POST", "/reports/batch/", body, headers)

    def attachment_progress(self, report_id: str, sha256: str, *, credential: str) -> Answer:
        """How much of a report's file the server has."""
        path = f"/reports/{report_id}/attachments/{sha256}/"
        return self._persistently("GET", path, b"", {"Authorization": f"Bearer {credential}"})

    def send_attachment(
        self,
        report_id: str,
        sha256: str,
        piece: bytes,
        *,
        offset: int,
        size_bytes: int,
        credential: str,
    ) -> Answer:
        """Hand in a piece of a report's file; an empty one asks to finish what is all there."""
        span = f"{offset}-{offset + len(piece) - 1}" if piece else "*"
        headers = {
            "Authorization": f"Bearer {credential}",
            "Content-Type": "application/octet-stream",
            "Content-Range": f"bytes {span}/{size_bytes}",
        }
        path = f"/reports/{report_id}/attachments/{sha256}/"
        return self._persistently("PUT", path, piece, headers)

    def send_vitals(self, samples: Iterable[Mapping[str, Any]], *, credential: str) -> Answer:
        """Hand in samples of one phone, as NDJSON."""
        lines = [json.dumps(sample, separators=(",", ":")) for sample in samples]
        body = "\n".join(lines).encode()
        kind = "application/x-ndjson"
        return self._post("/vitals/", body, content_type=kind, credential=credential)

    def send_debug_file(self, file_name: str, content: bytes, *, token: str) -> Answer:
        """Hand in one debug file with an API token of scope `symbols`."""
        parts = [FilePart("file", file_name, content)]
        return self._post_parts("/debug-files/", parts, credential=token)

    def _post_json(self, path: str, document: Mapping[str, Any], *, credential: str) -> Answer:
        body = json.dumps(document, separators=(",", ":")).encode()
        return self._post(path, body, content_type="application/json", credential=credential)

    def _post_parts(self, path: str, parts: list[FilePart], *, credential: str) -> Answer:
        boundary = secrets.token_hex(16)
        body = multipart(parts, boundary=boundary)
        kind = f"multipart/form-data; boundary={boundary}"
        return self._post(path, body, content_type=kind, credential=credential)

    def _post(self, path: str, body: bytes, *, content_type: str, credential: str) -> Answer:
        headers = {"Authorization": f"Bearer {credential}", "Content-Type": content_type}
        if len(body) >= _PACK_FROM_BYTES:
            body = gzip.compress(body, _GZIP_LEVEL, mtime=0)
            headers["Content-Encoding"] = "gzip"
        return self._persistently("POST", path, body, headers)

    def _persistently(
        self, method: str, path: str, body: bytes, headers: Mapping[str, str]
    ) -> Answer:
        """The first final answer, or the last of all. Raises ServerUnreachable."""
        answer: Answer | None = None
        problem: Exception | None = None
        for attempt in range(self._attempts):
            wait_seconds = 0.0
            try:
                answer = self._once(method, path, body, headers)
            except (OSError, HTTPException) as error:
                self.close()
                problem = error
            else:
                if answer.status not in RETRIED_STATUSES:
                    return answer
                wait_seconds = min(answer.retry_after_seconds, _MOST_PATIENCE_SECONDS)
            if attempt + 1 < self._attempts:
                self._pause(attempt, wait_seconds)
        if answer is None:
            raise ServerUnreachable(f"no answer: {problem}") from problem
        return answer

    def _once(self, method: str, path: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """One try."""
        self._connection.request(method, f"{self._prefix}{path}", body, dict(headers))
        response = self._connection.getresponse()
        document = _json_object(response.read())
        wait_seconds = _seconds(response.headers.get("Retry-After"))
        return Answer(response.status, document, wait_seconds)

    def _pause(self, attempt: int, at_least_seconds: float) -> None:
        limit = min(_CAP_SECONDS, _BASE_SECONDS * 2**attempt)
        self._sleep(at_least_seconds + self._random.uniform(0.0, limit))


def multipart(parts: list[FilePart], *, boundary: str) -> bytes:
    """A multipart/form-data body (RFC 7578)."""
    chunks: list[bytes] = []
    for part in parts:
        disposition = f'form-data; name="{part.name}"; filename="{_quoted(part.file_name)}"'
        head = f"--{boundary}\r\nContent-Disposition: {disposition}\r\n"
        chunks.append(f"{head}Content-Type: application/octet-stream\r\n\r\n".encode())
        chunks.append(part.content + b"\r\n")
    return b"".join([*chunks, f"--{boundary}--\r\n".encode()])


def _quoted(file_name: str) -> str:
    """A file name without what would end its quotes or its line, as browsers do it."""
    for letter, code in (('"', "%22"), ("\r", "%0D"), ("\n", "%0A")):
        file_name = file_name.replace(letter, code)
    return file_name


def _json_object(body: bytes) -> Mapping[str, Any]:
    try:
        document = json.loads(body)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def _seconds(retry_after: str | None) -> float:
    """Retry-After in seconds; the form with a date is not used by our server."""
    try:
        return max(0.0, float(retry_after or 0))
    except ValueError:
        return 0.0
