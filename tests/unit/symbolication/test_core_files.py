"""Cores of programs that crashed for real: what the kernel wrote is what happened."""

import lzma
import os
import re
import resource
import subprocess
from pathlib import Path

import pytest

from crashes.formats import core_file
from crashes.formats.cleaning import Cleaner
from crashes.stack import FrameTrust, PayloadFormat
from tests.conftest import ROOT, require_program
from tests.unit.symbolication.test_unwind_samples import (
    absolute,
    build_id_of,
    by_build_id,
    names,
    symcache_of,
    table_of,
)

_CANARY = "UXP-CANARY-of-the-environment"


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    compiler = require_program("C compiler", "gcc", "cc")
    path = tmp_path_factory.mktemp("core") / "faller"
    source = ROOT / "tests/data/core/faller.c"
    flags = ("-O1", "-g", "-fomit-frame-pointer", "-w", "-pthread", "-Wl,--build-id=sha1")
    subprocess.run([compiler, *flags, "-o", path, source], check=True)
    return path


@pytest.fixture(scope="module")
def core(program: Path) -> bytes:
    """Written by the kernel; where it hands cores to a program of its own, by gdb."""
    folder = program.parent
    environment = dict(os.environ, UXP_TEST_SECRET=_CANARY)
    pattern = Path("/proc/sys/kernel/core_pattern").read_text().strip()
    _, hard = resource.getrlimit(resource.RLIMIT_CORE)
    if pattern.startswith(("|", "/")) or hard == 0:
        gdb = require_program("debugger", "gdb")
        commands = ("-ex", "run", "-ex", "generate-core-file core")
        subprocess.run(
            [gdb, "-batch", *commands, program], cwd=folder, env=environment,
            check=True, capture_output=True,
        )  # fmt: skip
    else:
        limits = ["sh", "-c", 'ulimit -c unlimited; exec "$0" --imei=490154203237518', str(program)]
        subprocess.run(limits, cwd=folder, env=environment, check=False)
    (path,) = folder.glob("core*")
    return path.read_bytes()


def test_a_core_says_what_happened(core: bytes, program: Path):
    crash = core_file.parse(core)

    assert (crash.signal, crash.signal_code, crash.fault_addr) == ("SIGSEGV", "SEGV_MAPERR", 16)
    assert Path(crash.process or "").name == "faller"
    assert crash.pid == crash.tid == crash.threads[0].tid
    assert len({thread.tid for thread in crash.threads}) == 3
    assert crash.threads[0].name == "faller"
    innermost = crash.threads[0].frames[0]
    assert (innermost.module, innermost.build_id) == (str(program), build_id_of(program))
    assert any(Path(module.path).name.startswith("libc") for module in crash.modules)
    assert all(module.build_id for module in crash.modules)
    assert "requested_dump" not in crash.details
    assert "is_cut" not in crash.details


def test_its_stacks_are_unwound_to_their_starts_by_debug_files(
    core: bytes, program: Path, tmp_path: Path
):
    first = core_file.parse(core)
    files = [Path(module.path) for module in first.modules if Path(module.path).is_file()]
    tables = {build_id_of(file): table_of(file, tmp_path) for file in files}

    crash = core_file.parse_with_tables(core, by_build_id(tables))

    with symcache_of(program, tmp_path) as symcache:
        called = [name for name in names(crash, symcache) if name]
    assert called[:2] == ["fall", "by_value"]
    assert "main" in called
    for thread in crash.threads:
        assert {frame.trust for frame in thread.frames[1:]} == {FrameTrust.CFI}
        assert len(thread.frames) > 2


def test_what_is_kept_of_a_core_reads_the_same_and_holds_nothing_private(core: bytes):
    kept = Cleaner().clean(PayloadFormat.CORE, core)

    assert core_file.parse(kept) == core_file.parse(core)
    assert len(kept) == len(core)
    assert _CANARY.encode() in core
    assert _CANARY.encode() not in kept
    assert b"490154203237518" not in kept


def test_a_core_that_somebody_asked_for_is_no_crash(program: Path, tmp_path: Path):
    gcore = require_program("gdb's gcore", "gcore")
    with subprocess.Popen([program, "stop"], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        subprocess.run(
            [gcore, "-o", tmp_path / "asked", str(process.pid)], check=True, capture_output=True
        )
        process.kill()

    crash = core_file.parse((tmp_path / f"asked.{process.pid}").read_bytes())

    assert crash.details["requested_dump"] is True
    assert crash.pid == process.pid
    assert len(crash.threads) == 3


@pytest.mark.parametrize("share", [2, 5, 50])
def test_a_core_that_was_cut_says_what_is_left(core: bytes, share: int):
    """Phones limit cores. Notes come first; the stacks of threads may be gone."""
    whole = core_file.parse(core)

    crash = core_file.parse(core[: max(len(core) // share, 8192 * 2)])

    assert crash.details["is_cut"] is True
    assert (crash.signal, crash.fault_addr, crash.tid) == (whole.signal, 16, whole.tid)
    assert crash.threads[0].frames[0].module == whole.threads[0].frames[0].module


@pytest.mark.parametrize("is_emulated", [False, True])
def test_a_shared_core_reads_as_elfutils_reads_it(
    shared_dir: Path, tmp_path: Path, is_emulated: bool
):
    folder = shared_dir / "samples" / "symbolication" / "cores"
    name = "crash-a64.qemu-user" if is_emulated else "crash-x64"
    program = folder / name.partition(".")[0]
    content = lzma.decompress((folder / f"{name}.core.xz").read_bytes())
    tables = {build_id_of(program): table_of(program, tmp_path)}

    crash = core_file.parse_with_tables(content, by_build_id(tables))

    if is_emulated:  # neither mapped files nor headers of binaries: the linker's list has names
        assert [module.path for module in crash.modules] == ["./crash-a64", "/lib/libc.so.6"]
        assert [frame.address for frame in crash.threads[0].frames[:4]] == [
            0x800, 0x834, 0x84C, 0x8C0,
        ]  # fmt: skip
        return
    answer = (folder / "crash-x64.expected.eu-stack.txt").read_text().partition("TID 27017")[0]
    addresses = [int(address, 16) for address in re.findall(r"#\d+\s+(0x[0-9a-f]+)", answer)]
    assert [absolute(crash, frame, tables) for frame in crash.threads[0].frames][:5] == (
        addresses[:5]
    )
    assert crash.fault_addr == 8
