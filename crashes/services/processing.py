"""From an acknowledged report to an issue: lease, clean, parse, symbolicate, group, store.

The lease is in the row, so it does not matter who was told to work on a report, how often, or
whether the telling got lost. Everything that a report becomes is written in one transaction with
its new state; before that, nothing can be seen of the work, and doing it twice is harmless.

    received --lease--> leased --store--> done
        ^                  |
        +--- failed < 3 ---+--- failed 3 times, or the parser refused ---> quarantined
        +----------------------- somebody has it tried again (`retrying`) -----+

A lease is short and kept alive by its holder, so that the reports of a dead worker are free again
within half a minute, however long a batch may take. One that ran out is free for others; a store
that comes too late finds that the row is no longer its own.
"""

import logging
import uuid
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import DatabaseError, transaction
from django.db.models import F, Q

from crashes.formats.registry import PARSER_VERSION
from crashes.models import Report, ReportContent
from crashes.packing import Document
from crashes.services.agent_losses import count_dropped_entries
from crashes.services.blobs import payload_key
from crashes.services.counting import Sighting, count_sightings
from crashes.services.digesting import Digested, Failure, Leased, digest, prepared_now
from crashes.services.grouping import Occurrence, Placer
from crashes.services.leases import LEASE, kept
from crashes.services.loading import load_leased
from crashes.services.occurrences import (
    evidence_receipt,
    follow_leads,
    join_reports,
    lock_joined_issues,
    settle_joins,
)
from crashes.services.reading import read_payloads
from crashes.services.sealing import keys_of, put_blob, sealed_document, sealed_raw
from crashes.services.software import note_software
from crashes.services.spooled import spool
from crashes.services.symbols import note_missing
from crashes.services.waiting import Need, note_needs
from crashes.stack import Crash, FrameStatus
from crashes.symbolication.frames import SymbolicationResult, is_native
from devices.scrubbing import SCRUBBER_VERSION, scrub_str
from devices.sealing.keys import DataKey
from devices.services.work_counts import Work, count_work
from uxp_diag.db import update_rows

logger = logging.getLogger(__name__)

MAX_ATTEMPTS = 3
RETRY_AFTER = timedelta(seconds=5)
UNANNOUNCED_AFTER = LEASE
INLINE_RAW_BYTES = 16 * 1024
_LONGEST = timedelta(minutes=10)
_STAYS_IN_SPOOL = frozenset({"spool_unreadable", "spool_key_missing"})
"""Where a disk, a mount or a key was missing, it may be there again later."""


def lease_reports(*, limit: int, now: datetime) -> list[Report]:
    """Take up to `limit` free reports, oldest first.

    One that was tried before comes alone: should it be what ended its worker, it ends no other
    report's work again.
    """
    free = Q(state=Report.State.RECEIVED) & (Q(leased_until=None) | _is_over(now))
    wanted = Report.objects.filter(free | _has_expired(now))
    if not wanted.exists():  # looking costs no write lock
        return []
    lease_id = uuid.uuid4()
    with transaction.atomic():
        locked = wanted.select_for_update(skip_locked=True).order_by("pk")
        rows = _those_that_go_together(list(locked[:limit]))
        Report.objects.filter(pk__in=[row.pk for row in rows]).update(
            state=Report.State.LEASED,
            leased_until=now + LEASE,
            lease_id=lease_id,
            attempts=F("attempts") + 1,
        )
    for row in rows:
        row.lease_id, row.attempts = lease_id, row.attempts + 1
    return rows


def _is_over(now: datetime) -> Q:
    """A lease or a pause that ran out. None is given for so long: then a clock was set back."""
    return Q(leased_until__lte=now) | Q(leased_until__gt=now + _LONGEST)


def _has_expired(now: datetime) -> Q:
    return Q(state=Report.State.LEASED) & _is_over(now)


def _those_that_go_together(rows: Sequence[Report]) -> list[Report]:
    if rows and rows[0].attempts:
        return [rows[0]]
    return [row for row in rows if not row.attempts]


def list_unannounced(*, now: datetime, limit: int) -> list[int]:
    """Reports that wait although every bell for them should have rung by now."""
    forgotten = Q(state=Report.State.RECEIVED, received_at__lte=now - UNANNOUNCED_AFTER)
    waiting = Report.objects.filter(forgotten | _has_expired(now)).order_by("pk")
    return list(waiting.values_list("pk", flat=True)[:limit])


def process_reports(rows: Sequence[Report], *, now: datetime) -> None:
    """Digest and store leased reports. One report's trouble never touches its neighbours."""
    if not rows:
        return
    held = Report.objects.filter(lease_id=rows[0].lease_id, state=Report.State.LEASED)
    with kept(lambda until: held.update(leased_until=until)):
        _process(rows, now=now)


def _process(rows: Sequence[Report], *, now: datetime) -> None:
    loaded, failures = load_leased(rows)
    read = read_payloads(loaded, now=now)
    digested, refused = digest(read.clean, now=now, parsed=read.outcomes)
    failures += read.failures + refused
    failures += _store(digested, now=now)
    known = {item.row.pk: replace(item, payload=b"") for item in loaded}
    known |= {item.row.pk: item for item in read.clean}
    for failure in failures:
        _record_failure(failure, known.get(failure.row.pk), now=now)
    _clean_spool({row.spool_file for row in rows})


def _store(digested: Sequence[Digested], *, now: datetime) -> list[Failure]:
    """All in one transaction; if that fails, each in its own, to find the one to blame."""
    if not digested:
        return []
    try:
        with transaction.atomic():
            _store_all(digested, now=now)
    except Exception as error:
        if len(digested) == 1:
            logger.exception("report %d cannot be stored", digested[0].leased.row.pk)
            return [Failure(digested[0].leased.row, "store_failed", _kind(error), is_final=False)]
        return [failure for item in digested for failure in _store([item], now=now)]
    return []


def _store_all(digested: Sequence[Digested], *, now: datetime) -> None:
    mine = _still_leased([item.leased.row for item in digested])
    items = prepared_now([item for item in digested if item.leased.row.pk in mine])
    note_software((item.leased.row, item.crash) for item in items)
    joins = join_reports((item.leased.row, item.mark) for item in items)
    leads = [item for item in items if item.leased.row.evidence_of_id is None]
    before = {new: joins.stored[old] for old, new in joins.overtaken.items() if old in joins.stored}
    places = [(item, occurrence_of(item, before.get(item.leased.row.pk))) for item in leads]
    placer = Placer((item.item, occurrence) for item, occurrence in places)
    receipts = {
        item.leased.row.pk: _place(item, occurrence, placer, now=now) for item, occurrence in places
    }
    placer.flush()
    lock_joined_issues(joins)
    _count(leads, now=now)
    count_dropped_entries((item.leased.row, item.crash) for item in leads)
    follow_leads(joins)
    for item in items:
        fill_row(item.leased.row, item.crash)
        receipts.setdefault(item.leased.row.pk, evidence_receipt(item.item.mechanism))
    stored = [item for item in items if not item.leased.row.is_counted_only]
    keys = keys_of(item.leased.row for item in stored)  # none for what is being erased
    _write_contents(
        [
            _content(item, receipts[item.leased.row.pk], keys[item.leased.row.pk])
            for item in stored
            if item.leased.row.pk in keys
        ]
    )
    _note_missing(items, now=now)
    _note_needs(items, now=now)
    rows = [item.leased.row for item in items]
    update_rows(rows, _STORED_FIELDS, **_DONE)
    settle_joins(joins, now=now)
    count_work(Work.REPORTS_DIGESTED, len(items))


def _count(items: Sequence[Digested], *, now: datetime) -> None:
    """Count reports in their issues, and say in their rows which are only counted."""
    worth_storing = count_sightings(
        [Sighting.of(item.leased.row) for item in items],
        stored_per_day=settings.SIGNATURE_REPORTS_PER_DAY,
        now=now,
    )
    for item, is_stored in zip(items, worth_storing, strict=True):
        item.leased.row.is_counted_only = not is_stored


def _note_missing(items: Sequence[Digested], *, now: datetime) -> None:
    by_program: dict[int, list[SymbolicationResult]] = defaultdict(list)
    for item in items:
        by_program[item.leased.row.program_id].append(item.symbols)
    for program_id in sorted(by_program):
        note_missing(by_program[program_id], program_id=program_id, now=now)


def _note_needs(items: Sequence[Digested], *, now: datetime) -> None:
    """What was not kept cannot be digested again, so it waits for nothing."""
    by_program: dict[int, dict[int, Sequence[Need]]] = defaultdict(dict)
    for item in items:
        row = item.leased.row
        if item.needs and not row.is_counted_only:
            by_program[row.program_id][row.pk] = item.needs
    for program_id, needs in by_program.items():
        note_needs(needs, program_id=program_id, now=now)


def _place(
    item: Digested, occurrence: Occurrence, placer: Placer, *, now: datetime
) -> dict[str, Any]:
    """Put a report into its issue; the receipt of the decision."""
    row = item.leased.row
    placement = placer.place(item.item, occurrence, now=now)
    row.issue_id, row.variant_id = placement.issue_id, placement.variant_id
    fill_row(row, item.crash)
    return placement.receipt


_STORED_FIELDS = (
    "issue",
    "variant",
    "process",
    "package",
    "version_name",
    "version_code",
    "native_frames",
    "named_frames",
    "is_counted_only",
    "evidence_of",
)
_DONE = {
    "state": Report.State.DONE,
    "leased_until": None,
    "lease_id": None,
    "spool_file": "",  # the file itself goes after the commit
    "parser_version": PARSER_VERSION,
    "failure_code": "",
    "failure_detail": "",
}


def _still_leased(rows: Sequence[Report]) -> set[int]:
    """The rows that nobody took over meanwhile; they are locked now."""
    lease_ids = {row.pk: row.lease_id for row in rows}
    current = Report.objects.select_for_update().filter(pk__in=lease_ids, state=Report.State.LEASED)
    return {
        pk
        for pk, lease_id in current.order_by("pk").values_list("pk", "lease_id")
        if lease_ids[pk] == lease_id
    }


def occurrence_of(item: Digested, before: Report | None = None) -> Occurrence:
    """What grouping needs to know beside the stack.

    `before` is the report that stood for the occurrence until now: what people decided about it
    holds for the one that shows it better.
    """
    row = item.leased.row
    placed = before or row
    return Occurrence(
        program_id=row.program_id,
        kind=row.kind,
        package=(item.crash.package or row.package)[:200] if item.crash.package else row.package,
        os_build=row.os_build,
        occurred_at=row.occurred_at,
        model=row.model,
        report_pk=placed.pk if placed.issue_id else None,
        issue_id=placed.issue_id,
    )


def fill_row(row: Report, crash: Crash) -> None:
    """What lists and filters show of a crash."""
    row.process = (crash.process or "")[:200]
    row.package = (crash.package or "")[:200]
    row.version_name = (crash.version_name or "")[:100]
    row.version_code = crash.version_code
    native = [
        frame
        for thread in crash.threads
        if thread.crashing
        for frame in thread.frames
        if is_native(frame)
    ]
    row.native_frames = len(native)
    row.named_frames = sum(frame.status is FrameStatus.SYMBOLICATED for frame in native)


def _content(item: Digested, receipt: dict[str, Any], key: DataKey) -> ReportContent:
    raw, raw_blob = keep_raw(item.leased.row, item.leased.payload, key)
    document = Document(item.leased.envelope, item.crash, receipt)
    return ReportContent(
        report_id=item.leased.row.pk,
        document=sealed_document(item.leased.row.pk, document, key),
        raw=raw,
        raw_blob=raw_blob,
        raw_format=item.leased.format.value,
        raw_bytes=len(item.leased.payload),
        scrubber_version=SCRUBBER_VERSION,
        is_sealed=True,
    )


def _write_contents(contents: Sequence[ReportContent]) -> None:
    """Keep the large part of reports, in place of one that an earlier try left."""
    ReportContent.objects.bulk_create(
        contents, update_conflicts=True, unique_fields=["report"], update_fields=_CONTENT_FIELDS
    )


_CONTENT_FIELDS = (
    "document",
    "envelope",
    "crash",
    "grouping",
    "raw",
    "raw_blob",
    "raw_format",
    "raw_bytes",
    "scrubber_version",
    "is_sealed",
)


def keep_raw(row: Report, payload: bytes, key: DataKey) -> tuple[bytes | None, str]:
    """The raw payload, sealed, in the row when small, else the key of its blob.

    A report has one key: should storing fail, the next try writes over it, and no blob is left
    that no row names.
    """
    sealed = sealed_raw(row.pk, payload, key, at_most=INLINE_RAW_BYTES)
    if sealed is not None:
        return sealed, ""
    blob_key = payload_key(row.pk)
    put_blob(blob_key, [payload], key)
    return None, blob_key


def _record_failure(failure: Failure, known: Leased | None, *, now: datetime) -> None:
    """Give the report back for another try, or put it into quarantine with its clean payload."""
    row = failure.row
    quarantined = failure.is_final or row.attempts >= MAX_ATTEMPTS
    try:
        with transaction.atomic():
            mine = Report.objects.filter(pk=row.pk, lease_id=row.lease_id)
            changed = mine.update(
                state=Report.State.QUARANTINED if quarantined else Report.State.RECEIVED,
                leased_until=None if quarantined else now + RETRY_AFTER * row.attempts,
                lease_id=None,
                failure_code=failure.code[:60],
                failure_detail=_printable(scrub_str(failure.detail))[:500],
                spool_file=""
                if quarantined and failure.code not in _STAYS_IN_SPOOL
                else row.spool_file,
            )
            if changed and quarantined:
                _keep_quarantined(row, known)
                count_work(Work.REPORTS_QUARANTINED, 1)
    except DatabaseError:
        logger.exception("failure of report %d cannot be recorded; its lease will run out", row.pk)


def _keep_quarantined(row: Report, known: Leased | None) -> None:
    """What a quarantined report holds outlives the spool; of its payload only what could be cleaned.

    One that was tried again has left the spool long ago, and what was kept of it stays.
    """
    if not row.spool_file:
        return
    envelope = known.envelope if known else {"payload": {"format": "none"}}
    payload = known.payload if known else b""
    key = keys_of([row]).get(row.pk)
    if key is None:  # it is being erased
        return
    raw, raw_blob = keep_raw(row, payload, key)
    ReportContent.objects.update_or_create(
        report_id=row.pk,
        defaults={
            "document": sealed_document(row.pk, Document(envelope), key),
            "raw": raw,
            "raw_blob": raw_blob,
            "raw_format": envelope["payload"]["format"],
            "raw_bytes": len(payload),
            "scrubber_version": SCRUBBER_VERSION,
            "is_sealed": True,
        },
    )


def _clean_spool(names: set[str]) -> None:
    """Remove the spool files that no report names any more.

    Finished ones do not, but for those whose file could not be read: where that was a disk or a
    mount, it may be there again later. Dying in between is harmless: the reconciler finds a file
    without rows and nothing new in it.
    """
    unfinished = Report.objects.filter(spool_file__in=names).exclude(state=Report.State.DONE)
    needed = set(unfinished.values_list("spool_file", flat=True))
    for name in names - needed - {""}:
        spool().remove(name)


def _printable(text: str) -> str:
    return "".join(letter if letter.isprintable() else " " for letter in text)


def _kind(error: Exception) -> str:
    """The name of an error; its text may quote the report."""
    return type(error).__name__
