"""Releases with their verdicts, models by build, and vitals over time."""

from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from crashes.selectors.cures import list_cures
from crashes.selectors.releases import (
    build_issues,
    get_release,
    list_overrides,
    list_releases,
    release_adoption,
)
from crashes.services.releasing import ask_for_verdict, override_verdict
from crashes.services.verdicts import Verdict
from crashes.web.bands import adoption_line, effect_bar, vital_line
from devices.selectors.vital_series import GROUPS, LEAST_DEVICES, query_vital
from devices.vitals.catalog import DEVICE_VITALS, Worse
from devices.web.access import StaffRequest, needs
from uxp_diag.roles import Scope

_DAYS = 42
_WORDS = {
    "promote": "Promote",
    "hold": "Hold",
    "halt": "Halt",
    "insufficient_data": "Not enough data",
}
_GROUP_WORDS = {"model": "Model", "os_build": "OS build", "mcc": "Country"}
_WORST_FIRST = ("halt", "hold", "insufficient_data", "promote")


@require_safe
@needs(Scope.READ)
def release_list(request: StaffRequest) -> HttpResponse:
    """The latest releases: how far they are, what to do with them, what is worst."""
    today = timezone.now().date()
    rows = []
    for release in list_releases(viewer=request.viewer):
        adoption = release_adoption(release=release, today=today)
        rows.append(
            {
                "release": release,
                "word": _WORDS[release.verdict],
                "latest": adoption[-1] if adoption else None,
                "part": adoption[-1].devices / adoption[-1].of
                if adoption and adoption[-1].of
                else None,
            }
        )
    return render(request, "crashes/release_list.html", {"rows": rows})


@require_safe
@needs(Scope.READ)
def release_detail(request: StaffRequest, release_id: int) -> HttpResponse:
    """One release: the verdict and why, each metric, each model, its issues, its way."""
    release = get_release(viewer=request.viewer, release_id=release_id)
    now = timezone.now()
    adoption = release_adoption(release=release, today=now.date())
    here = sum(day.devices for day in adoption)
    before = sum(day.of - day.devices for day in adoption)
    issues = build_issues(release=release, reports_ratio=here / before if before else 1.0)
    context = {
        "release": release,
        "word": _WORDS[release.verdict],
        "judged_word": _WORDS[release.judged],
        "now": now,
        "metrics": [{"metric": it, "bar": effect_bar(it)} for it in release.metrics],
        "models": [
            {"model": it, "word": _WORDS[it["verdict"]]}
            for it in (release.snapshot.by_model if release.snapshot else [])
        ],
        "issue_lists": [
            ("New on this build", issues.new),
            ("Worse on this build", issues.worse),
            ("Gone with this build", issues.gone),
        ],
        "cures": list_cures(viewer=request.viewer, fixed_in=release.os_build),
        "adoption": adoption,
        "adoption_line": adoption_line(adoption),
        "overrides": [
            {"override": it, "word": _WORDS.get(it.verdict, "As judged")}
            for it in list_overrides(release=release)
        ],
        "verdicts": list(_WORDS.items()),
        "may_decide": request.viewer.may(Scope.RELEASES),
    }
    return render(request, "crashes/release_detail.html", context)


@require_POST
@needs(Scope.RELEASES)
def release_decide(request: StaffRequest, release_id: int) -> HttpResponse:
    """Decide otherwise than judged, or ask for another look."""
    release = get_release(viewer=request.viewer, release_id=release_id)
    now = timezone.now()
    verdict, reason = request.POST.get("verdict", ""), request.POST.get("reason", "").strip()
    if "judge" in request.POST:
        ask_for_verdict(release_id=release.id, now=now)
        messages.success(request, "The workers judge it again with their next look.")
    elif verdict not in {"", *_WORDS} or not 0 < len(reason) <= 1000:  # noqa: PLR2004
        messages.warning(request, "Not decided: a decision needs a reason of up to 1,000 letters.")
    else:
        override_verdict(
            release_id=release.id,
            verdict=Verdict(verdict) if verdict else None,
            reason=reason,
            by=request.viewer,
            now=now,
        )
        messages.success(request, "The decision is on record under your name.")
    return redirect("release_detail", release.id)


@require_safe
@needs(Scope.READ)
def vital_page(request: StaffRequest) -> HttpResponse:
    """One vital: over time, and by model, build or country."""
    vital = DEVICE_VITALS.get(request.GET.get("metric", ""), next(iter(DEVICE_VITALS.values())))
    group = request.GET.get("group", "")
    group = group if group in GROUPS else GROUPS[0]
    filters = {name: [request.GET[name]] for name in GROUPS if request.GET.get(name)}
    asked: dict[str, Any] = {
        "viewer": request.viewer,
        "vital": vital,
        "filters": filters,
        "last": timezone.now().date(),
        "days": _DAYS,
    }
    series = query_vital(**asked, group=[], daily=True)
    slices = query_vital(**asked, group=[group], daily=False)
    sign = -1 if vital.worse is Worse.DOWN else 1
    slices.sort(
        key=lambda it: (it.estimate is None, -sign * it.estimate.value if it.estimate else 0)
    )
    context = {
        "vital": vital,
        "vitals": list(DEVICE_VITALS.values()),
        "group": group,
        "groups": list(_GROUP_WORDS.items()),
        "group_word": _GROUP_WORDS[group],
        "filters": filters,
        "line": vital_line(series),
        "series": series,
        "slices": slices,
        "least": LEAST_DEVICES,
        "days": _DAYS,
    }
    return render(request, "crashes/vitals.html", context)


@require_safe
@needs(Scope.READ)
def model_list(request: StaffRequest) -> HttpResponse:
    """Each model on each release, the worst first."""
    rows = [
        {"release": release, "model": it, "word": _WORDS[it["verdict"]]}
        for release in list_releases(viewer=request.viewer)
        for it in (release.snapshot.by_model if release.snapshot else [])
    ]
    rows.sort(key=lambda it: (_WORST_FIRST.index(it["model"]["verdict"]), it["model"]["model"]))
    return render(request, "crashes/model_list.html", {"rows": rows})
