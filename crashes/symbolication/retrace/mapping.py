"""A mapping as bytes, indexed by class: which part of the file holds which class.

A mapping of a large app is tens of megabytes, and one stack needs some dozen classes of it. So
opening one finds the class lines only (a fast search for lines that end with a colon), and each
class is read when the first frame asks for it, once.

    # pg_map_id: 6b5c5c3                                          the header
    # {"id":"com.android.tools.r8.mapping","version":"2.2"}       the version, from here on
    some.original.Class -> a.b:                                   a class line
    # {"id":"sourceFile","fileName":"Class.kt"}
        1:3:void run():11:13 -> a                                 its members (see `members`)

Mappings may be written one after the other into one file, each with its own version; for a class
that comes twice the later one counts, as in R8.
"""

import re
from bisect import bisect_right
from collections.abc import Iterator
from collections.abc import Mapping as MappingOf
from dataclasses import dataclass
from hashlib import sha1
from mmap import ACCESS_READ, mmap
from pathlib import Path
from uuid import NAMESPACE_DNS, UUID, uuid5

from crashes.symbolication.retrace.errors import MalformedMapping
from crashes.symbolication.retrace.members import ClassMembers, read_members
from crashes.symbolication.retrace.metadata import (
    SOURCE_FILE_ID,
    VERSION_ID,
    MapVersion,
    SourceFile,
    VersionMark,
    read_information,
)

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_CLASS_LINE_END = re.compile(rb":[ \t]*(?:#[^\n]*)?\r?(?:\n|\Z)")
_CLASS_LINE = re.compile(
    rb"[ \t]*([^\s#][^\s:]*?)[ \t]*->[ \t]*([^\s:]+)[ \t]*:[ \t]*(?:#[^\n]*)?\r?(?:\n|\Z)"
)
_FACT = re.compile(rb"^[ \t]*#[ \t]*([a-z_]+):[ \t]*([^\r\n]{1,256}?)[ \t]*\r?$", re.MULTILINE)
_COMMENT_LINE = re.compile(rb"[ \t]*(?:#([^\n]*)|\r?)(?:\n|\Z)")
_NAMESPACE = uuid5(NAMESPACE_DNS, "guardsquare.com")
_HEADER_BYTES = 65_536
_SHOWN_LINE = 80


@dataclass(frozen=True, slots=True)
class MappingFacts:
    """What a mapping says about itself. Absent values are None.

    `map_id` is `pg_map_id`, which R8 also puts into the source file of every frame
    (`r8-map-id-…`); `map_hash` is the hash of the content with its kind (`SHA-256 6b5c…`).
    `versions` are the format versions as written, in order.
    """

    map_id: str | None
    map_hash: str | None
    compiler: str | None
    compiler_version: str | None
    min_api: str | None
    versions: tuple[str, ...]
    classes: int


@dataclass(frozen=True, slots=True)
class MappedClass:
    """Where the members of one class are: bytes `start` to `end`."""

    original: str
    start: int
    end: int


class Mapping:
    """One mapping. Raises MalformedMapping when it holds text but no class."""

    def __init__(self, data: bytes | mmap) -> None:
        self._data = data
        self._marks = list(_version_marks(data))
        self._classes = _index(data)
        self._originals: dict[str, list[MappedClass]] | None = None
        self._members: dict[str, ClassMembers] = {}
        self._source_files: dict[str, str | None] = {}
        if not self._classes:
            _refuse_other_text(data)

    @classmethod
    def open(cls, path: Path) -> "Mapping":
        """The mapping in a file, which is mapped into memory. Raises OSError, MalformedMapping."""
        with path.open("rb") as file:
            empty = file.seek(0, 2) == 0
            return cls(b"" if empty else mmap(file.fileno(), 0, access=ACCESS_READ))

    @property
    def facts(self) -> MappingFacts:
        """What the header says."""
        found = _header_facts(self._data, min((c.start for c in self._classes.values()), default=0))
        return MappingFacts(
            map_id=found.get("pg_map_id"),
            map_hash=found.get("pg_map_hash"),
            compiler=found.get("compiler"),
            compiler_version=found.get("compiler_version"),
            min_api=found.get("min_api"),
            versions=tuple(mark.name for _at, mark in self._marks),
            classes=len(self._classes),
        )

    def uuid(self) -> UUID:
        """The id that Sentry's tools give a mapping: from all of its bytes."""
        digest = sha1(_NAMESPACE.bytes, usedforsecurity=False)
        digest.update(self._data)
        return UUID(bytes=digest.digest()[:16], version=5)

    def original_class(self, name: str) -> str | None:
        """The original name of an obfuscated class; None for one that is not in the mapping."""
        known = self._classes.get(name)
        return None if known is None else known.original

    def members(self, name: str) -> ClassMembers | None:
        """The members of an obfuscated class; None for one that is not in the mapping."""
        found = self._members.get(name)
        if found is not None:
            return found
        part = self._classes.get(name)
        if part is None:
            return None
        text = str(self._data[part.start : part.end], "utf-8", "replace")
        found = self._members[name] = read_members(text, self._version_at(part.start))
        return found

    def source_file(self, original: str) -> str | None:
        """The file an original class came from, if the mapping says so."""
        if original not in self._source_files:
            self._source_files[original] = self._find_source_file(original)
        return self._source_files[original]

    def _find_source_file(self, original: str) -> str | None:
        parts = self._by_original().get(original, ())
        found = (_source_file_in(self._data, part) for part in reversed(parts))
        return next((name for name in found if name is not None), None)

    def _by_original(self) -> MappingOf[str, list[MappedClass]]:
        if self._originals is None:
            self._originals = {}
            for part in self._classes.values():
                self._originals.setdefault(part.original, []).append(part)
        return self._originals

    def _version_at(self, offset: int) -> MapVersion:
        at = bisect_right(self._marks, offset, key=lambda mark: mark[0])
        return self._marks[at - 1][1].version if at else MapVersion.NONE


def _index(data: bytes | mmap) -> dict[str, MappedClass]:
    """Every class by its obfuscated name."""
    classes: dict[str, MappedClass] = {}
    pending: tuple[str, str, int] | None = None
    for line_start, found in _class_lines(data):
        if pending is not None:
            classes[pending[0]] = MappedClass(pending[1], pending[2], line_start)
        original, renamed = (str(name, "utf-8", "replace") for name in found.groups())
        pending = (renamed, original, found.end())
    if pending is not None:
        classes[pending[0]] = MappedClass(pending[1], pending[2], len(data))
    return classes


def _class_lines(data: bytes | mmap) -> Iterator[tuple[int, re.Match[bytes]]]:
    after_mark = len(_BYTE_ORDER_MARK) if data[:3] == _BYTE_ORDER_MARK else 0
    for end in _CLASS_LINE_END.finditer(data, after_mark):
        start = max(data.rfind(b"\n", 0, end.start()) + 1, after_mark)
        found = _CLASS_LINE.match(data, start)
        if found is not None and found.end() == end.end():
            yield start, found


def _version_marks(data: bytes | mmap) -> Iterator[tuple[int, VersionMark]]:
    """Where a version begins to hold, in order."""
    at = data.find(VERSION_ID.encode())
    while at >= 0:
        end = data.find(b"\n", at)
        end = len(data) if end < 0 else end
        line = str(data[data.rfind(b"\n", 0, at) + 1 : end], "utf-8", "replace")
        head, _, comment = line.lstrip(" \t\ufeff").partition("#")
        found = None if head else read_information(comment.strip(), MapVersion.NONE)
        if isinstance(found, VersionMark):
            yield at, found
        at = data.find(VERSION_ID.encode(), end)


def _header_facts(data: bytes | mmap, first_class: int) -> MappingOf[str, str]:
    header = data[: min(first_class or _HEADER_BYTES, _HEADER_BYTES)]
    return {
        str(key, "ascii"): str(value, "utf-8", "replace")
        for key, value in reversed(_FACT.findall(header))
    }


def _source_file_in(data: bytes | mmap, part: MappedClass) -> str | None:
    """The source file that stands before the first member."""
    at = part.start
    while at < part.end and (found := _COMMENT_LINE.match(data, at, part.end)):
        at = found.end()
        if found[1] is None or SOURCE_FILE_ID.encode() not in found[1]:
            continue
        comment = str(found[1], "utf-8", "replace").strip()
        information = read_information(comment, MapVersion.NONE)
        if isinstance(information, SourceFile):
            return information.name
    return None


def _refuse_other_text(data: bytes | mmap) -> None:
    """Only comments and blank lines may stand in a mapping without classes."""
    lines = bytes(data[:]).removeprefix(_BYTE_ORDER_MARK).split(b"\n")
    for number, line in enumerate(lines, start=1):
        if b"\0" in line:
            raise MalformedMapping("not_text", "A mapping is text.", where=f"line {number}")
        if line.strip() and not line.lstrip().startswith(b"#"):
            raise MalformedMapping(
                "no_classes",
                f"No class is mapped; read {str(line[:_SHOWN_LINE], 'utf-8', 'replace')!r}.",
                where=f"line {number}",
            )
