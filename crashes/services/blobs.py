"""The blob store of this installation."""

from django.conf import settings

from crashes.storage import BlobStore


def blobs() -> BlobStore:
    """Where payloads, debug files and symcaches are."""
    return BlobStore(settings.BLOB_DIR)
