"""Files that followed their report: what there is, and the bytes for those who may."""

from dataclasses import dataclass
from datetime import datetime

from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet

from crashes.models import Attachment
from crashes.models.report import NO_DEVICE
from crashes.packing import UnreadablePack
from crashes.selectors.reports import RawPayload, ReportRow
from crashes.selectors.sealed import open_blob
from uxp_diag.roles import Scope
from uxp_diag.viewer import Viewer


@dataclass(frozen=True, slots=True)
class AttachmentRow:
    """One announced file. `name_kind` is all that is kept of its name, empty when it had none.

    `is_payload` says that it is, or is waited for as, the payload of its report.
    """

    sha256: str
    format: str
    name_kind: str
    size_bytes: int
    received_bytes: int
    is_complete: bool
    is_payload: bool
    announced_at: datetime


def list_attachments(*, viewer: Viewer, report: ReportRow) -> list[AttachmentRow]:
    """The files of a report, in the order in which it announced them."""
    rows = _of_report(viewer, report).order_by("pk")
    return [
        AttachmentRow(
            sha256=row.sha256,
            format=row.format,
            name_kind=row.name_kind,
            size_bytes=row.size_bytes,
            received_bytes=row.received_bytes,
            is_complete=row.state == Attachment.State.COMPLETE,
            is_payload=row.is_payload,
            announced_at=row.created_at,
        )
        for row in rows
    ]


def open_attachment(*, viewer: Viewer, report: ReportRow, sha256: str) -> RawPayload:
    """A whole file. Raises PermissionDenied, or Attachment.DoesNotExist."""
    if not viewer.may(Scope.RAW_PAYLOAD):
        raise PermissionDenied("Your role does not include raw payloads.")
    complete = _of_report(viewer, report).filter(state=Attachment.State.COMPLETE)
    found = complete.get(sha256=sha256)
    try:
        stream = open_blob(found.blob)
    except (FileNotFoundError, UnreadablePack):
        raise Attachment.DoesNotExist from None
    return RawPayload(found.format, found.size_bytes, stream)


def attachment_name(sha256: str, payload: RawPayload) -> str:
    """What a downloaded file is called; the name that the device gave it is not kept."""
    return f"{sha256[:16]}.{payload.format}"


def _of_report(viewer: Viewer, report: ReportRow) -> QuerySet[Attachment]:
    return Attachment.objects.filter(
        program_id__in=viewer.program_ids & {report.program_id},
        device_id=report.device_id or NO_DEVICE,
        report_id=report.report_id,
    )
