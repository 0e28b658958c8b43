"""Files, sealed in chunks, so that neither writer nor reader holds them whole.

A whole file (the STREAM construction of Hoang, Reyhanitabar, Rogaway and Vizár, 2015):

    "UXC1" | id of the data key, 16 bytes | salt, 16 bytes
    chunks of 64 KiB, each AES-256-GCM with its tag of 16 bytes; the last one may be shorter

A file that arrives in pieces has another mark, and says before each piece how long it is:

    "UXG1" | id of the data key, 16 bytes | salt, 16 bytes
    length, 4 bytes | piece, AES-256-GCM with its tag

The key of a file is derived from the data key and the salt (HKDF-SHA-256), so nonces are counters: the
number of the chunk and whether it is the last, or the number of the piece. What a file is (its name)
is authenticated with every chunk, and with a piece where it begins: none can be cut off, changed,
exchanged or left out.
"""

import io
import os
import struct
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import IO

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from devices.sealing import BrokenSeal
from devices.sealing.keys import KEY_BYTES, DataKey

CHUNK = 64 << 10
TAG = 16
HEAD_BYTES = 36
_WHOLE, _GROWING = b"UXC1", b"UXG1"
_NONCE = struct.Struct(">QI")
_KEY_END = 20


@dataclass(frozen=True, slots=True)
class FileHead:
    """The beginning of a sealed file."""

    kind: bytes
    key_id: uuid.UUID
    salt: bytes

    @property
    def packed(self) -> bytes:
        """As it stands in the file."""
        return self.kind + self.key_id.bytes + self.salt

    @property
    def is_whole(self) -> bool:
        """Whether the file is a whole one, not one that arrives in pieces."""
        return self.kind == _WHOLE


def read_head(data: bytes) -> FileHead | None:
    """The head of a sealed file; None for files that are not sealed."""
    if len(data) < HEAD_BYTES or data[:4] not in {_WHOLE, _GROWING}:
        return None
    key_id = uuid.UUID(bytes=data[4:_KEY_END])
    return FileHead(data[:4], key_id, data[_KEY_END:HEAD_BYTES])


def _cipher(key: DataKey, head: FileHead) -> AESGCM:
    if key.id != head.key_id:
        raise BrokenSeal("sealed with another key")
    derive = HKDF(SHA256(), length=KEY_BYTES, salt=head.salt, info=b"uxp_diag file 1" + head.kind)
    return AESGCM(derive.derive(key.secret))


def seal_file(pieces: Iterable[bytes], key: DataKey, *, about: str) -> Iterator[bytes]:
    """The bytes of a sealed file, made of pieces of any length."""
    head = FileHead(_WHOLE, key.id, os.urandom(HEAD_BYTES - _KEY_END))
    cipher, bound = _cipher(key, head), about.encode()
    yield head.packed
    held: bytes | None = None
    number = 0
    for chunk in gathered(pieces, CHUNK):
        if held is not None:
            yield cipher.encrypt(_NONCE.pack(number, 0), held, bound)
            number += 1
        held = chunk
    yield cipher.encrypt(_NONCE.pack(number, 1), held or b"", bound)


def gathered(pieces: Iterable[bytes], size: int) -> Iterator[bytes]:
    """The same bytes in pieces of this size; the last may be shorter.

    What had come before `pieces` raised something is handed on before that is raised again.
    """
    buffer = bytearray()
    try:
        for piece in pieces:
            buffer += piece
            while len(buffer) >= size:
                yield bytes(buffer[:size])
                del buffer[:size]
    except GeneratorExit:
        raise
    except BaseException:
        if buffer:
            yield bytes(buffer)
        raise
    if buffer:
        yield bytes(buffer)


def open_file(source: IO[bytes], head: FileHead, key: DataKey, *, about: str) -> IO[bytes]:
    """What was sealed, as a stream that closes its source; the source is behind the head.

    Opening and reading raise BrokenSeal for what is not the whole file.
    """
    reader = _Reader(source, _cipher(key, head), about.encode())
    reader.fill()
    return io.BufferedReader(reader, CHUNK)


class _Reader(io.RawIOBase):
    """Opens one chunk at a time; which is the last is known when nothing follows."""

    def __init__(self, source: IO[bytes], cipher: AESGCM, about: bytes) -> None:
        super().__init__()
        self._source, self._cipher, self._about = source, cipher, about
        self._next = source.read(CHUNK + TAG)
        self._number, self._is_done = 0, False
        self._opened = memoryview(b"")

    def readable(self) -> bool:
        return True

    def fill(self) -> None:
        """Open the next chunk, unless the last one is open. Raises BrokenSeal."""
        if self._is_done:
            return
        sealed, self._next = self._next, self._source.read(CHUNK + TAG)
        self._is_done = not self._next
        nonce = _NONCE.pack(self._number, self._is_done)
        try:
            self._opened = memoryview(self._cipher.decrypt(nonce, sealed, self._about))
        except InvalidTag:
            raise BrokenSeal("not the whole of what was sealed here") from None
        self._number += 1

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        if not self._opened:
            self.fill()
        size = min(len(buffer), len(self._opened))
        buffer[:size] = self._opened[:size]
        self._opened = self._opened[size:]
        return size

    def close(self) -> None:
        self._source.close()
        super().close()


@dataclass(frozen=True, slots=True)
class PieceSealer:
    """Seals the pieces of one growing file, and opens them."""

    head: FileHead
    about: str
    cipher: AESGCM = field(repr=False)

    @classmethod
    def fresh(cls, key: DataKey, *, about: str) -> "PieceSealer":
        """For a new file."""
        return cls.of(FileHead(_GROWING, key.id, os.urandom(HEAD_BYTES - _KEY_END)), key, about)

    @classmethod
    def of(cls, head: FileHead, key: DataKey, about: str) -> "PieceSealer":
        """For a file that is there. Raises BrokenSeal for another kind of file."""
        if head.is_whole:
            raise BrokenSeal("no file that arrives in pieces")
        return cls(head, about, _cipher(key, head))

    def seal(self, piece: bytes, *, number: int, offset: int) -> bytes:
        """The piece with this number, which begins at this byte of the file."""
        return self.cipher.encrypt(_NONCE.pack(number, 0), piece, self._bound(offset))

    def open(self, sealed: bytes, *, number: int, offset: int) -> bytes:
        """The piece again. Raises BrokenSeal."""
        try:
            return self.cipher.decrypt(_NONCE.pack(number, 0), sealed, self._bound(offset))
        except InvalidTag:
            raise BrokenSeal("not the piece that was sealed here") from None

    def _bound(self, offset: int) -> bytes:
        return f"{self.about} from {offset}".encode()
