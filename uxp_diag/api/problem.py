"""One error shape for the whole API: problem details (RFC 9457) that tell a device what to do.

`code` is stable and documented in docs/errors.md; `retry` says whether the same request may
succeed later; `ref` is in our log beside the cause. Nothing of the request is repeated, so no
identifier can leak through an error.
"""

import errno
import logging
import secrets
from collections.abc import Mapping
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db import InterfaceError, OperationalError
from django.http import Http404
from rest_framework import exceptions, status
from rest_framework.response import Response

logger = logging.getLogger(__name__)

CONTENT_TYPE = "application/problem+json"


class Problem(Exception):
    """A request that cannot be served, in the words of its answer."""

    def __init__(
        self,
        status_code: int,
        code: str,
        detail: str,
        *,
        retry: bool = False,
        headers: Mapping[str, str] | None = None,
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status_code = status_code
        self.code = code
        self.detail = detail
        self.retry = retry
        self.headers = dict(headers or {})
        self.extra = dict(extra or {})


_TITLES = {
    400: "Bad request",
    401: "Not authenticated",
    403: "Not allowed",
    404: "Not found",
    405: "Method not allowed",
    406: "Not acceptable",
    408: "Too slow",
    409: "Conflict",
    411: "Length required",
    413: "Too large",
    415: "Unsupported media type",
    422: "Cannot be processed",
    429: "Too many requests",
    500: "Internal error",
    503: "Not available",
}

_CODES = {
    exceptions.NotAuthenticated: "not_authenticated",
    exceptions.AuthenticationFailed: "bad_credentials",
    exceptions.PermissionDenied: "not_allowed",
    exceptions.NotFound: "not_found",
    exceptions.MethodNotAllowed: "method_not_allowed",
    exceptions.NotAcceptable: "not_acceptable",
    exceptions.UnsupportedMediaType: "unsupported_media_type",
    exceptions.Throttled: "too_many_requests",
    exceptions.ParseError: "malformed_json",
    exceptions.ValidationError: "invalid_input",
}


_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EMFILE, errno.ENFILE})
"""A disk without room, or a process or machine without descriptors."""


def problem_document(
    *, status_code: int, code: str, detail: str, retry: bool, ref: str
) -> dict[str, Any]:
    """The body of an error answer."""
    return {
        "type": f"urn:uxp-diag:problem:{code}",
        "title": _TITLES.get(status_code, "Error"),
        "status": status_code,
        "detail": detail,
        "code": code,
        "retry": retry,
        "ref": ref,
    }


def problem_response(problem: Problem) -> Response:
    """The answer that a problem asks for."""
    ref = secrets.token_hex(6)
    logger.info("ref=%s status=%d code=%s", ref, problem.status_code, problem.code)
    document = problem_document(
        status_code=problem.status_code,
        code=problem.code,
        detail=problem.detail,
        retry=problem.retry,
        ref=ref,
    )
    document |= problem.extra  # extension members (RFC 9457, 3.2)
    response = Response(document, status=problem.status_code, content_type=CONTENT_TYPE)
    for name, value in problem.headers.items():
        response[name] = value
    return response


def problem_handler(error: Exception, context: Mapping[str, Any]) -> Response | None:
    """Turn what a view raised into problem details; None lets an unforeseen error surface."""
    del context
    if isinstance(error, Problem):
        return problem_response(error)
    if isinstance(error, OperationalError | InterfaceError):
        logger.warning("the database is away (%s)", type(error).__name__)
        return problem_response(
            Problem(
                503,
                "database_away",
                "The database does not answer.",
                retry=True,
                headers={"Retry-After": "30"},
            )
        )
    if isinstance(error, OSError) and error.errno in _FULL:
        logger.error("no room: %s", error.strerror)
        return problem_response(
            Problem(
                503,
                "intake_unavailable",
                "There is no room to store anything.",
                retry=True,
                headers={"Retry-After": "30"},
            )
        )
    if isinstance(error, Http404):
        error = exceptions.NotFound()
    elif isinstance(error, PermissionDenied):
        error = exceptions.PermissionDenied()
    if isinstance(error, exceptions.APIException):
        return problem_response(_from_framework(error))
    return None


def _from_framework(error: exceptions.APIException) -> Problem:
    headers = {}
    challenge = getattr(error, "auth_header", None)
    if challenge:
        headers["WWW-Authenticate"] = challenge
    code = _CODES.get(type(error), "error")
    return Problem(
        error.status_code,
        code,
        _sentence(error.detail),
        retry=error.status_code in {status.HTTP_429_TOO_MANY_REQUESTS},
        headers=headers,
    )


def _sentence(detail: Any) -> str:
    """A framework's nested error detail as one line."""
    if isinstance(detail, Mapping):
        return "; ".join(f"{name}: {_sentence(item)}" for name, item in detail.items())
    if isinstance(detail, list | tuple):
        return " ".join(_sentence(item) for item in detail)
    return str(detail)
