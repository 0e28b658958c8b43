"""The compiler of symcaches: an ELF file or a Breakpad symbol file in, a table out (`table.py`)."""

import mmap
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from symbolic._lowlevel import ffi
from symbolic.debuginfo import Archive
from symbolic.exceptions import SymbolicError

from crashes.symbolication.errors import UnreadableDebugFile


def compile_table(data: mmap.mmap | bytes | bytearray) -> bytes:
    """The compiled table, padded to 8 bytes.

    Raises UnreadableDebugFile `uncompilable_debug_file` when the compiler gives up.
    """
    try:
        with _borrowed(data) as view:
            archive = Archive.from_bytes(view)
            objects = list(archive.iter_objects())
            if not objects:
                raise UnreadableDebugFile("uncompilable_debug_file", "the file holds no object")
            compiled: Any = objects[0].make_symcache()
            table: bytes = compiled.open_stream().read()
            del compiled, objects, archive  # they point into the view
    except SymbolicError as problem:
        raise UnreadableDebugFile(
            "uncompilable_debug_file", str(problem).partition("\n")[0] or type(problem).__name__
        ) from problem
    return table.ljust((len(table) + 7) & ~7, b"\0")


@contextmanager
def _borrowed(data: mmap.mmap | bytes | bytearray) -> Iterator[Any]:
    """The bytes as `symbolic` can read them in place, without the copy its own API would make.

    `symbolic` keeps pointers into the buffer; everything made from it must be gone at the end.
    """
    view = ffi.from_buffer("uint8_t[]", data)
    try:
        yield view
    finally:
        ffi.release(view)
