"""Records of the spool, sealed on their way in and opened by workers.

    seal_uploads   what the door writes; needs the public key alone
    SpoolReader    the records of leased reports, one after the other
    read_file      all records of a file that no row names

Files of earlier versions are not sealed, and are read all the same.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from django.conf import settings

from crashes.intake.spool_record import DamagedSpool, decode_record, encode_record, iterate_records
from crashes.models import Report
from crashes.models.report import NO_DEVICE
from crashes.storage import Spool
from devices.sealing import BrokenSeal
from devices.sealing.spool import (
    SpoolKeyMissing,
    SpoolOpener,
    SpoolPublicKey,
    is_sealed,
    parse_private_keys,
    parse_public_key,
    seal_records,
    sealed_records,
)

__all__ = ["DamagedSpool", "SpoolKeyMissing", "SpoolReader", "read_file", "seal_uploads", "spool"]


def spool() -> Spool:
    """The spool of this installation."""
    return Spool(settings.SPOOL_DIR)


@lru_cache(maxsize=4)
def _public_key(text: str) -> SpoolPublicKey:
    return parse_public_key(text)


@lru_cache(maxsize=4)
def _private_keys(text: str) -> Mapping[int, bytes]:
    return parse_private_keys(text)


def seal_uploads(uploads: Sequence[tuple[dict[str, Any], bytes]]) -> list[bytes]:
    """The records of uploads that go into one file: (header, payload) each."""
    records = [encode_record(header, payload) for header, payload in uploads]
    return seal_records(records, _public_key(settings.SPOOL_PUBLIC_KEY))


@dataclass(frozen=True, slots=True)
class Spooled:
    """One record, and where it is in its file."""

    offset: int
    length: int
    header: dict[str, Any]
    payload: bytes


@dataclass(slots=True)
class SpoolFile:
    """The records of a file, in order. `damaged_at` is the first byte that cannot be read, if any."""

    records: list[Spooled] = field(default_factory=list)
    damaged_at: int | None = None

    def note_damage(self, offset: int) -> None:
        """Something is wrong from this byte on."""
        if self.damaged_at is None:
            self.damaged_at = offset


class SpoolReader:
    """Opens what reports left in the spool. For one batch: records of one file share the work."""

    def __init__(self) -> None:
        self._keys: SpoolOpener | None = None

    def read(self, row: Report) -> tuple[dict[str, Any], bytes]:
        """Header and payload of a report. Raises OSError, DamagedSpool, SpoolKeyMissing."""
        data = spool().read(row.spool_file, offset=row.spool_offset, length=row.spool_length)
        header, payload, _ = decode_record(self.opened(data))
        if _owner(header) != (row.program_id, str(row.device_id), str(row.report_id)):
            raise DamagedSpool("another report's record")
        return header, payload

    def opened(self, data: bytes) -> bytes:
        """A record without its seal. Raises DamagedSpool, SpoolKeyMissing."""
        if not is_sealed(data):
            return data
        if self._keys is None:
            self._keys = SpoolOpener(_private_keys(settings.READ_SPOOL_KEYS()))
        try:
            return self._keys.open(data)
        except BrokenSeal as problem:
            raise DamagedSpool(str(problem)) from None


def _owner(header: Mapping[str, Any]) -> tuple[Any, str, str]:
    device_id = header.get("device_id") or str(NO_DEVICE)
    return header.get("program_id"), device_id, str(header.get("envelope", {}).get("report_id"))


def read_file(data: bytes) -> SpoolFile:
    """All records of a file. One that is damaged harms no other. Raises SpoolKeyMissing."""
    found, reader = SpoolFile(), SpoolReader()
    if not is_sealed(data):
        end = 0
        for offset, length, header, payload in iterate_records(data):
            found.records.append(Spooled(offset, length, header, payload))
            end = offset + length
        if end < len(data):
            found.note_damage(end)
        return found
    end, is_whole = 0, False
    for record in sealed_records(data):
        end, is_whole = record.offset + record.length, record.is_last
        try:
            opened = reader.opened(data[record.offset : end])
            header, payload, _ = decode_record(opened)
        except DamagedSpool:
            found.note_damage(record.offset)
        else:
            found.records.append(Spooled(record.offset, record.length, header, payload))
    if end < len(data) or not is_whole:
        found.note_damage(end)
    return found
