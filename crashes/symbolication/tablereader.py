"""Read the tables of a symcache: many addresses at a time, each frame made once.

The format is in `table.py`, what an answer means in `lookup.py`. What costs time is not the file
but Python's objects, so as few as possible are made, and none twice:

* a frame (function, file, line, inlined or not) is shared by all places that say the same; of
  100,000 random addresses of a C++ library, 250,000 locations are made of 34,000 frames;
* the chain of a location is kept, as neighbors are inlined into the same functions;
* a name or a path is decoded when the first frame needs it.

Addresses come sorted: what lies side by side in the code then lies side by side in the processor's
caches too, which alone halves the time. All that is kept is forgotten at once when there is too
much of it.
"""

from bisect import bisect_right
from collections.abc import Sequence
from typing import NamedTuple

from crashes.symbolication.errors import UnreadableDebugFile
from crashes.symbolication.table import (
    FILE_WORDS,
    FUNCTION_BYTES,
    LOCATION_BYTES,
    LOCATION_SPLIT,
    NONE,
    SAID,
    Buffer,
    layout_of,
    string_at,
)

_MAX_INLINE_DEPTH = 256
# About 150 bytes each, their frames and names included: some 30 MB until it starts again.
_MAX_REMEMBERED = 200_000


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

Frames = tuple[SymbolFrame, ...]


class MappedTable:
    """Our reader of versions 8 and 9.

    `names` says where the demangled names and their offsets stand; without them names are
    demangled when they are first met. Safe to share between threads.
    """

    def __init__(self, data: Buffer, names: tuple[int, int] | None) -> None:
        """The tables in `data`. Raises UnreadableDebugFile when they do not fit it."""
        self._layout = layout = layout_of(data)
        self._strings = data  # a slice of a map is bytes at once, one of a view another object
        self._data = memoryview(data)
        self._file_words = FILE_WORDS[layout.version]
        self._files = self._words(layout.files, layout.file_count * self._file_words)
        self._functions = self._words(layout.functions, layout.function_count * 4)
        self._ranges = self._words(layout.ranges, layout.range_count)
        self._names_at = names[0] if names else 0
        self._name_offsets = self._words(names[1], layout.function_count) if names else None
        self._chains: dict[int, Frames] = {}
        # By what a location says, the ones of inlined calls and the outermost ones.
        self._frames: tuple[dict[bytes, SymbolFrame], dict[bytes, SymbolFrame]] = {}, {}
        self._names: dict[int, tuple[str | None, str | None]] = {}
        self._paths: dict[int, str | None] = {}

    def _words(self, position: int, count: int) -> memoryview:
        part = self._data[position : position + count * 4]
        if len(part) != count * 4:
            raise UnreadableDebugFile("malformed_symcache", "the tables do not fit the file")
        return part.cast("I")

    def close(self) -> None:
        """Let the data go."""
        views = (self._files, self._functions, self._ranges, self._name_offsets, self._data)
        for view in views:
            if view is not None:
                view.release()

    def frames_of(self, relatives: Sequence[int]) -> list[Frames]:
        """The frames at each address from the load base. Sorted addresses are fastest."""
        if len(self._chains) > _MAX_REMEMBERED:
            # New ones, as another thread may be at work with the old.
            self._chains, self._frames, self._names, self._paths = {}, ({}, {}), {}, {}
        ranges, layout = self._ranges, self._layout
        before = layout.location_count - layout.range_count - 1
        chains = self._chains
        answers = []
        for relative in relatives:
            place = before + bisect_right(ranges, relative)
            frames = chains.get(place)
            if frames is None:
                frames = self._chain(place, chains) if place > before else ()
            answers.append(frames)
        return answers

    def _chain(self, at: int, chains: dict[int, Frames]) -> Frames:
        """The frames of a location and of everything it is inlined into.

        Climbs to the outermost location or to one met before, then comes back down: what holds
        one inlined call holds its neighbors too.
        """
        count, start, data = self._layout.location_count, self._layout.locations, self._data
        inlined, outermost = self._frames
        climbed: list[tuple[int, SymbolFrame]] = []
        frames: Frames | None = None
        while at < count and frames is None and len(climbed) < _MAX_INLINE_DEPTH:
            said, parent = LOCATION_SPLIT(data, start + at * LOCATION_BYTES)
            met = outermost if parent == NONE else inlined
            frame = met.get(said) or self._frame(said, parent, met)
            if frame is None:
                break
            climbed.append((at, frame))
            at = parent
            frames = chains.get(at)
        frames = frames or ()
        while climbed:
            at, frame = climbed.pop()
            frames = chains[at] = (frame,) + frames  # noqa: RUF005  half the time of unpacking
        return frames

    def _frame(self, said: bytes, parent: int, met: dict[bytes, SymbolFrame]) -> SymbolFrame | None:
        """The frame that a location's words stand for; None for the end of code."""
        file, line, function = SAID.unpack(said)
        if parent == line == function == NONE:
            return None
        name, raw = self._names.get(function) or self._name(function)
        path = self._paths[file] if file in self._paths else self._path(file)
        frame = _NEW_FRAME(SymbolFrame, (name, raw, path, line or None, parent != NONE))
        met[said] = frame
        return frame

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
            from crashes.symbolication.demangle import demangle  # noqa: PLC0415  see `lookup`

            return demangle(raw)
        offset = self._name_offsets[index]
        return raw if offset == NONE else string_at(self._strings, self._names_at + offset)

    def _path(self, index: int) -> str | None:
        at = index * self._file_words
        if at >= len(self._files):
            return None
        parts = [self._string(offset) for offset in self._files[at : at + 3]]
        path = self._paths[index] = _joined([part for part in parts if part]) or None
        return path

    def _string(self, offset: int) -> str | None:
        return None if offset == NONE else string_at(self._strings, self._layout.strings + offset)


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
