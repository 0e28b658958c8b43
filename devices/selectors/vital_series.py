"""Vitals over time and by group, each number with its interval and exposure, or suppressed.

A group that had fewer than `LEAST_DEVICES` devices on every one of its days is not told: no value, only
that there is not enough data. So nobody can single out a phone by asking for a rare model in a
small country.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import msgspec
import zstandard
from django.db.models import QuerySet

from devices.models import VitalCell
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
    merged: dict[tuple[tuple[str, ...], date | None], Amounts] = {}
    counts: dict[tuple[tuple[str, ...], date | None], dict[date, int]] = {}
    for cell in _cells(viewer, filters, last, days).iterator(chunk_size=1_000):
        key = (tuple(getattr(cell, name) for name in group), cell.day if daily else None)
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


def _content(cell: VitalCell) -> dict[str, Any]:
    packed = zstandard.decompress(bytes(cell.content), _MAX_CONTENT_BYTES)
    content: dict[str, Any] = msgspec.json.decode(packed)
    return content
