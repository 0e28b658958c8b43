"""Keys: a random one for each device, wrapped by a master key.

What a device sent is sealed with its data key (256 bits). The table holds data keys only wrapped:
AES-256-GCM under a master key, which is derived from a secret of the settings (HKDF-SHA-256,
RFC 5869), so the secret can be any long random text. Deleting one row makes everything unreadable that
was sealed with that key, wherever a copy of it lies. Master keys have ids; the newest wraps, older
ones still unwrap, and wrapping anew costs one small row per device.

Clients without enrollment are tied to no person; theirs is a key per program and month.
"""

import hmac
import os
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from devices.sealing import BrokenSeal, InvalidSealingKeys

KEY_BYTES = 32
NONCE_BYTES = 12
_MIN_SECRET_LENGTH = 32


class MasterKeyMissing(Exception):
    """A data key is wrapped by a master key that is not among UXP_SEALING_KEYS."""


@dataclass(frozen=True, slots=True)
class DataKey:
    """The key of one device, or of one program and month. Not to be kept longer than a batch."""

    id: uuid.UUID
    secret: bytes = field(repr=False)
    cipher: AESGCM = field(repr=False, compare=False)

    @classmethod
    def of(cls, key_id: uuid.UUID, secret: bytes) -> "DataKey":
        """The key with these bytes."""
        return cls(key_id, secret, AESGCM(secret))

    @classmethod
    def fresh(cls) -> "DataKey":
        """A new random key."""
        return cls.of(uuid.uuid4(), os.urandom(KEY_BYTES))

    @property
    def alias(self) -> uuid.UUID:
        """What the audit calls the device. Nobody can lead it back once the key is destroyed."""
        digest = hmac.digest(self.secret, b"uxp_diag audit alias 1", "sha256")
        return uuid.UUID(bytes=digest[:16], version=4)


@dataclass(frozen=True, slots=True)
class MasterKeys:
    """What data keys are wrapped with; `newest` wraps."""

    newest: int
    ciphers: Mapping[int, AESGCM] = field(repr=False)

    def wrap(self, key: DataKey) -> bytes:
        """A data key as it is stored."""
        nonce = os.urandom(NONCE_BYTES)
        return nonce + self.ciphers[self.newest].encrypt(nonce, key.secret, key.id.bytes)

    def unwrap(self, wrapped: bytes, *, key_id: uuid.UUID, master_key: int) -> DataKey:
        """The data key that was wrapped. Raises MasterKeyMissing, BrokenSeal."""
        cipher = self.ciphers.get(master_key)
        if cipher is None:
            raise MasterKeyMissing(
                f"A data key is wrapped by master key {master_key}, which is not among "
                "UXP_SEALING_KEYS. Put it back."
            )
        try:
            secret = cipher.decrypt(wrapped[:NONCE_BYTES], wrapped[NONCE_BYTES:], key_id.bytes)
        except (InvalidTag, ValueError):
            raise BrokenSeal("not the data key that was wrapped") from None
        return DataKey.of(key_id, secret)


def parse_master_keys(text: str) -> MasterKeys:
    """Keys from `id:secret,id:secret`; the highest id is the newest; a bare secret is id 1.

    Raises InvalidSealingKeys for an empty list, a short secret or a repeated id.
    """
    pairs = [_parse(item.strip()) for item in text.split(",") if item.strip()]
    if not pairs:
        raise InvalidSealingKeys("UXP_SEALING_KEYS holds no key.")
    ciphers = dict(pairs)
    if len(ciphers) != len(pairs):
        raise InvalidSealingKeys("UXP_SEALING_KEYS names one id twice.")
    return MasterKeys(max(ciphers), ciphers)


def _parse(item: str) -> tuple[int, AESGCM]:
    key_id, separator, secret = item.partition(":")
    if not separator:
        key_id, secret = "1", item
    if not (key_id.isascii() and key_id.isdigit() and int(key_id) < 1 << 31):
        raise InvalidSealingKeys("An id in UXP_SEALING_KEYS is no whole number.")
    if len(secret) < _MIN_SECRET_LENGTH:
        raise InvalidSealingKeys(
            f"A secret in UXP_SEALING_KEYS is shorter than {_MIN_SECRET_LENGTH} characters."
        )
    derive = HKDF(SHA256(), length=KEY_BYTES, salt=None, info=b"uxp_diag master key 1")
    return int(key_id), AESGCM(derive.derive(secret.encode()))


def device_holder(device_id: uuid.UUID) -> str:
    """Who has a device's key."""
    return f"device/{device_id.hex}"


def program_holder(program_id: int, day: date) -> str:
    """Who has the key of what clients without enrollment sent to a program in the month of a day."""
    return f"program/{program_id}/{day:%Y-%m}"
