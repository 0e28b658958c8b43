"""Which app drains one phone more than its newer version drains others."""

import uuid
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import msgspec
import zstandard

from devices.models import AppVitalCell, VitalSample
from devices.selectors.vital_samples import with_contents
from devices.selectors.vital_series import LEAST_DEVICES
from devices.vitals.amounts import Amounts
from devices.vitals.catalog import APP_VITALS

LEAST_PERCENT_A_DAY = 5.0
"""Below this an app is no drain worth a word."""

BETTER_BY = 0.8
"""A newer version has to take at most this part of what the phone's version takes on other phones."""

_OWN_DAYS, _FLEET_DAYS = 7, 28
_MOST_SAMPLES = 200
_BATTERY = APP_VITALS["battery_per_hour"]
_MAX_CONTENT_BYTES = 64 << 20


@dataclass(frozen=True, slots=True)
class Drain:
    """An app of one phone, and a version that is easier on batteries. Percent of a full one a day."""

    package: str
    version_code: int
    percent_a_day: float
    better_code: int
    better_by: float


def find_drain(device_id: uuid.UUID, *, program_id: int, now: datetime) -> Drain | None:
    """The app that drains this phone most, if a newer version of it is known to drain less."""
    use = _use_of(device_id, program_id=program_id, since=now - timedelta(days=_OWN_DAYS))
    heavy = sorted(
        (part for part in use.items() if part[1] >= LEAST_PERCENT_A_DAY),
        key=lambda part: (-part[1], part[0]),
    )
    for (package, code), percent in heavy:
        better = _better_version(program_id, package, code, last=now.date())
        if better is not None:
            return Drain(package, code, percent, *better)
    return None


def _use_of(
    device_id: uuid.UUID, *, program_id: int, since: datetime
) -> dict[tuple[str, int], float]:
    """Percent a day by app and version, of the versions that the phone has now."""
    rows = VitalSample.objects.filter(
        program_id=program_id, device_id=device_id, interval_end__gt=since
    ).order_by("-interval_end", "-pk")[:_MOST_SAMPLES]
    taken: dict[tuple[str, int], float] = defaultdict(float)
    newest: dict[str, int] = {}
    hours = 0.0
    for row, content in with_contents(rows):
        if content is None:
            continue
        hours += (row.interval_end - row.interval_start).total_seconds() / 3600
        for app in content.get("apps", ()):
            code, percent = app.get("version_code"), app.get("battery_pct")
            if code is None:
                continue
            newest.setdefault(app["package"], code)
            taken[app["package"], code] += percent or 0.0
    if hours < 24:  # noqa: PLR2004  a phone of a few hours tells nothing yet
        return {}
    return {
        (package, code): total / (hours / 24)
        for (package, code), total in taken.items()
        if newest[package] == code
    }


def _better_version(
    program_id: int, package: str, code: int, *, last: date
) -> tuple[int, float] | None:
    """The newest version that enough phones show to drain less, and how much less (0 to 1)."""
    cells = AppVitalCell.objects.filter(
        program_id=program_id,
        package=package,
        version_code__gte=code,
        day__gt=last - timedelta(days=_FLEET_DAYS),
    )
    level = _levels(cells.order_by("version_code", "day").iterator(chunk_size=500))
    if code not in level:
        return None
    for other in sorted(level.keys() - {code}, reverse=True):
        if level[other] <= BETTER_BY * level[code]:
            return other, 1 - level[other] / level[code]
    return None


def _levels(cells: Iterable[AppVitalCell]) -> dict[int, float]:
    """Percent per hour of use by version, where enough phones told on one day."""
    merged: dict[int, Amounts] = {}
    most: dict[int, int] = defaultdict(int)
    for cell in cells:
        packed = zstandard.decompress(bytes(cell.content), _MAX_CONTENT_BYTES)
        document = msgspec.json.decode(packed).get(_BATTERY.key)
        most[cell.version_code] = max(most[cell.version_code], cell.devices)
        if document is not None:
            amounts = merged.setdefault(cell.version_code, Amounts())
            amounts.merge(Amounts.of_document(document))
    found = {code: amounts.estimate(_BATTERY) for code, amounts in merged.items()}
    return {
        code: estimate.value
        for code, estimate in found.items()
        if estimate is not None and estimate.value > 0 and most[code] >= LEAST_DEVICES
    }
