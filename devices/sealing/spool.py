"""The spool, sealed: whoever writes it cannot read it.

The door has a public key. For each spool file it makes a key pair that nobody keeps (X25519,
RFC 7748), and the secret between the two, through HKDF-SHA-256 (RFC 5869), is the key of that file's
records. The worker has the private key, and gets the same secret from the public half that every
record carries. So one file costs two multiplications, however many uploads share it.

    "UXE1" | key id, 4 bytes | public half, 32 bytes | number of the record in its file, 4 bytes
    | 1 for the last record of the file, else 0 | length of the record, 8 bytes
    chunks of 1 MiB, each AES-256-GCM with its tag of 16 bytes

Numbers are big-endian. The head is authenticated with every chunk, and the nonce is the number of the
record, the number of the chunk, and whether it is the record's last. So a record that was changed, cut
or put in another's place does not open, and the others of its file do. That a whole record is missing
at the end shows in the file: its last one is not marked as such.
"""

import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from devices.sealing import BrokenSeal, InvalidSealingKeys

_MAGIC = b"UXE1"
_HEAD = struct.Struct(">4sI32sIBQ")
_NONCE = struct.Struct(">III")
_CHUNK = 1 << 20
_TAG = 16
_KEY_BYTES = 32
_MOST_BYTES = 1 << 32


class SpoolKeyMissing(Exception):
    """A record is sealed to a key that is not here; `key_id` says which."""

    def __init__(self, key_id: int) -> None:
        super().__init__(f"it is sealed to spool key {key_id}, which is not among UXP_SPOOL_KEYS")
        self.key_id = key_id


@dataclass(frozen=True, slots=True)
class SpoolPublicKey:
    """What the door seals to."""

    key_id: int
    key: bytes

    @property
    def text(self) -> str:
        """As UXP_SPOOL_PUBLIC_KEY has it."""
        return f"{self.key_id}:{self.key.hex()}"


@dataclass(frozen=True, slots=True)
class SealedRecord:
    """One record in a spool file, still sealed."""

    offset: int
    length: int
    is_last: bool


def parse_public_key(text: str) -> SpoolPublicKey:
    """A key from `id:64 hex digits`. Raises InvalidSealingKeys."""
    key_id, key = _parse(text.strip(), "UXP_SPOOL_PUBLIC_KEY")
    try:
        X25519PrivateKey.generate().exchange(X25519PublicKey.from_public_bytes(key))
    except ValueError:  # of the few points with which every secret is zero
        raise InvalidSealingKeys("UXP_SPOOL_PUBLIC_KEY is no usable key.") from None
    return SpoolPublicKey(key_id, key)


def parse_private_keys(text: str) -> Mapping[int, bytes]:
    """Keys by id, the newest (the highest id) first, from `id:64 hex digits,…`.

    Raises InvalidSealingKeys for an empty list, a repeated id, or what is no key.
    """
    pairs = [_parse(item.strip(), "UXP_SPOOL_KEYS") for item in text.split(",") if item.strip()]
    if not pairs:
        raise InvalidSealingKeys("UXP_SPOOL_KEYS holds no key.")
    if len(dict(pairs)) != len(pairs):
        raise InvalidSealingKeys("UXP_SPOOL_KEYS names one id twice.")
    return dict(sorted(pairs, reverse=True))


def public_half(keys: Mapping[int, bytes]) -> SpoolPublicKey:
    """What belongs to the newest of some private keys."""
    key_id = max(keys)
    private = X25519PrivateKey.from_private_bytes(keys[key_id])
    return SpoolPublicKey(key_id, private.public_key().public_bytes_raw())


def _parse(item: str, name: str) -> tuple[int, bytes]:
    key_id, _, digits = item.partition(":")
    try:
        key = bytes.fromhex(digits)
    except ValueError:
        key = b""
    if not (key_id.isascii() and key_id.isdigit() and int(key_id) < _MOST_BYTES):
        raise InvalidSealingKeys(f"An id in {name} is no whole number.")
    if len(key) != _KEY_BYTES:
        raise InvalidSealingKeys(f"A key in {name} is not 64 hexadecimal digits.")
    return int(key_id), key


def is_sealed(data: bytes) -> bool:
    """Whether these bytes begin with a sealed record; spool files of earlier versions do not."""
    return data[: len(_MAGIC)] == _MAGIC


def seal_records(records: Sequence[bytes], public_key: SpoolPublicKey) -> list[bytes]:
    """The records of one file, each sealed."""
    mine = X25519PrivateKey.generate()
    half = mine.public_key().public_bytes_raw()
    secret = mine.exchange(X25519PublicKey.from_public_bytes(public_key.key))
    cipher = AESGCM(_file_key(secret, half, public_key.key))
    last = len(records) - 1
    sealed = []
    for number, record in enumerate(records):
        head = _HEAD.pack(_MAGIC, public_key.key_id, half, number, number == last, len(record))
        sealed.append(b"".join((head, *_sealed_chunks(record, number, cipher, head))))
    return sealed


def _sealed_chunks(record: bytes, number: int, cipher: AESGCM, head: bytes) -> Iterator[bytes]:
    view = memoryview(record)
    for chunk, start, end in _chunks(len(record)):
        nonce = _NONCE.pack(number, chunk, end == len(record))
        yield cipher.encrypt(nonce, view[start:end], head)


def _chunks(length: int) -> Iterator[tuple[int, int, int]]:
    """(number, start, end) of the chunks of a record; an empty one has an empty chunk."""
    for number in range(_chunk_count(length)):
        yield number, number * _CHUNK, min(length, (number + 1) * _CHUNK)


def _chunk_count(length: int) -> int:
    return max(1, -(-length // _CHUNK))


def _file_key(secret: bytes, half: bytes, public_key: bytes) -> bytes:
    info = b"uxp_diag spool 1" + half + public_key
    return HKDF(SHA256(), length=_KEY_BYTES, salt=None, info=info).derive(secret)


def sealed_records(data: bytes) -> Iterator[SealedRecord]:
    """Where the records of a file lie. Stops where something else does, or at half a record."""
    offset = 0
    while offset + _HEAD.size <= len(data):
        magic, _, _, _, is_last, length = _HEAD.unpack_from(data, offset)
        size = _HEAD.size + length + _TAG * _chunk_count(length)
        if magic != _MAGIC or length > _MOST_BYTES or offset + size > len(data):
            return
        yield SealedRecord(offset, size, is_last == 1)
        offset += size


@dataclass(slots=True)
class SpoolOpener:
    """Opens records; those of one file share the work. For a batch, not for long."""

    keys: Mapping[int, bytes] = field(repr=False)
    _ciphers: dict[tuple[int, bytes], AESGCM] = field(default_factory=dict, repr=False)

    def open(self, data: bytes) -> bytes:
        """The record that was sealed. Raises BrokenSeal, SpoolKeyMissing."""
        if len(data) < _HEAD.size or not is_sealed(data):
            raise BrokenSeal("no sealed record")
        head = data[: _HEAD.size]
        _, key_id, half, number, _, length = _HEAD.unpack(head)
        if len(data) != _HEAD.size + length + _TAG * _chunk_count(min(length, len(data))):
            raise BrokenSeal("not the whole of a sealed record")
        cipher = self._cipher(key_id, half)
        view, at = memoryview(data), _HEAD.size
        pieces = []
        for chunk, start, end in _chunks(length):
            size = end - start + _TAG
            nonce = _NONCE.pack(number, chunk, end == length)
            try:
                pieces.append(cipher.decrypt(nonce, view[at : at + size], head))
            except InvalidTag:
                raise BrokenSeal("not what was sealed") from None
            at += size
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _cipher(self, key_id: int, half: bytes) -> AESGCM:
        known = self._ciphers.get((key_id, half))
        if known is not None:
            return known
        if key_id not in self.keys:
            raise SpoolKeyMissing(key_id)
        private = X25519PrivateKey.from_private_bytes(self.keys[key_id])
        try:
            secret = private.exchange(X25519PublicKey.from_public_bytes(half))
        except ValueError:
            raise BrokenSeal("no key in a sealed record") from None
        public = private.public_key().public_bytes_raw()
        cipher = AESGCM(_file_key(secret, half, public))
        self._ciphers[key_id, half] = cipher
        return cipher
