"""Releases with their verdicts, and models by build."""

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
from crashes.web.bands import adoption_line, effect_bar
from devices.web.access import StaffRequest, needs
from uxp_diag.roles import Scope

_WORDS = {
    "promote": "Promote",
    "hold": "Hold",
    "halt": "Halt",
    "insufficient_data": "Not enough data",
}
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
def model_list(request: StaffRequest) -> HttpResponse:
    """Each model on each release, the worst first."""
    rows = [
        {"release": release, "model": it, "word": _WORDS[it["verdict"]]}
        for release in list_releases(viewer=request.viewer)
        for it in (release.snapshot.by_model if release.snapshot else [])
    ]
    rows.sort(key=lambda it: (_WORST_FIRST.index(it["model"]["verdict"]), it["model"]["model"]))
    return render(request, "crashes/model_list.html", {"rows": rows})
