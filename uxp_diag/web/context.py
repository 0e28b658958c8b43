"""What the frame around every page shows: who looks, where one can go, light or dark."""

from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest
from django.urls import reverse

from uxp_diag.roles import Scope
from uxp_diag.viewer import Viewer

THEME_COOKIE = "uxp_theme"
THEMES = ("system", "light", "dark")


@dataclass(frozen=True, slots=True)
class Place:
    """An entry of the navigation. `prefixes` are the addresses that count as being there.

    Holders of `scope` see it, and those of `or_scope`.
    """

    label: str
    url_name: str
    scope: Scope
    prefixes: tuple[str, ...]
    or_scope: Scope | None = None


PLACES = (
    Place("Issues", "issue_list", Scope.READ, ("/issues/", "/reports/")),
    Place("Releases", "release_list", Scope.READ, ("/releases/",)),
    Place("Models", "model_list", Scope.READ, ("/models/",)),
    Place("Vitals", "vitals", Scope.READ, ("/vitals/",)),
    Place("Intake", "intake", Scope.READ, ("/intake/",)),
    Place("Symbols", "debug_file_list", Scope.READ, ("/symbols/",)),
    Place("Your apps", "partner", Scope.PARTNER, ("/partner/",)),
    Place("Privacy", "privacy", Scope.PRIVACY, ("/privacy/",), Scope.ADMIN),
    Place("Settings", "settings", Scope.READ, ("/settings/",)),
)


def platform(request: HttpRequest) -> dict[str, Any]:
    """Context of all templates: `viewer` (or None), `places`, `theme`."""
    viewer = getattr(request, "viewer", None)
    return {
        "viewer": viewer,
        "places": [] if viewer is None else _places(request, viewer),
        "theme": chosen_theme(request),
    }


def chosen_theme(request: HttpRequest) -> str:
    """`light`, `dark`, or `system` for whatever the device prefers."""
    theme = request.COOKIES.get(THEME_COOKIE, "")
    return theme if theme in THEMES else THEMES[0]


def _places(request: HttpRequest, viewer: Viewer) -> list[dict[str, Any]]:
    return [
        {"label": place.label, "url": url, "is_current": _is_at(request.path, url, place)}
        for place in PLACES
        if viewer.may(place.scope) or (place.or_scope and viewer.may(place.or_scope))
        for url in [reverse(place.url_name)]
    ]


def _is_at(path: str, url: str, place: Place) -> bool:
    return path == url or path.startswith(place.prefixes)
