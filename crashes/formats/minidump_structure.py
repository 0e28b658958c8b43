"""What in a minidump is neither text nor memory: its tables and registers, which cleaning leaves alone.

Between the numbers of a table eight bytes may well look like an IMEI: the place of a thread's stack
at 81 to 84 kB does, with the right check digit. Overwriting them would take the thread from the dump. So
the tables of a dump are put back after it was cleaned, and so are registers and build ids; one in
which there is text that had to go stays as it was cleaned.

Names (of modules, of threads) and memory lie elsewhere in the file and are no part of this.
"""

import struct
from collections.abc import Callable, Iterable, Iterator

from crashes.formats.reduction import minidump_items, minidump_streams

_HEADER_BYTES, _ENTRY_BYTES, _MAX_STREAMS = 32, 12, 256
_THREADS, _MODULES, _MEMORY, _EXCEPTION, _SYSTEM, _MEMORY_64 = 3, 4, 5, 6, 7, 9
_MISC, _MEMORY_INFO, _THREAD_NAMES = 15, 16, 24
_BREAKPAD, _CRASHPAD = 0x47670001, 0x43500001
_TABLES = frozenset({
    _THREADS, _MODULES, _MEMORY, _EXCEPTION, _SYSTEM, _MEMORY_64, _MISC, _MEMORY_INFO,
    _THREAD_NAMES, _BREAKPAD, _CRASHPAD,
})  # fmt: skip
_LOCATION = struct.Struct("<II")
_THREAD_BYTES, _CONTEXT_OF_THREAD = 48, 40
_MODULE_BYTES, _BUILD_ID_OF_MODULE = 108, 76
_CONTEXT_OF_EXCEPTION = 160
_MAX_POINTED_BYTES = 16 << 10
"""The largest contexts are those of x86-64 with all extensions."""


def keep_structure(payload: bytes, clean: bytes, has_text: Callable[[bytes], bool]) -> bytes:
    """The clean dump with its tables as they were.

    `clean` is as long as `payload`; `has_text` says whether bytes hold text that has to go.
    """
    return keep_spans(payload, clean, has_text, _structure(payload))


def keep_spans(
    payload: bytes,
    clean: bytes,
    has_text: Callable[[bytes], bool],
    spans: Iterable[tuple[int, int]],
) -> bytes:
    """The clean bytes with those at `spans` (place, size) as they were."""
    if clean is payload:
        return payload
    result = bytearray(clean)
    for start, size in spans:
        before = payload[start : start + size]
        if clean[start : start + size] != before and not has_text(before):
            result[start : start + size] = before
    return bytes(result)


def _structure(payload: bytes) -> Iterator[tuple[int, int]]:
    """(place, size) of what is no text, inside the file."""
    if len(payload) < _HEADER_BYTES:
        return
    yield 0, _HEADER_BYTES
    count, at = struct.unpack_from("<II", payload, 8)
    yield at, _ENTRY_BYTES * min(count, _MAX_STREAMS)
    streams = dict(minidump_streams(payload))
    yield from (span for kind, span in streams.items() if kind in _TABLES)
    for item in minidump_items(payload, streams.get(_THREADS), _THREAD_BYTES, 4):
        yield from _pointed(payload, item + _CONTEXT_OF_THREAD)
    for item in minidump_items(payload, streams.get(_MODULES), _MODULE_BYTES, 4):
        yield from _pointed(payload, item + _BUILD_ID_OF_MODULE)
    exception = streams.get(_EXCEPTION)
    if exception is not None and exception[1] >= _CONTEXT_OF_EXCEPTION + _LOCATION.size:
        yield from _pointed(payload, exception[0] + _CONTEXT_OF_EXCEPTION)


def _pointed(payload: bytes, at: int) -> Iterator[tuple[int, int]]:
    """What the location at a place points to."""
    size, place = _LOCATION.unpack_from(payload, at)
    if size <= _MAX_POINTED_BYTES and place + size <= len(payload):
        yield place, size
