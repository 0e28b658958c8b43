"""Intake: what waits, what was set aside and why, and what never arrived."""

import uuid
from collections.abc import Mapping
from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.http import urlencode
from django.views.decorators.http import require_POST, require_safe

from crashes.intake.admission import REPEATS_UP_TO
from crashes.selectors.intake import (
    get_backlog,
    list_losses,
    list_quarantine_causes,
    list_quarantined,
)
from crashes.selectors.reports import get_report
from crashes.services.retrying import (
    NotInQuarantine,
    PayloadNotKept,
    Retried,
    retry_report,
    retry_reports,
)
from crashes.tasks import ring_some
from crashes.web.charts import day_chart
from crashes.web.words import failure_advice, loss_words
from devices.selectors.programs import program_names
from devices.web.access import StaffRequest, needs
from uxp_diag.load import backlog as load_of_the_door
from uxp_diag.roles import Scope

PERIODS = (7, 30, 90)
_DEFAULT_DAYS = 30


@require_safe
@needs(Scope.READ)
def intake(request: StaffRequest) -> HttpResponse:
    """The state of the door, for all programs of the viewer or for one."""
    now = timezone.now()
    programs = program_names(viewer=request.viewer)
    chosen = _chosen(request.GET, programs)
    losses = list_losses(
        viewer=request.viewer, days=chosen["days"], today=now.date(), program_id=chosen["program"]
    )
    cursor = request.GET.get("cursor")
    code = request.GET.get("code", "")[:60]
    page = list_quarantined(viewer=request.viewer, code=code, cursor=cursor)
    causes = list_quarantine_causes(viewer=request.viewer)
    context = {
        "now": now,
        "backlog": get_backlog(viewer=request.viewer),
        "door": _door_words(load_of_the_door.load()),
        "causes": [
            (cause, failure_advice(cause.code), _url(chosen, code=cause.code)) for cause in causes
        ],
        "quarantined_total": sum(cause.reports for cause in causes),
        "code": code,
        "page": page,
        "is_first_page": not cursor,
        "all_url": _url(chosen),
        "next_url": _url(chosen, code=code, cursor=page.next_cursor) if page.next_cursor else "",
        "losses": losses,
        "chart": day_chart(
            losses.per_day, last_day=losses.last_day, width=600, height=80, gap=3, noun="losses"
        ),
        "chart_days": chosen["days"],
        "rows": [
            (row, loss_words(row.reason), programs.get(row.program_id)) for row in losses.rows
        ],
        "has_many_programs": len(programs) > 1,
        "period_links": [(days, _url(chosen | {"days": days})) for days in PERIODS],
        "program_links": [
            (number, name, _url(chosen | {"program": number}))
            for number, name in [(None, "All programs"), *programs.items()]
        ],
        "chosen": chosen,
        "may_retry": request.viewer.may(Scope.TRIAGE),
    }
    return render(request, "crashes/intake.html", context)


@require_POST
@needs(Scope.TRIAGE)
def retry_all(request: StaffRequest) -> HttpResponse:
    """Try all reports again that are in quarantine with the code in the form."""
    code = request.POST.get("code", "")[:60].replace("\0", "")
    retried = retry_reports(code, by=request.viewer, now=timezone.now())
    ring_some(retried.report_pks)
    if retried.report_pks:
        messages.success(request, _retried_words(retried))
    else:
        messages.warning(request, f"No report is tried again.{_not_kept_words(retried)}")
    return redirect("intake")


@require_POST
@needs(Scope.TRIAGE)
def retry(request: StaffRequest, report_id: uuid.UUID) -> HttpResponse:
    """Try one report again, and show it."""
    report = get_report(viewer=request.viewer, report_id=report_id)
    try:
        retry_report(report.pk, by=request.viewer, now=timezone.now())
    except NotInQuarantine:
        messages.warning(request, "Not tried again: the report is not in quarantine.")
    except PayloadNotKept:
        messages.warning(request, "Not tried again: what the phone sent could not be kept.")
    else:
        ring_some([report.pk])
        messages.success(request, "The report waits for a worker, who tries it again.")
    return redirect("report_detail", report_id)


def _retried_words(retried: Retried) -> str:
    count = len(retried.report_pks)
    words = "1 report waits" if count == 1 else f"{count:,} reports wait"
    more = f" {retried.left:,} more can be tried again after these." if retried.left else ""
    return f"{words} for a worker, who tries again.{more}{_not_kept_words(retried)}"


def _not_kept_words(retried: Retried) -> str:
    if not retried.not_kept:
        return ""
    return f" What the phone sent could not be kept of {retried.not_kept:,}, which stay here."


def _chosen(parameters: Mapping[str, str], programs: Mapping[int, str]) -> dict[str, Any]:
    """The period and the program in an address; what is none of ours is left aside."""
    days = next((days for days in PERIODS if parameters.get("days") == str(days)), _DEFAULT_DAYS)
    program = next((pk for pk in programs if parameters.get("program") == str(pk)), None)
    return {"days": days, "program": program}


def _url(chosen: Mapping[str, Any], **more: str | None) -> str:
    parameters = {
        "days": "" if chosen["days"] == _DEFAULT_DAYS else chosen["days"],
        "program": chosen["program"],
    } | more
    query = urlencode({name: value for name, value in parameters.items() if value})
    return f"?{query}" if query else "?"


def _door_words(load: float) -> str:
    """What the door does at this load (crashes/intake/admission.py)."""
    if load < 1:
        return "everything is taken"
    return (
        "vitals are turned away" if load < REPEATS_UP_TO else "vitals and repeats are turned away"
    )
