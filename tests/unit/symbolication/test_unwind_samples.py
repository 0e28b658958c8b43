"""Stacks of real processes, unwound by what debug files say, are those of reference unwinders."""

import os
import platform
import re
import subprocess
from pathlib import Path

import pytest

from crashes.formats import minidump
from crashes.formats.stackwalk import TableFinder
from crashes.stack import Crash, Frame, FrameTrust, Module
from crashes.symbolication.elf import identify
from crashes.symbolication.frames import symbolicate
from crashes.symbolication.lookup import Symcache
from crashes.symbolication.symcache import build_symcache
from crashes.symbolication.unwind import UnwindTable, build_unwind_table
from tests.conftest import ROOT, require_program
from tests.unit.formats.minidump_writer import WrittenModule, elf_record, write
from tests.unit.formats.stackwalks import StackWalk, base_name, module_row, stackwalks, symbols_dir
from tests.unit.symbolication.stacks import dump_of_core, dump_of_told, told

CRASHER = ROOT / "tests/data/minidump/crasher.c"


def table_of(path: Path, folder: Path) -> UnwindTable:
    out = folder / f"{path.name}.unwind"
    with path.open("rb") as debug_file, out.open("w+b") as table:
        build_unwind_table(debug_file.fileno(), table.fileno())
    return UnwindTable(out.read_bytes())


def symcache_of(path: Path, folder: Path) -> Symcache:
    out = folder / f"{path.name}.symc"
    with path.open("rb") as debug_file, out.open("w+b") as table:
        build_symcache(debug_file.fileno(), table.fileno())
    return Symcache(out)


def build_id_of(path: Path) -> str:
    with path.open("rb") as file:
        return identify(file).build_id or ""


def by_build_id(tables: dict[str, UnwindTable]) -> TableFinder:
    return lambda module: tables.get(module.build_id or "")


def absolute(crash: Crash, frame: Frame, tables: dict[str, UnwindTable]) -> int:
    module = next((it for it in crash.modules if it.path == frame.module), None)
    table = tables.get(module.build_id or "") if module else None
    base = (module.start_addr or 0) - (table.load_base if table else 0) if module else 0
    return (frame.address or 0) + base


# --- Breakpad's own answers ------------------------------------------------------------------


class Symbols:
    """The published symbol files, by debug id as the folders spell it."""

    def __init__(self, folder: Path) -> None:
        root = symbols_dir()
        paths = {path.parent.name: path for path in root.rglob("*.sym")} if root else {}
        self._paths, self._folder = paths, folder
        self._tables: dict[str, UnwindTable] = {}
        self._symcaches: dict[str, Symcache] = {}

    def table(self, module: Module) -> UnwindTable | None:
        name = module_row(module)[1]
        if name in self._paths and name not in self._tables:
            self._tables[name] = table_of(self._paths[name], self._folder)
        return self._tables.get(name)

    def function(self, frame: Frame, module: Module | None) -> str | None:
        name = module_row(module)[1] if module else ""
        if name not in self._paths:
            return None
        if name not in self._symcaches:
            self._symcaches[name] = symcache_of(self._paths[name], self._folder)
        back = 0 if frame.trust is FrameTrust.CONTEXT else 1
        found = self._symcaches[name].lookup([(frame.address or 0) - back])[0]
        return found[-1].function if found else None


@pytest.mark.parametrize("walk", stackwalks())
def test_a_walk_with_symbols_is_the_published_one(walk: StackWalk, tmp_path: Path):
    symbols = Symbols(tmp_path)

    crash = minidump.parse_with_tables(walk.payload, symbols.table)

    by_path = {module.path: module for module in crash.modules}
    found = [
        [
            (
                base_name(frame.module or ""),
                symbols.function(frame, by_path.get(frame.module or "")),
            )
            for frame in thread.frames
        ]
        for thread in crash.threads
        if thread.frames
    ]
    assert found == [[line[:2] for line in lines] for lines in walk.threads.values()]


@pytest.mark.parametrize("walk", stackwalks("linux_overflow.dmp", "linux_null_read_av.dmp"))
def test_frames_found_by_rules_say_so(walk: StackWalk, tmp_path: Path):
    crash = minidump.parse_with_tables(walk.payload, Symbols(tmp_path).table)

    trusts = [frame.trust for frame in crash.threads[0].frames]
    assert trusts == [FrameTrust.CONTEXT, *[FrameTrust.CFI] * (len(trusts) - 1)]


# --- Cores -----------------------------------------------------------------------------------


class OneFile:
    """A shelf with one symcache."""

    def __init__(self, symcache: Symcache) -> None:
        self._symcache = symcache

    def symcache_for(self, build_id: str, arch: str | None) -> Symcache | None:
        del arch
        return self._symcache if build_id == self._symcache.build_id else None


def names(crash: Crash, symcache: Symcache) -> list[str | None]:
    named = symbolicate(crash, find=OneFile(symcache)).crash
    return [frame.function for frame in named.threads[0].frames if not frame.inlined]


@pytest.mark.parametrize(
    ("program", "core", "start"),
    [
        ("crash-x64", "crash-x64.core.xz", 0x558C2C182000),
        ("crash-a64", "crash-a64.qemu-user.core.xz", 0x5500000000),
    ],
)
def test_a_core_unwinds_by_the_program_alone(
    shared_dir: Path, tmp_path: Path, program: str, core: str, start: int
):
    folder = shared_dir / "samples" / "symbolication" / "cores"
    path = folder / program
    build_id = build_id_of(path)
    module = WrittenModule(f"/{program}", start, 0x21000, elf_record(bytes.fromhex(build_id)))
    payload = write(dump_of_core(folder / core, [module]))
    tables = {build_id: table_of(path, tmp_path)}

    crash = minidump.parse_with_tables(payload, by_build_id(tables))

    with symcache_of(path, tmp_path) as symcache:
        found = names(crash, symcache)
    assert found[:4] == ["walk", "level3", "level2", "main"]
    trusts = [frame.trust for frame in crash.threads[0].frames[:4]]
    assert trusts == [FrameTrust.CONTEXT, FrameTrust.CFI, FrameTrust.CFI, FrameTrust.CFI]
    assert len(crash.threads) == 3


def test_a_core_unwinds_to_where_elfutils_unwinds_it(shared_dir: Path, tmp_path: Path):
    folder = shared_dir / "samples" / "symbolication" / "cores"
    path = folder / "crash-x64"
    expected = (folder / "crash-x64.expected.eu-stack.txt").read_text().partition("TID 27017")[0]
    addresses = [int(address, 16) for address in re.findall(r"#\d+\s+(0x[0-9a-f]+)", expected)]
    build_id = build_id_of(path)
    record = elf_record(bytes.fromhex(build_id))
    modules = [
        WrittenModule("/crash-x64", 0x558C2C182000, 0x5000, record),
        WrittenModule("/libc.so.6", 0x7F4178B91000, 0x1E0000),
    ]
    tables = {build_id: table_of(path, tmp_path)}

    payload = write(dump_of_core(folder / "crash-x64.core.xz", modules))
    crash = minidump.parse_with_tables(payload, by_build_id(tables))

    found = [absolute(crash, frame, tables) for frame in crash.threads[0].frames]
    assert found[:5] == addresses[:5]  # from there on libc's own table would be needed


# --- A program that crashes here ---------------------------------------------------------------


@pytest.mark.parametrize("flags", [("-O2",), ("-O1", "-no-pie", "-fno-pie"), ("-O0",)], ids=str)
def test_a_stack_is_unwound_to_its_start_as_the_c_library_does(
    tmp_path: Path, flags: tuple[str, ...]
):
    compiler = require_program("C compiler", "gcc", "cc")
    program = tmp_path / "crasher"
    command = [compiler, *flags, "-g", "-fomit-frame-pointer", "-w", "-o"]
    subprocess.run([*command, program, CRASHER], check=True)
    run = subprocess.run(
        [program], capture_output=True, text=True, check=True, env=dict(os.environ)
    )
    said = told(run.stdout)
    paths = {path: Path(path) for path in said.files if Path(path).is_file()}
    build_ids = {path: build_id_of(file) for path, file in paths.items()}
    arch = {"x86_64": "x86_64", "aarch64": "arm64"}[platform.machine()]
    payload = write(dump_of_told(said, arch, build_ids))
    tables = {build_ids[path]: table_of(file, tmp_path) for path, file in paths.items()}

    crash = minidump.parse_with_tables(payload, by_build_id(tables))

    frames = crash.threads[0].frames
    assert [absolute(crash, frame, tables) for frame in frames] == said.frames
    assert len(frames) > 7
    assert {frame.trust for frame in frames[1:]} == {FrameTrust.CFI}
    with symcache_of(program, tmp_path) as symcache:
        found = names(crash, symcache)
    assert found[:3] == ["fall", "spread", "by_value"]
