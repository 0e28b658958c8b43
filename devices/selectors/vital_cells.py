"""Reading roll-ups: which builds there are, and how many devices run them."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta

from django.db.models import Min, Sum

from devices.models import Device, VitalCell, VitalMark
from devices.selectors.vital_series import LEAST_DEVICES


@dataclass(frozen=True, slots=True)
class BuildFirstSeen:
    """An OS build and the day on which a device first told of it."""

    program_id: int
    os_build: str
    first_seen: date


def list_builds() -> list[BuildFirstSeen]:
    """All OS builds of all programs, from roll-ups and enrollments."""
    found: dict[tuple[int, str], date] = {}
    cells = VitalCell.objects.exclude(os_build="").values("program_id", "os_build")
    enrolled = Device.objects.exclude(os_build="").values("program_id", "os_build")
    rows = [
        *cells.annotate(first=Min("day")).values_list("program_id", "os_build", "first"),
        *(
            (program_id, os_build, moment.date())
            for program_id, os_build, moment in enrolled.annotate(
                first=Min("enrolled_at")
            ).values_list("program_id", "os_build", "first")
        ),
    ]
    for program_id, os_build, first in rows:
        key = (program_id, os_build)
        found[key] = min(found.get(key, first), first)
    return [BuildFirstSeen(*key, first) for key, first in sorted(found.items())]


def build_before(build: BuildFirstSeen, *, days: int = 14) -> str:
    """What most devices of the build's models ran in the days before it; "" if nothing is known."""
    cells = VitalCell.objects.filter(program_id=build.program_id)
    names = cells.filter(os_build=build.os_build).values("model").distinct()
    before = cells.filter(
        model__in=names,
        day__lt=build.first_seen,
        day__gte=build.first_seen - timedelta(days=days),
    ).exclude(os_build__in=["", build.os_build])
    counted = before.values("os_build").annotate(total=Sum("devices"))
    found = counted.order_by("-total", "os_build").values_list("os_build", flat=True).first()
    return found or ""


def count_samples(program_id: int) -> int:
    """How many samples are rolled up."""
    return VitalCell.objects.filter(program_id=program_id).aggregate(n=Sum("samples"))["n"] or 0


def has_marks(program_id: int) -> bool:
    """Whether days wait to be rolled up."""
    return VitalMark.objects.filter(program_id=program_id).exists()


@dataclass(frozen=True, slots=True)
class AdoptionDay:
    """How many devices ran a build on a day, of all devices of its models that said something."""

    day: date
    devices: int
    of: int

    @property
    def is_told(self) -> bool:
        """Whether so many devices had the build that their number may be shown."""
        return self.devices >= LEAST_DEVICES


def list_adoption(
    *, program_ids: Iterable[int], os_build: str, first: date, last: date
) -> list[AdoptionDay]:
    """A build's way into the fleet, day by day."""
    cells = VitalCell.objects.filter(program_id__in=program_ids, day__gte=first, day__lte=last)
    names = cells.filter(os_build=os_build).values("model").distinct()
    totals: dict[date, list[int]] = {}
    rows = cells.filter(model__in=names).values("day", "os_build").annotate(n=Sum("devices"))
    for day, build, count in rows.values_list("day", "os_build", "n"):
        total = totals.setdefault(day, [0, 0])
        total[0] += count if build == os_build else 0
        total[1] += count
    return [AdoptionDay(day, *totals[day]) for day in sorted(totals)]


def list_told(*, program_ids: Iterable[int], os_builds: Iterable[str]) -> set[tuple[int, str, str]]:
    """Program, build and model wherever enough devices had the build on one day to be told of."""
    cells = VitalCell.objects.filter(program_id__in=program_ids, os_build__in=os_builds)
    per_day = cells.values("program_id", "os_build", "model", "day").annotate(n=Sum("devices"))
    told = per_day.filter(n__gte=LEAST_DEVICES)
    return set(told.values_list("program_id", "os_build", "model").distinct())


def count_device_days(*, program_id: int, os_build: str) -> int:
    """Device-days of a build that sent vitals; 0 where too few devices did on every day."""
    cells = VitalCell.objects.filter(program_id=program_id, os_build=os_build)
    per_day = [it["n"] for it in cells.values("day").annotate(n=Sum("devices"))]
    return sum(per_day) if max(per_day, default=0) >= LEAST_DEVICES else 0
