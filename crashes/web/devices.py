"""One phone: what happened on it, for those who may see data of a single phone."""

import uuid
from datetime import UTC, date, datetime, timedelta

from django.http import HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from crashes.selectors.device_page import MOST_REPORTS, list_device_reports
from crashes.web.device_timeline import device_days, make_timeline
from crashes.web.levels import LevelChart, level_chart
from devices.selectors.device_page import (
    MOST_SAMPLES,
    DeviceSample,
    get_device,
    list_device_samples,
)
from devices.services.audit import NO_ALIAS, record_device_look
from devices.vitals.day import DeviceDay
from devices.web.access import StaffRequest, needs
from uxp_diag.roles import Scope

DAYS = 90
_PARTS = ("enrollment", "consent", "reports", "vitals")


@require_safe
@needs(Scope.RAW_PAYLOAD, Scope.PRIVACY)
def device_detail(request: StaffRequest, device_id: uuid.UUID) -> HttpResponse:
    """The last 90 days of one phone. The look is written down first."""
    device = get_device(viewer=request.viewer, device_id=device_id)
    now = timezone.now()
    alias = record_device_look(
        request.viewer,
        program_id=device.program_id,
        device_id=device.device_id,
        fields=_PARTS,
        now=now,
    )
    today = now.astimezone(UTC)
    since = datetime(today.year, today.month, today.day, tzinfo=UTC) - timedelta(days=DAYS - 1)
    reports = list_device_reports(device, since=since)
    samples = list_device_samples(device, since=since)
    context = {
        "device": device,
        "alias": None if alias == NO_ALIAS else alias,
        "now": now,
        "days": DAYS,
        "since": since,
        "timeline": make_timeline(reports, samples),
        "charts": _charts(samples, since=since),
        "most_reports": MOST_REPORTS if len(reports) == MOST_REPORTS else None,
        "most_samples": MOST_SAMPLES if len(samples) == MOST_SAMPLES else None,
        "damaged": sum(sample.content is None for sample in samples),
    }
    return render(request, "crashes/device_detail.html", context)


def _charts(samples: list[DeviceSample], *, since: datetime) -> list[LevelChart]:
    facts = device_days(samples)
    days = [since.date() + timedelta(days=number) for number in range(DAYS)]
    charts = [
        level_chart("Drain with the screen on", "%/h", [(d, _drain(facts, d, "on")) for d in days]),
        level_chart(
            "Drain with the screen off", "%/h", [(d, _drain(facts, d, "off")) for d in days]
        ),
        level_chart(
            "Highest battery temperature",
            "°C",
            [(d, facts[d].temperature_max_c if d in facts else None) for d in days],
        ),
    ]
    return [chart for chart in charts if chart]


def _drain(facts: dict[date, DeviceDay], day: date, screen: str) -> float | None:
    """Percent of a full battery per hour."""
    if day not in facts:
        return None
    drained = facts[day].total(f"screen_{screen}_drain_pct")
    seconds = facts[day].total(f"screen_{screen}_s")
    return None if drained is None or not seconds else drained / seconds * 3600
