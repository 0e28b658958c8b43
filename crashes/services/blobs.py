"""The blob store of this installation."""

import tempfile
from typing import IO

from django.conf import settings

from crashes.storage import BlobStore

_IN_MEMORY_BYTES = 1 << 20


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
