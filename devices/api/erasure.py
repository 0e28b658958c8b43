"""`devices/me/erase/` and `erasures/{request_id}/`: an owner has all data removed, and proof of it."""

import uuid

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from devices.api.auth import DeviceTokenAuthentication
from devices.selectors.access import Sender
from devices.selectors.erasures import find_erasure
from devices.services.erasure import REQUEST, UnknownDevice, request_erasure
from uxp_diag.api.permissions import AnyCredential
from uxp_diag.api.problem import Problem


class ErasureRequestedSchema(serializers.Serializer):
    """The number by which the owner follows the erasure; it leads to nothing else."""

    request_id = serializers.UUIDField()


class ErasureStateSchema(serializers.Serializer):
    """How far the erasure is; the receipt when it is done."""

    request_id = serializers.UUIDField()
    state = serializers.ChoiceField(["requested", "done"])
    requested_at = serializers.DateTimeField()
    finished_at = serializers.DateTimeField(allow_null=True)
    receipt = serializers.JSONField(allow_null=True)


class EraseView(APIView):
    """`POST devices/me/erase/`."""

    authentication_classes = [DeviceTokenAuthentication]
    permission_classes = [AnyCredential]

    @extend_schema(
        operation_id="erase_device", request=None, responses={202: ErasureRequestedSchema}
    )
    def post(self, request: Request) -> Response:
        """Erase the phone and everything about it; its token ends with this call."""
        sender: Sender = request.auth  # type: ignore[assignment]
        if sender.device_id is None:
            raise Problem(403, "not_allowed", "Only an enrolled phone can ask for this.")
        try:
            request_id = request_erasure(sender.device_id, reason=REQUEST, now=timezone.now())
        except UnknownDevice:  # another call of the same phone was faster
            raise Problem(
                403, "device_erased", "The data of this phone was erased; enroll again."
            ) from None
        return Response({"request_id": str(request_id)}, status=202)


class ErasureView(APIView):
    """`GET erasures/{request_id}/`. The number is random and known to the owner alone."""

    authentication_classes = []
    permission_classes = [AllowAny]

    @extend_schema(operation_id="get_erasure", responses={200: ErasureStateSchema})
    def get(self, request: Request, request_id: uuid.UUID) -> Response:
        """How far the erasure is."""
        del request
        found = find_erasure(request_id)
        if found is None:
            raise Problem(404, "not_found", "There is no such erasure.")
        return Response(
            {
                "request_id": str(found.request_id),
                "state": found.state,
                "requested_at": found.requested_at,
                "finished_at": found.finished_at,
                "receipt": found.receipt,
            }
        )
