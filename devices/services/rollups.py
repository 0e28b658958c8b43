"""Samples become roll-ups: a day of a program at a time, always from all its samples.

Making a day again from the start is what keeps it simple: late samples, erasures and new vitals are
all the same work, and the result never depends on the order in which anything came. Who uploads
marks the day; a day is made again when its oldest mark has waited `DELAY`, so a day of steady uploads
is made once in a while and not once per upload.
"""

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from itertools import groupby

import msgspec
import zstandard
from django.db import transaction

from devices.models import AppVitalCell, VitalCell, VitalMark
from devices.selectors.vital_samples import hours_of, samples_of_days, with_contents
from devices.vitals.amounts import Amounts, read_all
from devices.vitals.catalog import APP_VITALS, DEVICE_VITALS
from devices.vitals.day import DeviceDay
from uxp_diag.db import lock_name

DELAY = timedelta(seconds=15)
_INSERTED_AT_ONCE = 500


def roll_up_one_day(*, now: datetime, delay: timedelta = DELAY) -> bool:
    """Make the day again whose mark waits longest; whether there was one that waited long enough."""
    oldest = VitalMark.objects.filter(marked_at__lte=now - delay).order_by("marked_at", "pk")
    found = oldest.values_list("program_id", "day").first()
    if found is None:
        return False
    roll_up(*found)
    return True


def roll_up(program_id: int, day: date) -> None:
    """Make the cells of a day again, from all its samples."""
    with transaction.atomic():
        lock_name(f"vital cells {program_id} {day}")
        marks = list(
            VitalMark.objects.filter(program_id=program_id, day=day).values_list("pk", flat=True)
        )
        cells, app_cells = _make_cells(program_id, day)
        VitalCell.objects.filter(program_id=program_id, day=day).delete()
        VitalCell.objects.bulk_create(cells, batch_size=_INSERTED_AT_ONCE)
        AppVitalCell.objects.filter(program_id=program_id, day=day).delete()
        AppVitalCell.objects.bulk_create(app_cells, batch_size=_INSERTED_AT_ONCE)
        for start in range(0, len(marks), _INSERTED_AT_ONCE):
            VitalMark.objects.filter(pk__in=marks[start : start + _INSERTED_AT_ONCE]).delete()


@dataclass(slots=True)
class _Cell:
    devices: int = 0
    samples: int = 0
    amounts: dict[str, Amounts] = field(default_factory=dict)

    def pack(self) -> bytes:
        document = {key: item.document() for key, item in sorted(self.amounts.items())}
        return zstandard.compress(msgspec.json.encode(document))


def _make_cells(program_id: int, day: date) -> tuple[list[VitalCell], list[AppVitalCell]]:
    cells: dict[tuple[str, str, str], _Cell] = {}
    app_cells: dict[tuple[str, int], _Cell] = {}
    for _, samples in groupby(
        with_contents(samples_of_days(program_id, day, day).iterator(chunk_size=1_000)),
        key=lambda one: one[0].device_id,
    ):
        parts: dict[tuple[str, str, str], DeviceDay] = {}
        for row, content in samples:
            if content is None:
                continue
            place = (row.model, row.os_build, row.mcc)
            part = parts.setdefault(place, DeviceDay())
            part.add(content, hours=hours_of(row))
            cells.setdefault(place, _Cell()).samples += 1
        for place, part in parts.items():
            cells[place].devices += 1
            read_all(DEVICE_VITALS, part, cells[place].amounts)
            for app, app_day in part.apps.items():
                app_cell = app_cells.setdefault(app, _Cell())
                app_cell.devices += 1
                read_all(APP_VITALS, app_day, app_cell.amounts)
    return (
        [
            VitalCell(
                program_id=program_id, day=day, model=model, os_build=os_build, mcc=mcc,
                devices=cell.devices, samples=cell.samples, content=cell.pack(),
            )
            for (model, os_build, mcc), cell in sorted(cells.items())
        ],
        [
            AppVitalCell(
                program_id=program_id, day=day, package=package, version_code=version_code,
                devices=cell.devices, content=cell.pack(),
            )
            for (package, version_code), cell in sorted(app_cells.items())
        ],
    )  # fmt: skip
