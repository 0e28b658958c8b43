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
interface, mostly because frames that were made once are kept (`tablereader.py` remembers them by
what they say and by location, `Symcache` by address, each up to a limit). Tables of another version
go to that interface instead.

The compiler's library, the demangler and what knows kernels are imported by those tables alone that
need them: they take longer to load than the first frame of any other table.

`SymcachePool` keeps the tables of a process open. Descriptors are the scarce thing, not memory:
the pages belong to the kernel and are shared by all workers.
"""

import gc
import mmap
import threading
from bisect import bisect_left, bisect_right
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from crashes.symbolication.errors import UnreadableDebugFile
from crashes.symbolication.table import FILE_WORDS, NONE, read_trailer, version_of
from crashes.symbolication.tablereader import Frames, MappedTable, SymbolFrame

if TYPE_CHECKING:
    from crashes.symbolication.folding import FoldedCode
    from crashes.symbolication.kernel import SymbolPlaces

# An address and a reference each, until it starts again.
_MAX_REMEMBERED = 200_000
_AT_A_TIME = 100_000


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


class _Table(Protocol):
    """What answers for addresses relative to the load base."""

    def frames_of(self, relatives: Sequence[int]) -> list[Frames]: ...

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
        self._folded_at: list[int] = trailer.get("folded", [0, 0])
        self._folded: FoldedCode | None = None
        self._table = _open_table(self._data, path, trailer)
        self._by_address: dict[int, Frames] = {}

    def lookup(self, addresses: Iterable[int]) -> list[Frames]:
        """The frames at each address, innermost first; empty where no function is known.

        Addresses are ELF virtual addresses, as tombstones print them. They are taken to be exact:
        a return address must have been moved into its call before.
        """
        wanted = list(addresses)
        known = self._by_address
        missing = {address for address in wanted if address not in known}
        if missing and len(known) > _MAX_REMEMBERED:
            known = self._by_address = {}
            missing = set(wanted)
        if missing:
            self._look_up(sorted(missing), known)
        return [known[address] for address in wanted]

    def _look_up(self, addresses: list[int], known: dict[int, Frames]) -> None:
        with _collector_at_rest():
            for start in range(0, len(addresses), _AT_A_TIME):
                known.update(self._looked_up(addresses[start : start + _AT_A_TIME]))

    def address_of(self, function: str, offset: int, size_bytes: int | None = None) -> int | None:
        """The address of `function+offset/size` of a kernel; None where it is not known."""
        if self._places is None:
            from crashes.symbolication.kernel import (  # noqa: PLC0415  see the module
                SymbolPlaces,
                symbols_from,
            )

            start, end = self._symbols_at
            self._places = SymbolPlaces(symbols_from(self._data[start:end]))
        return self._places.address_of(function, offset, size_bytes)

    def names_at(self, address: int) -> tuple[str, ...]:
        """Every name of the code at an address that is several functions at once; else empty."""
        start, end = self._folded_at
        if start == end:
            return ()
        if self._folded is None:
            from crashes.symbolication.folding import FoldedCode  # noqa: PLC0415  see the module

            self._folded = FoldedCode(self._data[start:end])
        return self._folded.names_at(address)

    def _looked_up(self, addresses: list[int]) -> dict[int, Frames]:
        """The frames at each of some sorted addresses."""
        answers: dict[int, Frames] = dict.fromkeys(addresses, ())
        base = self.load_base
        coded = self._in_code(addresses)
        coded = coded[bisect_left(coded, base) : bisect_left(coded, base + NONE)]
        found = self._table.frames_of([address - base for address in coded] if base else coded)
        answers.update(zip(coded, found, strict=True))
        return answers

    def _in_code(self, addresses: list[int]) -> list[int]:
        """Those of some sorted addresses where code is, a stretch of them at a time."""
        bounds = self.text_bounds
        if not bounds:
            return addresses
        kept: list[int] = []
        at = 0
        while at < len(addresses):
            bound = bisect_right(bounds, addresses[at])
            after = bisect_left(addresses, bounds[bound], at) if bound < len(bounds) else None
            if bound & 1:
                kept += addresses[at:after]
            at = len(addresses) if after is None else after
        return kept

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
    return MappedTable(data, names)


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

    def frames_of(self, relatives: Sequence[int]) -> list[Frames]:
        return [self._frames_at(relative) for relative in relatives]

    def _frames_at(self, relative: int) -> Frames:
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
