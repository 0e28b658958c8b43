"""Of a dump only what tells what happened: other people's memory goes before rules look for names.

A crashed process has in its memory what its user had on the screen, so the parts that no parser of
ours reads are taken out whole, whatever is in them:

    tombstone text    the rows below `memory near`, `code around` and `open files`; the heads stay
    tombstone proto   the bytes of memory dumps, the paths of open files
    minidump          the environment; memory that is no thread's stack and not around an instruction
    core file         all but stacks, registers and the headers of binaries (`core_reduction`)
    log buffers       stay: their text is scrubbed like any other

Text loses lines; in binary the bytes become zeros, so that every offset stays true.
"""

import re
import struct
from collections.abc import Iterator, Sequence

from crashes.formats.core_file import is_core
from crashes.formats.core_reduction import reduced_core
from crashes.stack import PayloadFormat

CUT = b"    (cut)"

_SECTION = re.compile(
    rb"(?m)^(?:[^\n]{0,80}?)(?P<head>(?:memory near|code around) [^\n]*|open files:[^\n]*)\n"
    rb"(?P<rows>(?:[^\n]{0,80}? {4}[^\n]*\n?)+)"
)


def reduced(payload_format: PayloadFormat, payload: bytes) -> bytes:
    """The payload without the parts that are private and not needed. Never raises for damage."""
    if payload.startswith(b"MDMP"):
        return _reduced_minidump(payload)
    if is_core(payload):
        return reduced_core(payload)
    if payload_format is PayloadFormat.TOMBSTONE_PROTO:
        return _reduced_proto(payload)
    if b"memory near" in payload or b"code around" in payload or b"open files:" in payload:
        return _SECTION.sub(_cut, payload)
    return payload


def _cut(match: re.Match[bytes]) -> bytes:
    start = match.start()
    return match.group()[: match.start("rows") - start] + CUT + b"\n"


# --- minidumps (see `minidump.container`)

_THREADS, _MEMORY, _MEMORY_64, _ENVIRONMENT = 3, 5, 9, 0x47670007
_MAX_STREAMS, _MAX_ITEMS = 256, 200_000
_STACK_IN_THREAD = struct.Struct("<24xQII8x")
_REGION = struct.Struct("<QII")
_REGION_64 = struct.Struct("<QQ")
_INSTRUCTIONS = 512
"""Breakpad and Crashpad keep 256 bytes around the instruction that crashed: code, not content."""


def _reduced_minidump(payload: bytes) -> bytes:
    streams = dict(minidump_streams(payload))
    stacks = list(_stacks(payload, streams.get(_THREADS)))
    drop = list(_foreign(_regions(payload, streams), stacks))
    if _ENVIRONMENT in streams:
        drop.append(streams[_ENVIRONMENT])
    return _zeroed(payload, drop)


def minidump_streams(payload: bytes) -> Iterator[tuple[int, tuple[int, int]]]:
    """(type, (place, size)) of the streams that lie inside the file."""
    if len(payload) < 32:  # noqa: PLR2004  the header
        return
    count, at = struct.unpack_from("<II", payload, 8)
    for number in range(min(count, _MAX_STREAMS)):
        if at + 12 * (number + 1) > len(payload):
            return
        kind, size, place = struct.unpack_from("<III", payload, at + 12 * number)
        if place + size <= len(payload):
            yield kind, (place, size)


def minidump_items(
    payload: bytes, span: tuple[int, int] | None, size: int, head: int
) -> Iterator[int]:
    """Where the items of a list are."""
    if span is None or span[1] < head:
        return
    count = int.from_bytes(payload[span[0] : span[0] + min(head, 8)], "little")
    start = span[0] + head
    if head == 4 and span[1] - 4 - count * size == 4:  # noqa: PLR2004  some writers align the list
        start += 4
    for number in range(min(count, _MAX_ITEMS)):
        at = start + number * size
        if at + size > span[0] + span[1]:
            return
        yield at


def _stacks(payload: bytes, span: tuple[int, int] | None) -> Iterator[tuple[int, int]]:
    for at in minidump_items(payload, span, 48, 4):
        address, size, _ = _STACK_IN_THREAD.unpack_from(payload, at)
        yield address, address + size


def _regions(payload: bytes, streams: dict[int, tuple[int, int]]) -> Iterator[tuple[int, int, int]]:
    """(address, size, place) of every piece of memory."""
    for at in minidump_items(payload, streams.get(_MEMORY), 16, 4):
        yield _REGION.unpack_from(payload, at)
    span = streams.get(_MEMORY_64)
    if span is not None and span[1] >= 16:  # noqa: PLR2004
        place = int.from_bytes(payload[span[0] + 8 : span[0] + 16], "little")
        for at in minidump_items(payload, span, 16, 16):
            address, size = _REGION_64.unpack_from(payload, at)
            yield address, size, place
            place += size


def _foreign(
    regions: Iterator[tuple[int, int, int]], stacks: Sequence[tuple[int, int]]
) -> Iterator[tuple[int, int]]:
    """(place, size) of what is no stack. Stacks are sorted, so that many of both are no trouble."""
    ordered = sorted(stack for stack in stacks if stack[1] > stack[0])
    starts = [start for start, _ in ordered]
    for address, size, place in regions:
        is_stack = any(
            start < address + size and address < end
            for start, end in ordered[max(0, _index(starts, address) - 2) :][:_NEIGHBORS]
        )
        if size > _INSTRUCTIONS and not is_stack:
            yield place, size


_NEIGHBORS = 4


def _index(starts: Sequence[int], address: int) -> int:
    low, high = 0, len(starts)
    while low < high:
        middle = (low + high) // 2
        low, high = (middle + 1, high) if starts[middle] <= address else (low, middle)
    return low


# --- tombstone.proto (see `tombstone_schema`)

_TOMBSTONE = {10: "signal", 16: "thread_entry", 25: "thread_entry", 19: "fd"}
_PRIVATE = {
    "tombstone": _TOMBSTONE,
    "root": {1: "tombstone"} | _TOMBSTONE,  # perhaps in the wrapper of Android 14
    "signal": {10: "memory"},
    "thread_entry": {2: "thread"},
    "thread": {5: "memory"},
    "memory": {4: "drop", 5: "drop"},
    "fd": {2: "drop"},
}
"""By message, the fields that lead to private bytes."""

_VARINT, _FIXED64, _DELIMITED, _FIXED32 = 0, 1, 2, 5
_CONTINUES = 0x80


def _reduced_proto(payload: bytes) -> bytes:
    return _zeroed(payload, list(_private_fields(payload, 0, len(payload), "root")))


def _private_fields(data: bytes, at: int, end: int, message: str) -> Iterator[tuple[int, int]]:
    """(place, size) of the private bytes of a message; what is damaged ends the search."""
    known = _PRIVATE[message]
    while at < end:
        key = data[at]
        at += 1
        if key >= _CONTINUES:
            key, at = _varint(data, at - 1, end)
        number, kind = key >> 3, key & 7
        if kind == _DELIMITED:
            size, at = _varint(data, at, end)
            if at + size > end:
                return
            inner = known.get(number)
            if inner == "drop":
                yield at, size
            elif inner is not None:
                yield from _private_fields(data, at, at + size, inner)
            at += size
        elif kind == _VARINT:
            _, at = _varint(data, at, end)
        elif kind in (_FIXED64, _FIXED32):
            at += 8 if kind == _FIXED64 else 4
        else:
            return


def _varint(data: bytes, at: int, end: int) -> tuple[int, int]:
    value = shift = 0
    while at < end and shift < 70:  # noqa: PLR2004  ten bytes
        byte = data[at]
        at += 1
        if byte < _CONTINUES:
            return value | byte << shift, at
        value |= (byte & 0x7F) << shift
        shift += 7
    return value, end


def _zeroed(payload: bytes, spans: Sequence[tuple[int, int]]) -> bytes:
    inside = [(at, size) for at, size in spans if at >= 0 and at + size <= len(payload)]
    if not inside:
        return payload
    data = bytearray(payload)
    for at, size in inside:
        data[at : at + size] = bytes(size)
    return bytes(data)
