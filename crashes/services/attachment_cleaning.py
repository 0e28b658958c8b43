"""Whole attachments are cleaned soon after they came, and again when the rules have learned more.

Until then the blob is as the device sent it, as the spool is, and nobody is shown it. One that cannot
be cleaned is forgotten: the row stays, and its blob is empty.
"""

import logging

from django.db import transaction
from django.db.models import QuerySet

from crashes.models import Attachment
from crashes.packing import UnreadablePack
from crashes.selectors.sealed import ContentErased, read_blob
from crashes.services.cleaning import clean_all
from crashes.services.sealing import key_for, put_blob
from crashes.stack import PayloadFormat
from devices.scrubbing import SCRUBBER_VERSION
from uxp_diag.sandbox import FailureReason, JobRefused, SandboxFailure

logger = logging.getLogger(__name__)

_MAX_BYTES = 512 << 20
_FORMATS = frozenset(PayloadFormat)


def clean_attachments(*, limit: int) -> int:
    """Clean up to `limit` whole attachments, oldest first; how many there were."""
    found = list(_unclean().order_by("pk")[:limit])
    for attachment in found:
        _clean(attachment)
    return len(found)


def count_unclean_attachments() -> int:
    """How many whole attachments are behind the rules of today."""
    return _unclean().count()


def _unclean() -> QuerySet[Attachment]:
    return Attachment.objects.filter(
        state=Attachment.State.COMPLETE, scrubber_version__lt=SCRUBBER_VERSION
    )


def _clean(attachment: Attachment) -> None:
    try:
        content = read_blob(attachment.blob, max_bytes=_MAX_BYTES)
    except ContentErased:  # the erasure takes row and file
        Attachment.objects.filter(pk=attachment.pk).update(scrubber_version=SCRUBBER_VERSION)
        return
    except (FileNotFoundError, UnreadablePack):
        logger.warning("the bytes of attachment %d are gone", attachment.pk)
        content = b""
    claimed = attachment.format
    payload_format = PayloadFormat(claimed) if claimed in _FORMATS else PayloadFormat.NONE
    (outcome,) = clean_all([(payload_format, content)])
    if isinstance(outcome, SandboxFailure) and outcome.reason is FailureReason.UNAVAILABLE:
        return
    if isinstance(outcome, JobRefused | SandboxFailure):
        logger.warning("attachment %d cannot be cleaned and is not kept", attachment.pk)
        outcome = b""
    with transaction.atomic():
        mine = Attachment.objects.select_for_update().filter(pk=attachment.pk)
        if not mine.exists():  # it was erased meanwhile, and its bytes stay away
            return
        if outcome is not content or not attachment.is_sealed:
            key = key_for(
                program_id=attachment.program_id,
                device_id=attachment.device_id,
                received_at=attachment.created_at,
            )
            if key is None:  # it is being erased
                return
            put_blob(attachment.blob, [outcome], key)
        mine.update(scrubber_version=SCRUBBER_VERSION, is_sealed=True)
