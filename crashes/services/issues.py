"""What people do to issues: resolve, reopen, mute, assign, comment; on one or on many; and undo it.

An action on many issues is one transaction and one `action_id`. Each issue that it changed has an
event with what was before and after, so undoing puts back what nobody has changed since. What an
action makes no sense for is skipped and counted, so that one muted issue never stops a thousand.
"""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Max

from crashes.models import Issue, TriageEvent, VersionSeen
from crashes.selectors.standings import STANDING_FIELDS, standing_of
from crashes.services.standings import (
    resolution_words,
    standing_from_json,
    standing_to_json,
    take_standing,
)
from crashes.triage.transitions import (
    NO_VERSION,
    ImpossibleTransition,
    Resolution,
    Standing,
    Target,
    mute,
    reopen,
    resolve,
)
from uxp_diag.db import update_rows
from uxp_diag.viewer import Viewer

_AT_ONCE = 500
_CHANGED = (*STANDING_FIELDS, "assignee")


class NothingToUndo(Exception):
    """The action is undone already, or everything it did was changed since."""


@dataclass(frozen=True, slots=True)
class Resolve:
    """Say that the cause is gone, and from where on."""

    target: Target


@dataclass(frozen=True, slots=True)
class Reopen:
    """Put back among the open ones."""


@dataclass(frozen=True, slots=True)
class Mute:
    """Silence; `more` is a number of reports beyond those there are now."""

    until: datetime | None = None
    more: int | None = None
    daily: int | None = None


@dataclass(frozen=True, slots=True)
class Assign:
    """Give to a person, or to nobody. The name is for the record."""

    user_id: int | None = None
    user_name: str = ""


Action = Resolve | Reopen | Mute | Assign


@dataclass(frozen=True, slots=True)
class Done:
    """What an action did. `skipped` are issues for which it makes no sense, or changes nothing."""

    action_id: uuid.UUID
    changed: int
    skipped: int


def act_on_issue(issue_id: int, action: Action, *, by: Viewer, now: datetime) -> Done:
    """Do something to one issue. Raises ImpossibleTransition."""
    with transaction.atomic():
        return _act([issue_id], action, by=by, now=now, is_strict=True)


@transaction.atomic
def act_on_issues(issue_ids: Sequence[int], action: Action, *, by: Viewer, now: datetime) -> Done:
    """Do something to many issues in one transaction; what is impossible is skipped."""
    return _act(issue_ids, action, by=by, now=now, is_strict=False)


@transaction.atomic
def comment_on_issue(issue_id: int, text: str, *, by: Viewer, now: datetime) -> TriageEvent:
    """Leave words at an issue."""
    return TriageEvent.objects.create(
        issue_id=issue_id, kind="comment", by_id=by.user_id, by_name=by.name, text=text, at=now
    )


@transaction.atomic
def undo_action(action_id: uuid.UUID, *, by: Viewer, now: datetime) -> Done:
    """Put back what an action changed, where nobody changed it since. Raises NothingToUndo."""
    events = TriageEvent.objects.filter(
        action_id=action_id, undone_at=None, before__isnull=False,
        issue__program_id__in=by.program_ids,
    )  # fmt: skip
    kept = {event.issue_id: event for event in events.order_by("pk")}
    back: list[Issue] = []
    for issue in _locked(sorted(kept)):
        event = kept[issue.pk]
        if _snapshot(issue) == event.after:
            _restore(issue, event.before or {})
            back.append(issue)
    if not back:
        raise NothingToUndo("nothing of this action is left to undo")
    update_rows(back, _CHANGED)
    done = [kept[issue.pk] for issue in back]
    TriageEvent.objects.bulk_create(
        TriageEvent(
            issue=issue, kind="undone", by_id=by.user_id, by_name=by.name, at=now,
            text=f"{kept[issue.pk].kind} taken back",
        )
        for issue in back
    )  # fmt: skip
    for event in done:
        event.undone_at = now
    update_rows(done, ["undone_at"])
    return Done(action_id, len(back), len(kept) - len(back))


def _act(
    issue_ids: Sequence[int], action: Action, *, by: Viewer, now: datetime, is_strict: bool
) -> Done:
    action_id, codes = uuid.uuid4(), _Codes()
    changed: list[Issue] = []
    events: list[TriageEvent] = []
    for issue in _locked(sorted(set(issue_ids))):
        before = _snapshot(issue)
        try:
            kind, text = _apply(issue, action, codes, now=now)
        except ImpossibleTransition:
            if is_strict:
                raise
            continue
        after = _snapshot(issue)
        if after == before:
            continue
        changed.append(issue)
        events.append(
            TriageEvent(
                issue=issue, kind=kind, text=text, by_id=by.user_id, by_name=by.name, at=now,
                action_id=action_id, before=before, after=after,
            )
        )  # fmt: skip
    update_rows(changed, _CHANGED)
    TriageEvent.objects.bulk_create(events, batch_size=_AT_ONCE)
    return Done(action_id, len(changed), len(set(issue_ids)) - len(changed))


def _locked(issue_ids: Sequence[int]) -> list[Issue]:
    """The issues in the order of their numbers, a part at a time: lists of values have limits."""
    parts = [issue_ids[start : start + _AT_ONCE] for start in range(0, len(issue_ids), _AT_ONCE)]
    rows = Issue.objects.select_for_update(no_key=True).filter(merged_into=None)
    return [issue for part in parts for issue in rows.filter(pk__in=part).order_by("pk")]


class _Codes:
    """The highest version codes that were seen, asked once for each package of an action."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, str, str], int | None] = {}

    def complete(self, target: Target, issue: Issue) -> Target:
        """The target with the version code that the reports of the app tell."""
        if not issue.package or target.version_code != NO_VERSION:
            return target
        if target.resolution is Resolution.VERSION:
            code = self._highest(issue, target.version)
            return target if code is None else replace(target, version_code=code)
        if target.resolution is Resolution.NEXT_RELEASE:
            code = self._highest(issue, "")
            return target if code is None else replace(target, version_code=code + 1)
        return target

    def _highest(self, issue: Issue, version_name: str) -> int | None:
        key = (issue.program_id, issue.package, version_name)
        if key not in self._known:
            seen = VersionSeen.objects.filter(program_id=issue.program_id, package=issue.package)
            if version_name:
                seen = seen.filter(version_name=version_name)
            self._known[key] = seen.aggregate(most=Max("version_code"))["most"]
        return self._known[key]


def _apply(issue: Issue, action: Action, codes: _Codes, *, now: datetime) -> tuple[str, str]:
    """Change the fields of an issue; kind and words for the record. Raises ImpossibleTransition."""
    standing = standing_of(issue)
    match action:
        case Resolve(target):
            after = resolve(standing, codes.complete(target, issue), now=now)
            take_standing(issue, after)
            return "resolved", resolution_words(after)
        case Reopen():
            take_standing(issue, reopen(standing))
            return "reopened", ""
        case Mute(until, more, daily):
            count = None if more is None else issue.report_count + more
            after = mute(standing, now=now, until=until, until_count=count, until_daily=daily)
            take_standing(issue, after)
            return "muted", mute_words(after)
        case Assign(user_id, user_name):
            issue.assignee_id = user_id
            return ("assigned", f"to {user_name}") if user_id else ("assigned", "to nobody")


def mute_words(standing: Standing) -> str:
    """`until 2026-11-21 12:00 UTC, or more than 120 reports`; empty for a mute for good."""
    ways = []
    if standing.muted_until is not None:
        ways.append(f"{standing.muted_until:%Y-%m-%d %H:%M} UTC")
    if standing.muted_until_count is not None:
        ways.append(f"more than {standing.muted_until_count} reports")
    if standing.muted_until_daily is not None:
        ways.append(f"more than {standing.muted_until_daily} reports on a day")
    return f"until {', or '.join(ways)}" if ways else ""


def _snapshot(issue: Issue) -> dict[str, Any]:
    return {**standing_to_json(standing_of(issue)), "assignee": issue.assignee_id}


def _restore(issue: Issue, before: dict[str, Any]) -> None:
    take_standing(issue, standing_from_json(before))
    issue.assignee_id = before.get("assignee")
