"""What is kept of devices, sealed with their keys before it is stored."""

import uuid
from collections.abc import Iterable, Iterator
from datetime import datetime

import zstandard

from crashes.models import Report
from crashes.models.report import NO_DEVICE
from crashes.packing import Document, pack_document, pack_payload
from crashes.selectors.sealed import blob_place, document_place, raw_place
from crashes.services.blobs import blobs
from devices.sealing.keys import DataKey
from devices.sealing.streams import seal_file
from devices.sealing.values import is_sealed, key_of, seal
from devices.selectors.data_keys import KeyRing
from devices.services.data_keys import Origin, keys_for

_LEVEL = 3


def key_for(*, program_id: int, device_id: uuid.UUID, received_at: datetime) -> DataKey | None:
    """The key of one sender; None when its data is being erased. Inside a transaction."""
    origin = Origin(program_id, None if device_id == NO_DEVICE else device_id, received_at)
    return keys_for({origin}).get(origin)


def keys_of(rows: Iterable[Report]) -> dict[int, DataKey]:
    """Keys by the reports' numbers; none for those whose data is being erased.

    Inside the transaction that stores.
    """
    origins = {
        row.pk: Origin(
            row.program_id,
            None if row.device_id == NO_DEVICE else row.device_id,
            row.received_at,
        )
        for row in rows
    }
    keys = keys_for(set(origins.values()))
    return {pk: keys[origin] for pk, origin in origins.items() if origin in keys}


def sealed_document(report_pk: int, document: Document, key: DataKey) -> bytes:
    """A document as it is stored."""
    return seal(pack_document(document), key, about=document_place(report_pk))


def document_like(
    before: "bytes | memoryview | None", report_pk: int, document: Document, keys: KeyRing
) -> bytes:
    """A document in the place of another, sealed as that was. Raises KeyDestroyed, BrokenSeal."""
    packed = bytes(before or b"")
    if not is_sealed(packed):
        return pack_document(document)
    return sealed_document(report_pk, document, keys.key(key_of(packed)))


def sealed_raw(report_pk: int, payload: bytes, key: DataKey, *, at_most: int) -> bytes | None:
    """A payload as its row keeps it; None if it is larger than a row should."""
    packed = pack_payload(payload)
    return seal(packed, key, about=raw_place(report_pk)) if len(packed) <= at_most else None


def put_blob(blob_key: str, pieces: Iterable[bytes], key: DataKey) -> None:
    """Keep content as a packed and sealed file."""
    blobs().put(blob_key, seal_file(_packed(pieces), key, about=blob_place(blob_key)))


def _packed(pieces: Iterable[bytes]) -> Iterator[bytes]:
    packer = zstandard.ZstdCompressor(level=_LEVEL).compressobj()
    for piece in pieces:
        yield packer.compress(piece)
    yield packer.flush()
