"""Zip files of debug files: unpacked in the sandbox, every entry taken in by itself.

What is left out and why is told per entry (`crashes.symbolication.archives`). An APK is such a
zip as well: its libraries are what is taken.
"""

import io
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import IO, Any

from crashes.services.blobs import blobs
from crashes.services.sandboxes import UNPACK, sandbox
from crashes.services.symbols import DebugFileRefused, Registration, register_debug_file
from uxp_diag.sandbox import JobRefused, SandboxFailure

_MAGIC = b"PK\x03\x04"
_READ_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class ArchiveEntry:
    """What became of one entry: registered, or the code and detail of why not."""

    name: str
    registration: Registration | None = None
    code: str = ""
    detail: str = ""


def is_archive(file: IO[bytes]) -> bool:
    """Whether a file that stands at its start is a zip."""
    head = file.read(len(_MAGIC))
    file.seek(0)
    return head == _MAGIC


def register_archive(file: IO[bytes], *, program_id: int, now: datetime) -> Iterator[ArchiveEntry]:
    """Register the debug files in a zip, one by one. Raises DebugFileRefused for no zip at all."""
    folder = blobs().path("incoming")
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=folder) as unpacked:
        for entry in _unpack(file, unpacked):
            yield _register(entry, unpacked, program_id=program_id, now=now)


def _unpack(file: IO[bytes], unpacked: IO[bytes]) -> list[dict[str, Any]]:
    file.flush()
    try:
        entries: list[dict[str, Any]] = sandbox().run(
            "crashes.symbolication.archives:unpack_job",
            files=[file.fileno(), unpacked.fileno()],
            limits=UNPACK,
        )
    except JobRefused as problem:
        raise DebugFileRefused(problem.code, problem.detail) from None
    except SandboxFailure as problem:
        raise DebugFileRefused(f"sandbox_{problem.reason.value}", problem.detail) from None
    return entries


def _register(
    entry: dict[str, Any], unpacked: IO[bytes], *, program_id: int, now: datetime
) -> ArchiveEntry:
    name = str(entry["name"])
    if "code" in entry:
        return ArchiveEntry(name, code=str(entry["code"]), detail=str(entry["detail"]))
    part = _Part(unpacked, entry["offset"], entry["size_bytes"])
    try:
        with io.BufferedReader(part, _READ_BYTES) as source:
            registration = register_debug_file(source, name=name, program_id=program_id, now=now)
    except DebugFileRefused as problem:
        return ArchiveEntry(name, code=problem.code, detail=problem.detail)
    return ArchiveEntry(name, registration)


class _Part(io.RawIOBase):
    """A part of a file, read as a file."""

    def __init__(self, file: IO[bytes], offset: int, size_bytes: int) -> None:
        self._file = file
        self._at = offset
        self._end = offset + size_bytes

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        self._file.seek(self._at)
        data = self._file.read(min(len(buffer), self._end - self._at))
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)
