"""Vitals over time and by model, build or country; of one app, by version."""

from collections.abc import Sequence
from datetime import date

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from crashes.web.bands import vital_line
from crashes.web.countries import country_name
from devices.selectors.vital_series import (
    GROUPS,
    LEAST_DEVICES,
    Point,
    list_packages,
    list_values,
    query_app_vital,
    query_vital,
)
from devices.vitals.catalog import APP_VITALS, DEVICE_VITALS, Vital, Worse
from devices.web.access import StaffRequest, needs
from uxp_diag.roles import Scope

_SPANS = (7, 28, 42, 90, 366)
_DAYS = 42
_GROUP_WORDS = {"model": "Model", "os_build": "OS build", "mcc": "Country"}


@require_safe
@needs(Scope.READ)
def vital_page(request: StaffRequest) -> HttpResponse:
    """One vital: over time, and by model, build or country; with `package`, by its versions."""
    package, last, days = request.GET.get("package", ""), timezone.now().date(), _days(request)
    catalog = APP_VITALS if package else DEVICE_VITALS
    vital = catalog.get(request.GET.get("metric", ""), next(iter(catalog.values())))
    group = request.GET.get("group", "")
    group = group if group in GROUPS else GROUPS[0]
    filters = {name: request.GET.get(name, "") for name in GROUPS}
    if package:
        series, slices = (
            query_app_vital(
                viewer=request.viewer, vital=vital, package=package, last=last, days=days,
                by_version=by_version,
            )
            for by_version in (False, True)
        )  # fmt: skip
    else:
        wanted: dict[str, Sequence[str]] = {
            name: [value] for name, value in filters.items() if value
        }
        series, slices = (
            query_vital(
                viewer=request.viewer, vital=vital, filters=wanted, last=last, days=days,
                group=part, daily=not part,
            )
            for part in ([], [group])
        )  # fmt: skip
    context = {
        "vital": vital,
        "vitals": list(catalog.values()),
        "package": package,
        "packages": _with(list_packages(viewer=request.viewer, last=last, days=days), package),
        "group": "version_code" if package else group,
        "groups": list(_GROUP_WORDS.items()),
        "group_word": "Version" if package else _GROUP_WORDS[group],
        "choices": [] if package else _choices(request, filters, last=last, days=days),
        "line": vital_line(series, vital, last=last, days=days),
        "series": series,
        "slices": _worst_first(slices, vital),
        "least": LEAST_DEVICES,
        "days": days,
        "spans": sorted({*_SPANS, days}),
    }
    return render(request, "crashes/vitals.html", context)


def _days(request: HttpRequest) -> int:
    text = request.GET.get("days", "")
    is_number = text.isascii() and text.isdigit() and len(text) <= 3  # noqa: PLR2004
    return min(max(int(text), 1), _SPANS[-1]) if is_number else _DAYS


def _choices(
    request: StaffRequest, filters: dict[str, str], *, last: date, days: int
) -> list[tuple[str, str, str, list[tuple[str, str]]]]:
    """Name, word, what is chosen, and the values with their words, for each filter."""
    values = list_values(viewer=request.viewer, last=last, days=days)
    return [
        (name, _GROUP_WORDS[name], filters[name],
         [(it, f"{country_name(it) or ''} {it}".strip() if name == "mcc" else it)
          for it in _with(values[name], filters[name])])
        for name in GROUPS
    ]  # fmt: skip


def _with(values: Sequence[str], chosen: str) -> list[str]:
    """The values, and what is chosen even when it is not among them."""
    return sorted({*values, chosen} - {""})


def _worst_first(points: Sequence[Point], vital: Vital) -> list[Point]:
    sign = -1 if vital.worse is Worse.DOWN else 1
    return sorted(
        points,
        key=lambda it: (it.estimate is None, -sign * it.estimate.value if it.estimate else 0),
    )
