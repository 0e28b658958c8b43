"""Vitals over time and by group, each number with its interval and exposure, or suppressed.

A group that had fewer than `LEAST_DEVICES` devices on every one of its days is not told: no value, only
that there is not enough data. So nobody can single out a phone by asking for a rare model in a
small country.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import msgspec
import zstandard
from django.db.models import QuerySet, Sum

from devices.models import AppVitalCell, VitalCell
from devices.vitals.amounts import Amounts, Estimate
from devices.vitals.catalog import Vital
from uxp_diag.viewer import Viewer

LEAST_DEVICES = 20
GROUPS = ("model", "os_build", "mcc")
_MAX_CONTENT_BYTES = 64 << 20


@dataclass(frozen=True, slots=True)
class Point:
    """A vital of a group on one day, or of all days; no estimate where too few devices told."""

    name: tuple[str, ...]
    day: date | None
    devices: int
    estimate: Estimate | None
    median: float | None
    p90: float | None


def query_vital(
    *,
    viewer: Viewer,
    vital: Vital,
    group: Sequence[str],
    filters: dict[str, Sequence[str]],
    last: date,
    days: int,
    daily: bool,
) -> list[Point]:
    """A vital by group (fields of `GROUPS`), per day or over all days.

    `devices` is the largest number of devices on one day: at least so many there are.
    """
    cells = _cells(viewer, filters, last, days).iterator(chunk_size=1_000)
    return _points(cells, vital, group=group, daily=daily)


def query_app_vital(
    *, viewer: Viewer, vital: Vital, package: str, last: date, days: int, by_version: bool
) -> list[Point]:
    """A vital of `APP_VITALS` of one app: by version over all days, or of all versions per day.

    Nothing at all of an app that fewer than `LEAST_DEVICES` devices used on every day: that it is
    there may already say who somebody is.
    """
    cells = _app_cells(viewer, last, days).filter(package=package)
    per_day = cells.values("day").annotate(n=Sum("devices"))
    if not per_day.filter(n__gte=LEAST_DEVICES).exists():
        return []
    group = ["version_code"] if by_version else []
    rows = cells.iterator(chunk_size=1_000)
    return _points(rows, vital, group=group, daily=not by_version)


def list_packages(*, viewer: Viewer, last: date, days: int) -> list[str]:
    """The apps that enough devices used on one day to be told of, by name."""
    per_day = _app_cells(viewer, last, days).values("package", "day").annotate(n=Sum("devices"))
    told = per_day.filter(n__gte=LEAST_DEVICES)
    return sorted(set(told.values_list("package", flat=True)))


def list_values(*, viewer: Viewer, last: date, days: int) -> dict[str, list[str]]:
    """What devices said for each field of `GROUPS`."""
    cells = _cells(viewer, {}, last, days)
    return {
        name: [
            value for value in cells.order_by(name).values_list(name, flat=True).distinct() if value
        ]
        for name in GROUPS
    }


def _points(
    cells: Iterable[VitalCell | AppVitalCell], vital: Vital, *, group: Sequence[str], daily: bool
) -> list[Point]:
    merged: dict[tuple[tuple[str, ...], date | None], Amounts] = {}
    counts: dict[tuple[tuple[str, ...], date | None], dict[date, int]] = {}
    for cell in cells:
        key = (tuple(str(getattr(cell, name)) for name in group), cell.day if daily else None)
        per_day = counts.setdefault(key, {})
        per_day[cell.day] = per_day.get(cell.day, 0) + cell.devices
        document = _content(cell).get(vital.key)
        if document is not None:
            merged.setdefault(key, Amounts()).merge(Amounts.of_document(document))
    points = []
    for key, per_day in sorted(counts.items(), key=lambda it: (it[0][0], it[0][1] or date.min)):
        devices, amounts = max(per_day.values()), merged.get(key)
        if amounts is None or devices < LEAST_DEVICES:
            points.append(Point(*key, devices if devices >= LEAST_DEVICES else 0, None, None, None))
            continue
        sketch = amounts.sketch
        points.append(
            Point(
                *key, devices, amounts.estimate(vital), sketch.quantile(0.5), sketch.quantile(0.9)
            )
        )
    return points


def _cells(
    viewer: Viewer, filters: dict[str, Sequence[str]], last: date, days: int
) -> QuerySet[VitalCell]:
    cells = VitalCell.objects.filter(
        program_id__in=viewer.program_ids, day__gt=last - timedelta(days=days), day__lte=last
    )
    for name, values in filters.items():
        if values:
            cells = cells.filter(**{f"{name}__in": values})
    return cells


def _app_cells(viewer: Viewer, last: date, days: int) -> QuerySet[AppVitalCell]:
    return AppVitalCell.objects.filter(
        program_id__in=viewer.program_ids, day__gt=last - timedelta(days=days), day__lte=last
    )


def _content(cell: VitalCell | AppVitalCell) -> dict[str, Any]:
    packed = zstandard.decompress(bytes(cell.content), _MAX_CONTENT_BYTES)
    content: dict[str, Any] = msgspec.json.decode(packed)
    return content
