"""`reports/{report_id}/raw/`: what the device sent, for the few who may see it."""

import uuid

from django.http import FileResponse
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request

from crashes.api.staff import ProblemSchema, StaffView, viewer_in
from crashes.selectors.reports import get_report, open_raw_payload, raw_name
from devices.audit import Action
from devices.services.audit import record_look
from uxp_diag.roles import Scope
from uxp_diag.web.downloads import attachment


class RawPayloadView(StaffView):
    """`reports/{report_id}/raw/`. No API token can hold the scope; a session can."""

    required_scopes = {"GET": Scope.RAW_PAYLOAD}

    @extend_schema(
        operation_id="get_raw_payload",
        responses={
            (200, "application/octet-stream"): OpenApiTypes.BINARY,
            403: ProblemSchema,
            404: ProblemSchema,
        },
    )
    def get(self, request: Request, report_id: uuid.UUID) -> FileResponse:
        """The bytes, as a file to keep."""
        report = get_report(viewer=viewer_in(request), report_id=report_id)
        record_look(
            viewer_in(request),
            Action.RAW_PAYLOAD,
            program_id=report.program_id,
            subject=report_id,
            fields=("raw",),
            now=timezone.now(),
        )
        payload = open_raw_payload(viewer=viewer_in(request), report_pk=report.pk)
        return attachment(payload.stream, file_name=raw_name(report_id, payload))
