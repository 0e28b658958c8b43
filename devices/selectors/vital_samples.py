"""Samples and the device-days that they make, for roll-ups and for judging releases."""

import logging
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import groupby, islice
from typing import Any

import msgspec
import zstandard
from django.db.models import QuerySet

from devices.models import VitalSample
from devices.sealing import BrokenSeal
from devices.sealing.values import is_sealed, key_of, open_value
from devices.selectors.data_keys import KeyDestroyed, KeyRing
from devices.vitals.day import DeviceDay, day_of

logger = logging.getLogger(__name__)

MOST_SAMPLES = 500_000
"""Read at once. Of a larger fleet a part of the devices is read, always the same ones."""

_MAX_CONTENT_BYTES = 64 << 20
_AT_ONCE = 1_000
_decoder = msgspec.json.Decoder(dict[str, Any])


def samples_of_days(program_id: int, first: date, last: date) -> QuerySet[VitalSample]:
    """The samples whose intervals ended on these days, device by device."""
    start = datetime.combine(first, time(), UTC)
    rows = VitalSample.objects.filter(
        program_id=program_id,
        interval_end__gt=start,
        interval_end__lte=start + (last - first) + timedelta(days=1),
    )
    return rows.order_by("device_id", "interval_end", "sample_id")


def sample_place(row: VitalSample) -> str:
    """What the content of a sample is bound to."""
    return f"devices.VitalSample/{row.program_id}/{row.device_id}/{row.sample_id}"


def with_contents(
    rows: Iterable[VitalSample],
) -> Iterator[tuple[VitalSample, dict[str, Any] | None]]:
    """Samples with what was measured; None for one that is erased, or damaged: the log says which."""
    found = iter(rows)
    while some := list(islice(found, _AT_ONCE)):
        keys = KeyRing(row.content for row in some)
        for row in some:
            yield row, _content_of(row, keys)


def _content_of(row: VitalSample, keys: KeyRing) -> dict[str, Any] | None:
    packed = bytes(row.content)
    try:
        if is_sealed(packed):
            packed = open_value(packed, keys.key(key_of(packed)), about=sample_place(row))
        return _decoder.decode(zstandard.decompress(packed, _MAX_CONTENT_BYTES))
    except KeyDestroyed:
        return None
    except (BrokenSeal, zstandard.ZstdError, msgspec.MsgspecError, UnicodeDecodeError):
        logger.warning("what is kept of sample %d is damaged", row.pk)
        return None


def list_contents() -> Iterator[tuple[int, bytes]]:
    """Number and content of every sample, for the scan that looks whether one names anybody."""
    rows = VitalSample.objects.order_by("pk").iterator(chunk_size=_AT_ONCE)
    return ((row.pk, msgspec.json.encode(content or {})) for row, content in with_contents(rows))


def hours_of(row: VitalSample) -> float:
    """How long an interval was."""
    return (row.interval_end - row.interval_start).total_seconds() / 3600


@dataclass(frozen=True, slots=True)
class DeviceDayRow:
    """One device and day, with the software that it ended the day on. None: not measured.

    `received_at` is the moment at which the last of its samples came.
    """

    device_id: uuid.UUID
    day: date
    model: str
    os_version: str
    os_build: str
    mcc: str
    received_at: datetime
    facts: DeviceDay


@dataclass(frozen=True, slots=True)
class DeviceDayRows:
    """The rows of some days. `share` is the part of the devices that was read."""

    rows: list[DeviceDayRow]
    share: float


def list_device_days(
    *, program_id: int, first: date, last: date, received_until: datetime
) -> DeviceDayRows:
    """The device-days of a program from `first` to `last`, from what had come by a moment.

    Ids are random, so the devices below a bound are a random part of the fleet, and the same part
    each time.
    """
    samples = samples_of_days(program_id, first, last).filter(received_at__lte=received_until)
    count = samples.count()
    share = 1.0
    if count > MOST_SAMPLES:
        share = MOST_SAMPLES / count
        samples = samples.filter(device_id__lt=uuid.UUID(int=int(share * 2**128)))
    return DeviceDayRows(list(_device_days(samples.iterator(chunk_size=1_000))), share)


def _device_days(samples: Iterator[VitalSample]) -> Iterator[DeviceDayRow]:
    by_day = groupby(
        with_contents(samples), key=lambda one: (one[0].device_id, day_of(one[0].interval_end))
    )
    for (device_id, day), rows in by_day:
        facts, read = DeviceDay(), []
        for row, content in rows:
            if content is not None:
                facts.add(content, hours=hours_of(row))
                read.append(row)
        if not read:
            continue
        last, received_at = read[-1], max(row.received_at for row in read)
        yield DeviceDayRow(
            device_id, day, last.model, last.os_version, last.os_build, last.mcc, received_at,
            facts,
        )  # fmt: skip
