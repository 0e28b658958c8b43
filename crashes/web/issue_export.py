"""The issues that a query means as a file, CSV or JSON, written while they are read.

A cell that a spreadsheet would take for a formula gets an apostrophe in front: signatures and
packages come from devices.
"""

import csv
import io
import json
from collections.abc import Iterator

from django.http import HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils import timezone
from django.views.decorators.http import require_safe

from crashes.selectors.issues import IssueSummary, iterate_issues
from crashes.triage.query import BadQuery, parse
from devices.web.access import StaffRequest, needs
from uxp_diag.api.problem import Problem
from uxp_diag.roles import Scope

COLUMNS = (
    "id", "signature", "kind", "package", "state", "regressed", "assignee", "reports", "devices",
    "first_seen_at", "last_seen_at", "first_os_build", "last_os_build",
)  # fmt: skip
_FORMULAS = ("=", "+", "-", "@", "\t", "\r")


@require_safe
@needs(Scope.READ)
def issue_export(request: StaffRequest, kind: str) -> HttpResponseBase:
    """A file of the issues that `q` means."""
    try:
        query = parse(request.GET.get("q", ""), asked_at=timezone.now())
    except BadQuery as problem:
        raise Problem(400, "bad_query", problem.sentence) from problem
    if request.method == "HEAD":
        return HttpResponse()
    issues = iterate_issues(viewer=request.viewer, query=query)
    if kind == "csv":
        response = StreamingHttpResponse(_csv(issues), content_type="text/csv; charset=utf-8")
    else:
        response = StreamingHttpResponse(_json(issues), content_type="application/json")
    response["Content-Disposition"] = f'attachment; filename="issues.{kind}"'
    response["Content-Security-Policy"] = "default-src 'none'; sandbox"
    return response


def _csv(issues: Iterator[IssueSummary]) -> Iterator[str]:
    line = io.StringIO()
    writer = csv.writer(line)
    writer.writerow(COLUMNS)
    for issue in issues:
        writer.writerow([_cell(value) for value in _row(issue)])
        yield line.getvalue()
        line.seek(0)
        line.truncate()
    yield line.getvalue()


def _json(issues: Iterator[IssueSummary]) -> Iterator[str]:
    separator = "["
    for issue in issues:
        yield separator + json.dumps(dict(zip(COLUMNS, _row(issue), strict=True)))
        separator = ",\n"
    yield "]\n" if separator != "[" else "[]\n"


def _row(issue: IssueSummary) -> list[str | int]:
    return [
        issue.id,
        issue.signature,
        issue.kind,
        issue.package,
        issue.state,
        issue.is_regressed,
        issue.assignee,
        issue.report_count,
        issue.device_count,
        issue.first_seen_at.isoformat(),
        issue.last_seen_at.isoformat(),
        issue.first_os_build,
        issue.last_os_build,
    ]


def _cell(value: str | int) -> str | int:
    is_formula = isinstance(value, str) and value.startswith(_FORMULAS)
    return f"'{value}" if is_formula else value
