"""Samples and the device-days that they make, for roll-ups and for judging releases."""

import logging
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import groupby
from typing import Any

import msgspec
import zstandard
from django.db.models import QuerySet

from devices.models import VitalSample
from devices.vitals.day import DeviceDay, day_of

MOST_SAMPLES = 500_000
"""Read at once. Of a larger fleet a part of the devices is read, always the same ones."""

_MAX_CONTENT_BYTES = 64 << 20
_decoder = msgspec.json.Decoder(dict[str, Any])
logger = logging.getLogger(__name__)


def samples_of_days(program_id: int, first: date, last: date) -> QuerySet[VitalSample]:
    """The samples whose intervals ended on these days, device by device."""
    start = datetime.combine(first, time(), UTC)
    rows = VitalSample.objects.filter(
        program_id=program_id,
        interval_end__gt=start,
        interval_end__lte=start + (last - first) + timedelta(days=1),
    )
    return rows.order_by("device_id", "interval_end", "sample_id")


def content_of_row(row: VitalSample) -> dict[str, Any] | None:
    """What was measured; None for a row that is damaged, and the log says which."""
    try:
        packed = zstandard.decompress(bytes(row.content), _MAX_CONTENT_BYTES)
        return _decoder.decode(packed)
    except (zstandard.ZstdError, msgspec.MsgspecError, UnicodeDecodeError):
        logger.warning("what is kept of sample %d is damaged", row.pk)
        return None


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
    by_day = groupby(samples, key=lambda row: (row.device_id, day_of(row.interval_end)))
    for (device_id, day), rows in by_day:
        facts, read = DeviceDay(), []
        for row in rows:
            content = content_of_row(row)
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
