"""How the pipeline is doing, as its operator's gauges show it: numbers and ages, nothing of a phone.

Every question is answered from an index, and counting ends at 100,000: beyond that, more makes no
difference to whoever is woken up.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Exists, OuterRef, QuerySet

from crashes.models import (
    DebugFile,
    MissingDebugFile,
    Release,
    Report,
    VerdictSnapshot,
    WaitingReport,
)
from devices.selectors.operations import count_some


@dataclass(frozen=True, slots=True)
class PipelineOperations:
    """What waits, since when. Counts end at 100,000.

    `earliest_lease_end_at` is when the lease runs out that nobody has renewed for longest.
    """

    reports_waiting: int
    oldest_waiting_at: datetime | None
    reports_leased: int
    earliest_lease_end_at: datetime | None
    quarantined: int
    missing_debug_files: int
    reports_lacking_symbols: int
    debug_files_unprepared: int
    releases: int
    releases_judged: int
    last_verdict_at: datetime | None


def read_pipeline_operations() -> PipelineOperations:
    """Read them."""
    waiting = Report.objects.filter(state__in=[Report.State.RECEIVED, Report.State.LEASED])
    leased = Report.objects.filter(state=Report.State.LEASED, leased_until__isnull=False)
    judged = Exists(VerdictSnapshot.objects.filter(release=OuterRef("pk")))
    verdicts = VerdictSnapshot.objects.order_by("-pk")
    return PipelineOperations(
        reports_waiting=count_some(waiting),
        oldest_waiting_at=_first(waiting.order_by("pk"), "received_at"),
        reports_leased=count_some(leased),
        earliest_lease_end_at=_first(leased.order_by("leased_until", "pk"), "leased_until"),
        quarantined=count_some(Report.objects.filter(state=Report.State.QUARANTINED)),
        missing_debug_files=count_some(MissingDebugFile.objects.all()),
        reports_lacking_symbols=count_some(WaitingReport.objects.values("report_id").distinct()),
        debug_files_unprepared=count_some(DebugFile.objects.filter(state=DebugFile.State.RECEIVED)),
        releases=count_some(Release.objects.all()),
        releases_judged=count_some(Release.objects.filter(judged)),
        last_verdict_at=_first(verdicts, "made_at"),
    )


def _first(rows: QuerySet[Any], field: str) -> datetime | None:
    found: datetime | None = rows.values_list(field, flat=True).first()
    return found
