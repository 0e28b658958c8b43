"""Debug files that are there, and those that reports wait for."""

from datetime import timedelta

from django.http import HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.http import urlencode
from django.views.decorators.http import require_safe

from crashes.selectors.debug_files import (
    count_missing_debug_files,
    list_debug_files,
    list_missing_debug_files,
)
from crashes.selectors.symbol_coverage import get_symbol_usage, list_symbol_coverage
from devices.web.access import StaffRequest, needs
from uxp_diag.roles import Scope

_MISSING_SHOWN = 50
_COVERED = timedelta(days=30)


@require_safe
@needs(Scope.READ)
def debug_file_list(request: StaffRequest) -> HttpResponse:
    """What is missing most, then what is there."""
    text = request.GET.get("q", "")[:200]
    cursor = request.GET.get("cursor")
    now = timezone.now()
    is_plain = not cursor and not text
    page = list_debug_files(viewer=request.viewer, text=text, cursor=cursor)
    missing = list_missing_debug_files(viewer=request.viewer, limit=_MISSING_SHOWN)
    context = {
        "q": text,
        "page": page,
        "missing": missing,
        "missing_total": count_missing_debug_files(viewer=request.viewer),
        "most_reports": max((row.reports for row in missing), default=0),
        "coverage": list_symbol_coverage(viewer=request.viewer, since=now - _COVERED)
        if is_plain
        else [],
        "usage": get_symbol_usage(viewer=request.viewer),
        "now": now,
        "is_first_page": not cursor,
        "first_url": "?" + urlencode({"q": text}),
        "next_url": "?" + urlencode({"q": text, "cursor": page.next_cursor})
        if page.next_cursor
        else "",
    }
    return render(request, "crashes/debug_file_list.html", context)
