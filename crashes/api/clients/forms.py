"""Multipart forms with a minidump in them, as Breakpad, Crashpad and Sentry's SDKs send them."""

from dataclasses import dataclass, field
from typing import Final

from django.http import HttpRequest

from uxp_diag.api.body import BodyLimits, Part, read_multipart

_MIB = 1 << 20
MINIDUMP_LIMITS: Final = BodyLimits(
    wire_bytes=25 * _MIB, unpacked_bytes=64 * _MIB, ratio=100, parts=1024
)
"""A dump of 20 MiB and room beside it; Crashpad sends one part for every annotation."""

_MINIDUMP_PART = "upload_file_minidump"
_FILE_PREFIX = "upload_file_"
_MAX_FIELD_BYTES = 256 * 1024


@dataclass(slots=True)
class Form:
    """The parts of a form by what they are; `minidump` is None when there is none."""

    minidump: bytes | None = None
    fields: dict[str, str] = field(default_factory=dict)
    others: list[Part] = field(default_factory=list)


def read_form(request: HttpRequest, limits: BodyLimits) -> Form:
    """The form in a request's body. Raises Problem 400, 413 or 415.

    A body that is no form is the dump itself.
    """
    form = Form()
    is_form = "multipart/form-data" in request.headers.get("Content-Type", "").lower()
    for part in read_multipart(request, limits):
        if part.name == _MINIDUMP_PART or not is_form:
            form.minidump = form.minidump or part.content or None
        elif part.file_name is not None or part.name.startswith(_FILE_PREFIX):
            form.others.append(part)
        elif len(part.content) <= _MAX_FIELD_BYTES:
            form.fields.setdefault(part.name, part.content.decode("utf-8", "replace"))
    return form
