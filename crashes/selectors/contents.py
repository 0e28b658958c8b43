"""The large part of a report as values, however long ago it was stored."""

import msgspec

from crashes.models import ReportContent
from crashes.packing import Document, UnreadablePack, unpack, unpack_document
from crashes.stack import from_json

FIELDS = ("document", "envelope", "crash", "grouping")
"""What `document_of` reads; everything else of a row may be left behind."""

_MAX_CRASH_BYTES = 64 << 20


def document_of(content: ReportContent) -> Document:
    """What is kept of a report beside its payload. Raises UnreadablePack for damaged rows."""
    if content.document is not None:
        return unpack_document(bytes(content.document))
    crash = None
    if content.crash is not None:
        crash = unpack(bytes(content.crash), max_bytes=_MAX_CRASH_BYTES)
    try:
        return Document(
            content.envelope or {},
            None if crash is None else from_json(msgspec.json.decode(crash)),
            content.grouping,
        )
    except (msgspec.DecodeError, KeyError, TypeError, ValueError) as problem:
        raise UnreadablePack("no crash") from problem
