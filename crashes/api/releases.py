"""`releases/`, `releases/{id}/`, its verdict and decisions; `vitals/query/`."""

from collections.abc import Mapping
from typing import Any

from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from crashes.api.staff import ProblemSchema, StaffView, query_in, viewer_in
from crashes.selectors.releases import ReleaseSummary, get_release, list_releases
from crashes.services.releasing import ask_for_verdict, override_verdict
from crashes.services.verdicts import Verdict
from crashes.triage.query import BadQuery
from devices.selectors.vital_series import GROUPS, query_app_vital, query_vital
from devices.vitals.catalog import APP_VITALS, DEVICE_VITALS, Vital
from uxp_diag.api.problem import Problem
from uxp_diag.roles import Scope

_VERDICTS = [verdict.value for verdict in Verdict]
_MOST_DAYS, _DEFAULT_DAYS = 366, 28


class VerdictSchema(serializers.Serializer):
    """What to do with a release and why. `judged` is the engine's verdict; somebody may differ."""

    verdict = serializers.ChoiceField(_VERDICTS)
    reasons = serializers.ListField(child=serializers.CharField())
    metrics = serializers.ListField(child=serializers.DictField())
    judged = serializers.ChoiceField(_VERDICTS)
    models = serializers.ListField(child=serializers.DictField())
    overridden_by = serializers.CharField(allow_null=True)
    override_reason = serializers.CharField(allow_null=True)
    snapshot_id = serializers.CharField(allow_null=True)
    made_at = serializers.DateTimeField(allow_null=True)
    engine_version = serializers.CharField(allow_null=True)
    inputs_hash = serializers.CharField(allow_null=True)


class ReleaseSchema(serializers.Serializer):
    """One release: an OS build, since a device first told of it."""

    id = serializers.CharField()
    os_build = serializers.CharField()
    first_seen = serializers.DateField()
    previous = serializers.CharField(allow_null=True)
    verdict = serializers.ChoiceField(_VERDICTS)
    reasons = serializers.ListField(child=serializers.CharField())


class ReleaseListSchema(serializers.Serializer):
    """The latest releases, newest first."""

    results = ReleaseSchema(many=True)


class OverrideInput(serializers.Serializer):
    """A decision; without a verdict it is the engine's again."""

    verdict = serializers.ChoiceField(_VERDICTS, allow_null=True)
    reason = serializers.CharField(max_length=1000)


class VitalPointSchema(serializers.Serializer):
    """A vital of one group; `value` is null, and `state` not_enough_data, for too few devices."""

    group = serializers.DictField(child=serializers.CharField())
    state = serializers.ChoiceField(["ok", "not_enough_data"])
    devices = serializers.IntegerField(allow_null=True)
    value = serializers.FloatField(allow_null=True)
    low = serializers.FloatField(allow_null=True)
    high = serializers.FloatField(allow_null=True)
    exposure = serializers.FloatField(allow_null=True)
    device_days = serializers.IntegerField(allow_null=True)
    median = serializers.FloatField(allow_null=True)
    p90 = serializers.FloatField(allow_null=True)


class VitalQuerySchema(serializers.Serializer):
    """A vital by group over the last days."""

    metric = serializers.CharField()
    unit = serializers.CharField()
    numerator = serializers.CharField()
    denominator = serializers.CharField()
    results = VitalPointSchema(many=True)


class ReleaseListView(StaffView):
    """`releases/`."""

    required_scopes = {"GET": Scope.READ}

    @extend_schema(operation_id="list_releases", responses={200: ReleaseListSchema})
    def get(self, request: Request) -> Response:
        """The latest releases, newest first."""
        return Response(
            {"results": [_document(row) for row in list_releases(viewer=viewer_in(request))]}
        )


class ReleaseView(StaffView):
    """`releases/{id}/`."""

    required_scopes = {"GET": Scope.READ}

    @extend_schema(operation_id="get_release", responses={200: ReleaseSchema, 404: ProblemSchema})
    def get(self, request: Request, release_id: int) -> Response:
        """One release."""
        return Response(_document(get_release(viewer=viewer_in(request), release_id=release_id)))


class ReleaseVerdictView(StaffView):
    """`releases/{id}/verdict/`."""

    required_scopes = {"GET": Scope.READ, "POST": Scope.RELEASES}

    @extend_schema(operation_id="get_verdict", responses={200: VerdictSchema, 404: ProblemSchema})
    def get(self, request: Request, release_id: int) -> Response:
        """What to do with a release, and why."""
        return Response(_verdict(get_release(viewer=viewer_in(request), release_id=release_id)))

    @extend_schema(
        operation_id="override_verdict",
        request=OverrideInput,
        responses={200: VerdictSchema, 404: ProblemSchema},
    )
    def post(self, request: Request, release_id: int) -> Response:
        """Decide otherwise than judged, or give the decision back; by name, with a reason."""
        viewer = viewer_in(request)
        release = get_release(viewer=viewer, release_id=release_id)
        given = OverrideInput(data=request.data)
        given.is_valid(raise_exception=True)
        verdict = given.validated_data["verdict"]
        override_verdict(
            release_id=release.id,
            verdict=Verdict(verdict) if verdict else None,
            reason=given.validated_data["reason"],
            by=viewer,
            now=timezone.now(),
        )
        return Response(_verdict(get_release(viewer=viewer, release_id=release_id)))


class ReleaseJudgeView(StaffView):
    """`releases/{id}/judge/`."""

    required_scopes = {"POST": Scope.RELEASES}

    @extend_schema(
        operation_id="ask_for_verdict", request=None, responses={202: None, 404: ProblemSchema}
    )
    def post(self, request: Request, release_id: int) -> Response:
        """Have a release judged again with the next look of the workers."""
        release = get_release(viewer=viewer_in(request), release_id=release_id)
        ask_for_verdict(release_id=release.id, now=timezone.now())
        return Response(status=202)


class VitalQueryView(StaffView):
    """`vitals/query/`."""

    required_scopes = {"GET": Scope.READ}

    @extend_schema(
        operation_id="query_vitals",
        parameters=[
            OpenApiParameter(
                "metric", str, required=True, enum=list({**DEVICE_VITALS, **APP_VITALS})
            ),
            OpenApiParameter("group", str, description=f"of {', '.join(GROUPS)}, by commas"),
            OpenApiParameter("q", str, description="`model:` and `os_build:` terms"),
            OpenApiParameter(
                "package", str, description="vitals of this app, grouped by `version_code`"
            ),
            OpenApiParameter("days", int, description=f"how many, at most {_MOST_DAYS} [28]"),
        ],
        responses={200: VitalQuerySchema, 400: ProblemSchema},
    )
    def get(self, request: Request) -> Response:
        """A vital by group over the last days, with 95 % intervals."""
        package = request.query_params.get("package", "")
        vital = _vital(request, APP_VITALS if package else DEVICE_VITALS)
        names = ("version_code",) if package else GROUPS
        group = [name for name in request.query_params.get("group", "").split(",") if name]
        if package and not group:
            group = ["version_code"]
        if not set(group) <= set(names):
            raise Problem(400, "bad_group", f"`group` is made of {', '.join(names)}.")
        viewer, last, days = viewer_in(request), timezone.now().date(), _days(request)
        filters = _filters(request)
        if package:
            if any(filters.values()):
                raise Problem(
                    400, "bad_query", "What apps did is kept by version only; leave `q` out."
                )
            points = query_app_vital(
                viewer=viewer, vital=vital, package=package, last=last, days=days, by_version=True
            )
        else:
            points = query_vital(
                viewer=viewer, vital=vital, group=group, filters=filters, last=last, days=days,
                daily=False,
            )  # fmt: skip
        results = []
        for point in points:
            found = point.estimate
            results.append(
                {
                    "group": dict(zip(group, point.name, strict=True)),
                    "state": "ok" if found else "not_enough_data",
                    "devices": point.devices or None,
                    "value": found and found.value,
                    "low": found and found.low,
                    "high": found and found.high,
                    "exposure": found and found.exposure,
                    "device_days": found and found.device_days,
                    "median": point.median,
                    "p90": point.p90,
                }
            )
        return Response(
            {
                "metric": vital.key,
                "unit": vital.unit,
                "numerator": vital.numerator,
                "denominator": vital.denominator,
                "results": results,
            }
        )


def _vital(request: Request, catalog: Mapping[str, Vital]) -> Vital:
    vital = catalog.get(request.query_params.get("metric", ""))
    if vital is None:
        raise Problem(400, "bad_vital", f"`metric` is one of {', '.join(catalog)}.")
    return vital


def _filters(request: Request) -> dict[str, Any]:
    """The terms that a roll-up can answer. Raises BadQuery for others."""
    query = query_in(request)
    for term in query.terms:
        if term.key not in {"model", "os_build"} or term.negated or len(term.pieces) > 1:
            raise BadQuery("Vitals know whole `model:` and `os_build:` terms", position=term.start)
    return {name: query.values(name) for name in ("model", "os_build")}


def _days(request: Request) -> int:
    text = request.query_params.get("days", str(_DEFAULT_DAYS))
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:4]) <= _MOST_DAYS):
        raise Problem(400, "bad_limit", f"`days` is a number from 1 to {_MOST_DAYS}.")
    return int(text)


def _document(release: ReleaseSummary) -> dict[str, Any]:
    return {
        "id": str(release.id),
        "os_build": release.os_build,
        "first_seen": release.first_seen,
        "previous": release.previous or None,
        "verdict": release.verdict,
        "reasons": release.reasons,
    }


def _verdict(release: ReleaseSummary) -> dict[str, Any]:
    snapshot, override = release.snapshot, release.override if release.is_overridden else None
    return {
        "verdict": release.verdict,
        "reasons": release.reasons,
        "metrics": release.metrics,
        "judged": release.judged,
        "models": snapshot.by_model if snapshot else [],
        "overridden_by": override.by_name if override else None,
        "override_reason": override.reason if override else None,
        "snapshot_id": str(snapshot.pk) if snapshot else None,
        "made_at": snapshot.made_at if snapshot else None,
        "engine_version": snapshot.engine_version if snapshot else None,
        "inputs_hash": snapshot.inputs_hash if snapshot else None,
    }
