"""The blob store of this installation."""

import logging
import tempfile
from typing import IO

from django.conf import settings

from crashes.models import ReportContent
from crashes.packing import UnreadablePack
from crashes.selectors.contents import raw_of
from crashes.storage import BlobStore
from devices.selectors.data_keys import KeyRing

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


def stored_payload(content: ReportContent, keys: KeyRing | None = None) -> bytes | None:
    """The payload that is kept of a report; None where none is, or it cannot be read any more."""
    try:
        return raw_of(content, max_bytes=_MOST_PAYLOAD_BYTES, keys=keys)
    except (FileNotFoundError, UnreadablePack):
        logger.warning("the payload of report %d is gone", content.pk)
    return None
