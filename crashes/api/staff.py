"""What the endpoints of the staff API share: the viewer, the query, and how they fail."""

from django.core.exceptions import ObjectDoesNotExist
from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter
from rest_framework import serializers
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from crashes.triage.query import BadQuery, Query, parse
from uxp_diag.api.pagination import DEFAULT_SIZE, MAX_SIZE
from uxp_diag.api.problem import Problem
from uxp_diag.viewer import Viewer

LIMIT_PARAMETER = OpenApiParameter("limit", int, description=f"rows of a page, at most {MAX_SIZE}")
PAGE_PARAMETERS = [
    OpenApiParameter("q", str, description="which ones; see the query language"),
    OpenApiParameter("cursor", str, description="`next_cursor` of the page before"),
    LIMIT_PARAMETER,
]


class ProblemSchema(serializers.Serializer):
    """An error as problem details (RFC 9457)."""

    type = serializers.CharField()
    title = serializers.CharField()
    status = serializers.IntegerField()
    detail = serializers.CharField()
    code = serializers.CharField()
    retry = serializers.BooleanField()
    ref = serializers.CharField()


class StaffView(APIView):
    """An endpoint for people and their tools. What a selector does not find is a 404."""

    def handle_exception(self, exc: Exception) -> Response:
        """Errors of queries and selectors in the words of the API."""
        if isinstance(exc, ObjectDoesNotExist):
            exc = NotFound()
        elif isinstance(exc, BadQuery):
            exc = Problem(400, "bad_query", exc.sentence)
        return super().handle_exception(exc)


def viewer_in(request: Request) -> Viewer:
    """On whose behalf a request reads."""
    viewer: Viewer = request.auth  # type: ignore[assignment]
    return viewer


def query_in(request: Request) -> Query:
    """The query of a request. Raises BadQuery."""
    return parse(request.query_params.get("q", ""), asked_at=timezone.now())


def size_in(request: Request) -> int:
    """How many rows a request wants. Raises Problem 400."""
    text = request.query_params.get("limit", "")
    if not text:
        return DEFAULT_SIZE
    is_number = text.isascii() and text.isdigit() and len(text) <= len(str(MAX_SIZE))
    if not (is_number and 1 <= int(text) <= MAX_SIZE):
        raise Problem(400, "bad_limit", f"`limit` is a number from 1 to {MAX_SIZE}.")
    return int(text)
