"""What people did to issues, who may be given one, and what can be named as having a fix."""

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from crashes.models import BuildSeen, Issue, TriageEvent, VersionSeen
from crashes.selectors.issues import IssueSummary
from crashes.selectors.matching import issues_matching
from crashes.triage.query import Query
from devices.selectors.access import Member, list_members
from uxp_diag.viewer import Viewer

_EVENTS = 100
_CHOICES = 20


@dataclass(frozen=True, slots=True)
class ActivityRow:
    """Something that happened to an issue; `by_name` is empty when the platform did it."""

    kind: str
    by_name: str
    text: str
    at: datetime
    action_id: uuid.UUID | None
    is_undone: bool
    can_undo: bool


@dataclass(frozen=True, slots=True)
class FixChoices:
    """Builds and versions that reports came from, newest first."""

    builds: tuple[str, ...]
    versions: tuple[str, ...]


def list_activity(*, viewer: Viewer, issue_id: int) -> list[ActivityRow]:
    """What happened to an issue, latest first, at most the last hundred."""
    events = TriageEvent.objects.filter(
        issue_id=issue_id, issue__program_id__in=viewer.program_ids
    ).order_by("-at", "-pk")
    return [
        ActivityRow(
            kind=event.kind,
            by_name=event.by_name,
            text=event.text,
            at=event.at,
            action_id=event.action_id,
            is_undone=event.undone_at is not None,
            can_undo=event.before is not None and event.undone_at is None,
        )
        for event in events[:_EVENTS]
    ]


def list_assignees(*, viewer: Viewer, program_id: int) -> list[Member]:
    """Who can be given an issue of a program: those who may see it."""
    return list_members(program_id) if program_id in viewer.program_ids else []


def find_assignee(*, viewer: Viewer, program_ids: set[int], name: str) -> Member | None:
    """The person of a name who may see all of these programs, if there is one."""
    people = [
        {member.name: member for member in list_assignees(viewer=viewer, program_id=program_id)}
        for program_id in program_ids
    ]
    is_everywhere = bool(people) and all(name in known for known in people)
    return people[0][name] if is_everywhere else None


def list_fix_choices(*, viewer: Viewer, issue: IssueSummary) -> FixChoices:
    """What to offer when somebody says where an issue is fixed."""
    if issue.program_id not in viewer.program_ids:
        return FixChoices((), ())
    builds = BuildSeen.objects.filter(program_id=issue.program_id).order_by("-first_seen_at", "-pk")
    versions = VersionSeen.objects.filter(program_id=issue.program_id, package=issue.package)
    names = versions.exclude(version_name="").order_by("-version_code")
    return FixChoices(
        builds=_distinct(builds.values_list("os_build", flat=True)[: _CHOICES * 4]),
        versions=_distinct(names.values_list("version_name", flat=True)[:_CHOICES]),
    )


def list_issue_ids(*, viewer: Viewer, query: Query, most: int) -> list[int]:
    """The numbers of all issues that a query means, up to one more than `most`."""
    rows = Issue.objects.filter(program_id__in=viewer.program_ids, merged_into=None)
    return list(
        rows.filter(issues_matching(query, me=viewer.user_id)).values_list("pk", flat=True)[
            : most + 1
        ]
    )


def keep_known_issue_ids(*, viewer: Viewer, issue_ids: list[int]) -> list[int]:
    """Those of the numbers that are issues of the viewer's programs."""
    rows = Issue.objects.filter(program_id__in=viewer.program_ids, merged_into=None)
    return list(rows.filter(pk__in=issue_ids).order_by("pk").values_list("pk", flat=True))


def program_ids_of(*, viewer: Viewer, issue_ids: list[int]) -> set[int]:
    """The programs that issues belong to."""
    rows = Issue.objects.filter(program_id__in=viewer.program_ids, pk__in=issue_ids[:500])
    return set(rows.order_by().values_list("program_id", flat=True).distinct())


def has_action(*, viewer: Viewer, action_id: uuid.UUID) -> bool:
    """Whether somebody did this to an issue that the viewer may see."""
    events = TriageEvent.objects.filter(action_id=action_id)
    return events.filter(issue__program_id__in=viewer.program_ids).exists()


def can_undo(*, viewer: Viewer, action_id: uuid.UUID) -> bool:
    """Whether something of an action is not undone yet."""
    events = TriageEvent.objects.filter(action_id=action_id, undone_at=None)
    return events.filter(issue__program_id__in=viewer.program_ids).exists()


def _distinct(values: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(values))[:_CHOICES]
