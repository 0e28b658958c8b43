"""Look addresses up in symcaches.

The format is in `table.py`. Every range has one source location: the last ones of that table, in
the same order. An address is looked up with one bisection of `ranges`; its frames are the chain
from that location over "inlined into" to the outermost function, so they come out innermost
first. For example

    ranges      0x10  0x2f              locations   0: b.c line 9 in main
                  |     |                           1: a.c line 3 in crash, inlined into 0
                  1     2                           2: b.c line 10 in main

answers 0x11 with `crash` at a.c:3 (inlined), `main` at b.c:9. A location of all ones ends the
code before a gap.

Reading this with `mmap` and `bisect` is several times faster than the compiler's own Python
interface, mostly because frames that were made once are kept (`Symcache` remembers them by
location and by address, up to a limit). Tables of another version go to that interface instead.

The compiler's library and the demangler are imported by those tables alone that need them: they take
three times as long to load as the first frame of any other table.

`SymcachePool` keeps the tables of a process open. Descriptors are the scarce thing, not memory:
the pages belong to the kernel and are shared by all workers.
"""

import gc
import mmap
import threading
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from crashes.symbolication.errors import UnreadableDebugFile
from crashes.symbolication.kernel import SymbolPlaces, symbols_from
from crashes.symbolication.table import (
    FILE_WORDS,
    FUNCTION_BYTES,
    LOCATION,
    NONE,
    layout_of,
    read_trailer,
    string_at,
    version_of,
)

_MAX_INLINE_DEPTH = 256
# About 250 bytes each: a table that saw everything holds some 50 MB until it starts again.
_MAX_REMEMBERED = 200_000


@contextmanager
def _collector_at_rest() -> Iterator[None]:
    """Frames are tuples without cycles; looking for cycles among them takes a third of the time."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


class SymbolFrame(NamedTuple):
    """One function at an address; a named tuple, as millions of them are made.

    `function` is demangled, `raw_function` as the symbol table spells it. `inlined` is true for
    all but the outermost function of an address.
    """

    function: str | None
    raw_function: str | None
    file: str | None
    line: int | None
    inlined: bool


# A named tuple's own constructor is a Python function; this makes one in half the time.
_NEW_FRAME = tuple.__new__
_UNPACK, _LOCATION_BYTES = LOCATION.unpack_from, LOCATION.size

Frames = tuple[SymbolFrame, ...]


class _Table(Protocol):
    """What answers for addresses relative to the load base."""

    def frames_at(self, relative: int) -> Frames: ...

    def close(self) -> None: ...


class Symcache:
    """An open symcache. Safe to share between threads; close it or let it go."""

    def __init__(self, path: Path) -> None:
        """Map the file. Raises UnreadableDebugFile for anything but a symcache, OSError."""
        with path.open("rb") as file:
            self._data = _mapped(file.fileno())
        self.size_bytes = len(self._data)
        trailer = read_trailer(self._data)
        self.build_id: str | None = trailer.get("build_id")
        self.arch: str | None = trailer.get("arch")
        self.source: str | None = trailer.get("source")
        self.load_base: int = trailer.get("load_base", 0)
        # Starts and ends of the code, sorted: an address in it has an odd number of them before it.
        self.text_bounds: tuple[int, ...] = tuple(
            chain.from_iterable(trailer.get("text_ranges", ()))
        )
        self._symbols_at: list[int] = trailer.get("symbols", [0, 0])
        self._places: SymbolPlaces | None = None
        self._table = _open_table(self._data, path, trailer)
        self._by_address: dict[int, Frames] = {}

    def lookup(self, addresses: Iterable[int]) -> list[Frames]:
        """The frames at each address, innermost first; empty where no function is known.

        Addresses are ELF virtual addresses, as tombstones print them. They are taken to be exact:
        a return address must have been moved into its call before.
        """
        known = self._by_address
        if len(known) > _MAX_REMEMBERED:
            known = self._by_address = {}
        answers = []
        with _collector_at_rest():
            for address in addresses:
                frames = known.get(address)
                if frames is None:
                    frames = known[address] = self._frames_at(address)
                answers.append(frames)
        return answers

    def address_of(self, function: str, offset: int, size_bytes: int | None = None) -> int | None:
        """The address of `function+offset/size` of a kernel; None where it is not known."""
        if self._places is None:
            start, end = self._symbols_at
            self._places = SymbolPlaces(symbols_from(self._data[start:end]))
        return self._places.address_of(function, offset, size_bytes)

    def _frames_at(self, address: int) -> Frames:
        if self.text_bounds and not bisect_right(self.text_bounds, address) & 1:
            return ()
        relative = address - self.load_base
        return self._table.frames_at(relative) if 0 <= relative < NONE else ()

    def close(self) -> None:
        """Unmap the file. The symcache must not be used afterwards."""
        self._table.close()
        self._data.close()

    def __enter__(self) -> "Symcache":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _mapped(fd: int) -> mmap.mmap:
    try:
        return mmap.mmap(fd, 0, access=mmap.ACCESS_READ)
    except ValueError as problem:  # an empty file
        raise UnreadableDebugFile("not_a_symcache", "the file is empty") from problem


def _open_table(data: mmap.mmap, path: Path, trailer: dict[str, Any]) -> _Table:
    if version_of(data) not in FILE_WORDS:
        return _ForeignTable(path)
    names = (trailer["names"], trailer["name_offsets"]) if "names" in trailer else None
    return _MappedTable(data, names)


class _MappedTable:
    """Our reader of versions 8 and 9; see `table.py` for the format.

    `names` says where the demangled names and their offsets stand; without them names are
    demangled when they are first met.
    """

    def __init__(self, data: mmap.mmap, names: tuple[int, int] | None) -> None:
        self._layout = layout = layout_of(data)
        self._data = memoryview(data)
        self._file_words = FILE_WORDS[layout.version]
        self._files = self._words(layout.files, layout.file_count * self._file_words)
        self._functions = self._words(layout.functions, layout.function_count * 4)
        self._ranges = self._words(layout.ranges, layout.range_count)
        self._names_at = names[0] if names else 0
        self._name_offsets = self._words(names[1], layout.function_count) if names else None
        self._first_location = layout.location_count - layout.range_count
        self._chains: dict[int, Frames] = {}
        self._names: dict[int, tuple[str | None, str | None]] = {}
        self._paths: dict[int, str | None] = {}

    def _words(self, position: int, count: int) -> memoryview:
        part = self._data[position : position + count * 4]
        if len(part) != count * 4:
            raise UnreadableDebugFile("malformed_symcache", "the tables do not fit the file")
        return part.cast("I")

    def close(self) -> None:
        views = (self._files, self._functions, self._ranges, self._name_offsets, self._data)
        for view in views:
            if view is not None:
                view.release()

    def frames_at(self, relative: int) -> Frames:
        index = bisect_right(self._ranges, relative) - 1
        if index < 0:
            return ()
        known = self._chains.get(self._first_location + index)
        return self._chain(self._first_location + index) if known is None else known

    def _chain(self, index: int) -> Frames:
        """The frames of a source location and of everything it is inlined into."""
        chains, names, paths = self._chains, self._names, self._paths
        if len(chains) > _MAX_REMEMBERED:
            chains.clear()
        # Climb to the outermost location or to one met before, then come back down: what holds
        # one inlined call holds its neighbors too.
        climbed: list[tuple[int, SymbolFrame]] = []
        frames: Frames | None = None
        at, count, start = index, self._layout.location_count, self._layout.locations
        while frames is None and at < count and len(climbed) < _MAX_INLINE_DEPTH:
            file, line, function, parent = _UNPACK(self._data, start + at * _LOCATION_BYTES)
            if parent == line == function == NONE:
                break
            named = names.get(function) or self._name(function)
            path = paths[file] if file in paths else self._path(file)
            frame = _NEW_FRAME(SymbolFrame, (*named, path, line or None, parent != NONE))
            climbed.append((at, frame))
            at = parent
            frames = chains.get(at)
        frames = frames or ()
        for at, frame in reversed(climbed):
            frames = chains[at] = (frame, *frames)
        return frames

    def _name(self, index: int) -> tuple[str | None, str | None]:
        """The demangled and the raw name of a function."""
        at = index * FUNCTION_BYTES // 4
        raw = self._string(self._functions[at]) if at < len(self._functions) else None
        name = self._names[index] = (self._demangled(index, raw), raw or None)
        return name

    def _demangled(self, index: int, raw: str | None) -> str | None:
        if not raw:
            return None
        if self._name_offsets is None:
            from crashes.symbolication.demangle import demangle  # noqa: PLC0415  see the module

            return demangle(raw)
        offset = self._name_offsets[index]
        return raw if offset == NONE else string_at(self._data, self._names_at + offset)

    def _path(self, index: int) -> str | None:
        at = index * self._file_words
        if at >= len(self._files):
            return None
        parts = [self._string(offset) for offset in self._files[at : at + 3]]
        path = self._paths[index] = _joined([part for part in parts if part]) or None
        return path

    def _string(self, offset: int) -> str | None:
        return None if offset == NONE else string_at(self._data, self._layout.strings + offset)


def _joined(parts: list[str]) -> str:
    """Path parts put together; an absolute one starts over, `.` and `..` are followed."""
    path = ""
    for part in parts:
        path = part if part.startswith("/") or not path else f"{path.rstrip('/')}/{part}"
    if "/." not in path and "//" not in path and not path.startswith("."):
        return path
    return _cleaned(path)


def _cleaned(path: str) -> str:
    kept: list[str] = []
    for part in path.split("/"):
        if part == ".." and kept and kept[-1] != "..":
            kept.pop()
        elif part == ".." and path.startswith("/"):
            continue
        elif part not in {"", "."}:
            kept.append(part)
    return ("/" if path.startswith("/") else "") + "/".join(kept)


class _ForeignTable:
    """A table of another version, read through `symbolic` itself."""

    def __init__(self, path: Path) -> None:
        from symbolic.exceptions import SymbolicError  # noqa: PLC0415  see the module
        from symbolic.symcache import SymCache  # noqa: PLC0415

        from crashes.symbolication.demangle import demangle  # noqa: PLC0415

        self._demangle = demangle
        try:
            self._cache: Any = SymCache.open(str(path))  # type: ignore[no-untyped-call]
        except SymbolicError as problem:
            raise UnreadableDebugFile("malformed_symcache", str(problem)) from problem

    def close(self) -> None:
        self._cache = None

    def frames_at(self, relative: int) -> Frames:
        found = self._cache.lookup(relative)
        last = len(found) - 1
        return tuple(
            SymbolFrame(
                self._demangle(item.symbol) if _is_name(item.symbol) else None,
                item.symbol if _is_name(item.symbol) else None,
                item.full_path or None,
                item.line or None,
                position != last,
            )
            for position, item in enumerate(found)
        )


def _is_name(symbol: str) -> bool:
    """Whether it is a name; `symbolic` writes a question mark where there is none."""
    return symbol not in {"", "?"}


class SymcachePool:
    """The open symcaches of a process, the least recently used given up first.

    `max_open` bounds descriptors, `max_bytes` the sum of the mapped files. A symcache that falls
    out while somebody still looks things up in it stays usable for them; it is closed when the
    last reference goes. Safe to share between threads.
    """

    def __init__(self, *, max_open: int = 256, max_bytes: int = 4 << 30) -> None:
        """An empty pool."""
        self._max_open = max_open
        self._max_bytes = max_bytes
        self._open: OrderedDict[Path, Symcache] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    def get(self, path: Path) -> Symcache:
        """The open symcache of `path`. Raises UnreadableDebugFile, or OSError when it is gone."""
        with self._lock:
            if path in self._open:
                self._open.move_to_end(path)
                return self._open[path]
            symcache = Symcache(path)
            self._open[path] = symcache
            self._bytes += symcache.size_bytes
            self._shrink()
            return symcache

    def drop(self, path: Path) -> None:
        """Forget one file, because it was replaced or deleted; unknown ones are fine."""
        with self._lock:
            symcache = self._open.pop(path, None)
            self._bytes -= symcache.size_bytes if symcache else 0

    def clear(self) -> None:
        """Forget all files."""
        with self._lock:
            self._open.clear()
            self._bytes = 0

    def __len__(self) -> int:
        return len(self._open)

    @property
    def open_bytes(self) -> int:
        """How many bytes of symcaches are mapped now."""
        return self._bytes

    def _shrink(self) -> None:
        """Give up the oldest until the budgets hold; the newest always stays."""
        while len(self._open) > 1 and (
            len(self._open) > self._max_open or self._bytes > self._max_bytes
        ):
            _, oldest = self._open.popitem(last=False)
            self._bytes -= oldest.size_bytes
