"""What is from before there were keys gets its seal, and keys get the newest master key around them.

Each of these does some, oldest first, and tells how many, so that it can be stopped anywhere and go on
later. What cannot be read is left as it is and said to be done: nothing that a key could protect is
in it for anybody. What is being erased waits for the erasure.
"""

import logging
from collections.abc import Callable
from dataclasses import astuple, dataclass
from typing import TypeVar

from django.db import transaction
from django.db.models import QuerySet

from crashes.models import Attachment, Report, ReportContent
from crashes.packing import Document, UnreadablePack
from crashes.selectors.contents import document_of, keys_of_contents, raw_of
from crashes.selectors.sealed import ContentErased, read_blob
from crashes.services.attachments import forget_pieces
from crashes.services.blobs import blobs
from crashes.services.processing import keep_raw
from crashes.services.sealing import key_for, keys_of, put_blob, sealed_document
from devices.sealing.keys import DataKey
from devices.selectors.data_keys import KeyRing
from devices.services.data_keys import count_old_wraps, wrap_anew
from devices.services.vitals import count_unsealed_samples, seal_samples

logger = logging.getLogger(__name__)

_MAX_BYTES = 512 << 20
_FILES_AT_ONCE = 10
_Content = TypeVar("_Content", Document, bytes | None)


@dataclass(frozen=True, slots=True)
class Unsealed:
    """How much is not as it should be yet; `keys` are wrapped by an older master key."""

    reports: int
    attachments: int
    samples: int
    keys: int

    @property
    def total(self) -> int:
        """All of it."""
        return sum(astuple(self))


def count_unsealed() -> Unsealed:
    """What there is to do."""
    return Unsealed(
        _contents().count(), _attachments().count(), count_unsealed_samples(), count_old_wraps()
    )


def seal_contents(*, limit: int) -> int:
    """Seal the contents of up to `limit` reports; how many."""
    with transaction.atomic():
        found = _contents().select_for_update(of=("self",), skip_locked=True)
        rows = list(found.select_related("report").order_by("pk")[:limit])
        opener = keys_of_contents(rows)
        keys = keys_of(row.report for row in rows)
        obsolete = [_seal_content(row, keys[row.pk], opener) for row in rows if row.pk in keys]
    for blob_key in obsolete:
        if blob_key:
            blobs().remove(blob_key)
    return len(obsolete)


def _contents() -> QuerySet[ReportContent]:
    return ReportContent.objects.filter(is_sealed=False)


def _seal_content(row: ReportContent, key: DataKey, opener: KeyRing) -> str:
    """Store one; the key of a file that nobody names any more, or nothing."""
    report: Report = row.report
    old_blob = row.raw_blob
    row.is_sealed = True
    document = _read(row.pk, lambda: document_of(row, opener))
    if document is not None:
        row.document = sealed_document(row.pk, document, key)
        row.envelope = row.crash = row.grouping = None
    payload = _read(row.pk, lambda: raw_of(row, max_bytes=_MAX_BYTES, keys=opener))
    if payload is not None:
        row.raw, row.raw_blob = keep_raw(report, payload, key)
    row.save()
    return old_blob if old_blob != row.raw_blob else ""


def _read(pk: int, read: Callable[[], _Content]) -> _Content | None:
    try:
        return read()
    except ContentErased:
        return None
    except (FileNotFoundError, UnreadablePack):
        logger.warning("what is kept of report %d cannot be read, and is not sealed", pk)
        return None


def seal_attachments(*, limit: int) -> int:
    """Seal up to `limit` attachments; how many. Of those on their way the pieces are dropped.

    Their senders are told to begin anew.
    """
    done = 0
    for attachment in _attachments().order_by("pk")[: min(limit, _FILES_AT_ONCE)]:
        with transaction.atomic():
            done += _seal_attachment(attachment)
    return done


def _attachments() -> QuerySet[Attachment]:
    return Attachment.objects.filter(is_sealed=False)


def _seal_attachment(attachment: Attachment) -> bool:
    mine = _attachments().select_for_update(skip_locked=True).filter(pk=attachment.pk)
    if not mine.exists():
        return False
    if attachment.state == Attachment.State.PARTIAL:
        forget_pieces(attachment)
        return mine.update(is_sealed=True, received_bytes=0) == 1
    key = key_for(
        program_id=attachment.program_id,
        device_id=attachment.device_id,
        received_at=attachment.created_at,
    )
    if key is None:
        return False
    try:
        put_blob(attachment.blob, [read_blob(attachment.blob, max_bytes=_MAX_BYTES)], key)
    except (FileNotFoundError, UnreadablePack):
        logger.warning(
            "the bytes of attachment %d cannot be read, and are not sealed", attachment.pk
        )
    return mine.update(is_sealed=True) == 1


STEPS: tuple[tuple[str, Callable[..., int]], ...] = (
    ("reports", seal_contents),
    ("attachments", seal_attachments),
    ("samples", seal_samples),
    ("keys", wrap_anew),
)
"""What there is to do, by its name in `Unsealed`."""


def seal_some(*, limit: int) -> int:
    """Do some of everything; how much was done."""
    return sum(step(limit=limit) for _, step in STEPS)
