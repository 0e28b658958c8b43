"""Forms that change issues, one or many. All of them work without script.

Many are changed in two steps: the list sends what was chosen, a page says how many that are and asks
for the details, and only its form changes anything.
"""

import uuid
from datetime import datetime, timedelta
from typing import Any

from django.contrib import messages
from django.http import HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode
from django.views.decorators.http import require_POST

from crashes.selectors.issues import IssueSummary, get_issue
from crashes.selectors.triage import (
    find_assignee,
    has_action,
    keep_known_issue_ids,
    list_activity,
    list_assignees,
    list_fix_choices,
    list_issue_ids,
    program_ids_of,
)
from crashes.services.issues import (
    Action,
    Assign,
    Mute,
    NothingToUndo,
    Reopen,
    Resolve,
    act_on_issue,
    act_on_issues,
    comment_on_issue,
    undo_action,
)
from crashes.triage.query import BadQuery, parse
from crashes.triage.transitions import LARGEST_COUNT, ImpossibleTransition, Resolution, Target
from devices.web.access import StaffRequest, needs
from uxp_diag.api.problem import Problem
from uxp_diag.roles import Scope
from uxp_diag.viewer import Viewer
from uxp_diag.web.htmx import is_from_htmx

MOST_ISSUES = 10_000
_LONGEST_COMMENT = 10_000
_SHOWN = 10
_DIGITS = 18
_DAYS = {"1": 1, "7": 7, "30": 30}
_DONE = {
    "resolve": "resolved",
    "reopen": "reopened",
    "mute": "muted",
    "assign": "assigned",
}


def triage_context(viewer: Viewer, issue: IssueSummary) -> dict[str, Any]:
    """What the action bar and the activity of an issue show."""
    may = viewer.may(Scope.TRIAGE)
    people = list_assignees(viewer=viewer, program_id=issue.program_id) if may else []
    return {
        "issue": issue,
        "may_triage": may,
        "activity": list_activity(viewer=viewer, issue_id=issue.id),
        "people": people,
        "is_member": any(member.user_id == viewer.user_id for member in people),
        "fixes": list_fix_choices(viewer=viewer, issue=issue) if may else None,
    }


@require_POST
@needs(Scope.TRIAGE)
def act(request: StaffRequest, issue_id: int) -> HttpResponse:
    """Do to one issue what the form says; the answer is its action bar, or the page."""
    issue = get_issue(viewer=request.viewer, issue_id=issue_id)
    now = timezone.now()
    try:
        action = _action(request.POST, viewer=request.viewer, program_ids={issue.program_id})
        act_on_issue(issue.id, action, by=request.viewer, now=now)
    except ImpossibleTransition as problem:
        messages.warning(request, f"Not possible: {problem}.")
    return _answer(request, issue.id)


@require_POST
@needs(Scope.TRIAGE)
def comment(request: StaffRequest, issue_id: int) -> HttpResponse:
    """Leave words at an issue."""
    issue = get_issue(viewer=request.viewer, issue_id=issue_id)
    text = request.POST.get("text", "").strip()
    if not text or len(text) > _LONGEST_COMMENT or "\0" in text:
        messages.warning(request, f"A comment has 1 to {_LONGEST_COMMENT} characters.")
    else:
        comment_on_issue(issue.id, text, by=request.viewer, now=timezone.now())
    return _answer(request, issue.id)


@require_POST
@needs(Scope.TRIAGE)
def undo(request: StaffRequest, action_id: uuid.UUID) -> HttpResponse:
    """Take an action back, then show the issue or the list that it was asked from."""
    if not has_action(viewer=request.viewer, action_id=action_id):
        raise Problem(400, "invalid_input", "There is no such action.")
    try:
        done = undo_action(action_id, by=request.viewer, now=timezone.now())
    except NothingToUndo as problem:
        messages.warning(request, f"Not undone: {problem}.")
    else:
        messages.success(request, f"Undone for {_issues(done.changed)}.{_left(done.skipped)}")
    issue_id = request.POST.get("issue", "")
    if _is_number(issue_id):
        issue = get_issue(viewer=request.viewer, issue_id=int(issue_id))
        return _answer(request, issue.id)
    return redirect(_list_url(request.POST.get("q")))


@require_POST
@needs(Scope.TRIAGE)
def bulk(request: StaffRequest) -> HttpResponse:
    """Say how many issues are meant and what to fill in; then do it, and offer to undo it."""
    name, form = request.POST.get("action", ""), request.POST
    if name not in _DONE:
        raise Problem(400, "invalid_input", "This is nothing that can be done to issues.")
    q = form.get("q", "")
    issue_ids = _meant(request, q)
    if not issue_ids:
        messages.warning(request, "No issue was chosen.")
        return redirect(_list_url(q))
    if len(issue_ids) > MOST_ISSUES:
        messages.warning(request, f"More than {MOST_ISSUES:,} issues match; narrow the query.")
        return redirect(_list_url(q))
    if form.get("expected") != str(len(issue_ids)):
        return _preview(request, name, issue_ids, q)
    programs = program_ids_of(viewer=request.viewer, issue_ids=issue_ids)
    try:
        action = _action(form, viewer=request.viewer, program_ids=programs)
        done = act_on_issues(issue_ids, action, by=request.viewer, now=timezone.now())
    except ImpossibleTransition as problem:
        messages.warning(request, f"Not possible: {problem}.")
        return _preview(request, name, issue_ids, q)
    left = _left(done.skipped, "as they were")
    messages.success(request, f"{_issues(done.changed)} {_DONE[name]}.{left}")
    return redirect(_list_url(q, done=str(done.action_id) if done.changed else ""))


def _preview(request: StaffRequest, name: str, issue_ids: list[int], q: str) -> HttpResponse:
    first = [get_issue(viewer=request.viewer, issue_id=pk) for pk in issue_ids[:_SHOWN]]
    programs = program_ids_of(viewer=request.viewer, issue_ids=issue_ids)
    people = [
        member
        for program_id in sorted(programs)
        for member in list_assignees(viewer=request.viewer, program_id=program_id)
    ]
    context = {
        "action": name,
        "count": len(issue_ids),
        "first": first,
        "more": len(issue_ids) - len(first),
        "q": q,
        "all": request.POST.get("all", ""),
        "issue_ids": [] if request.POST.get("all") else issue_ids,
        "people": list({member.user_id: member for member in people}.values()),
        "fixes": list_fix_choices(viewer=request.viewer, issue=first[0]),
        "list_url": _list_url(q),
    }
    return render(request, "crashes/issue_bulk.html", context)


def _meant(request: StaffRequest, q: str) -> list[int]:
    """The issues that were ticked, or all that the query means. Raises Problem, DoesNotExist."""
    if request.POST.get("all"):
        try:
            query = parse(q, asked_at=timezone.now())
        except BadQuery as problem:
            raise Problem(400, "bad_query", problem.sentence) from problem
        return list_issue_ids(viewer=request.viewer, query=query, most=MOST_ISSUES)
    asked = sorted({int(text) for text in request.POST.getlist("issue") if _is_number(text)})
    known = keep_known_issue_ids(viewer=request.viewer, issue_ids=asked)
    for missing in set(asked) - set(known):
        get_issue(viewer=request.viewer, issue_id=missing)  # merged meanwhile, or not there at all
    return known


def _answer(request: StaffRequest, issue_id: int) -> HttpResponse:
    if not is_from_htmx(request):
        return redirect("issue_detail", issue_id)
    issue = get_issue(viewer=request.viewer, issue_id=issue_id)
    context = {**triage_context(request.viewer, issue), "now": timezone.now(), "is_swap": True}
    return render(request, "crashes/_issue_triage.html", context)


def _list_url(q: str | None, *, done: str = "") -> str:
    parts = {"q": q, "done": done or None}
    kept = {name: value for name, value in parts.items() if value is not None}
    return f"{reverse('issue_list')}?{urlencode(kept)}"


def _issues(count: int) -> str:
    return f"{count:,} issue{'' if count == 1 else 's'}"


def _left(count: int, how: str = "changed since") -> str:
    return f" {_issues(count)} left {how}." if count else ""


# What a form says ------------------------------------------------------------------------------


def _action(form: QueryDict, *, viewer: Viewer, program_ids: set[int]) -> Action:
    """The action of a form. Raises Problem 400, and ImpossibleTransition for what makes no sense."""
    match form.get("action"):
        case "resolve":
            return Resolve(_target(form))
        case "reopen":
            return Reopen()
        case "mute":
            return _mute(form)
        case "assign":
            return _assign(form, viewer=viewer, program_ids=program_ids)
        case _:
            raise Problem(400, "invalid_input", "This is nothing that can be done to an issue.")


def _target(form: QueryDict) -> Target:
    where = form.get("where", "now")
    build, version = form.get("build", "").strip()[:100], form.get("version", "").strip()[:100]
    match where:
        case "build":
            return Target(Resolution.BUILD, build=build)
        case "version":
            return Target(Resolution.VERSION, version=version)
        case "next_release":
            return Target(Resolution.NEXT_RELEASE)
        case _:
            return Target(Resolution.NOW)


def _mute(form: QueryDict) -> Mute:
    days = _DAYS.get(form.get("days", ""))
    until: datetime | None = None if days is None else timezone.now() + timedelta(days=days)
    return Mute(until, _count(form, "more"), _count(form, "daily"))


def _count(form: QueryDict, name: str) -> int | None:
    text = form.get(name, "").strip()
    if not text:
        return None
    if not _is_number(text) or not 0 < int(text) <= LARGEST_COUNT:
        raise ImpossibleTransition("a number of reports is a number above 0")
    return int(text)


def _assign(form: QueryDict, *, viewer: Viewer, program_ids: set[int]) -> Assign:
    name = form.get("user", "")
    if not name:
        return Assign()
    member = find_assignee(viewer=viewer, program_ids=program_ids, name=name)
    if member is None:
        raise Problem(400, "invalid_input", "Nobody of this name works on the program.")
    return Assign(member.user_id, member.name)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= _DIGITS
