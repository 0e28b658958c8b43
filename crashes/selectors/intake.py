"""What the door and the workers have to say: what waits, what was set aside, what was lost.

Losses are what a client or a phone threw away before it was sent, and what we took and did not
keep; they are counts per day and tied to no person.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.db.models import Count, Max, Min, Q, QuerySet, Sum

from crashes.intake.client_losses import AGENT
from crashes.models import ClientLoss, Report
from crashes.selectors.keyset import Order, take_page
from crashes.selectors.reports import ReportRow, report_row
from devices.selectors.losses import AgentLossRow, list_agent_losses
from uxp_diag.api.pagination import DEFAULT_SIZE, Page
from uxp_diag.viewer import Viewer

_MOST_COUNTED = 100_000
_MOST_ROWS = 200
_ORDER = Order("received", "received_at", "Received", datetime)
_WAITING = [Report.State.RECEIVED, Report.State.LEASED]


@dataclass(frozen=True, slots=True)
class Backlog:
    """Reports that no worker has finished. `waiting` ends at 100,000, then `is_more` is true."""

    waiting: int
    is_more: bool
    oldest_received_at: datetime | None


@dataclass(frozen=True, slots=True)
class QuarantineCause:
    """How many reports are in quarantine with one code, and when the last of them came."""

    code: str
    reports: int
    last_received_at: datetime


@dataclass(frozen=True, slots=True)
class LossRow:
    """What one client lost of one category for one reason in the days looked at."""

    program_id: int
    client: str
    reason: str
    category: str
    count: int
    last_day: date


@dataclass(frozen=True, slots=True)
class Losses:
    """The losses of some days: all of them, by day from the first to `last_day`, and by whom."""

    total: int
    per_day: tuple[int, ...]
    last_day: date
    rows: tuple[LossRow, ...]


def get_backlog(*, viewer: Viewer) -> Backlog:
    """What waits for the workers."""
    rows = Report.objects.filter(program_id__in=viewer.program_ids, state__in=_WAITING)
    some = rows.order_by()[: _MOST_COUNTED + 1]
    waiting = some.count()
    oldest: datetime | None = rows.aggregate(at=Min("received_at"))["at"] if waiting else None
    return Backlog(min(waiting, _MOST_COUNTED), waiting > _MOST_COUNTED, oldest)


def list_quarantine_causes(*, viewer: Viewer) -> list[QuarantineCause]:
    """Why reports are in quarantine, the most frequent reason first."""
    counted = (
        _quarantined(viewer)
        .values("failure_code")
        .annotate(reports=Count("pk"), last=Max("received_at"))
        .order_by("-reports", "failure_code")
    )
    return [QuarantineCause(row["failure_code"], row["reports"], row["last"]) for row in counted]


def list_quarantined(
    *, viewer: Viewer, code: str = "", cursor: str | None = None, size: int = DEFAULT_SIZE
) -> Page[ReportRow]:
    """A page of the reports in quarantine, newest first. Raises Problem 400."""
    code = code.replace("\0", "")
    rows = _quarantined(viewer).filter(Q(failure_code=code) if code else Q())
    page = take_page(rows.select_related("issue"), order=_ORDER, cursor=cursor, size=size)
    return Page([report_row(report) for report in page.items], page.next_cursor)


def list_losses(*, viewer: Viewer, days: int, today: date, program_id: int | None = None) -> Losses:
    """What was lost in the last `days` days, today included.

    `program_id` narrows it to one of the viewer's programs. The 200 largest counts are told one by
    one.
    """
    programs = viewer.program_ids if program_id is None else viewer.program_ids & {program_id}
    first_day = today - timedelta(days=days - 1)
    lost = ClientLoss.objects.filter(program_id__in=programs, day__gte=first_day, day__lte=today)
    by_day: Counter[date] = Counter(
        dict(
            lost.values("day")
            .annotate(lost=Sum("count"))
            .order_by("day")
            .values_list("day", "lost")
        )
    )
    fields = ("program_id", "client", "reason", "category")
    counted = (
        lost.values(*fields)
        .annotate(lost=Sum("count"), last_day=Max("day"))
        .order_by("-lost", *fields)
        .values_list(*fields, "lost", "last_day")
    )
    beside = list_agent_losses(programs, first=first_day, last=today)
    by_day.update(_days(beside))
    rows = [LossRow(*row) for row in counted[:_MOST_ROWS]] + _summed(beside)
    return Losses(
        total=sum(by_day.values()),
        per_day=tuple(by_day[first_day + timedelta(days=n)] for n in range(days)),
        last_day=today,
        rows=tuple(sorted(rows, key=_by_count)[:_MOST_ROWS]),
    )


def _days(losses: Iterable[AgentLossRow]) -> Counter[date]:
    days: Counter[date] = Counter()
    for loss in losses:
        days[loss.day] += loss.count
    return days


def _summed(losses: Iterable[AgentLossRow]) -> list[LossRow]:
    """What our agent lost beside reports, over all the days."""
    counts: Counter[tuple[int, str, str]] = Counter()
    last_days: dict[tuple[int, str, str], date] = {}
    for loss in losses:
        key = (loss.program_id, loss.reason, loss.category)
        counts[key] += loss.count
        last_days[key] = max(loss.day, last_days.get(key, loss.day))
    return [
        LossRow(program, AGENT, reason, category, count, last_days[program, reason, category])
        for (program, reason, category), count in counts.items()
    ]


def _by_count(row: LossRow) -> tuple[int, int, str, str, str]:
    return (-row.count, row.program_id, row.client, row.reason, row.category)


def _quarantined(viewer: Viewer) -> QuerySet[Report]:
    return Report.objects.filter(program_id__in=viewer.program_ids, state=Report.State.QUARANTINED)
