"""Frames of a kernel, which have a function and an offset, get files, lines and inlined calls."""

from pathlib import Path

import pytest

from crashes.formats.kernel_log import parse
from crashes.stack import Crash, FrameStatus
from crashes.symbolication.elf import identify
from crashes.symbolication.elfsymbols import Symbol
from crashes.symbolication.frames import symbolicate
from crashes.symbolication.kernel import SymbolPlaces
from crashes.symbolication.lookup import Symcache
from tests.unit.symbolication.conftest import Compiler, Toolchain, run

RELEASE = "5.10.198-android12-9-g1b9f0c77-ab1234567"
_DRIVER = """
static const char facts[] __attribute__((section(".modinfo"), used)) =
    "name=wlan\\0vermagic=5.10.198-android12-9-g1b9f0c77-ab1234567 SMP preempt";
struct ring { int head; int *slots; };
int never(struct ring *ring);
static inline __attribute__((always_inline)) int slot_of(struct ring *ring)
{
    return ring->slots[ring->head];
}
__attribute__((noinline)) int ring_take(struct ring *ring)
{
    return slot_of(ring) + 1;
}
int ring_poll(struct ring *ring, int *out)
{
    *out = ring_take(ring);
    return *out + never(ring);
}
"""
_LOG = """[   10.000001] Unable to handle kernel NULL pointer dereference at virtual address 0000
[   10.000002] Internal error: Oops: 96000004 [#1] PREEMPT SMP
[   10.000003] CPU: 4 PID: 7 Comm: kworker Not tainted {release} #1
[   10.000004] pc : ring_take+{take:#x}/{take_size:#x} [wlan]
[   10.000005] Call trace:
[   10.000006]  ring_take+{take:#x}/{take_size:#x} [wlan]
[   10.000007]  ring_poll+{poll:#x}/{poll_size:#x} [wlan]
[   10.000008]  kthread+0x10/0x20
[   10.000009] Kernel panic - not syncing: Oops: Fatal exception
"""


class Files(dict[str, Symcache]):
    """Symcaches by the name they are asked for under."""

    def symcache_for(self, build_id: str, arch: str | None) -> Symcache | None:
        del arch
        return self.get(build_id)


@pytest.fixture
def driver(phone: Toolchain, tmp_path: Path) -> Path:
    """A kernel module."""
    source, path = tmp_path / "wlan.c", tmp_path / "wlan.ko"
    source.write_text(_DRIVER)
    run(phone.cc, "-c", "-O2", "-g", "-fno-optimize-sibling-calls", "-o", path, source)
    return path


@pytest.fixture
def oops(phone: Toolchain, driver: Path) -> Crash:
    """It stops in the inlined load of `ring_take`, called from the second line of `ring_poll`."""
    readelf = [line.split() for line in run(phone.readelf, "-sW", driver).splitlines()]
    sizes = {row[7]: int(row[2], 0) for row in readelf if len(row) == 8 and row[3] == "FUNC"}
    code = run(phone.objcopy.replace("objcopy", "objdump"), "-d", driver).splitlines()
    start = next(at for at, line in enumerate(code) if line.endswith("<ring_poll>:"))
    call = next(line for line in code[start:] if "\tbl\t" in line)
    poll = int(call.split(":")[0], 16) - int(code[start].split()[0], 16) + 4  # its return address
    take_size, poll_size = sizes["ring_take"], sizes["ring_poll"]
    base = phone.symbols(driver)["ring_take"]
    ask = (phone.addr2line, "-f", "-j", ".text", "-e", driver)
    offsets = range(0, take_size, 4)
    take = next(at for at in offsets if run(*ask, hex(base + at)).startswith("slot_of"))
    text = _LOG.format(
        release=RELEASE, take=take, take_size=take_size, poll=poll, poll_size=poll_size
    )
    return parse(text.encode())


def test_a_module_goes_by_its_kernels_release_and_its_name(driver: Path) -> None:
    assert identify(driver.read_bytes()).mapping_id == f"kernel/{RELEASE}/wlan"


def test_a_kernel_goes_by_the_release_in_its_banner(host: Toolchain, tmp_path: Path) -> None:
    source, path = tmp_path / "kernel.c", tmp_path / "vmlinux"
    source.write_text(
        'const char linux_banner[] = "Linux version 6.1.0-test (a@b) (gcc) #1 SMP";\n'
        'const long table[1] __attribute__((section("__ksymtab"))) = {1};\n'
        "void _start(void) {}\n"
    )
    run(host.cc, "-nostdlib", "-static", "-g", "-o", path, source)

    assert identify(path.read_bytes()).mapping_id == "kernel/6.1.0-test"
    assert identify(host.plain().read_bytes()).mapping_id is None


def test_calls_in_a_module_get_lines_and_inlined_calls(
    compiled: Compiler, driver: Path, oops: Crash
) -> None:
    found = symbolicate(oops, find=Files({f"kernel/{RELEASE}/wlan": compiled(driver).symcache}))

    frames = found.crash.threads[0].frames
    named = [(frame.function, frame.line, frame.inlined) for frame in frames]
    # The caller's offset is a return address: without a step back it would be the line after.
    assert named[:3] == [("slot_of", 8, True), ("ring_take", 12, False), ("ring_poll", 16, False)]
    assert {frame.status for frame in frames[:3]} == {FrameStatus.SYMBOLICATED}
    assert frames[0].function_offset is None
    assert frames[1].function_offset == oops.threads[0].frames[0].function_offset


def test_a_kernel_without_a_debug_file_is_missed_by_its_release(oops: Crash) -> None:
    found = symbolicate(oops, find=Files())

    missing = {one.build_id: one.frames for one in found.missing}
    assert missing == {f"kernel/{RELEASE}/wlan": 2, f"kernel/{RELEASE}": 1}
    statuses = {frame.status for frame in found.crash.threads[0].frames}
    assert statuses == {FrameStatus.MISSING_DEBUG_FILE}


def test_a_function_that_the_file_does_not_know_keeps_its_name(
    compiled: Compiler, driver: Path, oops: Crash
) -> None:
    symcache = compiled(driver).symcache
    found = symbolicate(oops, find=Files({f"kernel/{RELEASE}": symcache}))

    last = found.crash.threads[0].frames[-1]
    assert (last.function, last.status) == ("kthread", FrameStatus.UNKNOWN_ADDRESS)


def test_of_functions_of_one_name_the_printed_size_decides() -> None:
    places = SymbolPlaces(
        [Symbol(0x100, 0, "probe"), Symbol(0x140, 0, "other"), Symbol(0x200, 0, "probe"),
         Symbol(0x280, 0, "last")]
    )  # fmt: skip

    assert places.address_of("probe", 0x10, 0x40) == 0x110
    assert places.address_of("probe", 0x10, 0x80) == 0x210
    assert places.address_of("probe", 0x60, None) == 0x260
    assert places.address_of("nobody", 0, None) is None
