"""What is left to do with a body when its request is answered.

What nobody has read of it is read to its end before the answer goes out, and the memory that it
took is free for others.
"""

from collections.abc import Callable

from django.http import HttpRequest
from django.http.response import HttpResponseBase

from uxp_diag.api.body import drop_unread, leave_room


class UnreadBodyMiddleware:
    """Makes sure that whoever is refused in the middle of an upload hears why, and costs nothing."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer, then read the rest."""
        try:
            response = self._get_response(request)
        finally:
            leave_room(request)
        if request.method in {"POST", "PUT", "PATCH"}:
            drop_unread(request)
        return response
