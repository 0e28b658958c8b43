r"""The symcache's format: where its tables lie, and how its strings are spelled.

A symcache (`symbolic`'s SymCache, version 9; version 8 differs in the width of a file row) is
five flat tables behind a header, each aligned to 8 bytes, all numbers little-endian u32:

    magic "SYMC", version        8 bytes
    header                       debug id 32, arch 4, five counts 20, reserved 16 bytes
    files                        string offsets: compilation directory, directory, name, ...
    functions                    string offset of the name, unused, entry address, language
    source locations             file, line, function, location it is inlined into
    ranges                       start addresses, sorted
    strings                      each with its length as a LEB128 number in front

All ones stand for "none". Behind it we put things of our own:

    names                        demangled names, spelled like strings, then one offset per function
    symbols                      of a kernel: a line `address name` for each label in its code
    folded                       places where several functions are one code (`folding.py`)
    trailer                      JSON, its size, SYMCACHE_VERSION, magic "UXPSYMC\0"

The file stays a valid SymCache for `symbolic`, which looks at no more than its header announces.
Demangled names are made once, when the table is built, because that work is hostile too: a
mangled name of 200 characters can stand for gigabytes, and only the build runs in a sandbox.
"""

import json
import struct
from typing import Any, NamedTuple

from crashes.symbolication.errors import UnreadableDebugFile

NONE = 0xFFFFFFFF
FUNCTION_BYTES = 16
LOCATION_BYTES = 16
# What a location says, and the location that it is inlined into; then the words of the former.
LOCATION_SPLIT = struct.Struct("<12sI").unpack_from
SAID = struct.Struct("<3I")
FILE_WORDS = {8: 3, 9: 6}

_MAGIC = b"SYMC"
_COUNTS = struct.Struct("<5I")
_COUNTS_OFFSET = 44
_HEADER_BYTES = 80
_MAX_STRING_BYTES = 1 << 20

_TRAILER_MAGIC = b"UXPSYMC\0"
_TRAILER_END = struct.Struct("<II8s")

Buffer = Any  # bytes or an mmap: what struct and memoryview read


class Layout(NamedTuple):
    """Offsets into the file, in bytes, and how many rows stand there.

    A named tuple, as loading `dataclasses` takes longer than the first look-up.
    """

    version: int
    files: int
    functions: int
    locations: int
    ranges: int
    strings: int
    file_count: int
    function_count: int
    location_count: int
    range_count: int


def version_of(data: Buffer) -> int:
    """The format's version. Raises UnreadableDebugFile for anything but a symcache."""
    if data[:4] != _MAGIC or len(data) < _HEADER_BYTES:
        raise UnreadableDebugFile("not_a_symcache", "the file does not start with SYMC")
    return int.from_bytes(data[4:8], "little")


def layout_of(data: Buffer) -> Layout:
    """Where the tables lie, for a version in `FILE_WORDS`. Raises UnreadableDebugFile."""
    version = version_of(data)
    counts = _COUNTS.unpack_from(data, _COUNTS_OFFSET)
    row_bytes = (FILE_WORDS[version] * 4, FUNCTION_BYTES, LOCATION_BYTES, 4, 1)
    offsets, position = [], _HEADER_BYTES
    for count, size_bytes in zip(counts, row_bytes, strict=True):
        position = (position + 7) & ~7
        offsets.append(position)
        position += count * size_bytes
    files, functions, locations, ranges, _ = counts
    if position > len(data) or ranges > locations:
        raise UnreadableDebugFile("malformed_symcache", "the tables do not fit the file")
    file_offset, function_offset, location_offset, range_offset, string_offset = offsets
    return Layout(
        version=version,
        files=file_offset,
        functions=function_offset,
        locations=location_offset,
        ranges=range_offset,
        strings=string_offset,
        file_count=files,
        function_count=functions,
        location_count=locations,
        range_count=ranges,
    )


def string_at(data: Buffer, position: int) -> str | None:
    """The string that starts at `position`; None when there is none."""
    if position < len(data) and data[position] < 0x80:  # noqa: PLR2004  nearly all are short
        return str(data[position + 1 : position + 1 + data[position]], "utf-8", "replace")
    length = shift = 0
    while position < len(data) and shift < 35:  # noqa: PLR2004 - five bytes hold any u32
        byte = data[position]
        length |= (byte & 0x7F) << shift
        position, shift = position + 1, shift + 7
        if byte < 0x80:  # noqa: PLR2004 - the continuation bit
            length = min(length, _MAX_STRING_BYTES)
            return str(data[position : position + length], "utf-8", "replace")
    return None


def string_bytes(text: str) -> bytes:
    """The string as `string_at` reads it."""
    content = text.encode("utf-8", "replace")
    length, prefix = len(content), bytearray()
    while length >= 0x80:  # noqa: PLR2004 - the continuation bit
        prefix.append(length & 0x7F | 0x80)
        length >>= 7
    return bytes(prefix) + bytes([length]) + content


def raw_name_offsets(data: Buffer, layout: Layout) -> list[int]:
    """Where in `strings` the symbol of every function stands; NONE for one without."""
    end = layout.functions + layout.function_count * FUNCTION_BYTES
    with memoryview(data) as whole, whole[layout.functions : end].cast("I") as words:
        return words[:: FUNCTION_BYTES // 4].tolist()


def trailer_bytes(facts: dict[str, Any], version: int) -> bytes:
    """The trailer that `read_trailer` reads."""
    text = json.dumps(facts).encode()
    return text + _TRAILER_END.pack(len(text), version, _TRAILER_MAGIC)


def read_trailer(data: Buffer) -> dict[str, Any]:
    """The trailer's facts with its `version`; empty when the file has none.

    Raises UnreadableDebugFile for a damaged one.
    """
    end = len(data) - _TRAILER_END.size
    if end < 0:
        return {}
    size_bytes, version, magic = _TRAILER_END.unpack_from(data, end)
    if magic != _TRAILER_MAGIC:
        return {}
    try:
        facts = json.loads(data[max(0, end - size_bytes) : end])
    except ValueError as problem:
        raise UnreadableDebugFile("malformed_symcache", "the trailer is damaged") from problem
    return {**facts, "version": version}
