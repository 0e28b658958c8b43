"""The door: reports become durable, then they are acknowledged.

Uploads that arrive together are committed together: one spool file, one fsync, one insert. Under
load that turns a dozen fsyncs into one; a lone upload waits for nobody. The order is fixed:

1. the spool file is sealed (`spooled`), written, fsynced, renamed, and its folder fsynced;
2. one transaction looks at consent again, as it was from the reception on, and inserts the rows;
3. only then does anybody hear "accepted".

While the database is away, step 2 waits: the file is the promise, and the reconciler writes its
rows later, consent looked at then. The same happens to the file of a process that died between
1 and 2. A replay
meets the unique constraint and is a duplicate; its copy in the spool is not read by anyone.
"""

import contextlib
import logging
import queue
import threading
import uuid
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from django.conf import settings
from django.db import (
    DatabaseError,
    InterfaceError,
    OperationalError,
    close_old_connections,
    transaction,
)

from crashes.intake.report import Report as ReportDocument
from crashes.intake.report import envelope_of, occurred_at, report_from_envelope
from crashes.models import Report
from crashes.models.report import NO_DEVICE
from crashes.services.attachment_rows import (
    attachment_rows,
    awaited_payload,
    insert_attachments,
)
from crashes.services.spooled import read_file, seal_uploads, spool
from devices.scrubbing import scrub_struct, scrub_value
from devices.services.consent import hold_consent
from devices.services.work_counts import Work, count_work
from uxp_diag.db import insert_new
from uxp_diag.outage import database_outage

logger = logging.getLogger(__name__)

_MAX_BATCH = 200
_MAX_BATCH_BYTES = 8 << 20


class IntakeUnavailable(Exception):
    """Nothing was stored and nothing was promised; the same upload may be sent again."""


class Acceptance(StrEnum):
    """The door's answer for one report."""

    ACCEPTED = "accepted"
    DUPLICATE = "duplicate"
    CONSENT_WITHDRAWN = "consent_withdrawn"


@dataclass(frozen=True, slots=True)
class Upload:
    """One report on its way in. `device_id` is None without enrollment.

    `unknown_keys` counts the keys that were dropped because we have no word for them.
    """

    program_id: int
    device_id: uuid.UUID | None
    model: str
    report: ReportDocument
    payload: bytes
    received_at: datetime
    unknown_keys: int = 0

    @property
    def key(self) -> tuple[int, uuid.UUID, uuid.UUID]:
        """What makes a replay a replay."""
        return (self.program_id, self.device_id or NO_DEVICE, self.report.report_id)


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of one upload. `pk` is the row's number when it is new."""

    acceptance: Acceptance
    pk: int | None = None


def accept_reports(uploads: Sequence[Upload]) -> list[Receipt]:
    """Make reports durable; one receipt each, in order. Raises IntakeUnavailable.

    What the envelopes say is scrubbed here, before it is written anywhere; payloads are not looked
    into before a worker does (`cleaning`).
    """
    uploads = [_clean(upload) for upload in uploads]
    if not settings.INTAKE_GROUP_COMMIT:
        return _commit(uploads)
    return _shared.get().commit(uploads)


def _clean(upload: Upload) -> Upload:
    report = scrub_struct(upload.report)
    model = scrub_value("model", upload.model)
    if report is upload.report and model == upload.model:
        return upload
    return replace(upload, report=report, model=model)


def _commit(uploads: Sequence[Upload]) -> list[Receipt]:
    records = seal_uploads([(_header(upload), upload.payload) for upload in uploads])
    try:
        name = spool().write(*records)
    except OSError as error:
        raise IntakeUnavailable(f"the spool cannot be written: {error.strerror}") from error
    if database_outage.is_on():
        return _promise(uploads)
    try:
        receipts = _insert_rows(uploads, [len(record) for record in records], name)
    except (OperationalError, InterfaceError):
        database_outage.begin()
        return _promise(uploads)
    except DatabaseError:
        remove_unnamed(name)
        raise
    if not any(receipt.pk for receipt in receipts):
        remove_unnamed(name)
    return receipts


def _promise(uploads: Sequence[Upload]) -> list[Receipt]:
    """Receipts for what is in the spool and has no rows yet."""
    logger.warning("the database is away; %d reports wait in the spool", len(uploads))
    return [Receipt(Acceptance.ACCEPTED) for _ in uploads]


def remove_unnamed(name: str) -> None:
    """Remove a spool file in which nothing was new, unless rows name it all the same.

    They do when writer and reconciler met: one of them was slow between file and rows, and the
    other one has written them meanwhile. What cannot be told now is left to the reconciler.
    """
    try:
        is_named = Report.objects.filter(spool_file=name).exists()
    except (DatabaseError, InterfaceError):
        return
    if not is_named:
        spool().remove(name)


def _insert_rows(uploads: Sequence[Upload], lengths: Sequence[int], name: str) -> list[Receipt]:
    rows, offset = [], 0
    for upload, length in zip(uploads, lengths, strict=True):
        rows.append(_row(upload, spool_file=name, spool_offset=offset, spool_length=length))
        offset += length
    with transaction.atomic():
        covered = _covered(rows)
        inserted = insert_new(
            [row for row, is_covered in zip(rows, covered, strict=True) if is_covered],
            conflict=["program_id", "device_id", "report_id"],
            returning=["program_id", "device_id", "report_id", "id"],
        )
        _note_attachments(uploads, inserted)
        count_work(Work.REPORTS_ACCEPTED, len(inserted))
    new = {(program, device, report): pk for program, device, report, pk in inserted}
    receipts = []
    for upload, is_covered in zip(uploads, covered, strict=True):
        if not is_covered:
            receipts.append(Receipt(Acceptance.CONSENT_WITHDRAWN))
        elif (pk := new.pop(upload.key, None)) is not None:
            receipts.append(Receipt(Acceptance.ACCEPTED, pk))
        else:
            receipts.append(Receipt(Acceptance.DUPLICATE))
    return receipts


def _covered(rows: Sequence[Report]) -> list[bool]:
    """Whether each may be stored: its owner allows it, and has from its reception on.

    Runs inside the transaction that stores them.
    """
    enrolled = frozenset(row.device_id for row in rows) - {NO_DEVICE}
    if not enrolled:
        return [True] * len(rows)
    held = hold_consent(enrolled, since=min(row.received_at for row in rows))
    return [
        row.device_id == NO_DEVICE or held.covers(row.device_id, received_at=row.received_at)
        for row in rows
    ]


def _note_attachments(uploads: Sequence[Upload], inserted: Sequence[tuple[Any, ...]]) -> None:
    """Write down what the new ones among the reports announce, in the transaction of their rows."""
    announcing = {upload.key: upload for upload in reversed(uploads) if upload.report.attachments}
    rows = []
    for program_id, device_id, report_id, _ in inserted if announcing else ():
        upload = announcing.get((program_id, device_id, report_id))
        if upload is not None:
            rows += attachment_rows(
                upload.report,
                upload.payload,
                program_id=program_id,
                device_id=device_id,
                received_at=upload.received_at,
            )
    insert_attachments(rows)


def _header(upload: Upload) -> dict[str, Any]:
    return {
        "program_id": upload.program_id,
        "device_id": str(upload.device_id) if upload.device_id else None,
        "model": upload.model,
        "received_at": upload.received_at,
        "envelope": envelope_of(upload.report),
    }


def _row(upload: Upload, *, spool_file: str, spool_offset: int, spool_length: int) -> Report:
    report = upload.report
    awaits = awaited_payload(report, upload.payload) is not None
    return Report(
        program_id=upload.program_id,
        device_id=upload.device_id or NO_DEVICE,
        report_id=report.report_id,
        state=Report.State.AWAITING if awaits else Report.State.RECEIVED,
        kind=report.kind.value,
        received_at=upload.received_at,
        occurred_at=occurred_at(report, received_at=upload.received_at),
        spool_file=spool_file,
        spool_offset=spool_offset,
        spool_length=spool_length,
        model=upload.model,
        os_version=report.software.os_version,
        os_build=report.software.os_build,
        process=report.process,
        package=report.app.package,
        version_name=report.app.version_name,
        version_code=report.app.version_code,
        mcc=report.network.mcc,
        mnc=report.network.mnc,
    )


def adopt_spool_file(name: str) -> int:
    """Write the rows of a spool file that no row names; how many reports were new.

    For files from while the database was away, and of a writer that died between fsync and
    commit. What was received before its owner withdrew consent is not taken, even if something was
    allowed again since. A file with nothing new is removed, unless part of it is damaged: then it stays for
    somebody to look at.
    """
    try:
        data = spool().read_all(name)
    except FileNotFoundError:  # its writer was only slow
        return 0
    found = read_file(data)
    uploads = [_upload_from(record.header, record.payload) for record in found.records]
    rows = [
        _row(upload, spool_file=name, spool_offset=record.offset, spool_length=record.length)
        for upload, record in zip(uploads, found.records, strict=True)
    ]
    with transaction.atomic():
        inserted = insert_new(
            [row for row, is_covered in zip(rows, _covered(rows), strict=True) if is_covered],
            conflict=["program_id", "device_id", "report_id"],
            returning=["program_id", "device_id", "report_id", "id"],
        )
        _note_attachments(uploads, inserted)
        count_work(Work.REPORTS_ACCEPTED, len(inserted))
    if found.damaged_at is not None:
        logger.error("spool file %s is damaged behind byte %d", name, found.damaged_at)
    elif not inserted:
        remove_unnamed(name)
    return len(inserted)


def _upload_from(header: dict[str, Any], payload: bytes) -> Upload:
    device_id = header["device_id"]
    return Upload(
        program_id=header["program_id"],
        device_id=uuid.UUID(device_id) if device_id else None,
        model=header["model"],
        report=report_from_envelope(header["envelope"]),
        payload=payload,
        received_at=datetime.fromisoformat(header["received_at"]),
    )


@dataclass(slots=True)
class _Waiting:
    uploads: Sequence[Upload]
    done: "Future[list[Receipt]]"


class Committer:
    """One thread of a web process that commits what the request threads bring, together."""

    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[_Waiting] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="committer", daemon=True)
        self._thread.start()

    def commit(self, uploads: Sequence[Upload]) -> list[Receipt]:
        """Wait until the uploads are durable. Raises IntakeUnavailable."""
        waiting = _Waiting(uploads, Future())
        self._queue.put(waiting)
        return waiting.done.result()

    def _run(self) -> None:
        while True:
            group = self._next_group()
            with contextlib.suppress(DatabaseError, InterfaceError):  # it is closed all the same
                close_old_connections()
            self._commit_group(group)

    def _next_group(self) -> list[_Waiting]:
        """Whatever waits now, at least one."""
        group = [self._queue.get()]
        reports = len(group[0].uploads)
        size = sum(len(upload.payload) for upload in group[0].uploads)
        while reports < _MAX_BATCH and size < _MAX_BATCH_BYTES:
            try:
                waiting = self._queue.get_nowait()
            except queue.Empty:
                break
            group.append(waiting)
            reports += len(waiting.uploads)
            size += sum(len(upload.payload) for upload in waiting.uploads)
        return group

    def _commit_group(self, group: Sequence[_Waiting]) -> None:
        """All together; when the database refuses that, each by itself, to find the one to blame."""
        try:
            receipts = iter(_commit([upload for waiting in group for upload in waiting.uploads]))
        except DatabaseError as error:
            if len(group) == 1:
                group[0].done.set_exception(error)
                return
            for waiting in group:
                self._commit_group([waiting])
        except Exception as error:
            for waiting in group:
                waiting.done.set_exception(error)
        else:
            for waiting in group:
                waiting.done.set_result([next(receipts) for _ in waiting.uploads])


class _Shared:
    """The committer of this process, made by its first upload.

    First uploads come together, and two committers would not group what they bring.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._committer: Committer | None = None

    def get(self) -> Committer:
        """The committer."""
        with self._lock:
            if self._committer is None:
                self._committer = Committer()
            return self._committer


_shared = _Shared()
