"""The issue list, and one issue."""

import uuid
from typing import Any

from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.http import urlencode
from django.views.decorators.http import require_safe

from crashes.selectors.decisions import list_decisions, list_similar
from crashes.selectors.issues import (
    CHART_DAYS,
    FACET_ISSUES,
    IssueSummary,
    count_issue_states,
    get_issue,
    issue_breakdowns,
    issue_days,
    issue_facets,
    list_issue_reports,
    list_issues,
)
from crashes.selectors.reports import get_latest_report, get_report_content, get_stack_receipt
from crashes.selectors.triage import can_undo
from crashes.triage.places import FACT_KEYS
from crashes.triage.query import KEYS, BadQuery, parse
from crashes.web.charts import day_chart
from crashes.web.filters import DEFAULT_QUERY, ListAddress, narrowed
from crashes.web.receipts import receipt_view
from crashes.web.stacks import lay_out
from crashes.web.triage import triage_context
from crashes.web.words import FIELDS
from devices.web.access import StaffRequest, needs
from uxp_diag.roles import Scope
from uxp_diag.web.htmx import render_either

_LIST_SIZE = 50
_REPORTS_SIZE = 20


@require_safe
@needs(Scope.READ)
def issue_list(request: StaffRequest) -> HttpResponse:
    """The issues that the query in the address means, with what it can be narrowed to."""
    try:
        address = ListAddress.of(request)
        if "key" in request.GET:
            return redirect(narrowed(address, request))
    except BadQuery as problem:
        return _bad_query(request, problem)
    now = timezone.now()
    cursor = request.GET.get("cursor")
    page = list_issues(
        viewer=request.viewer,
        query=address.query,
        today=now.date(),
        sort=address.sort,
        cursor=cursor,
        size=_LIST_SIZE,
    )
    counts = count_issue_states(viewer=request.viewer, query=address.query)
    facets = issue_facets(viewer=request.viewer, query=address.query)
    context = {
        **_filter_form(request, address),
        "page": page,
        "now": now,
        "states": address.state_links(counts),
        "sorts": address.sort_links(),
        "facets": address.facet_views(facets),
        "facets_among": FACET_ISSUES if address.count(counts) > FACET_ISSUES else 0,
        "chips": address.chips(),
        "is_narrowed": bool(address.query.without("is").terms),
        "all_states_url": address.url(address.query.without("is")),
        "first_url": address.url() if cursor else "",
        "next_url": address.url(cursor=page.next_cursor) if page.next_cursor else "",
        "any_issues": sum(counts.values()),
        "asked": str(address.query),
        "file_query": urlencode({"q": str(address.query)}),
        "matching": address.count(counts),
        "may_triage": request.viewer.may(Scope.TRIAGE),
        "done_action": _done_action(request),
    }
    return render_either(request, "crashes/issue_list.html", "crashes/_issue_results.html", context)


def _done_action(request: StaffRequest) -> uuid.UUID | None:
    """The action on many issues that the address says was just done, while it can be undone."""
    try:
        action_id = uuid.UUID(request.GET.get("done", ""))
    except ValueError:
        return None
    is_there = can_undo(viewer=request.viewer, action_id=action_id)
    return action_id if is_there and request.viewer.may(Scope.TRIAGE) else None


def _filter_form(request: StaffRequest, address: ListAddress) -> dict[str, Any]:
    return {
        "q": request.GET.get("q", DEFAULT_QUERY),
        "sort": address.sort,
        "keys": {name: key.means for name, key in KEYS.items()},
        "clear_url": address.url(parse(DEFAULT_QUERY)),
    }


def _bad_query(request: StaffRequest, problem: BadQuery) -> HttpResponse:
    """The list with the query as it was written, and what is wrong with it."""
    address = ListAddress(request.path, parse(""), "")
    context = {**_filter_form(request, address), "problem": problem.sentence}
    return render_either(
        request,
        "crashes/issue_list.html",
        "crashes/_issue_results.html",
        context,
        status=400,
    )


@require_safe
@needs(Scope.READ)
def issue_detail(request: StaffRequest, issue_id: int) -> HttpResponse:
    """One issue: its latest crash, where it happens, since when, and why these are together."""
    issue = get_issue(viewer=request.viewer, issue_id=issue_id)
    now = timezone.now()
    cursor = request.GET.get("cursor")
    reports = list_issue_reports(
        viewer=request.viewer, issue_id=issue.id, cursor=cursor, size=_REPORTS_SIZE
    )
    days = issue_days(viewer=request.viewer, issue_id=issue.id, today=now.date())
    chart = day_chart(
        [day.reports for day in days], last_day=now.date(), width=720, height=96, gap=4
    )
    breakdowns = issue_breakdowns(viewer=request.viewer, issue_id=issue.id)
    context = {
        "now": now,
        "chart": chart,
        "chart_days": CHART_DAYS,
        "breakdowns": [
            {"label": FIELDS[part.field], "is_country": part.field == "mcc", "part": part}
            for part in breakdowns
            if part.shares
        ],
        "reports": reports,
        "next_cursor": reports.next_cursor,
        "is_first_page": not cursor,
        "decisions": list_decisions(viewer=request.viewer, issue_id=issue.id),
        "similar": list_similar(viewer=request.viewer, issue_id=issue.id),
        "split_keys": ", ".join(FACT_KEYS),
        **triage_context(request.viewer, issue),
        **_latest_crash(request, issue),
    }
    return render(request, "crashes/issue_detail.html", context)


def _latest_crash(request: StaffRequest, issue: IssueSummary) -> dict[str, Any]:
    """The report that stands for the issue, laid out; nothing when there is none."""
    latest = get_latest_report(viewer=request.viewer, issue_id=issue.id)
    if latest is None:
        return {"latest": None, "view": None, "receipt": None, "first_receipt": None}
    content = get_report_content(viewer=request.viewer, report_pk=latest.pk)
    crash = content.crash if content else None
    return {
        "latest": latest,
        "view": lay_out(crash, with_other_threads=False) if crash else None,
        "receipt": receipt_view(content.grouping) if content else None,
        "first_receipt": receipt_view(
            get_stack_receipt(viewer=request.viewer, report_pk=latest.pk)
        ),
    }
