"""Files that a report announces and that follow it by themselves, in pieces.

    report   {"attachments": [{"sha256": "9f86…", "size_bytes": 700000, "format": "minidump"}]}
    answer   {"want": ["9f86…"]}
    pieces   PUT reports/{report_id}/attachments/9f86…/   Content-Range: bytes 0-262143/700000

An attachment in a format that we read, of a report that came without a payload, is that report's
payload. The name that the device gave a file is not kept, as people name files; what kind of name
it was is.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import msgspec

from crashes.stack import PayloadFormat

MAX_ATTACHMENTS = 5
FILE = "file"
"""The format of what is kept and not read."""

_FORMATS = "|".join([FILE, *(item.value for item in PayloadFormat if item != PayloadFormat.NONE)])
_MAX_BYTES = 2**53 - 1
_RANGE = re.compile(r"bytes (?:(\d{1,16})-(\d{1,16})|\*)/(\d{1,16})", re.ASCII)
_NAME_KINDS = (
    "tombstone", "minidump", "anr", "traces", "dropbox", "logcat", "kmsg", "pmsg", "bugreport",
    "heap", "screenshot",
)  # fmt: skip


class AnnouncedFile(msgspec.Struct, frozen=True):
    """One file as its report announces it: SHA-256 in lower-case hex, size in bytes."""

    sha256: Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}\Z")]
    size_bytes: Annotated[int, msgspec.Meta(ge=1, le=_MAX_BYTES)]
    format: Annotated[str, msgspec.Meta(pattern=rf"^(?:{_FORMATS})\Z")] = FILE
    name: Annotated[str, msgspec.Meta(max_length=100)] = ""


Announced = Annotated[tuple[AnnouncedFile, ...], msgspec.Meta(max_length=MAX_ATTACHMENTS)]


def payload_among(files: Sequence[AnnouncedFile]) -> AnnouncedFile | None:
    """The file that is the payload of a report without one: the first in a format that we read."""
    return next((file for file in files if file.format != FILE), None)


def name_kind(name: str) -> str:
    """What kind of name a file has: a word of ours, `other`, or empty for no name."""
    lowered = name.lower()
    found = (kind for kind in _NAME_KINDS if kind in lowered)
    return next(found, "other") if name else ""


class MalformedRange(Exception):
    """A Content-Range that is none."""


@dataclass(frozen=True, slots=True)
class ContentRange:
    """Which bytes of how many a body holds: from `start` up to before `stop`.

    `start` is None for `bytes */total`, which holds nothing and asks to be finished.
    """

    start: int | None
    stop: int
    total: int

    @property
    def length(self) -> int:
        """How many bytes the body must have."""
        return 0 if self.start is None else self.stop - self.start


def parse_range(text: str) -> ContentRange:
    """A Content-Range header (RFC 9110, 14.4). Raises MalformedRange."""
    found = _RANGE.fullmatch(text.strip())
    if found is None:
        raise MalformedRange
    first, last, total = found.groups()
    if first is None:
        return ContentRange(None, 0, int(total))
    if not int(first) <= int(last) < int(total):
        raise MalformedRange
    return ContentRange(int(first), int(last) + 1, int(total))
