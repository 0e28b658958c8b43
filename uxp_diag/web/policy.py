"""The Content-Security-Policy of every answer, written down once.

No view asks for another policy or for a nonce, so the header is always the same text; making it anew
for each answer was a tenth of what an upload cost. A view that does ask gets what `django-csp` makes of
it.
"""

from collections.abc import Callable

from csp.constants import HEADER
from csp.middleware import CSPMiddleware
from csp.utils import build_policy
from django.http import HttpRequest
from django.http.response import HttpResponseBase

_WISHES = frozenset({"_csp_config", "_csp_update", "_csp_replace", "_csp_exempt"})


class PolicyMiddleware(CSPMiddleware):
    """Sets the header."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        super().__init__(get_response)
        self._policy = build_policy()

    def process_response(
        self, request: HttpRequest, response: HttpResponseBase
    ) -> HttpResponseBase:
        """The answer with its policy."""
        has_wishes = hasattr(request, "_csp_nonce") or not _WISHES.isdisjoint(response.__dict__)
        if has_wishes or HEADER in response:
            return super().process_response(request, response)
        response[HEADER] = self._policy
        return response
