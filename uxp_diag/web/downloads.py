"""Bytes from outside, handed on as a file that no browser interprets."""

from typing import IO

from django.http import FileResponse


def attachment(stream: IO[bytes], *, file_name: str) -> FileResponse:
    """A download without a type, under a policy that allows nothing; closes the stream."""
    response = FileResponse(
        stream, as_attachment=True, filename=file_name, content_type="application/octet-stream"
    )
    response["X-Content-Type-Options"] = "nosniff"
    response["Content-Security-Policy"] = "default-src 'none'; sandbox"
    response["Cache-Control"] = "private, no-store"
    return response
