"""What is sealed with the keys of devices, opened.

A value or a file is bound to its place, and its place has one name, made here. What is from before
there were keys is not sealed, and is read as it is.
"""

import io
import uuid
from contextlib import suppress
from typing import IO

import zstandard
from django.conf import settings

from crashes.packing import UnreadablePack
from crashes.storage import BlobStore
from devices.sealing import BrokenSeal
from devices.sealing.streams import HEAD_BYTES, open_file, read_head
from devices.sealing.values import is_sealed, key_of, open_value
from devices.selectors.data_keys import KeyDestroyed, KeyRing


class ContentErased(UnreadablePack):
    """What it was sealed with has been destroyed: its owner's data is erased."""


def document_place(report_pk: int) -> str:
    """What the document of a report is bound to."""
    return f"crashes.ReportContent.document/{report_pk}"


def raw_place(report_pk: int) -> str:
    """What an inline payload is bound to."""
    return f"crashes.ReportContent.raw/{report_pk}"


def blob_place(blob_key: str) -> str:
    """What a file is bound to, whole or in pieces."""
    return f"blobs/{blob_key}"


def opened(data: bytes, *, place: str, keys: KeyRing | None = None) -> bytes:
    """A value without its seal. Raises ContentErased; UnreadablePack for what is damaged."""
    if not is_sealed(data):
        return data
    try:
        return open_value(data, (keys or KeyRing()).key(key_of(data)), about=place)
    except KeyDestroyed:
        raise ContentErased("erased") from None
    except BrokenSeal as problem:
        raise UnreadablePack(f"its seal is broken: {problem}") from None


def open_blob(blob_key: str, *, keys: KeyRing | None = None) -> IO[bytes]:
    """The content of a file, unpacked, as a stream that closes it.

    Raises FileNotFoundError, ContentErased, UnreadablePack. Reading it raises BrokenSeal or
    zstandard.ZstdError when a later part turns out to be damaged.
    """
    source: IO[bytes] = BlobStore(settings.BLOB_DIR).open(blob_key)
    try:
        unsealed = _unsealed(source, blob_key, keys or KeyRing())
    except BaseException:
        source.close()
        raise
    stream: IO[bytes] = zstandard.ZstdDecompressor().stream_reader(unsealed, closefd=True)
    return stream


def _unsealed(source: IO[bytes], blob_key: str, keys: KeyRing) -> IO[bytes]:
    head = read_head(source.read(HEAD_BYTES))
    if head is None:
        source.seek(0)
        return source
    try:
        return open_file(source, head, keys.key(head.key_id), about=blob_place(blob_key))
    except KeyDestroyed:
        raise ContentErased("erased") from None
    except BrokenSeal as problem:
        raise UnreadablePack(f"its seal is broken: {problem}") from None


def read_blob(blob_key: str, *, max_bytes: int, keys: KeyRing | None = None) -> bytes:
    """The content of a file. Raises FileNotFoundError, ContentErased, UnreadablePack."""
    with open_blob(blob_key, keys=keys) as stream:
        try:
            data = stream.read(max_bytes + 1)
        except (BrokenSeal, zstandard.ZstdError) as problem:
            raise UnreadablePack("not whole") from problem
    if len(data) > max_bytes:
        raise UnreadablePack("holds more than is asked for")
    return data


def blob_key_id(blob_key: str) -> uuid.UUID | None:
    """The key that a file is sealed with; None for one that is not sealed or not there."""
    with suppress(FileNotFoundError), BlobStore(settings.BLOB_DIR).open(blob_key) as source:
        head = read_head(source.read(HEAD_BYTES))
        return head.key_id if head else None
    return None


def value_stream(data: bytes, *, place: str, keys: KeyRing | None = None) -> IO[bytes]:
    """A value without its seal, as a stream. Raises ContentErased, UnreadablePack."""
    return io.BytesIO(opened(data, place=place, keys=keys))
