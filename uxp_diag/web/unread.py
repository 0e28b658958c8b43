"""Bodies that nobody read are read to their end before the answer goes out."""

from collections.abc import Callable

from django.http import HttpRequest
from django.http.response import HttpResponseBase

from uxp_diag.api.body import drop_unread


class UnreadBodyMiddleware:
    """Makes sure that whoever is refused in the middle of an upload hears why."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer, then read the rest."""
        response = self._get_response(request)
        if request.method in {"POST", "PUT", "PATCH"}:
            drop_unread(request)
        return response
