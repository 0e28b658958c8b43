"""A device is erased: everything that hangs on it, store by store, and a receipt for its owner.

`devices` closes the gate and writes the erasure down; this empties the stores of both apps and has
the receipt signed. A process may die anywhere: the erasure stays open, and whoever comes next goes
on; what was found at first is kept, so that the receipt tells of all of it.

After a withdrawal the device stays enrolled, with its ledger of consent, because the owner may
allow something again; what was received until the withdrawal goes. After a request the device
itself goes as well, and nothing leads to it.
"""

import logging
from datetime import datetime

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from crashes.models import Attachment, BatchAnswer, IssueDevice, OccurrenceMark, Report
from crashes.services.attachments import forget_files
from crashes.services.forgetting import Forgotten, forget_device_counts, forget_reports
from devices.receipts import signing_key
from devices.services.erasure import (
    OpenErasure,
    count_fleet_data,
    erase_fleet_data,
    finish_erasure,
    lease_erasure,
    note_found,
)
from uxp_diag.db import cut_log

logger = logging.getLogger(__name__)


def erase_waiting(*, now: datetime) -> bool:
    """Do the erasure that waits longest; whether there was one."""
    erasure = lease_erasure(now=now)
    if erasure is None:
        return False
    found = erasure.found or _count(erasure)
    note_found(erasure, found)
    _erase(erasure)
    left = _count(erasure)
    stores = {name: {"before": found[name], "after": left[name]} for name in sorted(found)}
    is_done = finish_erasure(
        erasure, stores=stores, key=signing_key(settings.RECEIPT_KEY), now=timezone.now()
    )
    cut_log()
    state = "is done" if is_done else "goes on, as more was asked for meanwhile"
    logger.info("erasure %s %s", erasure.request_id, state)
    return True


def _erase(erasure: OpenErasure) -> None:
    forget_reports(_reports(erasure), forgotten=Forgotten())
    forget_device_counts(erasure.device_id, forgotten=Forgotten())
    with transaction.atomic():
        files = list(_attachments(erasure).select_for_update().order_by("pk"))
        forget_files(files)
        Attachment.objects.filter(pk__in=[file.pk for file in files]).delete()
    _answers(erasure).delete()
    erase_fleet_data(erasure)


def _count(erasure: OpenErasure) -> dict[str, int]:
    reports = _reports(erasure)
    return {
        "reports": reports.count(),
        "report_contents": reports.filter(content__isnull=False).count(),
        "payload_files": reports.exclude(content__raw_blob="")
        .filter(content__isnull=False)
        .count(),
        "spooled_reports": reports.exclude(spool_file="").count(),
        "occurrence_marks": OccurrenceMark.objects.filter(report__in=reports).count(),
        "attachments": _attachments(erasure).count(),
        "batch_answers": _answers(erasure).count(),
        "issue_devices": IssueDevice.objects.filter(device_id=erasure.device_id).count(),
        **count_fleet_data(erasure),
    }


def _reports(erasure: OpenErasure) -> QuerySet[Report]:
    rows = Report.objects.filter(program_id=erasure.program_id, device_id=erasure.device_id)
    return rows if erasure.until is None else rows.filter(received_at__lte=erasure.until)


def _attachments(erasure: OpenErasure) -> QuerySet[Attachment]:
    rows = Attachment.objects.filter(program_id=erasure.program_id, device_id=erasure.device_id)
    return rows if erasure.until is None else rows.filter(created_at__lte=erasure.until)


def _answers(erasure: OpenErasure) -> QuerySet[BatchAnswer]:
    rows = BatchAnswer.objects.filter(program_id=erasure.program_id, device_id=erasure.device_id)
    return rows if erasure.until is None else rows.filter(created_at__lte=erasure.until)
