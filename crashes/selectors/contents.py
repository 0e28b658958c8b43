"""The large part of a report as values, however long ago it was stored."""

from collections.abc import Iterable

import msgspec

from crashes.models import ReportContent
from crashes.packing import Document, UnreadablePack, unpack, unpack_document
from crashes.selectors.sealed import document_place, opened, raw_place, read_blob
from crashes.stack import from_json
from devices.selectors.data_keys import KeyRing

FIELDS = ("document", "envelope", "crash", "grouping")
"""What `document_of` reads; everything else of a row may be left behind."""

_MAX_CRASH_BYTES = 64 << 20


def keys_of_contents(contents: Iterable[ReportContent]) -> KeyRing:
    """The keys of some contents, read together. Of each its document is looked at."""
    return KeyRing(content.document for content in contents)


def document_of(content: ReportContent, keys: KeyRing | None = None) -> Document:
    """What is kept of a report beside its payload.

    Raises ContentErased; UnreadablePack for damaged rows.
    """
    if content.document is not None:
        packed = bytes(content.document)
        return unpack_document(opened(packed, place=document_place(content.pk), keys=keys))
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


def raw_of(content: ReportContent, *, max_bytes: int, keys: KeyRing | None = None) -> bytes | None:
    """The payload of a report, None when none is kept.

    Raises FileNotFoundError, ContentErased, UnreadablePack.
    """
    if content.raw_blob:
        return read_blob(content.raw_blob, max_bytes=max_bytes, keys=keys)
    if content.raw is None:
        return None
    packed = opened(bytes(content.raw), place=raw_place(content.pk), keys=keys)
    return unpack(packed, max_bytes=max_bytes)
