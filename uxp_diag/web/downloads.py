"""Bytes from outside, handed on as a file that no browser interprets."""

import io
import re
from typing import IO

from django.http import FileResponse, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

_RANGE = re.compile(
    r"bytes=(?:(?P<first>[0-9]{1,18})-(?P<last>[0-9]{0,18})|-(?P<tail>[0-9]{1,18}))"
)


def attachment(stream: IO[bytes], *, file_name: str) -> FileResponse:
    """A download without a type, under a policy that allows nothing; closes the stream."""
    response = FileResponse(
        stream, as_attachment=True, filename=file_name, content_type="application/octet-stream"
    )
    return _locked(response)


def ranged_attachment(
    request: HttpRequest, stream: IO[bytes], *, size_bytes: int, etag: str, file_name: str
) -> HttpResponseBase:
    """The same, or the one byte range that the request asks for (RFC 9110, section 14).

    `etag` stands for the content: who has it gets 304, and `If-Range` with another one gets the
    whole. Several ranges at once get the whole as well, which the RFC allows.
    """
    if etag in [tag.strip() for tag in request.headers.get("If-None-Match", "").split(",")]:
        stream.close()
        return HttpResponse(status=304, headers={"ETag": etag})
    wanted = _RANGE.fullmatch(request.headers.get("Range", "").replace(" ", ""))
    if wanted is None or request.headers.get("If-Range", etag) != etag:
        response = attachment(stream, file_name=file_name)
        response["Content-Length"] = str(size_bytes)
    else:
        start, end = _bounds(wanted, size_bytes)
        if start >= end:
            stream.close()
            return HttpResponse(status=416, headers={"Content-Range": f"bytes */{size_bytes}"})
        response = attachment(io.BufferedReader(_Slice(stream, start, end)), file_name=file_name)
        response.status_code = 206
        response["Content-Length"] = str(end - start)
        response["Content-Range"] = f"bytes {start}-{end - 1}/{size_bytes}"
    response["Accept-Ranges"] = "bytes"
    response["ETag"] = etag
    return response


def _bounds(wanted: re.Match[str], size_bytes: int) -> tuple[int, int]:
    """Where a range begins and ends; nothing lies between for one that cannot be had."""
    if wanted["tail"] is not None:
        return max(size_bytes - int(wanted["tail"]), 0), size_bytes if int(wanted["tail"]) else 0
    last = int(wanted["last"]) if wanted["last"] else size_bytes - 1
    return int(wanted["first"]), min(last + 1, size_bytes)


class _Slice(io.RawIOBase):
    """A part of a file, read as a file; closes it."""

    def __init__(self, file: IO[bytes], start: int, end: int) -> None:
        self._file, self._left = file, end - start
        file.seek(start)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        data = self._file.read(min(len(buffer), self._left))
        buffer[: len(data)] = data
        self._left -= len(data)
        return len(data)

    def close(self) -> None:
        self._file.close()
        super().close()


def _locked(response: FileResponse) -> FileResponse:
    response["X-Content-Type-Options"] = "nosniff"
    response["Content-Security-Policy"] = "default-src 'none'; sandbox"
    response["Cache-Control"] = "private, no-store"
    return response
