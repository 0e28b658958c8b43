"""Issues and the standings that the rules of triage speak of; what reports and time do to them."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Protocol

from django.db import transaction
from django.db.models import F, Q, Sum
from django.utils.dateparse import parse_datetime

from crashes.models import BuildSeen, Issue, IssueTally, TriageEvent
from crashes.selectors.standings import STANDING_FIELDS, standing_of
from crashes.triage.transitions import (
    NO_VERSION,
    BuildOrder,
    IssueState,
    Resolution,
    Sight,
    Standing,
    come_back,
    is_back,
    is_mute_over,
    unmute,
)
from uxp_diag.db import update_rows

_MOMENTS = ("resolved_at", "regressed_at", "muted_until")


class Seen(Protocol):
    """One report of one issue, as far as its standing cares."""

    @property
    def issue_id(self) -> int:
        """The issue."""

    @property
    def occurred_at(self) -> datetime:
        """When it happened, by the phone's clock."""

    @property
    def model(self) -> str:
        """Model of the phone."""

    @property
    def os_build(self) -> str:
        """OS build."""

    @property
    def version_name(self) -> str:
        """Version of the app."""

    @property
    def version_code(self) -> int | None:
        """What orders versions of the app."""


def take_standing(issue: Issue, standing: Standing) -> None:
    """Put a standing into the fields of an issue; the caller writes them."""
    for name in STANDING_FIELDS:
        value = getattr(standing, name)
        setattr(issue, name, value.value if isinstance(value, IssueState | Resolution) else value)


def standing_to_json(standing: Standing) -> dict[str, Any]:
    """A standing as it is kept in events."""
    values = {name: getattr(standing, name) for name in STANDING_FIELDS}
    return {
        name: value.isoformat() if isinstance(value, datetime) else value
        for name, value in values.items()
    }


def standing_from_json(kept: Mapping[str, Any]) -> Standing:
    """A standing as it was kept; what newer versions added has its default."""
    values = {name: kept[name] for name in STANDING_FIELDS if name in kept}
    for name in _MOMENTS:
        values[name] = parse_datetime(values[name]) if values.get(name) else None
    values["state"] = IssueState(values["state"])
    values["resolution"] = Resolution(values["resolution"])
    return Standing(**values)


# Reports --------------------------------------------------------------------------------------


def wake_issues(issues: Mapping[int, Issue], seen: Sequence[Seen], *, now: datetime) -> None:
    """Open what reports show to be back, and what was muted up to a count that is exceeded.

    The issues are locked and their counts up to date. Costs nothing where all of them are open.
    """
    closed = {pk: issue for pk, issue in issues.items() if issue.state != Issue.State.OPEN}
    if not closed:
        return
    concerned = [item for item in seen if item.issue_id in closed]
    builds = _build_order(closed.values(), concerned)
    changed: list[tuple[Issue, Standing, str, str]] = []
    for pk, issue in sorted(closed.items()):
        standing = standing_of(issue)
        mine = [_sight(item) for item in concerned if item.issue_id == pk]
        proof = next((sight for sight in mine if is_back(standing, sight, builds)), None)
        if proof is not None:
            after = come_back(standing, proof, now=now)
            changed.append((issue, after, "regressed", _came_back_text(standing, after)))
        elif is_mute_over(standing, now=now, reports=issue.report_count):
            changed.append((issue, unmute(standing), "unmuted", _unmuted_text(standing, now=now)))
    _write(changed, now=now)


def _sight(item: Seen) -> Sight:
    code = NO_VERSION if item.version_code is None else item.version_code
    return Sight(item.occurred_at, item.model, item.os_build, item.version_name, code)


def _build_order(issues: Iterable[Issue], seen: Sequence[Seen]) -> BuildOrder:
    resolved = [issue for issue in issues if issue.state == Issue.State.RESOLVED]
    if not resolved or not seen:
        return BuildOrder()
    named = {issue.resolved_in_build for issue in resolved} | {item.os_build for item in seen}
    rows = BuildSeen.objects.filter(
        program_id__in={issue.program_id for issue in resolved},
        model__in={item.model for item in seen},
        os_build__in=named - {""},
    )
    order = rows.values_list("model", "os_build", "first_seen_at")
    return BuildOrder({(model, build): first for model, build, first in order})


def _came_back_text(before: Standing, after: Standing) -> str:
    where = f"seen again in {after.regressed_in}" if after.regressed_in else "seen again"
    return f"{where}; it was resolved {resolution_words(before)}"


def resolution_words(standing: Standing) -> str:
    """`in build V3.430`, `in version 1.4.3`, `in the next release`, `at once`."""
    match standing.resolution:
        case Resolution.BUILD:
            return f"in build {standing.resolved_in_build}"
        case Resolution.VERSION:
            return f"in version {standing.resolved_in_version}"
        case Resolution.NEXT_RELEASE:
            return "in the next release"
        case _:
            return "at once"


def _unmuted_text(standing: Standing, *, now: datetime) -> str:
    if standing.muted_until is not None and standing.muted_until <= now:
        return "its time is over"
    if standing.muted_until_daily is not None and standing.muted_until_count is None:
        return f"more than {standing.muted_until_daily} reports on a day"
    return f"more than {standing.muted_until_count} reports"


def _write(changed: Sequence[tuple[Issue, Standing, str, str]], *, now: datetime) -> None:
    events = []
    for issue, after, kind, text in changed:
        take_standing(issue, after)
        events.append(TriageEvent(issue=issue, kind=kind, by_name="", text=text, at=now))
    update_rows([issue for issue, _, _, _ in changed], STANDING_FIELDS)
    TriageEvent.objects.bulk_create(events)


# Time -----------------------------------------------------------------------------------------


@transaction.atomic
def end_mutes(*, now: datetime, limit: int = 500) -> int:
    """Open what was muted up to a moment or a daily number that has come; how many were."""
    muted = Issue.objects.filter(state=Issue.State.MUTED, merged_into=None)
    daily = _most_daily(now=now)
    due = muted.filter(Q(muted_until__lte=now) | Q(pk__in=sorted(daily)[:limit]))
    if not due.exists():  # looking costs no write lock
        return 0
    changed = []
    locked = due.select_for_update(no_key=True).order_by("pk")[:limit]
    for issue in locked:
        before = standing_of(issue)
        if is_mute_over(
            before, now=now, reports=issue.report_count, most_daily=daily.get(issue.pk)
        ):
            text = _unmuted_text(before, now=now)
            changed.append((issue, unmute(before), "unmuted", text))
    _write(changed, now=now)
    return len(changed)


def _most_daily(*, now: datetime) -> dict[int, int]:
    """Reports on the busier of today and yesterday, of issues that exceed what they are muted to."""
    cells = IssueTally.objects.filter(
        issue__state=Issue.State.MUTED,
        issue__muted_until_daily__isnull=False,
        day__gte=now.date() - timedelta(days=1),
        day__lte=now.date(),
    )
    sums = cells.values("issue_id", "day").annotate(total=Sum("reports"))
    most: dict[int, int] = defaultdict(int)
    over = sums.filter(total__gt=F("issue__muted_until_daily"))
    for issue_id, total in over.values_list("issue_id", "total").order_by():
        most[issue_id] = max(most[issue_id], total)
    return dict(most)
