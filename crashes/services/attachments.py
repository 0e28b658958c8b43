"""Files that follow their report in pieces, over as many connections as it takes.

    find_attachment   what its sender may continue
    progress_of       how much is here and on disk: where to go on
    append            take more of it, exactly behind what is here
    finish            check the whole, keep it, and give it to the report that waits for it
    tend_attachments  give up waiting, and forget what never became whole

The truth about a partial file is the file: it is fsynced before its size is told to anybody, so a
sender never throws away what a power cut takes from us. Pieces and blob are sealed with the key of
the device. A whole file is kept in this order:

1. its SHA-256 is compared; a file that differs is dropped and may be sent again from the start;
2. the blob is durable;
3. one transaction looks at consent again, calls the file complete, and frees the report;
4. only then does anybody hear 201, and the pieces are removed.

A process that dies before 3 leaves all the pieces, and asking again finishes them. A report that
waits for its payload is digested when that has come, once; after a day it is digested without.
"""

import hashlib
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import NoReturn

from django.db import transaction

from crashes.models import Attachment, Report
from crashes.models.report import NO_DEVICE
from crashes.selectors.sealed import blob_place
from crashes.services.blobs import blobs
from crashes.services.sealing import key_for, put_blob
from crashes.storage import GrowingFile, WrongOffset
from devices.sealing import BrokenSeal
from devices.sealing.streams import CHUNK, FileHead, PieceSealer, gathered
from devices.selectors.data_keys import KeyDestroyed, KeyRing
from devices.services.consent import hold_consent

Announced = Attachment
"""An announced file, for those who hand it from one of these functions to the next."""

AWAITED_FOR = timedelta(hours=24)
FORGOTTEN_AFTER = timedelta(hours=72)
_CHUNK = 500


class UnknownAttachment(Exception):
    """The sender has announced no such file, or too long ago."""


class AttachmentRefused(Exception):
    """What was sent is not, or does not continue, the file. `code` is stable.

    `expected_offset` is where the file goes on, when that is what was wrong.
    """

    def __init__(self, code: str, detail: str, *, expected_offset: int | None = None) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.expected_offset = expected_offset


class ConsentGone(Exception):
    """The owner withdrew consent while the file was on its way; nothing of it is kept."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How much of a file is here and on disk, in bytes."""

    received_bytes: int
    size_bytes: int
    is_complete: bool

    @property
    def is_all_here(self) -> bool:
        """Whether nothing is missing, checked or not."""
        return self.received_bytes == self.size_bytes


@dataclass(frozen=True, slots=True)
class Finished:
    """A file that is whole and kept. `report_pk` is the report that may be digested now."""

    is_new: bool
    report_pk: int | None = None


def find_attachment(
    *, program_id: int, device_id: uuid.UUID | None, report_id: uuid.UUID, sha256: str
) -> Attachment:
    """The file that this sender has announced. Raises UnknownAttachment."""
    try:
        return Attachment.objects.get(
            program_id=program_id,
            device_id=device_id or NO_DEVICE,
            report_id=report_id,
            sha256=sha256,
        )
    except Attachment.DoesNotExist:
        raise UnknownAttachment from None


def progress_of(attachment: Attachment) -> Progress:
    """How far a file is. What this says is on disk."""
    size = attachment.size_bytes
    if attachment.state == Attachment.State.COMPLETE:
        return Progress(size, size, is_complete=True)
    try:
        with _growing(attachment, may_be_new=False) as file:
            return Progress(file.sync(), size, is_complete=False)
    except FileNotFoundError:
        return Progress(0, size, is_complete=False)


def _growing(attachment: Attachment, *, may_be_new: bool = True) -> GrowingFile:
    """The pieces of a file. Raises UnknownAttachment when its sender's key is destroyed."""
    place = blob_place(attachment.blob)

    def sealer(head: FileHead | None) -> PieceSealer:
        if head is not None:
            return PieceSealer.of(head, KeyRing().key(head.key_id), place)
        with transaction.atomic():
            key = key_for(
                program_id=attachment.program_id,
                device_id=attachment.device_id,
                received_at=attachment.created_at,
            )
        if key is None:
            raise KeyDestroyed
        return PieceSealer.fresh(key, about=place)

    try:
        return GrowingFile(_partial(attachment), sealer, may_be_new=may_be_new)
    except (KeyDestroyed, BrokenSeal):
        forget_files([attachment])
        raise UnknownAttachment from None


def append(attachment: Attachment, pieces: Iterable[bytes], *, start: int | None) -> Progress:
    """Take more of a file, from byte `start`; None for all of it, of which the beginning is skipped.

    Pieces are gathered to 64 KiB, so that small ones cost no more. What came before an error stays. Raises AttachmentRefused,
    UnknownAttachment if it was erased meanwhile, OSError, and what `pieces` raises.
    """
    with _growing(attachment) as file:
        held = file.size
        try:
            if start is None:
                rest = gathered(_behind(pieces, held), CHUNK)
                _append(file, rest, held, attachment.size_bytes)
            else:
                _append(file, gathered(pieces, CHUNK), start, attachment.size_bytes)
        except WrongOffset as problem:
            raise AttachmentRefused(
                "offset_mismatch",
                f"The next byte of this file is {problem.size}.",
                expected_offset=problem.size,
            ) from None
        finally:
            received = file.sync()
            mine = Attachment.objects.filter(pk=attachment.pk)
            is_known = mine.update(received_bytes=received) == 1
    if not is_known:
        _end_unknown(attachment)
    return progress_of(attachment)


def _end_unknown(attachment: Attachment) -> NoReturn:
    """Its owner's data was erased while it was on its way, so its bytes go as well."""
    forget_files([attachment])
    raise UnknownAttachment


def _append(file: GrowingFile, pieces: Iterable[bytes], offset: int, size_bytes: int) -> None:
    if offset != file.size:
        raise WrongOffset(file.size)
    for piece in pieces:
        if offset + len(piece) > size_bytes:
            raise AttachmentRefused("size_mismatch", "The file is longer than it was announced.")
        file.append(piece, offset=offset)
        offset += len(piece)


def _behind(pieces: Iterable[bytes], count: int) -> Iterator[bytes]:
    """The bytes without the first `count`."""
    for piece in pieces:
        if count < len(piece):
            yield piece[count:]
        count = max(0, count - len(piece))


def finish(attachment: Attachment) -> Finished:
    """Keep a file of which everything is here.

    Raises AttachmentRefused for one that is not what its SHA-256 says, ConsentGone, OSError, and
    UnknownAttachment if it was erased meanwhile.
    """
    path = _partial(attachment)
    try:
        with _growing(attachment, may_be_new=False) as file:
            _check(attachment, file)
            put_blob(attachment.blob, file.pieces(), KeyRing().key(file.key_id))
    except FileNotFoundError:  # another connection of the same sender has finished it
        return _finished_by_another(attachment)
    except KeyDestroyed:
        _end_unknown(attachment)
    finished = _settle(attachment)
    path.unlink(missing_ok=True)
    return finished


def _check(attachment: Attachment, file: GrowingFile) -> None:
    if file.size != attachment.size_bytes or _sha256(file) != attachment.sha256:
        _partial(attachment).unlink(missing_ok=True)
        Attachment.objects.filter(pk=attachment.pk).update(received_bytes=0)
        raise AttachmentRefused(
            "checksum_mismatch", "The file is not what its SHA-256 says; it was dropped."
        )


def _sha256(file: GrowingFile) -> str | None:
    """Of what is here; None when a power cut left something else."""
    digest = hashlib.sha256()
    try:
        for piece in file.pieces():
            digest.update(piece)
    except BrokenSeal:
        return None
    return digest.hexdigest()


def _finished_by_another(attachment: Attachment) -> Finished:
    attachment.refresh_from_db(fields=["state"])
    if attachment.state != Attachment.State.COMPLETE:
        raise AttachmentRefused("checksum_mismatch", "The file was dropped.")
    return Finished(is_new=False)


def _settle(attachment: Attachment) -> Finished:
    """The transaction that makes a file complete and frees the report that waits for it."""
    report_pk = None
    with transaction.atomic():
        enrolled = frozenset({attachment.device_id} - {NO_DEVICE})
        is_allowed = hold_consent(enrolled).device_ids == enrolled
        is_new = is_allowed and _complete(attachment)
        if is_new:
            report_pk = _free_report(attachment)
    if not is_allowed:
        _forget(attachment)
        raise ConsentGone
    if not is_new and not Attachment.objects.filter(pk=attachment.pk).exists():
        _end_unknown(attachment)
    return Finished(is_new, report_pk)


def _complete(attachment: Attachment) -> bool:
    """Call a file complete; whether it was not so already."""
    mine = Attachment.objects.filter(pk=attachment.pk, state=Attachment.State.PARTIAL)
    changed = mine.update(state=Attachment.State.COMPLETE, received_bytes=attachment.size_bytes)
    return changed == 1


def _free_report(attachment: Attachment) -> int | None:
    """Let the report be digested that waits for this file, whose worker takes it; its number."""
    mine = Attachment.objects.filter(pk=attachment.pk, is_payload=True)
    report = _waiting(attachment) if mine.exists() else None
    if report is None:
        return None
    waiting = Report.objects.filter(pk=report.pk, state=Report.State.AWAITING)
    return report.pk if waiting.update(state=Report.State.RECEIVED) else None


def _waiting(attachment: Attachment) -> Report | None:
    return Report.objects.filter(
        program_id=attachment.program_id,
        device_id=attachment.device_id,
        report_id=attachment.report_id,
        state=Report.State.AWAITING,
    ).first()


def tend_attachments(*, now: datetime) -> None:
    """Free the reports that have waited long enough; forget files that never became whole."""
    partial = Attachment.objects.filter(state=Attachment.State.PARTIAL)
    overdue = partial.filter(is_payload=True, created_at__lte=now - AWAITED_FOR)
    for attachment in overdue.order_by("created_at", "pk")[:_CHUNK]:
        _wait_no_more(attachment)
    for attachment in partial.filter(created_at__lte=now - FORGOTTEN_AFTER)[:_CHUNK]:
        _forget(attachment)


@transaction.atomic
def _wait_no_more(attachment: Attachment) -> None:
    """What comes later is kept, and is not the payload."""
    awaited = Attachment.objects.filter(
        pk=attachment.pk, state=Attachment.State.PARTIAL, is_payload=True
    )
    if not awaited.update(is_payload=False):
        return
    report = _waiting(attachment)
    if report is not None:
        mine = Report.objects.filter(pk=report.pk, state=Report.State.AWAITING)
        mine.update(state=Report.State.RECEIVED)


def _forget(attachment: Attachment) -> None:
    """Row and bytes of a partial file; whoever waits for it waits no more."""
    _wait_no_more(attachment)
    with transaction.atomic():
        mine = Attachment.objects.select_for_update().filter(pk=attachment.pk)
        if mine.exclude(state=Attachment.State.PARTIAL).exists():
            return
        forget_files([attachment])
        mine.delete()


def forget_files(attachments: Iterable[Attachment]) -> None:
    """Remove the bytes of files, whole or not; their rows are the caller's."""
    for attachment in attachments:
        _partial(attachment).unlink(missing_ok=True)
        blobs().remove(attachment.blob)


def forget_pieces(attachment: Attachment) -> None:
    """Remove what has come of a file that is on its way: its sender begins anew."""
    _partial(attachment).unlink(missing_ok=True)


def _partial(attachment: Attachment) -> Path:
    """Where the pieces gather."""
    path = blobs().path(attachment.blob)
    return path.with_name(f"{path.name}.partial")
