"""Issues: the list with its facets, one issue with its breakdowns, its days and its reports."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from django.db.models import Count, QuerySet, Sum

from crashes.models import Issue, IssueRedirect, IssueTally, Report
from crashes.models.report import COUNTED
from crashes.selectors.keyset import Order, find_order, take_page
from crashes.selectors.matching import issues_matching
from crashes.selectors.reports import ReportRow, report_row
from crashes.selectors.standings import standing_of
from crashes.triage.query import Query
from crashes.triage.transitions import IssueState, Standing
from uxp_diag.api.pagination import DEFAULT_SIZE, Page
from uxp_diag.viewer import Viewer

SPARK_DAYS = 14
CHART_DAYS = 30
_TOP_MODELS = 3
_CHUNK = 1_000
_FACET_VALUES = 8
FACET_ISSUES = 5_000
"""Facets count among the issues seen last, so that they cost the same however many there are."""
_BREAKDOWN_VALUES = 10

ISSUE_ORDERS: Mapping[str, Order] = {
    order.name: order
    for order in (
        Order("last_seen", "last_seen_at", "Last seen", datetime),
        Order("first_seen", "first_seen_at", "Newest", datetime),
        Order("reports", "report_count", "Reports", int),
        Order("devices", "device_count", "Devices", int),
    )
}
_REPORT_ORDER = Order("occurred", "occurred_at", "Occurred", datetime)


@dataclass(frozen=True, slots=True)
class IssueSummary:
    """One issue without its reports."""

    id: int
    program_id: int
    kind: str
    signature: str
    package: str
    state: str
    first_seen_at: datetime
    last_seen_at: datetime
    first_os_build: str
    last_os_build: str
    report_count: int
    device_count: int
    assignee_id: int | None
    assignee: str
    standing: Standing

    @property
    def is_regressed(self) -> bool:
        """Whether it is open because it came back after it was resolved."""
        return self.state == IssueState.OPEN and self.standing.regressed_at is not None


@dataclass(frozen=True, slots=True)
class IssueRow:
    """One line of the list.

    `days` are reports per day, oldest first, ending today. `models` are the most frequent models
    of these days, or of all time when the days are empty; `more_models` counts the rest.
    """

    issue: IssueSummary
    days: tuple[int, ...]
    models: tuple[str, ...]
    more_models: int


@dataclass(frozen=True, slots=True)
class Share:
    """How many reports of a whole have a value. An empty value was not said by the device."""

    value: str
    reports: int
    fraction: float


@dataclass(frozen=True, slots=True)
class Breakdown:
    """The reports of an issue by one field, largest share first; `others` are beyond the list."""

    field: str
    shares: tuple[Share, ...]
    others: int
    values: int


@dataclass(frozen=True, slots=True)
class DayCount:
    """Reports on one day."""

    day: date
    reports: int


@dataclass(frozen=True, slots=True)
class FacetValue:
    """A value of a key, and how many of the issues would stay if it were chosen."""

    value: str
    issues: int
    is_chosen: bool


@dataclass(frozen=True, slots=True)
class Facet:
    """The most frequent values of one key of the query."""

    key: str
    values: tuple[FacetValue, ...]


def list_issues(
    *,
    viewer: Viewer,
    query: Query,
    today: date,
    sort: str = "",
    cursor: str | None = None,
    size: int = DEFAULT_SIZE,
) -> Page[IssueRow]:
    """A page of the issues that a query means. Raises Problem 400 for sort or cursor."""
    order = find_order(ISSUE_ORDERS, sort)
    page = take_page(_matching(viewer, query), order=order, cursor=cursor, size=size)
    days, models = _recent_cells([issue.pk for issue in page.items], today=today)
    rows = [_row(issue, days[issue.pk], models[issue.pk]) for issue in page.items]
    return Page(rows, page.next_cursor)


def iterate_issues(*, viewer: Viewer, query: Query) -> Iterator[IssueSummary]:
    """All issues that a query means, the ones seen last first, read piece by piece."""
    rows = _matching(viewer, query).order_by("-last_seen_at", "-pk")
    return map(_summary, rows.iterator(chunk_size=_CHUNK))


def get_issue(*, viewer: Viewer, issue_id: int) -> IssueSummary:
    """One issue, or the one that it became part of. Raises Issue.DoesNotExist."""
    every = Issue.objects.filter(program_id__in=viewer.program_ids).select_related("assignee")
    found = every.filter(pk=issue_id).first()
    if found is None:
        leads_to = IssueRedirect.objects.filter(old_id=issue_id).values("issue_id")
        found = every.get(pk__in=leads_to)
    while found.merged_into_id is not None:
        found = every.get(pk=found.merged_into_id)
    return _summary(found)


def count_issue_states(*, viewer: Viewer, query: Query) -> dict[str, int]:
    """How many issues the query means in each state, whatever state it asks for."""
    rows = _matching(viewer, query.without("is")).values_list("state").annotate(Count("pk"))
    return {state.value: 0 for state in Issue.State} | dict(rows.order_by())


def issue_facets(*, viewer: Viewer, query: Query) -> tuple[Facet, ...]:
    """What can be narrowed down next, among the `FACET_ISSUES` seen last.

    A key's own values do not narrow its facet.
    """
    return (
        _tally_facet("model", viewer, query),
        _tally_facet("os_build", viewer, query),
        _column_facet("kind", viewer, query),
        _column_facet("package", viewer, query),
    )


def issue_breakdowns(*, viewer: Viewer, issue_id: int) -> tuple[Breakdown, ...]:
    """The reports of an issue by model, OS build, app version and country."""
    cells = _cells(viewer, issue_id)
    return tuple(_breakdown(cells, field) for field in ("model", "os_build", "version_name", "mcc"))


def issue_days(
    *, viewer: Viewer, issue_id: int, today: date, days: int = CHART_DAYS
) -> tuple[DayCount, ...]:
    """Reports of an issue per day, oldest first, ending today; quiet days are zero."""
    first = today - timedelta(days=days - 1)
    counts = dict(
        _cells(viewer, issue_id)
        .filter(day__gte=first, day__lte=today)
        .values_list("day")
        .annotate(Sum("reports"))
        .order_by()
    )
    wanted = (first + timedelta(days=number) for number in range(days))
    return tuple(DayCount(day, counts.get(day, 0)) for day in wanted)


def list_issue_reports(
    *, viewer: Viewer, issue_id: int, cursor: str | None = None, size: int = DEFAULT_SIZE
) -> Page[ReportRow]:
    """A page of the reports that an issue counts, latest first. Raises Problem 400 for the cursor."""
    rows = Report.objects.filter(COUNTED, program_id__in=viewer.program_ids, issue_id=issue_id)
    page = take_page(rows.select_related("issue"), order=_REPORT_ORDER, cursor=cursor, size=size)
    return Page([report_row(report) for report in page.items], page.next_cursor)


def _visible(viewer: Viewer) -> QuerySet[Issue]:
    """What people merged into another issue is no issue any more."""
    visible = Issue.objects.filter(program_id__in=viewer.program_ids, merged_into=None)
    return visible.select_related("assignee")


def _matching(viewer: Viewer, query: Query) -> QuerySet[Issue]:
    return _visible(viewer).filter(issues_matching(query, me=viewer.user_id))


def _cells(viewer: Viewer, issue_id: int) -> QuerySet[IssueTally]:
    return IssueTally.objects.filter(issue_id=issue_id, issue__program_id__in=viewer.program_ids)


def _summary(issue: Issue) -> IssueSummary:
    return IssueSummary(
        id=issue.pk,
        program_id=issue.program_id,
        kind=issue.kind,
        signature=issue.signature,
        package=issue.package,
        state=issue.state,
        first_seen_at=issue.first_seen_at,
        last_seen_at=issue.last_seen_at,
        first_os_build=issue.first_os_build,
        last_os_build=issue.last_os_build,
        report_count=issue.report_count,
        device_count=issue.device_count,
        assignee_id=issue.assignee_id,
        assignee=issue.assignee.get_username() if issue.assignee else "",
        standing=standing_of(issue),
    )


def _row(issue: Issue, days: Sequence[int], models: Counter[str]) -> IssueRow:
    top = sorted(models.items(), key=lambda item: (-item[1], item[0]))
    return IssueRow(
        issue=_summary(issue),
        days=tuple(days),
        models=tuple(model for model, _ in top[:_TOP_MODELS]),
        more_models=max(len(top) - _TOP_MODELS, 0),
    )


_Days = dict[int, list[int]]
_Models = dict[int, Counter[str]]


def _recent_cells(issue_ids: Sequence[int], *, today: date) -> tuple[_Days, _Models]:
    """Reports per day and per model of each issue, for the days of a sparkline."""
    days: _Days = defaultdict(lambda: [0] * SPARK_DAYS)
    models: _Models = defaultdict(Counter)
    first = today - timedelta(days=SPARK_DAYS - 1)
    recent = IssueTally.objects.filter(issue_id__in=issue_ids, day__gte=first, day__lte=today)
    cells = recent.values_list("issue_id", "day", "model").annotate(Sum("reports")).order_by()
    for issue_id, day, model, reports in cells:
        days[issue_id][(day - first).days] += reports
        _count_model(models, issue_id, model, reports)
    quiet = [issue_id for issue_id in issue_ids if issue_id not in days]
    if quiet:
        older = IssueTally.objects.filter(issue_id__in=quiet)
        for issue_id, model, reports in (
            older.values_list("issue_id", "model").annotate(Sum("reports")).order_by()
        ):
            _count_model(models, issue_id, model, reports)
    return days, models


def _count_model(models: _Models, issue_id: int, model: str, reports: int) -> None:
    if model:
        models[issue_id][model] += reports


def _tally_facet(key: str, viewer: Viewer, query: Query) -> Facet:
    cells = IssueTally.objects.filter(issue__in=_latest(viewer, query.without(key)))
    rows = cells.exclude(**{key: ""}).values_list(key)
    counted = rows.annotate(issues=Count("issue_id", distinct=True))
    return _facet(key, counted.order_by("-issues", key)[:_FACET_VALUES], query)


def _column_facet(key: str, viewer: Viewer, query: Query) -> Facet:
    issues = Issue.objects.filter(pk__in=_latest(viewer, query.without(key)))
    rows = issues.exclude(**{key: ""}).values_list(key)
    counted = rows.annotate(issues=Count("pk"))
    return _facet(key, counted.order_by("-issues", key)[:_FACET_VALUES], query)


def _latest(viewer: Viewer, query: Query) -> QuerySet[Issue, Any]:
    latest = _matching(viewer, query).order_by("-last_seen_at", "-pk")
    return latest.values("pk")[:FACET_ISSUES]


def _facet(key: str, rows: Iterable[tuple[str, int]], query: Query) -> Facet:
    chosen = {value.lower() for value in query.values(key)}
    return Facet(
        key, tuple(FacetValue(value, count, value.lower() in chosen) for value, count in rows)
    )


def _breakdown(cells: QuerySet[IssueTally], field: str) -> Breakdown:
    rows = list(cells.values_list(field).annotate(total=Sum("reports")).order_by("-total", field))
    whole = sum(count for _, count in rows)
    top = rows[:_BREAKDOWN_VALUES]
    return Breakdown(
        field=field,
        shares=tuple(Share(value, count, count / whole) for value, count in top),
        others=whole - sum(count for _, count in top),
        values=len(rows),
    )
