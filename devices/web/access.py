"""Who may see a page: `@needs(Scope.READ)` above a view, `request.viewer` inside it.

Somebody who is not signed in is sent to sign in and comes back afterwards; somebody without the
scope gets the page that says so. What a selector does not find is a page that is not there; what
it cannot understand (a strange cursor) is a bad request.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib.auth.models import User
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import ObjectDoesNotExist, PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils.cache import patch_cache_control

from devices.selectors.access import viewer_of
from uxp_diag.api.problem import Problem
from uxp_diag.roles import Scope
from uxp_diag.viewer import Viewer
from uxp_diag.web.errors import bad_request
from uxp_diag.web.htmx import is_from_htmx, leave_page


class StaffRequest(HttpRequest):
    """A request of somebody who is signed in and holds the scope that the view needs."""

    viewer: Viewer


StaffView = Callable[..., HttpResponseBase]
AnyView = Callable[..., HttpResponseBase]

_WORDS = {
    Scope.READ: "see reports and issues",
    Scope.TRIAGE: "change issues",
    Scope.RAW_PAYLOAD: "see raw payloads",
    Scope.SYMBOLS: "upload debug files",
    Scope.DEBUG_FILES: "fetch debug files",
    Scope.RELEASES: "decide about releases",
    Scope.PRIVACY: "handle requests about personal data",
    Scope.ADMIN: "administer the platform",
    Scope.PARTNER: "see partner pages",
}


def needs(scope: Scope, *others: Scope) -> Callable[[StaffView], AnyView]:
    """Let only viewers with one of the scopes into a view, and tell the view who they are."""

    def decorate(view: StaffView) -> AnyView:
        @wraps(view)
        def guarded(request: StaffRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            if not isinstance(request.user, User):
                return _sign_in_first(request)
            request.viewer = viewer_of(request.user)
            if not any(map(request.viewer.may, (scope, *others))):
                raise PermissionDenied(f"Your role does not let you {_WORDS[scope]}.")
            try:
                response = view(request, *args, **kwargs)
            except ObjectDoesNotExist as missing:
                raise Http404 from missing
            except Problem as problem:
                response = bad_request(request, problem)
            patch_cache_control(response, private=True, no_store=True)
            return response

        return guarded

    return decorate


def _sign_in_first(request: HttpRequest) -> HttpResponse:
    redirect = redirect_to_login(request.get_full_path())
    return leave_page(redirect.url) if is_from_htmx(request) else redirect
