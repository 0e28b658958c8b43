"""Bytes outside the database: the spool of acknowledged uploads, and blobs.

Both write the same way: a temporary name, fsync of the file, rename, fsync of the folder. So a
name that can be seen is whole and survives a power cut. Names are made here and never come from
a device.
"""

import contextlib
import fcntl
import os
import secrets
import struct
import uuid
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from devices.sealing.streams import CHUNK, HEAD_BYTES, TAG, FileHead, PieceSealer, read_head

_PIECE = struct.Struct(">I")
_MOST_COUNTED = 100_000


def write_durably(path: Path, *parts: bytes) -> None:
    """Write a file so that it is whole and on disk when this returns."""
    with _written_durably(path) as file:
        file.writelines(parts)


@contextlib.contextmanager
def _written_durably(path: Path) -> Iterator[BinaryIO]:
    """A file to be written, which is whole, on disk and under its name when the block ends."""
    _make_folder(path.parent)
    partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with partial.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        partial.rename(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def _make_folder(folder: Path) -> None:
    """Make a folder and those above it; a new one is on disk too, or its files would be lost."""
    if folder.is_dir():
        return
    _make_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    _sync_folder(folder.parent)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def move_durably(source: Path, target: Path) -> None:
    """Give a file that is on disk its place, on disk too when this returns."""
    _make_folder(target.parent)
    source.rename(target)
    _sync_folder(target.parent)


class Spool:
    """Files of acknowledged uploads that no worker has finished yet."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def write(self, *parts: bytes) -> str:
        """Keep the bytes; the name to read them by, once they are on disk."""
        token = secrets.token_hex(12)
        name = f"{token[:2]}/{token}.spool"
        write_durably(self._folder / name, *parts)
        return name

    def read(self, name: str, *, offset: int, length: int) -> bytes:
        """A part of a file. Raises FileNotFoundError."""
        with (self._folder / name).open("rb") as file:
            file.seek(offset)
            return file.read(length)

    def read_all(self, name: str) -> bytes:
        """A whole file. Raises FileNotFoundError."""
        return (self._folder / name).read_bytes()

    def remove(self, name: str) -> None:
        """Forget a file; no error when it is gone already."""
        (self._folder / name).unlink(missing_ok=True)

    def remove_partial_files(self, *, before: float) -> int:
        """Remove the temporary files of writers that died, last changed before that time."""
        count = 0
        for path in self._folder.glob("??/.*.spool.*"):
            with contextlib.suppress(FileNotFoundError):  # its writer is done
                if path.stat().st_mtime < before:
                    path.unlink()
                    count += 1
        return count

    def names(self) -> Iterator[tuple[str, float]]:
        """(name, time of last change) of all files, temporary ones left out."""
        for path in sorted(self._folder.glob("??/*.spool")):
            try:
                yield f"{path.parent.name}/{path.name}", path.stat().st_mtime
            except FileNotFoundError:
                continue

    def usage(self) -> tuple[int, int]:
        """(files, bytes) of what is in it, temporary files too; counting ends at 100,000 files.

        Raises OSError for a folder that cannot be read; one that is not there yet is empty.
        """
        files = size_bytes = 0
        for folder in os.scandir(self._folder) if self._folder.exists() else ():
            for file in os.scandir(folder) if folder.is_dir() else ():
                with contextlib.suppress(FileNotFoundError):  # a worker is done with it
                    size_bytes += file.stat().st_size
                    files += 1
                if files >= _MOST_COUNTED:
                    return files, size_bytes
        return files, size_bytes


class BlobStore:
    """Files by key. What is in them is the business of those who put it there."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def new_key(self, family: str) -> str:
        """A fresh random key below `family`."""
        token = secrets.token_hex(16)
        return f"{family}/{token[:2]}/{token}"

    def put(self, key: str, pieces: Iterable[bytes]) -> None:
        """Keep these bytes under the key."""
        with _written_durably(self._path(key)) as file:
            file.writelines(pieces)

    def open(self, key: str) -> BinaryIO:
        """What is kept under the key. Raises FileNotFoundError."""
        return self._path(key).open("rb")

    def path(self, key: str) -> Path:
        """Where an uncompressed blob is, for those who map it or write it through a descriptor."""
        return self._path(key)

    def remove(self, key: str) -> None:
        """Forget a blob; no error when it is gone already."""
        self._path(key).unlink(missing_ok=True)

    def _path(self, key: str) -> Path:
        path = (self._folder / key).resolve()
        if not path.is_relative_to(self._folder.resolve()):
            raise ValueError("a blob key leaves the store")
        return path


class WrongOffset(Exception):
    """Bytes do not follow on what is here, which ends at `size`."""

    def __init__(self, size: int) -> None:
        super().__init__(f"the next byte is {size}")
        self.size = size


class GrowingFile:
    """A file that arrives in pieces, perhaps from several processes at once. A context manager.

    What is here is always a beginning of the whole, without holes: a piece is written only where
    the file ends, under a lock that is held for that piece alone. So a sender that comes again
    goes on while its first, broken connection is still being waited for; that one stops at its
    next piece.

    Pieces are sealed (`devices.sealing.streams`). `sealer` gives what seals the file: that of its
    head, or, for None, a new one. A file of an earlier version, not sealed, is begun anew. Offsets
    and sizes are those of the content. Raises FileNotFoundError unless it `may_be_new`.
    """

    def __init__(
        self,
        path: Path,
        sealer: Callable[[FileHead | None], PieceSealer],
        *,
        may_be_new: bool = True,
    ) -> None:
        _make_folder(path.parent)
        is_new = may_be_new and not path.exists()
        flags = os.O_RDWR | os.O_CLOEXEC | (os.O_CREAT if may_be_new else 0)
        self._descriptor = os.open(path, flags, 0o644)
        try:
            self._sealer = self._begun(sealer)
        except BaseException:
            os.close(self._descriptor)
            raise
        self._end, self._pieces, self._size = HEAD_BYTES, 0, 0  # of what was looked at so far
        if is_new:
            _sync_folder(path.parent)

    def _begun(self, sealer: Callable[[FileHead | None], PieceSealer]) -> PieceSealer:
        with self._locked():
            head = read_head(os.pread(self._descriptor, HEAD_BYTES, 0))
            found = sealer(head)
            if head is None:
                os.ftruncate(self._descriptor, 0)
                _write_all(self._descriptor, found.head.packed, 0)
            return found

    def __enter__(self) -> "GrowingFile":
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)

    @property
    def key_id(self) -> uuid.UUID:
        """The key that it is sealed with."""
        return self._sealer.head.key_id

    @property
    def size(self) -> int:
        """How many bytes are here."""
        self._look()
        return self._size

    def _look(self) -> None:
        """Follow the pieces to the last whole one: behind it is what a writer that died left."""
        file_size = os.fstat(self._descriptor).st_size
        if file_size < self._end:  # another process began it anew
            self._end, self._pieces, self._size = HEAD_BYTES, 0, 0
        while (length := self._length_at(self._end)) is not None:
            end = self._end + _PIECE.size + length + TAG
            if end > file_size:
                break
            self._end, self._pieces, self._size = end, self._pieces + 1, self._size + length

    def _length_at(self, offset: int) -> int | None:
        packed = os.pread(self._descriptor, _PIECE.size, offset)
        length = _PIECE.unpack(packed)[0] if len(packed) == _PIECE.size else 0
        return length if 0 < length <= CHUNK else None

    def append(self, data: bytes, *, offset: int) -> None:
        """Write at most 64 KiB behind what is here, all or nothing. Raises WrongOffset, OSError."""
        with self._locked():
            if self.size != offset:
                raise WrongOffset(self.size)
            sealed = self._sealer.seal(data, number=self._pieces, offset=offset)
            end = self._end
            try:
                os.ftruncate(self._descriptor, end)
                _write_all(self._descriptor, _PIECE.pack(len(data)) + sealed, end)
            except OSError:
                os.ftruncate(self._descriptor, end)
                raise
            self._look()

    def pieces(self) -> Iterator[bytes]:
        """What is here, opened. Raises BrokenSeal."""
        at, offset, number = HEAD_BYTES, 0, 0
        while at < self._end and (length := self._length_at(at)) is not None:
            sealed = os.pread(self._descriptor, length + TAG, at + _PIECE.size)
            yield self._sealer.open(sealed, number=number, offset=offset)
            at, offset, number = at + _PIECE.size + length + TAG, offset + length, number + 1

    def sync(self) -> int:
        """How many bytes are here and on disk."""
        size = self.size
        os.fsync(self._descriptor)
        return size

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        fcntl.flock(self._descriptor, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(self._descriptor, fcntl.LOCK_UN)


def _write_all(descriptor: int, data: bytes, offset: int) -> None:
    view = memoryview(data)
    while view:
        written = os.pwrite(descriptor, view, offset)
        view, offset = view[written:], offset + written
