"""Open an unwind table and ask it. This is what a stack walk calls; see the package.

Addresses are given relative to where the module starts in memory, which is the page that holds
the first loaded segment; the table counts from the segment itself, and moves them.
"""

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass

from crashes.symbolication.unwind.layout import NOTHING, Buffer, read_table
from crashes.symbolication.unwind.postfix import (
    Evaluator,
    Program,
    ReadWord,
    Unanswerable,
    compiled,
)

_PAGE = 0x1000
_NARROW = frozenset({"x86", "arm"})


@dataclass(frozen=True, slots=True)
class FrameData:
    """The record of a 32-bit Windows function; sizes in bytes.

    `has_sizes` is False when nothing but `parameter_bytes` is known. `program` is None where the
    record has none; `allocates_base_pointer` says then whether ebp is used for something else.
    """

    has_sizes: bool
    parameter_bytes: int
    is_fpo: bool = False
    saved_register_bytes: int = 0
    local_bytes: int = 0
    allocates_base_pointer: bool = False
    program: str | None = None


class UnwindTable:
    """An open table. Not safe to share between threads: it counts the steps of its programs."""

    def __init__(self, data: Buffer) -> None:
        """Open the bytes or the memory map of a table. Raises UnreadableDebugFile."""
        self._parts = read_table(data)
        header = self._parts.header
        said = header.get("load_base")
        base = said if isinstance(said, int) else 0
        self.build_id: str | None = header.get("build_id")
        self.debug_id: str | None = header.get("debug_id")
        self.arch: str | None = header.get("arch")
        self.load_base = base - base % _PAGE
        self._skew = base % _PAGE
        self._is_complete = bool(header.get("is_complete"))
        self._evaluator = Evaluator(0xFFFFFFFF if self.arch in _NARROW else 0xFFFFFFFFFFFFFFFF)
        self._rules: dict[int, dict[str, Program]] = {}

    def is_code(self, relative: int) -> bool:
        """Whether a function may be at this address; always true where nothing is known."""
        return not self._parts.sections["code"][0] or self._value("code", relative) != NOTHING

    def is_outermost(self, relative: int) -> bool:
        """Whether the function there says that it has no caller (`_start`, a thread's start).

        Only an ELF file says so, by a return address that is undefined.
        """
        rules = self._rules_at(relative)
        return self._is_complete and ".cfa" in rules and ".ra" not in rules

    def caller_registers(
        self, relative: int, registers: Mapping[str, int], read: ReadWord
    ) -> dict[str, int] | None:
        """What the caller's registers were, with `.cfa` and `.ra`; None without a usable rule.

        Names are as rules spell them (`$rsp`, `x29`). A register whose rule fails is left out.
        """
        rules = self._rules_at(relative)
        if ".cfa" not in rules or ".ra" not in rules:
            return None
        try:
            cfa = self._evaluator.value(rules[".cfa"], registers, read)
            known = {**registers, ".cfa": cfa}
            found = {".cfa": cfa, ".ra": self._evaluator.value(rules[".ra"], known, read)}
        except Unanswerable:
            return None
        for name, program in rules.items():
            if name not in found:
                self._add(found, name, program, known, read)
        return found

    def _add(
        self,
        found: dict[str, int],
        name: str,
        program: Program,
        known: Mapping[str, int],
        read: ReadWord,
    ) -> None:
        try:
            found[name] = self._evaluator.value(program, known, read)
        except Unanswerable:
            return

    def windows_frame(self, relative: int) -> FrameData | None:
        """The record of a 32-bit Windows function; frame data is preferred to FPO data."""
        for section in ("frame_data", "fpo"):
            value = self._value(section, relative)
            if value != NOTHING:
                return _frame_data(self._string(value), is_fpo=section == "fpo")
        parameter_bytes = self._value("code", relative)
        if parameter_bytes == NOTHING:
            return None
        return FrameData(has_sizes=False, parameter_bytes=parameter_bytes)

    def run_program(
        self, program: str, variables: Mapping[str, int], read: ReadWord
    ) -> dict[str, int] | None:
        """What a postfix program assigns; None when it fails."""
        try:
            return self._evaluator.assignments(compiled(program), variables, read)
        except Unanswerable:
            return None

    def _rules_at(self, relative: int) -> dict[str, Program]:
        value = self._value("cfi", relative)
        if value == NOTHING:
            return {}
        if value not in self._rules:
            self._rules[value] = _programs(self._string(value))
        return self._rules[value]

    def _value(self, section: str, relative: int) -> int:
        starts, values = self._parts.sections[section]
        index = bisect_right(starts, relative - self._skew) - 1
        return int(values[index]) if index >= 0 else NOTHING

    def _string(self, index: int) -> str:
        offsets = self._parts.string_offsets
        if index + 1 >= len(offsets):
            return ""
        return str(self._parts.strings[offsets[index] : offsets[index + 1]], "utf-8", "replace")


def _programs(rules: str) -> dict[str, Program]:
    """The programs of a rule set; one that is too long is left out."""
    tokens: dict[str, list[str]] = {}
    name = ""
    for token in rules.split():
        if token.endswith(":") and len(token) > 1:
            name = token[:-1]
            tokens[name] = []
        elif name:
            tokens[name].append(token)
    programs = {}
    for register, program in tokens.items():
        try:
            programs[register] = compiled(" ".join(program))
        except Unanswerable:
            continue
    return programs


def _frame_data(text: str, *, is_fpo: bool) -> FrameData | None:
    """The fields from the parameter size on."""
    try:
        parameters, saved, local, _, has_program, program = text.split(" ", 5)
        return FrameData(
            has_sizes=True,
            parameter_bytes=int(parameters, 16),
            is_fpo=is_fpo,
            saved_register_bytes=int(saved, 16),
            local_bytes=int(local, 16),
            allocates_base_pointer=has_program == "0" and program.strip() not in {"", "0"},
            program=program if has_program != "0" else None,
        )
    except ValueError:
        return None
