"""`GET devices/me/export/`: all that is kept of a phone, for its owner."""

from django.http import StreamingHttpResponse
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.views import APIView

from crashes.selectors.export import export_archive
from devices.api.auth import DeviceTokenAuthentication
from devices.selectors.access import Sender
from uxp_diag.api.permissions import AnyCredential
from uxp_diag.api.problem import Problem


class ExportView(APIView):
    """`devices/me/export/`. Withdrawal of consent does not end the right to it."""

    authentication_classes = [DeviceTokenAuthentication]
    permission_classes = [AnyCredential]

    @extend_schema(
        operation_id="export_device", responses={(200, "application/zip"): OpenApiTypes.BINARY}
    )
    def get(self, request: Request) -> StreamingHttpResponse:
        """A zip of everything, made while it is sent."""
        sender: Sender = request.auth  # type: ignore[assignment]
        if sender.device_id is None:
            raise Problem(403, "not_allowed", "Only an enrolled phone can ask for this.")
        now = timezone.now()
        archive = export_archive(sender.device_id, program_id=sender.program_id, now=now)
        name = f"your-data-{now:%Y-%m-%d}.zip"
        return StreamingHttpResponse(
            archive,
            content_type="application/zip",
            headers={
                "Content-Disposition": f'attachment; filename="{name}"',
                "Cache-Control": "no-store",
            },
        )
