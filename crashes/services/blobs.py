"""The blob store of this installation."""

import logging
import tempfile
from typing import IO

from django.conf import settings

from crashes.models import ReportContent
from crashes.packing import unpack
from crashes.storage import BlobStore

logger = logging.getLogger(__name__)

_IN_MEMORY_BYTES = 1 << 20
_MOST_PAYLOAD_BYTES = 512 << 20


def incoming_file() -> IO[bytes]:
    """A file without a name for an upload on its way.

    In memory while it is small, then beside the blobs: /tmp is often memory too, and small.
    """
    folder = settings.BLOB_DIR / "incoming"
    folder.mkdir(parents=True, exist_ok=True)
    return tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY_BYTES, dir=str(folder))


def blobs() -> BlobStore:
    """Where payloads, debug files and symcaches are."""
    return BlobStore(settings.BLOB_DIR)


def payload_key(report_pk: int) -> str:
    """Where the payload of a report is, when it is too large for its row."""
    return f"payloads/{report_pk % 256:02x}/{report_pk}"


def stored_payload(content: ReportContent) -> bytes | None:
    """The payload that is kept of a report; None where none is, or it cannot be read any more."""
    try:
        if content.raw_blob:
            return blobs().get(content.raw_blob, max_bytes=_MOST_PAYLOAD_BYTES)
        if content.raw is not None:
            return unpack(bytes(content.raw), max_bytes=_MOST_PAYLOAD_BYTES)
    except (FileNotFoundError, ValueError):
        logger.warning("the payload of report %d is gone", content.pk)
    return None
