"""Reports in quarantine are tried again: one of them, or all with one code.

A parser was mended, a disk is back, a machine had no memory left for an hour. A report gets its
three tries anew, from what was kept of it (`loading`), and what is remembered of its payload
(`refusals`) is forgotten, so that it is really read. Whoever asks for it is written down. A report
whose payload could not be kept stays where it is, because there is nothing to try.
"""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.db.models import Q, QuerySet

from crashes.models import Report, ReportContent
from crashes.services.digesting import Failure
from crashes.services.loading import load_kept
from crashes.services.refusals import content_key, forget_refusals
from devices.audit import Action
from devices.services.audit import record_act
from uxp_diag.viewer import Viewer

MOST = 10_000
"""Reports of one call; its answer says how many are left."""
_AT_ONCE = 500


class NotInQuarantine(Exception):
    """The report is not set aside, so there is nothing to try again."""


class PayloadNotKept(Exception):
    """What the phone sent could not be kept, so there is nothing to try again with."""


@dataclass(frozen=True, slots=True)
class Retried:
    """Numbers of the reports that wait again; `left` more of that code could be tried.

    Of `not_kept`, nothing is kept of what the phones sent.
    """

    report_pks: tuple[int, ...]
    left: int
    not_kept: int


def retry_report(report_pk: int, *, by: Viewer, now: datetime) -> None:
    """Try one report again. Raises NotInQuarantine and PayloadNotKept."""
    with transaction.atomic():
        mine = _quarantined(by).filter(pk=report_pk)
        row = mine.select_for_update().first()
        if row is None:
            raise NotInQuarantine
        if not row.spool_file:
            kept = load_kept(row, ReportContent.objects.filter(pk=row.pk).first())
            if isinstance(kept, Failure):
                raise PayloadNotKept
            key = content_key(kept.format, kept.payload)
            forget_refusals(program_ids=frozenset({row.program_id}), key=key)
        _free(mine)
        _record(by, row.program_id, str(row.report_id), 1, now=now)


def retry_reports(code: str, *, by: Viewer, now: datetime) -> Retried:
    """Try all reports again that were set aside with this code, up to 10,000, oldest first."""
    with transaction.atomic():
        rows = _quarantined(by).filter(failure_code=code)
        wanted = rows.filter(_WITH_PAYLOAD).order_by("pk").values_list("pk", "program_id")
        found = list(wanted[:MOST])
        forget_refusals(program_ids=by.program_ids, code=code)
        pks = [pk for pk, _ in found]
        for start in range(0, len(pks), _AT_ONCE):
            _free(rows.filter(pk__in=pks[start : start + _AT_ONCE]))
        for program_id, count in sorted(Counter(program for _, program in found).items()):
            _record(by, program_id, code, count, now=now)
        left = rows.filter(_WITH_PAYLOAD).count()
        return Retried(tuple(pks), left, rows.count() - left)


_WITH_PAYLOAD = ~Q(spool_file="") | Q(content__raw_bytes__gt=0) | Q(content__raw_format="none")
"""What can be tried: its file is still in the spool, its payload was kept, or it never had one."""


def _quarantined(by: Viewer) -> QuerySet[Report]:
    return Report.objects.filter(program_id__in=by.program_ids, state=Report.State.QUARANTINED)


def _free(rows: QuerySet[Report]) -> None:
    rows.update(state=Report.State.RECEIVED, attempts=0, leased_until=None, lease_id=None)


def _record(by: Viewer, program_id: int, subject: str, count: int, *, now: datetime) -> None:
    record_act(by, Action.RETRY, program_id=program_id, subject=subject, count=count, now=now)
