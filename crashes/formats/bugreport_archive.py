"""The files of a packed bugreport, read within limits.

Whatever a packed file claims is checked while it is read: how many entries there are, how much
comes out of one and out of all, and how many times larger than its packed form. Only stored and
deflated entries are read, into memory; a name is a label and never a path.
"""

import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO

from crashes.formats.errors import MalformedPayload

MAX_ENTRIES = 20_000  # a bugreport of a full phone has about 3,000
MAX_MAIN_BYTES = 128 * 1024 * 1024
MAX_FILE_BYTES = 16 * 1024 * 1024
MAX_TOTAL_BYTES = 192 * 1024 * 1024
_MAX_RATIO = 400  # text of logs packs 10:1, of zeros 1000:1
_SMALL = 1024 * 1024
_MAX_NAME = 512
_READABLE = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})
_ENCRYPTED = 0x1
_TROUBLE = (
    zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, OverflowError,
    NotImplementedError, RuntimeError, IndexError, KeyError,
)  # fmt: skip
_MAIN_ENTRY = "main_entry.txt"
_MAIN_PREFIXES = ("bugreport", "dumpState")


@dataclass(slots=True)
class Archive:
    """An open archive; `left_bytes` is how much may still come out of it."""

    _zip: zipfile.ZipFile
    left_bytes: int = MAX_TOTAL_BYTES

    def names(self) -> list[str]:
        """The names of the entries that can be read, in the archive's order."""
        return [entry.filename for entry in self._entries()]

    def read(self, name: str, limit: int = MAX_FILE_BYTES) -> bytes | None:
        """The content of an entry; None when it is absent, damaged or beyond a limit."""
        entry = next((one for one in self._entries() if one.filename == name), None)
        if entry is None or entry.file_size > min(limit, self.left_bytes):
            return None
        if entry.file_size > max(_SMALL, entry.compress_size * _MAX_RATIO):
            return None
        try:
            with self._zip.open(entry) as stream:
                content = stream.read(entry.file_size)
        except _TROUBLE:
            return None
        self.left_bytes -= len(content)
        return content

    def main_name(self) -> str | None:
        """The name of the main text: what `main_entry.txt` says, else the largest report.

        Both may lie in a folder, when somebody packed what was unpacked.
        """
        entries = {entry.filename: entry for entry in self._entries()}
        index = min(
            (name for name in entries if _base_name(name) == _MAIN_ENTRY), key=len, default=""
        )
        said = self.read(index, _MAX_NAME) if index else None
        name = (
            index.removesuffix(_MAIN_ENTRY) + said.decode("utf-8", "replace").strip()
            if said
            else ""
        )
        if name in entries:
            return name
        reports = [
            entry
            for entry in entries.values()
            if _base_name(entry.filename).startswith(_MAIN_PREFIXES)
            and entry.filename.endswith(".txt")
        ]
        return max(reports, key=lambda entry: entry.file_size).filename if reports else None

    def _entries(self) -> Iterator[zipfile.ZipInfo]:
        for entry in self._zip.infolist():
            if (
                not entry.is_dir()
                and len(entry.filename) <= _MAX_NAME
                and entry.compress_type in _READABLE
                and not entry.flag_bits & _ENCRYPTED
            ):
                yield entry


def _base_name(name: str) -> str:
    return name.rpartition("/")[2]


def open_archive(payload: bytes) -> Archive:
    """The archive in `payload`. Raises MalformedPayload `corrupt_zip` or `too_many_entries`."""
    try:
        opened = zipfile.ZipFile(BytesIO(payload))
    except _TROUBLE as problem:
        raise MalformedPayload("corrupt_zip", f"the archive cannot be read: {problem}") from problem
    if len(opened.infolist()) > MAX_ENTRIES:
        raise MalformedPayload("too_many_entries", f"more than {MAX_ENTRIES} entries")
    return Archive(opened)
