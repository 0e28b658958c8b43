"""Make the unwind table of a debug file; see the package.

Ranges in debug files may overlap where linkers fold or discard functions. Of two overlapping CFI
ranges the one that starts first is kept, as in Breakpad's walker; frame data of Windows is
nested, and the innermost counts.
"""

import mmap
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from symbolic._lowlevel import ffi
from symbolic.cfi import CfiCache
from symbolic.debuginfo import Archive
from symbolic.exceptions import SymbolicError

from crashes.symbolication.elf import DebugFileFacts, DebugFileKind, identify
from crashes.symbolication.elffile import ElfFile
from crashes.symbolication.errors import UnreadableDebugFile
from crashes.symbolication.unwind.exidx import arm_ranges
from crashes.symbolication.unwind.layout import NOTHING, UNWIND_VERSION, Rows, write_table
from crashes.symbolication.unwind.records import (
    MAX_ADDR,
    CfiChange,
    CfiRange,
    CodeRange,
    Record,
    WindowsRange,
    read_records,
)

_MAX_RULES_CHARS = 4096
_MAX_REGISTERS = 64


@dataclass(frozen=True, slots=True)
class UnwindFacts:
    """What was compiled. `rows` counts addresses at which rules change, `rule_sets` the rules."""

    version: int
    build_id: str | None
    debug_id: str | None
    arch: str | None
    load_base: int
    rows: int
    rule_sets: int
    size_bytes: int


def build_unwind_table(debug_fd: int, out_fd: int) -> UnwindFacts:
    """Compile the debug file behind `debug_fd` into the empty file behind `out_fd`.

    A file without call frame information makes a table too: it tells where code is. Nothing is
    closed. Raises UnreadableDebugFile: the codes of `identify`, `not_native` for a mapping,
    `uncompilable_debug_file` when the compiler gives up.
    """
    with open(debug_fd, "rb", closefd=False) as file:
        facts = identify(file)
    if facts.kind is DebugFileKind.PROGUARD_MAPPING:
        raise UnreadableDebugFile("not_native", "a mapping holds no native code")
    with mmap.mmap(debug_fd, 0, access=mmap.ACCESS_READ) as data:
        is_text = facts.kind is DebugFileKind.BREAKPAD_SYM
        draft = _Draft.of(read_records(data if is_text else _cfi_text(data)))
    if not is_text and not draft.ranges:
        draft = _Draft.of(_arm_ranges(debug_fd))
    code = draft.code_rows() if is_text else _text_rows(facts)
    return _written(out_fd, facts, draft, code, is_complete=not is_text)


def _arm_ranges(debug_fd: int) -> list[CfiRange]:
    """ARM's own tables, which are less exact and come in where there is nothing else."""
    with open(debug_fd, "rb", closefd=False) as file:
        return list(arm_ranges(ElfFile(file)))


def unwind_name(build_id: str, arch: str | None = None) -> str:
    """The file name under which a table is kept: a new version never meets an old file."""
    return f"{build_id}.{arch or 'any'}.v{UNWIND_VERSION}.unwind"


def _written(
    out_fd: int, facts: DebugFileFacts, draft: "_Draft", code: Rows, *, is_complete: bool
) -> UnwindFacts:
    sections = {
        "cfi": draft.cfi_rows(),
        "frame_data": draft.windows_rows(is_fpo=False),
        "fpo": draft.windows_rows(is_fpo=True),
        "code": code,
    }
    strings = draft.strings.texts
    header = {
        "build_id": facts.build_id,
        "debug_id": facts.debug_id,
        "arch": facts.arch,
        "load_base": facts.load_base,
        "is_complete": is_complete,
    }
    with open(out_fd, "wb", closefd=False) as out:
        size_bytes = write_table(out, header, sections, strings)
    return UnwindFacts(
        version=UNWIND_VERSION,
        build_id=facts.build_id,
        debug_id=facts.debug_id,
        arch=facts.arch,
        load_base=facts.load_base,
        rows=len(sections["cfi"].starts),
        rule_sets=len(strings),
        size_bytes=size_bytes,
    )


def _cfi_text(data: mmap.mmap) -> bytes:
    """The call frame information of an ELF file in the text form; empty when it has none."""
    try:
        with _borrowed(data) as view:
            archive = Archive.from_bytes(view)
            objects = list(archive.iter_objects())
            cache: Any = CfiCache.from_object(objects[0]) if objects else None
            text: bytes = cache.open_stream().read() if cache else b""
            del cache, objects, archive  # they point into the view
    except SymbolicError as problem:
        raise UnreadableDebugFile(
            "uncompilable_debug_file", str(problem).partition("\n")[0] or type(problem).__name__
        ) from problem
    return text


@contextmanager
def _borrowed(data: mmap.mmap) -> Iterator[Any]:
    """The bytes as `symbolic` reads them in place, without the copy its own API would make."""
    view = ffi.from_buffer("uint8_t[]", data)
    try:
        yield view
    finally:
        ffi.release(view)


def _text_rows(facts: DebugFileFacts) -> Rows:
    """Where an ELF file has code, counted from its load base."""
    rows = Rows()
    for start, end in facts.text_ranges:
        first, last = start - facts.load_base, end - facts.load_base
        if 0 <= first < last <= MAX_ADDR:
            rows.add(first, 0)
            rows.add(last, NOTHING)
    return rows


@dataclass(slots=True)
class _Strings:
    """Texts, each kept once."""

    texts: list[str] = field(default_factory=list)
    _known: dict[str, int] = field(default_factory=dict)

    def index(self, text: str) -> int:
        if text not in self._known:
            self._known[text] = len(self.texts)
            self.texts.append(text)
        return self._known[text]


@dataclass(slots=True)
class _Draft:
    """The records of a debug file, on their way to rows."""

    ranges: list[tuple[CfiRange, list[CfiChange]]] = field(default_factory=list)
    windows: list[WindowsRange] = field(default_factory=list)
    code: list[CodeRange] = field(default_factory=list)
    strings: _Strings = field(default_factory=_Strings)
    _merged: dict[tuple[str, str], str] = field(default_factory=dict)

    @classmethod
    def of(cls, records: Iterable[Record]) -> "_Draft":
        draft = cls()
        for record in records:
            draft._take(record)
        return draft

    def _take(self, record: Record) -> None:
        match record:
            case CfiRange():
                self.ranges.append((record, []))
            case CfiChange():
                if self.ranges and _holds(self.ranges[-1][0], record):
                    self.ranges[-1][1].append(record)
            case WindowsRange():
                self.windows.append(record)
            case CodeRange():
                self.code.append(record)

    def cfi_rows(self) -> Rows:
        rows, end = Rows(), 0
        for first, changes in sorted(self.ranges, key=lambda item: item[0].start):
            if first.start < end or not 0 < first.size <= MAX_ADDR - first.start:
                continue
            rules = self._with("", first.rules)
            rows.add(first.start, self._index(rules))
            for change in sorted(changes, key=lambda change: change.start):
                rules = self._with(rules, change.rules)
                rows.add(change.start, self._index(rules))
            end = first.start + first.size
            rows.add(end, NOTHING)
        return rows

    def _index(self, rules: str) -> int:
        return self.strings.index(rules) if rules else NOTHING

    def _with(self, rules: str, changes: str) -> str:
        key = (rules, changes)
        if key not in self._merged:
            self._merged[key] = _merged(rules, changes)
        return self._merged[key]

    def windows_rows(self, *, is_fpo: bool) -> Rows:
        chosen = [
            (item.start, min(item.start + item.size, MAX_ADDR), self.strings.index(item.text))
            for item in self.windows
            if item.is_fpo is is_fpo
        ]
        return _nested_rows(chosen)

    def code_rows(self) -> Rows:
        """Functions, and symbols without a size, which reach up to the next function.

        A symbol inside a function names what lies behind it.
        """
        functions = sorted(
            (item for item in self.code if item.is_function), key=lambda item: item.start
        )
        symbols = sorted({item.start for item in self.code if not item.is_function})
        rows = Rows()
        for item, behind in zip([None, *functions], [*functions, None], strict=True):
            _add_function(rows, item, symbols, behind.start if behind else MAX_ADDR)
        return rows


def _add_function(
    rows: Rows, function: CodeRange | None, symbols: Sequence[int], limit: int
) -> None:
    """A function and what symbols name between its end and `limit`."""
    start = function.start if function else -1
    end = min(start + function.size, limit) if function else 0
    if function:
        rows.add(start, function.parameter_bytes & 0xFFFF)
        rows.add(end, NOTHING)
    index = bisect_left(symbols, start + 1)
    if index < len(symbols) and symbols[index] < limit:
        rows.add(max(end, symbols[index]), 0)
        rows.add(limit, NOTHING)


def _holds(first: CfiRange, change: CfiChange) -> bool:
    return first.start <= change.start < first.start + first.size


def _merged(rules: str, changes: str) -> str:
    """Rule sets as text, the later one winning for each register; empty when they are too many."""
    by_register = _by_register(rules) | _by_register(changes)
    text = " ".join(f"{name}: {program}" for name, program in by_register.items())
    fits = len(text) <= _MAX_RULES_CHARS and len(by_register) <= _MAX_REGISTERS
    return text if fits else ""


def _by_register(rules: str) -> dict[str, str]:
    found: dict[str, list[str]] = {}
    program: list[str] | None = None
    for token in rules.split():
        if token.endswith(":") and len(token) > 1:
            program = found[token[:-1]] = []
        elif program is not None:
            program.append(token)
    return {name: " ".join(tokens) for name, tokens in found.items()}


def _nested_rows(ranges: Iterable[tuple[int, int, int]]) -> Rows:
    """Rows of `(start, end, value)` ranges that may lie in one another: the innermost wins."""
    rows = Rows()
    holders: list[tuple[int, int]] = []
    for start, end, value in sorted(ranges, key=lambda item: (item[0], -item[1])):
        while holders and holders[-1][0] <= start:
            _close(rows, holders)
        inner_end = min(end, holders[-1][0]) if holders else end
        if start < inner_end:
            rows.add(start, value)
            holders.append((inner_end, value))
    while holders:
        _close(rows, holders)
    return rows


def _close(rows: Rows, holders: list[tuple[int, int]]) -> None:
    """End the innermost range: what holds it goes on."""
    end, _ = holders.pop()
    if not holders or holders[-1][0] > end:
        rows.add(end, holders[-1][1] if holders else NOTHING)
