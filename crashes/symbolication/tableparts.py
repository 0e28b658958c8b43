"""Take a symcache table apart, lay other answers over it, put it together again.

The compiler makes one table of one ELF file. Where several of them must become one (the lines of
code without a function of its own, the units of split DWARF), their rows are moved into one:
strings, files, functions and inlined calls are appended and renumbered, and ranges are laid over
the ranges that are there. The format is in `table.py`.

    base      0x10 f    0x40 -                     a patch 0x48..0x50 g, over a gap
    result    0x10 f    0x40 -    0x48 g    0x50 -

Locations come in two parts: calls that others are inlined into, then one place per range; only
calls are ever referred to, so both parts can grow at their ends.
"""

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

from crashes.symbolication.errors import UnreadableDebugFile
from crashes.symbolication.table import FILE_WORDS, NONE, Buffer, layout_of, string_bytes

_LOCATION_WORDS = _FUNCTION_WORDS = 4
_HEADER_BYTES = 80
_COUNTS_OFFSET = 44
_VERSION = 9


class Patch(NamedTuple):
    """What is to be said from `start` to before `end`: the words of a location."""

    start: int
    end: int
    file: int
    line: int
    function: int
    parent: int


@dataclass(slots=True)
class TableParts:
    """The rows of a table, each kind as 32-bit words in one array."""

    header: bytes
    strings: bytearray
    files: "array[int]"
    functions: "array[int]"
    calls: "array[int]"
    ranges: "array[int]"
    places: "array[int]"

    @classmethod
    def of(cls, table: Buffer) -> "TableParts":
        """The parts of a table. Raises UnreadableDebugFile for another version than ours."""
        layout = layout_of(table)
        if layout.version != _VERSION:
            raise UnreadableDebugFile("uncompilable_debug_file", "the table has another version")
        calls_end = layout.locations + (layout.location_count - layout.range_count) * 16
        strings_bytes = int.from_bytes(table[_COUNTS_OFFSET + 16 : _COUNTS_OFFSET + 20], "little")

        def words(start: int, count: int) -> "array[int]":
            return array("I", bytes(table[start : start + count * 4]))

        return cls(
            header=bytes(table[:_HEADER_BYTES]),
            strings=bytearray(table[layout.strings : layout.strings + strings_bytes]),
            files=words(layout.files, layout.file_count * FILE_WORDS[_VERSION]),
            functions=words(layout.functions, layout.function_count * _FUNCTION_WORDS),
            calls=words(layout.locations, (calls_end - layout.locations) // 4),
            ranges=words(layout.ranges, layout.range_count),
            places=words(calls_end, layout.range_count * _LOCATION_WORDS),
        )

    def to_bytes(self) -> bytes:
        """The table, padded to 8 bytes."""
        parts: list[bytes] = []
        size_bytes = 0
        header = bytearray(self.header)
        counts = array(
            "I",
            (
                len(self.files) // FILE_WORDS[_VERSION],
                len(self.functions) // _FUNCTION_WORDS,
                (len(self.calls) + len(self.places)) // _LOCATION_WORDS,
                len(self.ranges),
                len(self.strings),
            ),
        )
        header[_COUNTS_OFFSET : _COUNTS_OFFSET + 20] = counts.tobytes()
        for part in (
            bytes(header),
            self.files.tobytes(),
            self.functions.tobytes(),
            self.calls.tobytes() + self.places.tobytes(),
            self.ranges.tobytes(),
            bytes(self.strings),
        ):
            padding = bytes(-size_bytes % 8)
            parts += (padding, part)
            size_bytes += len(padding) + len(part)
        return b"".join([*parts, bytes(-size_bytes % 8)])

    def add_function(self, name: str) -> int:
        """The index of a new function row."""
        offset = len(self.strings)
        self.strings += string_bytes(name)
        self.functions.extend((offset, NONE, NONE, 0))
        return len(self.functions) // _FUNCTION_WORDS - 1

    def take(self, other: "TableParts") -> Iterator[Patch]:
        """Append everything of `other` but its ranges; these come out as patches, renumbered."""
        files = len(self.files) // FILE_WORDS[_VERSION]
        functions = len(self.functions) // _FUNCTION_WORDS
        calls = len(self.calls) // _LOCATION_WORDS
        strings = len(self.strings)
        self.strings += other.strings
        self.files.extend(_moved(other.files, strings))
        # Only the first word of a function's row is the offset of a string.
        rows = array("I", other.functions)
        rows[0::_FUNCTION_WORDS] = _moved(rows[0::_FUNCTION_WORDS], strings)
        self.functions.extend(rows)
        self.calls.extend(_renumbered(other.calls, files, functions, calls))
        places = _renumbered(other.places, files, functions, calls)
        for index, (start, end) in enumerate(pairwise((*other.ranges, NONE))):
            words = places[index * _LOCATION_WORDS : (index + 1) * _LOCATION_WORDS]
            if not (words[1] == words[2] == words[3] == NONE):
                yield Patch(start, end, *words)

    def overlay(self, patches: Sequence[Patch]) -> None:
        """Lay patches, sorted and without overlap, over what the table says."""
        ranges, places = array("I"), array("I")
        copied = 0
        for index, patch in enumerate(patches):
            first = bisect_left(self.ranges, patch.start, copied)
            ranges.extend(self.ranges[copied:first])
            places.extend(self.places[copied * _LOCATION_WORDS : first * _LOCATION_WORDS])
            ranges.append(patch.start)
            places.extend(patch[2:])
            copied = max(copied, bisect_left(self.ranges, patch.end, first))
            follows = index + 1 < len(patches) and patches[index + 1].start == patch.end
            goes_on = copied < len(self.ranges) and self.ranges[copied] == patch.end
            if not follows and not goes_on and patch.end != NONE:
                ranges.append(patch.end)
                places.extend(self._place_at(patch.end))
        ranges.extend(self.ranges[copied:])
        places.extend(self.places[copied * _LOCATION_WORDS :])
        self.ranges, self.places = ranges, places

    def _place_at(self, address: int) -> "array[int]":
        index = bisect_right(self.ranges, address) - 1
        if index < 0:
            return array("I", (NONE,) * _LOCATION_WORDS)
        return self.places[index * _LOCATION_WORDS : (index + 1) * _LOCATION_WORDS]


def _moved(offsets: "array[int]", by: int) -> "array[int]":
    return array("I", [value if value == NONE else value + by for value in offsets])


def _renumbered(locations: "array[int]", files: int, functions: int, calls: int) -> "array[int]":
    """The same locations when their files, functions and calls stand behind others."""
    words = array("I", locations)
    words[0::4] = _moved(words[0::4], files)
    words[2::4] = _moved(words[2::4], functions)
    words[3::4] = _moved(words[3::4], calls)
    return words
