"""The demo's system components, compiled here, and the addresses at which they could crash.

The sources in `native/` are real programs. Each is compiled for three OS generations into a shared
library with a build id of its own; the phone carries it stripped, and what `objcopy` keeps of it
is the debug file that a build server would upload. Comments like `// @tone_at` mark lines. An
address is found in three steps:

1. the line table (DWARF) gives the instructions of the marked line;
2. the symbol table says which of them lie in the wanted function, inlined helpers included;
3. the disassembly tells calls from loads and stores: a caller stands at its call, the innermost
   frame at the instruction that touches memory.

So every address of a demo tombstone is one where the real program could have stopped.
"""

import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import cxxfilt
from elftools.dwarf.lineprogram import LineProgram
from elftools.elf.elffile import ELFFile

SOURCES = Path(__file__).with_name("native")
GENERATIONS = (1, 2, 3)

_CROSS = "aarch64-linux-gnu-"
_FLAGS = (
    "-g", "-O2", "-fPIC", "-shared", "-nostdlib", "-Wl,--build-id=sha1",
    "-fno-optimize-sibling-calls", "-fvisibility=hidden", "-fcf-protection=none",
)  # fmt: skip
_CXX_FLAGS = ("-std=c++17", "-fno-exceptions", "-fno-rtti")
_ABIS = {"EM_AARCH64": "arm64", "EM_X86_64": "x86_64"}
_MARK = re.compile(r"@(?P<name>[a-z_]+)")
_INSTRUCTION = re.compile(r"\s*(?P<address>[0-9a-f]+):\t(?P<name>\S+)\s*(?P<operands>[^<#/]*)")
_CALLS = frozenset({"bl", "blr", "call", "callq"})
_NO_ACCESS = ("lea", "nop", "prfm")
_COMPILE_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Toolchain:
    """Compilers and binutils. `cxx` is None on a machine that compiles C only."""

    cc: str
    cxx: str | None
    objdump: str
    objcopy: str

    def compiler_of(self, source: Path) -> str | None:
        """The compiler for one source."""
        return self.cc if source.suffix == ".c" else self.cxx


def find_toolchain() -> Toolchain | None:
    """The tools for arm64 if they are there, else those of this machine, else None."""
    return toolchain_of(_CROSS) or toolchain_of("")


def toolchain_of(prefix: str) -> Toolchain | None:
    """The tools whose names begin with `prefix`, or None when one of them is missing."""
    cc = shutil.which(f"{prefix}gcc") or (None if prefix else shutil.which("cc"))
    objdump, objcopy = shutil.which(f"{prefix}objdump"), shutil.which(f"{prefix}objcopy")
    if not (cc and objdump and objcopy):
        return None
    cxx = shutil.which(f"{prefix}g++") or (None if prefix else shutil.which("c++"))
    return Toolchain(cc, cxx, objdump, objcopy)


@dataclass(frozen=True, slots=True)
class Step:
    """One frame to find: the function (qualified, no arguments) and the mark of its line.

    A function without a symbol was inlined: then its line is looked for in the next step's
    function, and the two are one frame.
    """

    function: str
    mark: str


@dataclass(frozen=True, slots=True)
class Place:
    """An address in a program, and what the phone can say about it: only exported names."""

    address: int
    exported: str | None = None
    offset: int | None = None


@dataclass(frozen=True, slots=True)
class _Symbol:
    name: str
    start: int
    end: int
    exported: str | None


@dataclass(frozen=True, slots=True)
class _Instruction:
    address: int
    end: int
    name: str
    operands: str

    @property
    def is_call(self) -> bool:
        return self.name in _CALLS

    @property
    def touches_memory(self) -> bool:
        """Whether it loads or stores anything beyond the stack frame."""
        indirect = ("[" in self.operands or "(" in self.operands) and "sp" not in self.operands
        return indirect and not self.name.startswith(_NO_ACCESS)


@dataclass(frozen=True, slots=True)
class Program:
    """One component of one OS generation."""

    name: str
    generation: int
    abi: str
    build_id: str
    debug_file: bytes = field(repr=False)
    text_start: int
    text_end: int
    text_offset: int
    _marks: dict[str, int] = field(repr=False)
    _symbols: dict[str, _Symbol] = field(repr=False)
    _code: tuple[_Instruction, ...] = field(repr=False)
    _lines: dict[int, int] = field(repr=False)

    def places(self, steps: Sequence[Step], *, in_call: bool) -> tuple[Place, ...]:
        """Where each step's frame stands, innermost first; callers stand at their calls.

        With `in_call` the innermost one has called something too (`abort`). Raises KeyError for
        a mark that the source does not have, or when no step's function has a symbol.
        """
        found: list[Place] = []
        at = 0
        while at < len(steps):
            mark = self._marks[steps[at].mark]
            at = self._frame_of(steps, at)
            symbol = self._symbols[steps[at].function]
            found.append(self._place(symbol, mark, is_call=in_call or bool(found)))
            at += 1
        return tuple(found)

    def _frame_of(self, steps: Sequence[Step], at: int) -> int:
        """The step whose function holds step `at`: itself, or one that it was inlined into."""
        while steps[at].function not in self._symbols and at + 1 < len(steps):
            at += 1
        return at

    def _place(self, symbol: _Symbol, line: int, *, is_call: bool) -> Place:
        inside = [one for one in self._code if symbol.start <= one.address < symbol.end]
        marked = [one for one in inside if self._lines.get(one.address) == line]
        wanted = _calls if is_call else _accesses
        chosen = next(
            iter([*wanted(marked), *(wanted(inside) if is_call else ()), *marked, *inside])
        )
        address = _inside_call(chosen, self.abi) if chosen.is_call else chosen.address
        exported = symbol.exported
        return Place(address, exported, address - symbol.start if exported else None)


def _calls(code: Sequence[_Instruction]) -> list[_Instruction]:
    return [one for one in code if one.is_call]


def _accesses(code: Sequence[_Instruction]) -> list[_Instruction]:
    return [one for one in code if one.touches_memory]


def _inside_call(call: _Instruction, abi: str) -> int:
    """The address that debuggerd prints for a caller: the return address moved back."""
    return call.address if abi == "arm64" else call.end - 1


def compile_programs(toolchain: Toolchain, *, jobs: int = 2) -> dict[tuple[str, int], Program]:
    """Every source in every generation, by (stem, generation). Sources that do not compile lack."""
    sources = sorted(path for path in SOURCES.iterdir() if path.suffix in {".c", ".cc"})
    wanted = [(source, generation) for source in sources for generation in GENERATIONS]
    with TemporaryDirectory(prefix="uxp-fleet-") as folder, ThreadPoolExecutor(jobs) as pool:
        made = pool.map(lambda item: _compile(toolchain, item[0], item[1], Path(folder)), wanted)
        return {
            (source.stem, generation): program
            for (source, generation), program in zip(wanted, made, strict=True)
            if program is not None
        }


def _compile(toolchain: Toolchain, source: Path, generation: int, folder: Path) -> Program | None:
    compiler = toolchain.compiler_of(source)
    output = folder / f"{source.stem}-{generation}.so"
    if compiler is None:
        return None
    flags = (*_FLAGS, *(_CXX_FLAGS if source.suffix == ".cc" else ()))
    where = f"-ffile-prefix-map={SOURCES}=/build/hmd/vendor/{source.stem}"
    define = f"-DUXP_GENERATION={generation}"
    command = [compiler, *flags, where, define, "-o", str(output), source.name]
    if not _ran(command):
        return None
    debug = output.with_suffix(".debug")
    _ran([toolchain.objcopy, "--only-keep-debug", str(output), str(debug)])
    return _read(source, generation, output, debug, _disassembly(toolchain, output))


def _ran(command: Sequence[str]) -> bool:
    done = subprocess.run(  # noqa: S603  our own arguments, full paths
        command, cwd=SOURCES, capture_output=True, check=False, timeout=_COMPILE_SECONDS
    )
    return done.returncode == 0


def _disassembly(toolchain: Toolchain, path: Path) -> str:
    command = [toolchain.objdump, "-d", "--no-show-raw-insn", "--section=.text", str(path)]
    done = subprocess.run(  # noqa: S603  our own arguments, full paths
        command, capture_output=True, check=True, text=True, timeout=_COMPILE_SECONDS
    )
    return done.stdout


def _read(source: Path, generation: int, output: Path, debug: Path, listing: str) -> Program:
    with output.open("rb") as file:
        elf: Any = ELFFile(file)
        text = elf.get_section_by_name(".text")
        segment = next(one for one in elf.iter_segments("PT_LOAD") if one["p_flags"] & 1)
        return Program(
            name=f"libhmd_{source.stem}.so",
            generation=generation,
            abi=_ABIS[elf["e_machine"]],
            build_id=_build_id(elf),
            debug_file=(debug if debug.exists() else output).read_bytes(),
            text_start=segment["p_vaddr"],
            text_end=segment["p_vaddr"] + segment["p_memsz"],
            text_offset=segment["p_offset"],
            _marks=_marks(source),
            _symbols=_symbols(elf),
            _code=tuple(_instructions(listing, text["sh_addr"] + text["sh_size"])),
            _lines=dict(_lines(elf, source.name)),
        )


def _build_id(elf: Any) -> str:
    section = elf.get_section_by_name(".note.gnu.build-id")
    return str(next(section.iter_notes())["n_desc"])


def _marks(source: Path) -> dict[str, int]:
    lines = source.read_text(encoding="utf-8").splitlines()
    return {
        found["name"]: number
        for number, line in enumerate(lines, start=1)
        for found in _MARK.finditer(line)
    }


def _symbols(elf: Any) -> dict[str, _Symbol]:
    """Functions by their qualified name. The first wins: what is not a clone comes first."""
    exported = {symbol.name for symbol in elf.get_section_by_name(".dynsym").iter_symbols()}
    found: dict[str, _Symbol] = {}
    for symbol in elf.get_section_by_name(".symtab").iter_symbols():
        if symbol["st_info"]["type"] != "STT_FUNC" or not symbol["st_size"]:
            continue
        start = symbol["st_value"]
        name = _qualified(symbol.name)
        public = symbol.name if symbol.name in exported else None
        found.setdefault(name, _Symbol(name, start, start + symbol["st_size"], public))
    return found


def _qualified(raw: str) -> str:
    """`hmd::camera::ToneCurve::at` of a mangled name, without arguments and clone notes."""
    base = raw.partition(".")[0]
    name = str(cxxfilt.demangle(base)) if base.startswith("_Z") else base
    return name.partition("(")[0]


def _instructions(listing: str, text_end: int) -> Iterator[_Instruction]:
    rows = [found for line in listing.splitlines() if (found := _INSTRUCTION.match(line))]
    starts = [int(row["address"], 16) for row in rows]
    for row, start, end in zip(rows, starts, [*starts[1:], text_end], strict=True):
        yield _Instruction(start, end, row["name"], row["operands"])


def _lines(elf: Any, file_name: str) -> Iterator[tuple[int, int]]:
    """The line of `file_name` for every 1-byte address that the line table covers."""
    dwarf = elf.get_dwarf_info()
    for unit in dwarf.iter_CUs():
        program = dwarf.line_program_for_CU(unit)
        if program is not None:
            yield from _lines_of(program, file_name)


def _lines_of(program: LineProgram, file_name: str) -> Iterator[tuple[int, int]]:
    own = {
        number
        for number, entry in enumerate(program["file_entry"], start=_first_file(program))
        if entry.name.decode().rpartition("/")[2] == file_name
    }
    before = None
    for entry in program.get_entries():
        state = entry.state
        if state is None:
            continue
        if before is not None and not before.end_sequence and before.file in own:
            yield from ((at, before.line) for at in range(before.address, state.address))
        before = state


def _first_file(program: LineProgram) -> int:
    """DWARF 5 counts files from 0, older versions from 1."""
    return int(program["version"] < 5)  # noqa: PLR2004
