"""Pages for what went wrong, and problem details for the API.

Each has a reference that stands in our log beside the cause, and nothing of the request: no
traceback, no value that was sent. A page of an error must not fail itself, so the last one, for
500, needs no database.
"""

import logging
import secrets
import sys

from django.core.exceptions import DisallowedHost
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.utils.cache import add_never_cache_headers

from uxp_diag.api.problem import CONTENT_TYPE, Problem, problem_document
from uxp_diag.roles import Scope
from uxp_diag.viewer import Viewer

logger = logging.getLogger(__name__)

_API = "/api/"
_OUR_FAULT = 500

_WORDS = {
    "bad_request": ("That does not work", ""),
    "not_allowed": (
        "Not for this account",
        "If you need it for your work, ask an administrator for the role that has it.",
    ),
    "csrf_failed": (
        "This form has expired",
        "Go back, load the page again and send it once more.",
    ),
    "not_found": (
        "Not here",
        "It may be gone, belong to a program you do not work on, or never have been.",
    ),
}
"""Title and advice by code."""


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """400: the request makes no sense to us."""
    detail = "The address or the form holds something that cannot be used."
    if isinstance(exception, DisallowedHost):
        logger.warning("a request names a host that is not among UXP_ALLOWED_HOSTS")
    if isinstance(exception, Problem):
        detail = exception.detail
    return _answer(request, 400, "bad_request", detail)


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    """403: signed in, but not for this. Partners are led to what is theirs."""
    viewer = getattr(request, "viewer", None)
    if isinstance(viewer, Viewer) and viewer.may(Scope.PARTNER) and not viewer.may(Scope.READ):
        if request.path == "/":  # where signing in leads
            return redirect("partner")
        return _answer(request, 403, "not_allowed", "", template="errors/partner.html")
    detail = str(exception) or "Your role does not include this page."
    return _answer(request, 403, "not_allowed", detail)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """404: there is no such page, or not for this viewer; which of them is not told."""
    del exception
    return _answer(request, 404, "not_found", "There is nothing at this address.")


def server_error(request: HttpRequest) -> HttpResponse:
    """500: our fault. The log has the traceback under the reference.

    503 for a database that does not answer: there is nothing to mend in the code.
    """
    ref = _new_ref()
    if isinstance(sys.exc_info()[1], OperationalError | InterfaceError):
        return _database_away(request, ref)
    logger.error("ref=%s status=500", ref, exc_info=sys.exc_info())
    detail = "Something went wrong on our side."
    if request.path.startswith(_API):
        # It was not the request's fault: a device keeps what it sent and tries again.
        return _problem(500, "internal_error", detail, ref, retry=True)
    return _last_page(_OUR_FAULT, detail, ref)


def _last_page(status: int, detail: str, ref: str) -> HttpResponse:
    """A page that needs no database, or its words where even that fails."""
    title = "Our fault" if status == _OUR_FAULT else "Not at the moment"
    context = {"status": status, "title": title, "detail": detail, "ref": ref, "theme": "system"}
    try:
        page = render_to_string("errors/500.html", context)
    except Exception:  # static files that were not collected, a broken disk: words still work
        logger.exception("ref=%s the page for %d failed", ref, status)
        return HttpResponse(f"{detail} Reference {ref}\n", status=status, content_type="text/plain")
    return HttpResponse(page, status=status)


def _database_away(request: HttpRequest, ref: str) -> HttpResponse:
    logger.warning("ref=%s status=503 the database is away", ref)
    detail = "The database does not answer; try again in a minute."
    if request.path.startswith(_API):
        response = _problem(503, "database_away", detail, ref, retry=True)
    else:
        response = _last_page(503, detail, ref)
    response.headers["Retry-After"] = "30"
    return response


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """403: a form whose token is missing or old."""
    del reason
    detail = "The form was made for another session, or too long ago."
    return _answer(request, 403, "csrf_failed", detail)


def _answer(
    request: HttpRequest,
    status: int,
    code: str,
    detail: str,
    *,
    template: str = "errors/error.html",
) -> HttpResponse:
    ref = _new_ref()
    logger.info("ref=%s status=%d code=%s", ref, status, code)
    if request.path.startswith(_API):
        return _problem(status, code, detail, ref)
    title, advice = _WORDS[code]
    context = {"status": status, "title": title, "detail": detail, "advice": advice, "ref": ref}
    response = render(request, template, context, status=status)
    add_never_cache_headers(response)
    return response


def _problem(status: int, code: str, detail: str, ref: str, *, retry: bool = False) -> HttpResponse:
    document = problem_document(status_code=status, code=code, detail=detail, retry=retry, ref=ref)
    return JsonResponse(document, status=status, content_type=CONTENT_TYPE)


def _new_ref() -> str:
    return secrets.token_hex(6)
