"""Pages that also come in pieces: the same address gives the page, or to htmx the fragment in it.

A page template includes its fragment, so the two cannot differ. A restored history entry asks
for the whole page even though htmx sends the request.
"""

from collections.abc import Mapping
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.cache import patch_vary_headers
from django_htmx.http import HttpResponseClientRedirect
from django_htmx.middleware import HtmxDetails


def is_from_htmx(request: HttpRequest) -> bool:
    """Whether htmx sent the request and wants a fragment."""
    details = getattr(request, "htmx", None)
    if not isinstance(details, HtmxDetails):
        return False
    return bool(details) and not details.history_restore_request


def render_either(
    request: HttpRequest, page: str, fragment: str, context: Mapping[str, Any], *, status: int = 200
) -> HttpResponse:
    """The page, or only its fragment when htmx asks."""
    template = fragment if is_from_htmx(request) else page
    response = render(request, template, dict(context), status=status)
    patch_vary_headers(response, ("HX-Request", "HX-History-Restore-Request"))
    return response


def leave_page(url: str) -> HttpResponse:
    """Make htmx load another page as a whole."""
    return HttpResponseClientRedirect(url)
