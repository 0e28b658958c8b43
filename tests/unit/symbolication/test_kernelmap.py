"""A kernel's map gives names: to calls by symbol and offset, and to bare addresses."""

from pathlib import Path

import pytest

from crashes.formats.kernel_log import parse
from crashes.stack import FrameStatus
from crashes.symbolication.elf import DebugFileKind, identify
from crashes.symbolication.errors import UnreadableDebugFile
from crashes.symbolication.frames import symbolicate
from crashes.symbolication.kernelmap import read_kernel_map, release_in
from crashes.symbolication.lookup import Symcache
from crashes.symbolication.symcache import build_symcache

BASE = 0xFFFF800008000000
OFFSET = 0x3E8A44400000
SYMBOLS = [
    (0x0, "T", "_text"),
    (0x10000, "t", "el1h_64_sync"),
    (0x10100, "T", "ring_take"),
    (0x10140, "t", "ring_free"),
    (0x10140, "W", "ring_drop"),
    (0x101C0, "d", "ring_table"),
    (0x10200, "T", "worker_thread"),
    (0x10300, "R", "_etext"),
]
HEAD = """[    0.000000] Linux version 6.1.0-56-arm64 (a@b) #1 SMP
[   10.000001] Unable to handle kernel NULL pointer dereference at virtual address 0000000000000000
[   10.000002] Internal error: Oops: 96000004 [#1] PREEMPT SMP
[   10.000003] CPU: 4 PID: 7 Comm: kworker Not tainted 6.1.0-56-arm64 #1
"""


def kernel_map(symbols=SYMBOLS, modules=""):
    percpu = "0000000000000000 A __per_cpu_start\n0000000000000000 t fixed_percpu\n"
    lines = (f"{BASE + place:016x} {kind} {name}\n" for place, kind, name in symbols)
    return (percpu + "".join(lines) + modules).encode()


@pytest.fixture
def symcache(tmp_path):
    source, target = tmp_path / "System.map", tmp_path / "table"
    source.write_bytes(kernel_map(modules="ffffbe8a00000000 t ext4_mkdir\t[ext4]\n"))
    with source.open("rb") as debug, target.open("w+b") as out:
        build_symcache(debug.fileno(), out.fileno())
    return Symcache(target)


class Kernel:
    """A finder that has one kernel."""

    def __init__(self, symcache):
        self.asked = []
        self._symcache = symcache

    def symcache_for(self, build_id, arch):
        self.asked.append(build_id)
        return self._symcache


def named(text, symcache):
    result = symbolicate(parse(text.encode()), find=Kernel(symcache))
    return [(frame.function, frame.status) for frame in result.crash.threads[0].frames]


def test_a_map_is_told_by_its_lines():
    facts = identify(kernel_map())

    assert facts.kind is DebugFileKind.KERNEL_SYMBOLS
    assert facts.arch == "arm64"
    assert facts.load_base == BASE
    assert facts.debug_id


@pytest.mark.parametrize(
    ("name", "release"),
    [
        ("System.map-6.1.0-56-arm64", "6.1.0-56-arm64"),
        ("kallsyms-5.10.198-android12-9-gdeadbeef.txt", "5.10.198-android12-9-gdeadbeef"),
        ("System.map", None),
        ("out/System.map_6.6.1", "6.6.1"),
        ("vmlinux-6.1", None),
    ],
)
def test_its_name_says_of_which_kernel_it_is(name, release):
    assert release_in(name) == release


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (kernel_map([(-BASE, "T", name) for name in ("a", "b", "c")]), "no_addresses"),
        (kernel_map([(place, "d", "x") for place in range(4)]), "no_symbols"),
    ],
)
def test_a_map_without_code_or_addresses_is_refused(content, code):
    content = content.replace(b"t fixed_percpu", b"d fixed_percpu")

    with pytest.raises(UnreadableDebugFile) as caught:
        identify(content)

    assert caught.value.code == code


def test_data_ends_a_function_and_modules_are_left_out():
    found = read_kernel_map(kernel_map(modules="ffffbe8a00000000 t ext4_mkdir\t[ext4]\n"))
    sizes = {symbol.name: symbol.size_bytes for symbol in found.functions}

    assert sizes["ring_drop"] == sizes["ring_free"] == 0x80
    assert "ext4_mkdir" not in sizes
    assert "fixed_percpu" not in sizes


def test_calls_by_symbol_and_offset_find_their_place(symcache):
    assert symcache.address_of("ring_take", 0x8, 0x40) == BASE + 0x10108


def test_bare_addresses_are_named_by_the_offset_of_the_boot(symcache):
    pc, caller = (BASE + OFFSET + place for place in (0x10100, 0x10204))
    log = HEAD + f"[   10.1] pc : {pc:#x}\n[   10.2] Call trace:\n[   10.3]  {pc:#x}\n"
    log += f"[   10.3]  {caller:#x}\n[   10.4] ---[ end trace 0 ]---\n"
    log += "[   10.5] Kernel panic - not syncing: Oops: Fatal exception\n"
    moved = log + f"[   10.6] Kernel Offset: {OFFSET:#x} from {BASE:#x}\n"

    assert named(moved, symcache) == [
        ("ring_take", FrameStatus.SYMBOLICATED),
        ("worker_thread", FrameStatus.SYMBOLICATED),
    ]
    assert {status for _, status in named(log, symcache)} == {FrameStatus.NO_BUILD_ID}
    fixed = log.replace(f"{pc:#x}", f"{pc - OFFSET:#x}") + "[   10.6] Kernel Offset: disabled\n"
    assert named(fixed, symcache)[0] == ("ring_take", FrameStatus.SYMBOLICATED)


def test_a_return_address_behind_a_function_belongs_to_it(symcache):
    pc, behind = (BASE + OFFSET + place for place in (0x10100, 0x10140))
    log = HEAD + f"[   10.1] pc : {pc:#x}\n[   10.2] Call trace:\n[   10.3]  {behind:#x}\n"
    log += f"[   10.6] Kernel Offset: {OFFSET:#x} from {BASE:#x}\n"

    assert [name for name, _ in named(log, symcache)] == ["ring_take", "ring_take"]


@pytest.mark.parametrize(
    "line",
    [
        "Function entered at [<c0012344>] from [<c0023456>]",
        "[<c0012344>] 0xc0012344",
        "[<c0012344>]",
    ],
)
def test_the_old_spellings_are_read(line):
    lines = (HEAD.splitlines()[1].partition("] ")[2], "Backtrace:", line)

    frames = parse("".join(f"[    1.0] {one}\n" for one in lines).encode()).threads[0].frames

    assert frames[0].address == 0xC0012344


def test_names_leave_bare_addresses_out():
    log = HEAD + "[   10.1] pc : ring_take+0x0/0x40\n[   10.2] Call trace:\n"
    log += "[   10.3]  ring_take+0x0/0x40\n[   10.4]  0xffffbe8a4c410204\n"

    frames = parse(log.encode()).threads[0].frames

    assert [frame.function for frame in frames] == ["ring_take"]


def test_a_kallsyms_of_a_running_kernel_is_read(tmp_path: Path):
    content = Path("/proc/kallsyms").read_bytes() if Path("/proc/kallsyms").exists() else b""
    if not content.strip() or not any(line[:16] != b"0" * 16 for line in content.splitlines()):
        content = kernel_map()

    found = read_kernel_map(content)

    assert found.start < found.end
