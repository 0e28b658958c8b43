"""A small value of a row, sealed.

    "UXS1" | id of the data key, 16 bytes | nonce, 12 bytes | AES-256-GCM, with a tag of 16 bytes

What the value is of (table, column, row) is authenticated with it, so values cannot change places. Bytes
that do not begin like this are from before there were seals, and are read as they are.
"""

import os
import uuid

from cryptography.exceptions import InvalidTag

from devices.sealing import BrokenSeal
from devices.sealing.keys import NONCE_BYTES, DataKey

_MAGIC = b"UXS1"
_KEY_END = 20
_HEAD_BYTES = _KEY_END + NONCE_BYTES


def is_sealed(data: bytes) -> bool:
    """Whether a value is sealed."""
    return data[: len(_MAGIC)] == _MAGIC


def key_of(data: bytes) -> uuid.UUID:
    """The id of the key that a sealed value opens with. Raises BrokenSeal."""
    if not is_sealed(data) or len(data) < _HEAD_BYTES:
        raise BrokenSeal("no sealed value")
    return uuid.UUID(bytes=data[len(_MAGIC) : _KEY_END])


def seal(value: bytes, key: DataKey, *, about: str) -> bytes:
    """The value, sealed."""
    nonce = os.urandom(NONCE_BYTES)
    return b"".join((_MAGIC, key.id.bytes, nonce, key.cipher.encrypt(nonce, value, about.encode())))


def open_value(data: bytes, key: DataKey, *, about: str) -> bytes:
    """The value that was sealed for this place. Raises BrokenSeal."""
    if key_of(data) != key.id:
        raise BrokenSeal("sealed with another key")
    try:
        return key.cipher.decrypt(data[_KEY_END:_HEAD_BYTES], data[_HEAD_BYTES:], about.encode())
    except InvalidTag:
        raise BrokenSeal("not what was sealed here") from None
