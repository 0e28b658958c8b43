"""The records of the text form that tell about unwinding and about where code is.

    STACK CFI INIT ADDRESS SIZE RULES         the rules at the start of a range
    STACK CFI ADDRESS RULES                   what changes from an address on
    STACK WIN TYPE RVA SIZE ... PROGRAM       frame data of 32-bit Windows (4) and FPO data (0)
    FUNC [m] ADDRESS SIZE PARAMETERS NAME     a function
    PUBLIC [m] ADDRESS PARAMETERS NAME        a symbol without a size

Numbers are hexadecimal (Breakpad, docs/symbol_files.md). Everything else in a symbol file is
skipped without being looked at, and so is a record that cannot be read: one damaged line must not
cost the file.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

MAX_ADDR = 0xFFFFFFFF
"""Tables hold 32-bit addresses, as symcaches do: no module is larger than 4 GB."""

_RECORD = re.compile(
    rb"^(STACK CFI INIT|STACK CFI|STACK WIN|FUNC(?: m)?|PUBLIC(?: m)?) ([^\r\n]+)", re.M
)
_MAX_LINE_BYTES = 8192


@dataclass(frozen=True, slots=True)
class CfiRange:
    """Rules at the start of `size` bytes from `start`."""

    start: int
    size: int
    rules: str


@dataclass(frozen=True, slots=True)
class CfiChange:
    """Rules that replace those of the same registers from `start` on."""

    start: int
    rules: str


@dataclass(frozen=True, slots=True)
class WindowsRange:
    """Frame data, or FPO data, of `size` bytes from `start`; `text` are the fields behind."""

    start: int
    size: int
    is_fpo: bool
    text: str


@dataclass(frozen=True, slots=True)
class CodeRange:
    """A function of `size` bytes, or a symbol of unknown size, which is 0 then."""

    start: int
    size: int
    parameter_bytes: int
    is_function: bool


Record = CfiRange | CfiChange | WindowsRange | CodeRange


def read_records(text: Any) -> Iterator[Record]:
    """The records in a symbol file's bytes (or its memory map), in the file's order."""
    for match in _RECORD.finditer(text):
        if match.end() - match.start() > _MAX_LINE_BYTES:
            continue
        kind = match[1].decode("ascii").removesuffix(" m")
        try:
            record = _READERS[kind](match[2].decode("utf-8", "replace"))
        except ValueError:
            continue
        if record is not None and 0 <= record.start <= MAX_ADDR:
            yield record


def _cfi_range(line: str) -> Record:
    start, size, rules = line.split(" ", 2)
    return CfiRange(int(start, 16), int(size, 16), rules)


def _cfi_change(line: str) -> Record:
    start, rules = line.split(" ", 1)
    return CfiChange(int(start, 16), rules)


def _windows_range(line: str) -> Record | None:
    kind, start, size, _, _, rest = line.split(" ", 5)
    if kind not in {"0", "4"}:
        return None
    return WindowsRange(int(start, 16), int(size, 16), kind == "0", rest)


def _function(line: str) -> Record:
    start, size, parameters, *_ = line.split(" ", 3)
    return CodeRange(int(start, 16), int(size, 16), int(parameters, 16), is_function=True)


def _public(line: str) -> Record:
    start, parameters, *_ = line.split(" ", 2)
    return CodeRange(int(start, 16), 0, int(parameters, 16), is_function=False)


_READERS: dict[str, Callable[[str], Record | None]] = {
    "STACK CFI INIT": _cfi_range,
    "STACK CFI": _cfi_change,
    "STACK WIN": _windows_range,
    "FUNC": _function,
    "PUBLIC": _public,
}
