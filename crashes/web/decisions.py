"""The forms of the issue page that decide about grouping; each leads back to a page that shows it."""

import uuid

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.views.decorators.http import require_POST

from crashes.selectors.decisions import find_reports, get_decision, list_stacks
from crashes.selectors.issues import IssueSummary, get_issue
from crashes.selectors.reports import get_report
from crashes.services.decisions import (
    ImpossibleDecision,
    Selection,
    keep_apart,
    merge_issues,
    move_report,
    split_issue,
    undo_decision,
)
from crashes.triage.query import BadQuery
from devices.web.access import StaffRequest, needs
from uxp_diag.api.problem import Problem
from uxp_diag.roles import Scope

_DIGITS = 18
_MOST = 500


@require_POST
@needs(Scope.TRIAGE)
def merge(request: StaffRequest, issue_id: int) -> HttpResponse:
    """Make the issue in the form part of this one."""
    kept, gone = get_issue(viewer=request.viewer, issue_id=issue_id), _other(request)
    try:
        decision = merge_issues(
            kept_id=kept.id, gone_id=gone.id, by=request.viewer, now=timezone.now()
        )
    except ImpossibleDecision as problem:
        messages.warning(request, f"Not merged: {problem}.")
    else:
        messages.success(
            request,
            f"Issue {gone.id} is part of issue {kept.id} now, with {decision.reports} reports. "
            "It can be undone under Decisions.",
        )
    return redirect("issue_detail", kept.id)


@require_POST
@needs(Scope.TRIAGE)
def split(request: StaffRequest, issue_id: int) -> HttpResponse:
    """Give what the query in the form means, or what was chosen, an issue of its own; show that."""
    issue = get_issue(viewer=request.viewer, issue_id=issue_id)
    selection = _selection(request, issue)
    try:
        decision = split_issue(
            issue_id=issue.id, selection=selection, by=request.viewer, now=timezone.now()
        )
    except ImpossibleDecision as problem:
        messages.warning(request, f"Not split: {problem}.")
    except BadQuery as problem:
        messages.warning(request, f"Not split: {problem.sentence}")
    else:
        messages.success(
            request, f"{decision.reports} reports of issue {issue.id} are this issue now."
        )
        return redirect("issue_detail", decision.other_id)
    return redirect("issue_detail", issue.id)


@require_POST
@needs(Scope.TRIAGE)
def apart(request: StaffRequest, issue_id: int) -> HttpResponse:
    """Say that the issue in the form is another one than this."""
    one, other = get_issue(viewer=request.viewer, issue_id=issue_id), _other(request)
    try:
        keep_apart(issue_id=one.id, other_id=other.id, by=request.viewer, now=timezone.now())
    except ImpossibleDecision as problem:
        messages.warning(request, f"Not possible: {problem}.")
    else:
        messages.success(request, f"Issues {one.id} and {other.id} stay apart.")
    return redirect("issue_detail", one.id)


@require_POST
@needs(Scope.TRIAGE)
def move(request: StaffRequest, report_id: uuid.UUID) -> HttpResponse:
    """Put one report into the issue in the form."""
    report = get_report(viewer=request.viewer, report_id=report_id)
    target = _other(request)
    try:
        move_report(report_pk=report.pk, issue_id=target.id, by=request.viewer, now=timezone.now())
    except ImpossibleDecision as problem:
        messages.warning(request, f"Not moved: {problem}.")
    else:
        messages.success(request, f"The report is in issue {target.id} now.")
    return redirect("report_detail", report_id)


@require_POST
@needs(Scope.TRIAGE)
def undo(request: StaffRequest, decision_id: int) -> HttpResponse:
    """Take a decision back."""
    decision = get_decision(viewer=request.viewer, decision_id=decision_id)
    try:
        undo_decision(decision.id, by=request.viewer, now=timezone.now())
    except ImpossibleDecision as problem:
        messages.warning(request, f"Not undone: {problem}.")
    else:
        messages.success(request, f"The {decision.kind} of {decision.by_name} is undone.")
    return redirect("issue_detail", decision.issue_id)


def _selection(request: StaffRequest, issue: IssueSummary) -> Selection:
    """What a form means. Raises Problem 400, or Report.DoesNotExist."""
    what = request.POST.get("what", "query")
    if what == "query":
        return Selection(query=request.POST.get("query", "").strip())
    try:
        report_ids = [uuid.UUID(text) for text in request.POST.getlist("report")[:_MOST]]
    except ValueError:
        raise Problem(400, "invalid_input", "Choose reports of the list.") from None
    pks = find_reports(viewer=request.viewer, issue_id=issue.id, report_ids=report_ids)
    if what == "stacks":
        return Selection(variant_ids=list_stacks(viewer=request.viewer, report_pks=pks))
    return Selection(report_pks=pks)


def _other(request: StaffRequest) -> IssueSummary:
    """The issue whose number stands in the form. Raises Problem 400, or Issue.DoesNotExist."""
    text = request.POST.get("issue_id", "").strip().lstrip("#")
    if not (text.isascii() and text.isdigit() and len(text) <= _DIGITS):
        raise Problem(400, "invalid_input", "Give the number of an issue.")
    return get_issue(viewer=request.viewer, issue_id=int(text))
