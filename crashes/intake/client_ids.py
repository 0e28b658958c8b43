"""The ids of clients that know no enrollment, as report ids.

One id comes in several spellings: Sentry's SDKs write 32 hex digits, its native SDK a UUID with
dashes, ACRA a UUID, Breakpad none at all. What has no id gets one from its content, so that a
retry of the same bytes is a duplicate and not a second report.
"""

import hashlib
import re
import uuid
from typing import Any

_CONTENT = uuid.UUID("0a3c6f5e-6a53-5d0e-8a3b-4f1d7c9e2b60")
_HEX = re.compile(r"[0-9a-fA-F]{32}|[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_UUID_LENGTH = 36


def report_id_of(value: Any) -> uuid.UUID | None:
    """The id that a client gave, in either spelling; None for anything else, and for all zeros."""
    text = value.strip() if isinstance(value, str) else ""
    if _HEX.fullmatch(text) is None:
        return None
    found = uuid.UUID(text)
    return found if found.int else None


def report_id_of_content(*parts: bytes | memoryview) -> uuid.UUID:
    """The id of what came without one: the same bytes have the same id."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "big"))
        digest.update(part)
    return uuid.uuid5(_CONTENT, digest.hexdigest())


def split_attachment_name(name: str) -> tuple[uuid.UUID, str] | None:
    """ACRA's `ID-FILE` as report id and file name; None when it is not of that form."""
    found = report_id_of(name[:_UUID_LENGTH])
    rest = name[_UUID_LENGTH:]
    if found is None or not rest.startswith("-"):
        return None
    return found, rest[1:]
