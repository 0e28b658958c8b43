"""What reports announce to follow, and what of it is still wanted."""

import uuid
from collections.abc import Iterable
from datetime import datetime

from django.conf import settings
from django.db import InterfaceError, OperationalError

from crashes.intake.attachments import AnnouncedFile, name_kind, payload_among
from crashes.intake.report import Report as ReportDocument
from crashes.models import Attachment, Report
from crashes.models.report import NO_DEVICE
from crashes.selectors.sealed import read_blob
from crashes.services.blobs import blobs
from crashes.stack import PayloadFormat
from uxp_diag.db import insert_new
from uxp_diag.outage import database_outage


def awaited_payload(report: ReportDocument, payload: bytes) -> AnnouncedFile | None:
    """The announced file that is this report's payload, when it came without one."""
    if payload or report.payload.format is not PayloadFormat.NONE:
        return None
    return payload_among(_acceptable(report))


def attachment_rows(
    report: ReportDocument,
    payload: bytes,
    *,
    program_id: int,
    device_id: uuid.UUID,
    received_at: datetime,
) -> list[Attachment]:
    """One row per file that a report announces; too large ones are not wanted and have none."""
    awaited = awaited_payload(report, payload)
    return [
        Attachment(
            program_id=program_id,
            device_id=device_id,
            report_id=report.report_id,
            sha256=file.sha256,
            size_bytes=file.size_bytes,
            format=file.format,
            name_kind=name_kind(file.name),
            is_payload=file is awaited,
            blob=blobs().new_key("attachments"),
            created_at=received_at,
            is_sealed=True,  # its pieces are from the first on
        )
        for file in _acceptable(report)
    ]


def insert_attachments(rows: list[Attachment]) -> None:
    """Write the rows of new reports, in the transaction that writes the reports."""
    conflict = ["program_id", "device_id", "report_id", "sha256"]
    insert_new(rows, conflict=conflict, returning=["id"])


def list_wanted(
    reports: Iterable[ReportDocument], *, program_id: int, device_id: uuid.UUID | None
) -> dict[uuid.UUID, list[str]]:
    """By report id, the SHA-256 of every announced file that is not here yet, in their order.

    While the database is away all are wanted: asking twice costs a question, not asking loses.
    """
    announced = {
        report.report_id: list(dict.fromkeys(file.sha256 for file in _acceptable(report)))
        for report in reports
        if report.attachments
    }
    if not announced or database_outage.is_on():
        return announced
    rows = Attachment.objects.filter(
        program_id=program_id, device_id=device_id or NO_DEVICE, report_id__in=announced
    )
    missing = rows.filter(state=Attachment.State.PARTIAL).values_list("report_id", "sha256")
    try:
        wanted = set(missing)
    except (OperationalError, InterfaceError):
        return announced
    return {
        report_id: [sha256 for sha256 in files if (report_id, sha256) in wanted]
        for report_id, files in announced.items()
    }


def attached_payload(row: Report) -> tuple[str, bytes] | None:
    """Format and bytes of the file that is a report's payload; None when none came.

    Raises FileNotFoundError, ContentErased, UnreadablePack.
    """
    found = Attachment.objects.filter(
        program_id=row.program_id,
        device_id=row.device_id,
        report_id=row.report_id,
        is_payload=True,
        state=Attachment.State.COMPLETE,
    ).first()
    if found is None:
        return None
    return found.format, read_blob(found.blob, max_bytes=found.size_bytes)


def _acceptable(report: ReportDocument) -> list[AnnouncedFile]:
    return [file for file in report.attachments if file.size_bytes <= settings.ATTACHMENT_BYTES]
