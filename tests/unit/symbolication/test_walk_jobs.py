"""A minidump is walked in the sandbox with tables that were built there, given by descriptor."""

import gzip
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from crashes.stack import FrameTrust, from_json
from crashes.symbolication.elf import identify
from tests.conftest import ROOT, require_program
from tests.unit.formats.minidump_writer import (
    LINUX,
    WrittenDump,
    WrittenException,
    WrittenModule,
    WrittenThread,
    elf_record,
    write,
)
from uxp_diag.sandbox import JobRefused, Limits, Sandbox

JOBS = ("crashes.services.walk_jobs", "crashes.symbolication.unwind.jobs")
WALK = "crashes.services.walk_jobs:walk_job"
BUILD = "crashes.symbolication.unwind.jobs:build_cfi_job"
BASE = 0x7F0000000000
STACK = 0x7FFD00000000
LIMITS = Limits(cpu_seconds=4, wall_seconds=8, memory_bytes=1 << 29, file_bytes=1 << 26)


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    late = ("encodings.utf_16_le", "encodings.latin_1")
    with Sandbox((*JOBS, *late), LIMITS, allowed=JOBS) as it:
        yield it


@pytest.fixture(scope="module")
def symbols(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A symbol file with one function: the return address lies 24 bytes above the stack pointer."""
    path = tmp_path_factory.mktemp("symbols") / "liba.so.sym"
    path.write_text(
        "MODULE Linux x86_64 000102030405060708090A0B0C0D0E0F0 liba.so\n"
        "INFO CODE_ID 0301020005040706080A0B0C0D0E0F10\n"
        "FUNC 1000 100 0 outer\nFUNC 2000 100 0 inner\n"
        "STACK CFI INIT 2000 100 .cfa: $rsp 32 + .ra: .cfa -8 + ^\n"
    )
    return path


def dump(build_id: bytes) -> bytes:
    words = [BASE + 0x1010, 0, 0, BASE + 0x1020, 0, 0]
    stack = b"".join(word.to_bytes(8, "little") for word in words)
    registers = {"rip": BASE + 0x2010, "rsp": STACK, "rbp": 1}
    return write(
        WrittenDump(
            "x86_64",
            LINUX,
            [WrittenThread(7, registers, STACK, stack)],
            [WrittenModule("/lib/liba.so", BASE, 0x3000, elf_record(build_id))],
            WrittenException(7, 11, 1),
        )
    )


def test_rules_find_the_caller_that_a_scan_misses(sandbox: Sandbox, symbols: Path, tmp_path: Path):
    with symbols.open("rb") as debug_file, (tmp_path / "table").open("w+b") as table:
        facts = sandbox.run(BUILD, files=[debug_file.fileno(), table.fileno()])
        payload = dump(bytes.fromhex(facts["build_id"]))
        scanned = from_json(sandbox.run(WALK, "minidump", payload, []))
        ruled = from_json(
            sandbox.run(
                WALK,
                "minidump",
                gzip.compress(payload),
                [facts["build_id"]],
                files=[table.fileno()],
            )
        )

    assert [frame.address for frame in scanned.threads[0].frames][:2] == [0x2010, 0x1010]
    assert [frame.address for frame in ruled.threads[0].frames][:2] == [0x2010, 0x1020]
    assert ruled.threads[0].frames[1].trust is FrameTrust.CFI


def test_a_damaged_table_and_a_damaged_dump_are_refused(sandbox: Sandbox, tmp_path: Path):
    table = tmp_path / "table"
    table.write_bytes(b"no table at all, just some bytes")

    with table.open("rb") as file, pytest.raises(JobRefused) as of_table:
        sandbox.run(WALK, "minidump", dump(b"ab"), ["6162"], files=[file.fileno()])
    with pytest.raises(JobRefused) as of_dump:
        sandbox.run(WALK, "minidump", b"MDMP\x93\xa7", [])

    assert of_table.value.code == "not_an_unwind_table"
    assert of_dump.value.code == "truncated_minidump"


def test_a_program_that_is_not_position_independent_keeps_its_own_addresses(
    sandbox: Sandbox, tmp_path: Path
):
    compiler = require_program("C compiler", "gcc", "cc")
    program, table_path = tmp_path / "crasher", tmp_path / "table"
    source = ROOT / "tests/data/minidump/crasher.c"
    command = [compiler, "-no-pie", "-fno-pie", "-w", "-Wl,--build-id=sha1", "-o"]
    subprocess.run([*command, program, source], check=True)
    with program.open("rb") as file:
        facts = identify(file)
    registers = {"rip": facts.load_base + 0x1234, "rsp": STACK}
    module = WrittenModule(
        "/p", facts.load_base, 0x5000, elf_record(bytes.fromhex(facts.build_id or ""))
    )
    payload = write(WrittenDump("x86_64", LINUX, [WrittenThread(7, registers)], [module]))

    with program.open("rb") as debug_file, table_path.open("w+b") as table:
        sandbox.run(BUILD, files=[debug_file.fileno(), table.fileno()])
        crash = from_json(
            sandbox.run(WALK, "minidump", payload, [facts.build_id], files=[table.fileno()])
        )

    assert crash.threads[0].frames[0].address == facts.load_base + 0x1234
