"""Releases with their verdicts, and models by build."""

from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from crashes.selectors.cures import list_cures
from crashes.selectors.releases import (
    ReleaseSummary,
    build_issues,
    get_release,
    list_overrides,
    list_releases,
    list_told_models,
    release_adoption,
)
from crashes.services.releasing import ask_for_verdict, override_verdict
from crashes.services.verdicts import Verdict
from crashes.web.bands import adoption_line, effect_bar
from devices.web.access import StaffRequest, needs
from uxp_diag.roles import Scope

_WORDS = {
    "promote": "Promote",
    "hold": "Hold",
    "halt": "Halt",
    "insufficient_data": "Not enough data",
}
_VITALS = {
    "crash": "crash_rate",
    "anr": "anr_rate",
    "drain": "drain_screen_off",
    "cold": "cold_start_ms",
}
"""The vital of the explorer that is nearest to a metric of the engine."""
_WORST_FIRST = ("halt", "hold", "insufficient_data", "promote")


@require_safe
@needs(Scope.READ)
def release_list(request: StaffRequest) -> HttpResponse:
    """The latest releases: how far they are, what to do with them, what is worst."""
    today = timezone.now().date()
    rows = []
    for release in list_releases(viewer=request.viewer):
        adoption = release_adoption(release=release, today=today)
        latest = adoption[-1] if adoption else None
        rows.append(
            {
                "release": release,
                "word": _WORDS[release.verdict],
                "part": latest.devices / latest.of if latest and latest.is_told else None,
                "worst": _worst(release),
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
    others = [
        it for it in list_releases(viewer=request.viewer)
        if it.program_id == release.program_id and it.id != release.id
    ]  # fmt: skip
    asked = request.GET.get("against", "")
    against = next((it for it in others if str(it.id) == asked), None)
    issues = build_issues(release=release, other=against.os_build if against else release.previous)
    told = {model for *_, model in list_told_models(releases=[release])}
    context = {
        "release": release,
        "word": _WORDS[release.verdict],
        "judged_word": _WORDS[release.judged],
        "now": now,
        "metrics": _metric_rows(release, against),
        "against": against,
        "others": others,
        "issues": issues,
        "is_told": bool(told) or any(it.is_told for it in adoption),
        "models": [
            _model_row(release, it, is_told=it["model"] in told)
            for it in sorted(
                release.snapshot.by_model if release.snapshot else [],
                key=lambda it: (_WORST_FIRST.index(it["verdict"]), it["model"]),
            )
        ],
        "issue_lists": [
            ("Not on the other build" if against else "New on this build", issues.new),
            ("Worse than on the other build" if against else "Worse on this build", issues.worse),
            ("Only on the other build" if against else "Gone with this build", issues.gone),
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
def model_list(request: StaffRequest) -> HttpResponse:
    """Each model with its newest release that says something, the worst first; older ones folded."""
    releases = list_releases(viewer=request.viewer)
    told = list_told_models(releases=releases)
    by_model: dict[str, list[dict[str, Any]]] = {}
    for release in releases:
        for it in release.snapshot.by_model if release.snapshot else []:
            is_told = (release.program_id, release.os_build, it["model"]) in told
            by_model.setdefault(it["model"], []).append(_model_row(release, it, is_told=is_told))
    rows = []
    for found in by_model.values():
        newest = next((it for it in found if it["says"]), found[0])
        rows.append({**newest, "older": [it for it in found if it is not newest]})
    rows.sort(key=lambda it: (_WORST_FIRST.index(it["model"]["verdict"]), it["model"]["model"]))
    return render(request, "crashes/model_list.html", {"rows": rows})


def _model_row(release: ReleaseSummary, model: dict[str, Any], *, is_told: bool) -> dict[str, Any]:
    """One model of one release. Effects are left out where too few devices had the build."""
    metrics = [
        {"metric": it, "bar": effect_bar(it) if is_told else None, "vital": _VITALS[it["metric"]]}
        for it in model["metrics"]
    ]
    says = model["verdict"] != "insufficient_data" or any(it["bar"] for it in metrics)
    return {
        "release": release,
        "model": model,
        "word": _WORDS[model["verdict"]],
        "metrics": metrics,
        "is_told": is_told,
        "says": says,
    }


def _metric_rows(release: ReleaseSummary, against: ReleaseSummary | None) -> list[dict[str, Any]]:
    others = {it["metric"]: it for it in against.metrics} if against else {}
    return [
        {
            "metric": it,
            "bar": effect_bar(it),
            "vital": _VITALS[it["metric"]],
            "other": others.get(it["metric"]),
            "other_bar": effect_bar(others[it["metric"]]) if it["metric"] in others else None,
        }
        for it in release.metrics
    ]


def _worst(release: ReleaseSummary) -> dict[str, Any] | None:
    """The worst metric with its interval: of the alert's place, if there is an alert."""
    worst = release.worst
    if worst is None:
        return None
    shown = worst["alert"] or worst
    return {"label": worst["label"], "where": shown.get("where", ""), "metric": shown,
            "bar": effect_bar(shown)}  # fmt: skip
