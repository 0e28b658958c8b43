"""Pages for the developers of apps: what was released of their own packages, and links to it."""

from typing import Any

from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.cache import patch_cache_control
from django.views.decorators.http import require_POST, require_safe

from crashes.selectors.sharing import (
    PackageGrant,
    ReleasedWeeks,
    get_granted,
    list_granted,
    released_weeks,
)
from crashes.services.noise import ROUNDED_TO, THRESHOLD
from crashes.services.sharing import LINK_DAYS, make_link_token, read_link_token
from crashes.web.charts import week_bars
from devices.web.access import StaffRequest, needs
from uxp_diag.roles import Scope

WIDTH, HEIGHT = 120, 24


@require_safe
@needs(Scope.PARTNER)
def partner(request: StaffRequest) -> HttpResponse:
    """The packages that somebody may see."""
    packages = [(grant, released_weeks(grant)) for grant in list_granted(viewer=request.viewer)]
    return render(request, "crashes/partner.html", {"packages": packages, "least": THRESHOLD})


@require_safe
@needs(Scope.PARTNER)
def partner_package(request: StaffRequest, package: str) -> HttpResponse:
    """What was released of one package."""
    grant = get_granted(viewer=request.viewer, package=package)
    return _page(request, released_weeks(grant), link="")


@require_safe
@needs(Scope.PARTNER)
def partner_json(request: StaffRequest, package: str) -> HttpResponse:
    """The same as JSON."""
    return JsonResponse(
        document(released_weeks(get_granted(viewer=request.viewer, package=package)))
    )


@require_POST
@needs(Scope.PARTNER)
def partner_link(request: StaffRequest, package: str) -> HttpResponse:
    """A link that shows it to somebody without an account, for a week."""
    grant = get_granted(viewer=request.viewer, package=package)
    token = make_link_token(program_id=grant.program_id, package=grant.package)
    link = request.build_absolute_uri(reverse("shared_link", args=[token]))
    return _page(request, released_weeks(grant), link=link)


@require_safe
def shared_link(request: HttpRequest, token: str) -> HttpResponse:
    """What a link shows. One that is over is like one that never was."""
    found = read_link_token(token)
    if found is None:
        raise Http404
    weeks = released_weeks(PackageGrant(*found))
    answer: HttpResponse
    if request.GET.get("format") == "json":
        answer = JsonResponse(document(weeks))
    else:
        answer = _page(request, weeks, link="", is_link=True)
    patch_cache_control(answer, private=True, no_store=True)
    return answer


def document(weeks: ReleasedWeeks) -> dict[str, Any]:
    """What was released, for programs."""
    return {
        "package": weeks.package,
        "weeks": [week.isoformat() for week in weeks.weeks],
        "rounded_to": ROUNDED_TO,
        "not_told_below_about": THRESHOLD,
        "crashes": [
            {
                "signature": crash.signature,
                "kind": crash.kind,
                "version_name": crash.version_name,
                "devices": crash.devices,
                "frames": crash.frames,
            }
            for crash in weeks.crashes
        ],
    }


def _page(
    request: HttpRequest, weeks: ReleasedWeeks, *, link: str, is_link: bool = False
) -> HttpResponse:
    rows = [
        {
            "crash": crash,
            "bars": week_bars(crash.devices, WIDTH, HEIGHT),
            "words": ", ".join(
                f"{week}: {'not told' if count is None else count}"
                for week, count in zip(weeks.weeks, crash.devices, strict=True)
            ),
        }
        for crash in weeks.crashes
    ]
    context = {
        "weeks": weeks,
        "rows": rows,
        "least": THRESHOLD,
        "rounded_to": ROUNDED_TO,
        "link": link,
        "link_days": LINK_DAYS,
        "width": WIDTH,
        "height": HEIGHT,
        "is_link": is_link,
    }
    return render(request, "crashes/partner_package.html", context)
