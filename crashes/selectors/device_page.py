"""The reports of one phone. Who may see a phone is decided by `devices.selectors.device_page`."""

from datetime import datetime

from crashes.models import Report
from crashes.models.report import COUNTED
from crashes.selectors.reports import ReportRow, report_row
from devices.selectors.device_page import DeviceFacts

MOST_REPORTS = 500


def list_device_reports(device: DeviceFacts, *, since: datetime) -> list[ReportRow]:
    """One report for each occurrence on the phone since a moment; the newest `MOST_REPORTS`."""
    rows = Report.objects.filter(
        COUNTED,
        program_id=device.program_id,
        device_id=device.device_id,
        occurred_at__gte=since,
    ).select_related("issue", "evidence_of")
    return [report_row(row) for row in rows.order_by("-occurred_at", "-pk")[:MOST_REPORTS]]
