r"""How an unwind table lies in its file. All numbers are little-endian u32.

    magic "UXPUNWD\0", UNWIND_VERSION, size of the header, the header (JSON), padding to 4
    per section: starts (sorted addresses), then as many values
    string offsets (one more than there are strings), the strings (UTF-8)

The header says how many rows each section has. An address belongs to the row with the highest
start that is not above it; a value of all ones says that nothing is known from there on.

    section      value
    cfi          string: the rule set, `.cfa: $rsp 16 + .ra: .cfa -8 + ^`
    frame_data   string: `parameters saved locals max has_program program`, numbers hexadecimal
    fpo          the same
    code         parameter bytes of the function there
"""

import json
import struct
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from crashes.symbolication.errors import UnreadableDebugFile

UNWIND_VERSION = 1
NOTHING = 0xFFFFFFFF
SECTIONS = ("cfi", "frame_data", "fpo", "code")

_MAGIC = b"UXPUNWD\0"
_HEAD = struct.Struct("<8sII")
_MAX_HEADER_BYTES = 1 << 16

Buffer = Any  # bytes or an mmap


@dataclass(slots=True)
class Rows:
    """The rows of one section, in order of their starts."""

    starts: "array[int]" = field(default_factory=lambda: array("I"))
    values: "array[int]" = field(default_factory=lambda: array("I"))

    def add(self, start: int, value: int) -> None:
        """Append a row; one at the same start is replaced, one that changes nothing left out."""
        if self.starts and self.starts[-1] == start:
            self.values[-1] = value
        elif self.values[-1:] != array("I", [value]):
            self.starts.append(start)
            self.values.append(value)


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts of an open table, as views into it."""

    header: Mapping[str, Any]
    sections: Mapping[str, tuple[memoryview, memoryview]]
    string_offsets: memoryview
    strings: memoryview


def write_table(
    out: BinaryIO, header: Mapping[str, Any], sections: Mapping[str, Rows], strings: Sequence[str]
) -> int:
    """Write a table; its size in bytes."""
    encoded = [text.encode("utf-8", "replace") for text in strings]
    offsets = array("I", [0])
    for content in encoded:
        offsets.append(offsets[-1] + len(content))
    counts = {name: len(sections[name].starts) for name in SECTIONS}
    head = json.dumps({**header, "rows": counts, "strings": len(strings)}).encode()
    head += b" " * (-(_HEAD.size + len(head)) % 4)
    parts = [_HEAD.pack(_MAGIC, UNWIND_VERSION, len(head)), head]
    for name in SECTIONS:
        parts += [sections[name].starts.tobytes(), sections[name].values.tobytes()]
    parts += [offsets.tobytes(), *encoded]
    out.writelines(parts)
    return sum(map(len, parts))


def read_table(data: Buffer) -> Parts:
    """The parts of a table. Raises UnreadableDebugFile for anything else, or another version."""
    view = memoryview(data)
    if len(view) < _HEAD.size:
        raise UnreadableDebugFile("not_an_unwind_table", "the file is too short")
    magic, version, head_bytes = _HEAD.unpack_from(view)
    if magic != _MAGIC or version != UNWIND_VERSION:
        raise UnreadableDebugFile("not_an_unwind_table", "wrong magic or version")
    try:
        header = json.loads(
            bytes(view[_HEAD.size : _HEAD.size + min(head_bytes, _MAX_HEADER_BYTES)])
        )
        return _parts(view, header, _HEAD.size + head_bytes)
    except (ValueError, KeyError, TypeError) as problem:
        raise UnreadableDebugFile("malformed_unwind_table", "the parts do not fit") from problem


def _parts(view: memoryview, header: Mapping[str, Any], position: int) -> Parts:
    sections = {}
    for name in SECTIONS:
        count = int(header["rows"][name])
        starts, position = _words(view, position, count)
        values, position = _words(view, position, count)
        sections[name] = (starts, values)
    offsets, position = _words(view, position, int(header["strings"]) + 1)
    return Parts(header, sections, offsets, view[position:])


def _words(view: memoryview, position: int, count: int) -> tuple[memoryview, int]:
    end = position + 4 * count
    if count < 0 or end > len(view):
        raise ValueError(count)
    return view[position:end].cast("I"), end
