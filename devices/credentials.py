"""How credentials look: a prefix that says what it is, then random characters.

`uxpi_` ingest key, `uxpd_` device token, `uxpa_` API token. Tokens hold 256 random bits, so a
plain SHA-256 is all that has to be kept of one.
"""

import hashlib
import secrets

INGEST_PREFIX = "uxpi_"
DEVICE_PREFIX = "uxpd_"
API_PREFIX = "uxpa_"


def new_ingest_key() -> str:
    """A fresh ingest key; its last 32 characters are hex, as SDKs want of a public key."""
    return INGEST_PREFIX + secrets.token_hex(16)


def new_token(prefix: str) -> str:
    """A fresh token with 256 random bits behind the prefix."""
    return prefix + secrets.token_urlsafe(32)


def hash_token(token: str) -> bytes:
    """The 32 bytes that are kept of a token."""
    return hashlib.sha256(token.encode()).digest()
