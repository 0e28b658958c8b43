"""How the fleet's half of the platform is doing, as its operator's gauges show it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import QuerySet, Sum

from devices.models import Erasure, Program, VitalMark, WorkCount

_MOST_COUNTED = 100_000


@dataclass(frozen=True, slots=True)
class FleetOperations:
    """What waits, since when; `totals` are by the words of `devices.services.work_counts.Work`.

    Counts of what waits end at 100,000.
    """

    erasures_waiting: int
    oldest_erasure_at: datetime | None
    marks_waiting: int
    oldest_mark_at: datetime | None
    totals: dict[str, int]


def read_fleet_operations() -> FleetOperations:
    """Read them: a few look-ups in indexes."""
    erasures = Erasure.objects.filter(state=Erasure.State.REQUESTED)
    marks = VitalMark.objects.all()
    totals = WorkCount.objects.values_list("what").annotate(Sum("count")).order_by("what")
    return FleetOperations(
        erasures_waiting=count_some(erasures),
        oldest_erasure_at=_first(erasures.order_by("requested_at", "pk"), "requested_at"),
        marks_waiting=count_some(marks),
        oldest_mark_at=_first(marks.order_by("pk"), "marked_at"),
        totals=dict(totals),
    )


def program_ids() -> list[int]:
    """All programs of this installation."""
    return list(Program.objects.order_by("pk").values_list("pk", flat=True))


def count_some(rows: QuerySet[Any]) -> int:
    """How many rows there are; counting ends at 100,000."""
    return rows.order_by()[:_MOST_COUNTED].count()


def _first(rows: QuerySet[Any], field: str) -> datetime | None:
    found: datetime | None = rows.values_list(field, flat=True).first()
    return found
