"""Large files that arrive in pieces, each named by the SHA-1 of its content.

    missing_chunks   which pieces of a file are not here yet
    keep_chunk       take one, if it is what its name says
    assemble         put them together, hand the file on as a debug file, forget the pieces

That is sentry-cli's way (chunk upload): it asks what is missing, sends that, and asks again. So
nothing here is precious: pieces are deleted a day after they came, and what became of a file is
remembered as long; whoever asks later is told that everything is missing, and sends it again.
Pieces belong to a program, so knowing a hash gives nobody another program's file.
"""

import hashlib
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from crashes.models import DebugFile
from crashes.services.blobs import blobs
from crashes.services.symbols import (
    MAX_DEBUG_FILE_BYTES,
    DebugFileRefused,
    Registration,
    register_debug_file,
)
from crashes.storage import write_durably

CHUNK_BYTES = 8 << 20
MAX_PENDING_BYTES = 8 << 30
LIFETIME = timedelta(hours=24)

_SHA1 = re.compile(r"[0-9a-f]{40}")
_READ_BYTES = 1 << 20
_SOURCE_BUNDLE = b"SYSB"
_IGNORED = 0


class ChunkRefused(Exception):
    """The piece is not what it claims to be, or there is no room for it. `code` is stable."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail


@dataclass(frozen=True, slots=True)
class WantedFile:
    """A file as its sender describes it: the SHA-1 of the whole, and of its pieces in order."""

    sha1: str
    name: str
    chunks: tuple[str, ...]

    @property
    def problem(self) -> str | None:
        """What is wrong with the description, if anything is."""
        if not all(map(_SHA1.fullmatch, (self.sha1, *self.chunks))):
            return "A checksum is not a SHA-1 in lower-case hex."
        return None if self.chunks else "The file has no chunks."


@dataclass(frozen=True, slots=True)
class Assembly:
    """How far a file is: the debug file it became, what is missing of it, or why it is none.

    `is_ignored` marks a file that came whole, is what it should be, and is of no use here.
    """

    debug_file: DebugFile | None = None
    is_new: bool = False
    missing: tuple[str, ...] = ()
    problem: str | None = None
    is_ignored: bool = False


def keep_chunk(data: bytes, *, sha1: str, program_id: int) -> None:
    """Keep one piece. Raises ChunkRefused."""
    if _SHA1.fullmatch(sha1) is None:
        raise ChunkRefused("bad_checksum", "A chunk is named by its SHA-1 in lower-case hex.")
    if hashlib.sha1(data, usedforsecurity=False).hexdigest() != sha1:
        raise ChunkRefused("checksum_mismatch", "A chunk is not what its SHA-1 says.")
    write_durably(_chunk_path(sha1, program_id), data)


def pending_bytes(program_id: int) -> int:
    """How much of a program waits for being put together."""
    return sum(path.stat().st_size for path in _files(_chunk_folder(program_id)))


def missing_chunks(chunks: Sequence[str], *, program_id: int) -> tuple[str, ...]:
    """Those that are not here, in order, each once."""
    wanted = dict.fromkeys(chunks)
    return tuple(sha1 for sha1 in wanted if not _chunk_path(sha1, program_id).exists())


def assemble(wanted: WantedFile, *, program_id: int, now: datetime) -> Assembly:
    """Put a file together if all of it is here, and register it; how far that went."""
    if wanted.problem:
        return Assembly(problem=wanted.problem)
    known = _remembered(wanted.sha1, program_id)
    if known is not None:
        return known
    if missing := missing_chunks(wanted.chunks, program_id=program_id):
        return Assembly(missing=missing)
    assembly = _assembled(wanted, program_id=program_id, now=now)
    if assembly.problem is None and not assembly.missing:
        _remember(wanted.sha1, program_id, assembly)
    if not assembly.missing:
        _forget(wanted, program_id)
    return assembly


def _assembled(wanted: WantedFile, *, program_id: int, now: datetime) -> Assembly:
    """What a file becomes of which all pieces are here."""
    if _is_source_bundle(wanted, program_id):
        return Assembly(is_ignored=True)
    try:
        registration = _put_together(wanted, program_id=program_id, now=now)
    except FileNotFoundError:  # another request was faster, or the day is over
        return Assembly(missing=missing_chunks(wanted.chunks, program_id=program_id))
    except DebugFileRefused as problem:
        return Assembly(problem=problem.detail)
    return Assembly(registration.debug_file, is_new=registration.is_new)


def forget_expired(*, now: datetime) -> int:
    """Delete pieces and memories older than a day; how many that were."""
    limit = (now - LIFETIME).timestamp()
    count = 0
    for folder in (blobs().path("chunks"), blobs().path("assembled")):
        for path in _files(folder):
            if path.stat().st_mtime < limit:
                path.unlink(missing_ok=True)
                count += 1
    return count


def _is_source_bundle(wanted: WantedFile, program_id: int) -> bool:
    """Whether the file holds the sources of a debug file, which sentry-cli sends when asked to."""
    try:
        with _chunk_path(wanted.chunks[0], program_id).open("rb") as file:
            return file.read(len(_SOURCE_BUNDLE)) == _SOURCE_BUNDLE
    except FileNotFoundError:
        return False


def _put_together(wanted: WantedFile, *, program_id: int, now: datetime) -> Registration:
    """The registered file. Raises DebugFileRefused, FileNotFoundError."""
    paths = [_chunk_path(sha1, program_id) for sha1 in wanted.chunks]
    if sum(path.stat().st_size for path in paths) > MAX_DEBUG_FILE_BYTES:
        raise DebugFileRefused("file_too_large", "A debug file may have 2 GiB.")
    digest = hashlib.sha1(usedforsecurity=False)
    for piece in _pieces(paths):
        digest.update(piece)
    if digest.hexdigest() != wanted.sha1:
        raise DebugFileRefused(
            "checksum_mismatch", "The chunks do not make the file of that SHA-1."
        )
    with io.BufferedReader(_Joined(paths), _READ_BYTES) as source:
        return register_debug_file(source, name=wanted.name, program_id=program_id, now=now)


class _Joined(io.RawIOBase):
    """Files read one behind the other."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self._pieces = _pieces(paths)
        self._rest = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        while not self._rest:
            piece = next(self._pieces, None)
            if piece is None:
                return 0
            self._rest = piece
        size = min(len(buffer), len(self._rest))
        buffer[:size] = self._rest[:size]
        self._rest = self._rest[size:]
        return size


def _pieces(paths: Sequence[Path]) -> Iterator[bytes]:
    for path in paths:
        with path.open("rb") as file:
            while piece := file.read(_READ_BYTES):
                yield piece


def _remember(sha1: str, program_id: int, assembly: Assembly) -> None:
    number = assembly.debug_file.pk if assembly.debug_file else _IGNORED
    write_durably(_memory_path(sha1, program_id), str(number).encode())


def _remembered(sha1: str, program_id: int) -> Assembly | None:
    """What a file became lately, if that is still there."""
    try:
        number = int(_memory_path(sha1, program_id).read_bytes())
    except (FileNotFoundError, ValueError):
        return None
    if number == _IGNORED:
        return Assembly(is_ignored=True)
    debug_file = DebugFile.objects.filter(pk=number, program_id=program_id).first()
    return Assembly(debug_file) if debug_file else None


def _forget(wanted: WantedFile, program_id: int) -> None:
    for sha1 in wanted.chunks:
        _chunk_path(sha1, program_id).unlink(missing_ok=True)


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in folder.glob("**/*") if path.is_file())


def _chunk_folder(program_id: int) -> Path:
    return blobs().path(f"chunks/{program_id}")


def _chunk_path(sha1: str, program_id: int) -> Path:
    return _chunk_folder(program_id) / sha1[:2] / sha1


def _memory_path(sha1: str, program_id: int) -> Path:
    return blobs().path(f"assembled/{program_id}") / sha1[:2] / sha1
