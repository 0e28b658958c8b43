"""`GET devices/me/advice/`: what an owner can do about what the phone met; and how that went."""

from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from crashes.api.staff import StaffView, viewer_in
from crashes.selectors.cures import list_cures
from crashes.services.advising import advise
from devices.api.auth import DeviceTokenAuthentication
from devices.api.consent import consent_problem
from devices.selectors.access import Sender
from uxp_diag.api.permissions import AnyCredential
from uxp_diag.api.problem import Problem
from uxp_diag.roles import Scope


class FixedInSchema(serializers.Serializer):
    """The software to install; a system update or a version of an app."""

    os_build = serializers.CharField(required=False)
    version_name = serializers.CharField(required=False)
    version_code = serializers.IntegerField(required=False, allow_null=True)


class AdviceSchema(serializers.Serializer):
    """One piece of advice, with the sentence to show."""

    kind = serializers.CharField(help_text="fixed or battery")
    problem = serializers.CharField(required=False)
    package = serializers.CharField(allow_null=True)
    version_code = serializers.IntegerField(required=False)
    fixed_in = FixedInSchema()
    text = serializers.CharField()


class AdviceListSchema(serializers.Serializer):
    """All advice for a phone."""

    advice = AdviceSchema(many=True)


class AdviceView(APIView):
    """`devices/me/advice/`, for phones whose owners allow personalisation."""

    authentication_classes = [DeviceTokenAuthentication]
    permission_classes = [AnyCredential]

    @extend_schema(operation_id="read_advice", responses={200: AdviceListSchema})
    def get(self, request: Request) -> Response:
        """What there is to install, and which app drains the phone."""
        sender: Sender = request.auth  # type: ignore[assignment]
        if sender.device_id is None:
            raise Problem(403, "not_allowed", "Only an enrolled phone can ask for this.")
        if not sender.allows_personalisation:
            raise consent_problem(has_withdrawn=sender.has_withdrawn)
        return Response(
            {"advice": advise(sender, now=timezone.now())}, headers={"Cache-Control": "no-store"}
        )


class CureSchema(serializers.Serializer):
    """A fix and what came of it; no numbers where fewer than 20 phones were told."""

    issue_id = serializers.IntegerField()
    signature = serializers.CharField()
    fixed_in = serializers.CharField()
    told = serializers.IntegerField(allow_null=True)
    installed = serializers.IntegerField(allow_null=True)
    met_again = serializers.IntegerField(allow_null=True)
    rate = serializers.FloatField(allow_null=True)


class CureListSchema(serializers.Serializer):
    """Fixes that owners were told of."""

    results = CureSchema(many=True)


class CureView(StaffView):
    """`releases/cures/`: how many of the phones that were told of a fix were cured by it."""

    required_scopes = {"GET": Scope.READ}

    @extend_schema(
        operation_id="list_cures",
        parameters=[
            OpenApiParameter("issue", int, description="of one issue"),
            OpenApiParameter("fixed_in", str, description="of one OS build or version"),
        ],
        responses={200: CureListSchema},
    )
    def get(self, request: Request) -> Response:
        """The fixes, those first of which most were told."""
        issue = request.query_params.get("issue", "")
        if issue and not (issue.isascii() and issue.isdecimal() and len(issue) < 19):  # noqa: PLR2004
            raise Problem(400, "invalid_input", "`issue` is not a number.")
        cures = list_cures(
            viewer=viewer_in(request),
            issue_id=int(issue) if issue else None,
            fixed_in=request.query_params.get("fixed_in") or None,
        )
        return Response({"results": CureSchema(cures, many=True).data})
