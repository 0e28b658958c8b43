"""Receipts of erasure: signed, chained, without anything that names a device.

A receipt says what was there before and after, store by store, and when. It is signed with Ed25519
(RFC 8032) over its canonical JSON (sorted keys, no spaces, as in RFC 8785 for the plain values used
here), and names the hash of the receipt before it, so that none can be taken out unnoticed.
Anybody can verify one offline with the cell's public key:

    {"receipt": {...}, "algorithm": "Ed25519", "public_key": "…", "signature": "…"}

Bytes are base64. The key is derived from a secret (HKDF-SHA-256, RFC 5869), so the secret can be any
long random text.
"""

import base64
import binascii
import hashlib
import json
from collections.abc import Mapping
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

RECEIPT_VERSION = 1
ALGORITHM = "Ed25519"
_MIN_SECRET_LENGTH = 32
_KEY_BYTES = 32


class BadReceipt(Exception):
    """The receipt is not what the key's owner signed; the text says what is wrong."""


class WeakReceiptKey(Exception):
    """The secret is too short to sign with."""


def signing_key(secret: str) -> Ed25519PrivateKey:
    """The key that a secret stands for. Raises WeakReceiptKey."""
    if len(secret) < _MIN_SECRET_LENGTH:
        raise WeakReceiptKey(f"UXP_RECEIPT_KEY is shorter than {_MIN_SECRET_LENGTH} characters.")
    derive = HKDF(SHA256(), length=_KEY_BYTES, salt=None, info=b"uxp_diag erasure receipts")
    return Ed25519PrivateKey.from_private_bytes(derive.derive(secret.encode()))


def public_key_of(key: Ed25519PrivateKey) -> str:
    """What others verify with."""
    return _text(key.public_key().public_bytes_raw())


def sign(content: Mapping[str, Any], key: Ed25519PrivateKey) -> dict[str, Any]:
    """A receipt with this content."""
    receipt = {**content, "version": RECEIPT_VERSION}
    return {
        "receipt": receipt,
        "algorithm": ALGORITHM,
        "public_key": public_key_of(key),
        "signature": _text(key.sign(_canonical(receipt))),
    }


def hash_of(signed: Mapping[str, Any]) -> str:
    """What the next receipt names this one by: SHA-256 in hex."""
    return hashlib.sha256(_canonical(signed)).hexdigest()


def verify(signed: Any, *, public_key: str | None = None) -> dict[str, Any]:
    """The content of a receipt. Raises BadReceipt.

    With `public_key`, the receipt must be signed by that key; without, only that nothing of it was
    changed since somebody signed it.
    """
    if not isinstance(signed, dict) or signed.keys() != {
        "receipt", "algorithm", "public_key", "signature"
    }:  # fmt: skip
        raise BadReceipt("This is not a receipt.")
    if signed["algorithm"] != ALGORITHM:
        raise BadReceipt("The receipt is signed in a way that is not known here.")
    if public_key is not None and signed["public_key"] != public_key:
        raise BadReceipt("The receipt is signed by another key.")
    try:
        key = Ed25519PublicKey.from_public_bytes(_bytes(signed["public_key"]))
        key.verify(_bytes(signed["signature"]), _canonical(signed["receipt"]))
    except (InvalidSignature, ValueError, TypeError):
        raise BadReceipt("The receipt was changed after it was signed.") from None
    content = signed["receipt"]
    if not isinstance(content, dict) or content.get("version") != RECEIPT_VERSION:
        raise BadReceipt("The receipt is of a version that is not known here.")
    return content


def _canonical(value: Any) -> bytes:
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    ).encode()


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _bytes(text: Any) -> bytes:
    """Strict base64: another spelling of the same bytes is another receipt. Raises ValueError."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, TypeError) as problem:
        raise ValueError("no base64") from problem
    if _text(data) != text:
        raise ValueError("not the usual spelling")
    return data
