"""The native frames of a crash get their names."""

from dataclasses import replace

import pytest

from crashes.stack import Crash, CrashKind, ExceptionInfo, Frame, FrameStatus, FrameTrust, Thread
from crashes.symbolication.frames import (
    MissingDebugFile,
    arch_of,
    is_native,
    lookup_address,
    symbolicate,
)
from crashes.symbolication.lookup import Symcache
from tests.unit.symbolication.conftest import Compiler, Toolchain

_MODULE = "/data/app/libplain.so"


class Shelf:
    """Debug files by build id, and what was asked for."""

    def __init__(self, **symcaches: Symcache) -> None:
        self.symcaches = symcaches
        self.asked: list[tuple[str, str | None]] = []

    def symcache_for(self, build_id: str, arch: str | None) -> Symcache | None:
        self.asked.append((build_id, arch))
        return self.symcaches.get(build_id)


@pytest.fixture
def plain(host: Toolchain, compiled: Compiler) -> Symcache:
    """The symcache of the small C library."""
    return compiled(host.plain()).symcache


@pytest.fixture
def inlined_at(plain: Symcache, host: Toolchain) -> int:
    """An address in `plain_entry` where `doubled` was inlined."""
    start = host.symbols(host.plain())["plain_entry"]
    return next(
        address
        for address in range(start, start + 64)
        if [frame.function for frame in plain.lookup([address])[0]] == ["doubled", "plain_entry"]
    )


def crash_of(*frames: Frame, abi: str | None = "x86_64") -> Crash:
    thread = Thread(name="main", crashing=True, frames=frames)
    return Crash(kind=CrashKind.NATIVE_CRASH, abi=abi, threads=(thread,))


def native(address: int | None, build_id: str | None = "ab12", index: int = 0) -> Frame:
    return Frame(index=index, module=_MODULE, build_id=build_id, address=address)


def test_an_inlined_call_becomes_two_frames(plain: Symcache, inlined_at: int) -> None:
    crash = crash_of(replace(native(inlined_at), function="printed", function_offset=4))

    result = symbolicate(crash, find=Shelf(ab12=plain))

    inner, outer = result.crash.threads[0].frames
    assert (inner.function, inner.inlined, outer.function, outer.inlined) == (
        "doubled",
        True,
        "plain_entry",
        False,
    )
    assert inner.line in range(7, 11)
    assert outer.line in range(12, 16)
    assert (inner.file or "").endswith("plain.c")
    assert (inner.index, outer.index) == (0, 1)
    assert (inner.function_offset, outer.function_offset) == (None, 4)
    for frame in (inner, outer):
        assert (frame.module, frame.build_id, frame.address) == (_MODULE, "ab12", inlined_at)
        assert frame.status is FrameStatus.SYMBOLICATED
    assert result.symbolicated_frames == 1
    assert result.missing == ()


def test_indexes_run_on_behind_inlined_frames(plain: Symcache, inlined_at: int) -> None:
    managed = Frame(index=2, function="com.example.Main.run", status=FrameStatus.JAVA)
    crash = crash_of(native(inlined_at), native(inlined_at, index=1), managed)

    frames = symbolicate(crash, find=Shelf(ab12=plain)).crash.threads[0].frames

    assert [frame.index for frame in frames] == [0, 1, 2, 3, 4]
    assert frames[4] == replace(managed, index=4)


def test_a_frame_without_a_build_id_says_so() -> None:
    crash = crash_of(replace(native(0x1000, build_id=None), function="printed"))

    result = symbolicate(crash, find=Shelf())

    frame = result.crash.threads[0].frames[0]
    assert (frame.status, frame.function) == (FrameStatus.NO_BUILD_ID, "printed")
    assert result.missing == ()


def test_a_missing_debug_file_keeps_the_printed_name_and_is_reported() -> None:
    frames = (replace(native(0x1000), function="printed"), native(0x2000, "ff00"))
    crash = crash_of(*frames, native(0x3000, "ff00"), abi="arm64-v8a")

    result = symbolicate(crash, find=Shelf())

    kept = result.crash.threads[0].frames
    assert {frame.status for frame in kept} == {FrameStatus.MISSING_DEBUG_FILE}
    assert kept[0].function == "printed"
    assert result.missing == (
        MissingDebugFile("ff00", _MODULE, "arm64", 2),
        MissingDebugFile("ab12", _MODULE, "arm64", 1),
    )
    assert result.symbolicated_frames == 0


def test_an_address_outside_the_code_is_unknown(plain: Symcache) -> None:
    crash = crash_of(replace(native(0x7FFF0000), function="printed"))

    result = symbolicate(crash, find=Shelf(ab12=plain))

    frame = result.crash.threads[0].frames[0]
    assert (frame.status, frame.function) == (FrameStatus.UNKNOWN_ADDRESS, "printed")
    assert result.symbolicated_frames == 0


def test_a_module_is_asked_for_once_and_in_every_thread(plain: Symcache, inlined_at: int) -> None:
    crash = crash_of(native(inlined_at), native(inlined_at + 1))
    crash = replace(crash, threads=crash.threads * 3)
    shelf = Shelf(ab12=plain)

    result = symbolicate(crash, find=shelf)

    assert shelf.asked == [("ab12", "x86_64")]
    assert result.symbolicated_frames == 6


def test_exceptions_and_managed_frames_are_left_alone() -> None:
    managed = Frame(index=0, function="a.b.c", file="SourceFile", status=FrameStatus.JAVA)
    stub = Frame(index=1, function="a.b.d", status=FrameStatus.JAVA, native_method=True)
    chain = (ExceptionInfo("java.lang.Error", frames=(native(0x1000),)),)
    crash = replace(crash_of(managed, stub), exceptions=chain)

    result = symbolicate(crash, find=Shelf())

    assert result.crash == crash


def test_symbolicating_twice_gives_the_same(plain: Symcache, inlined_at: int) -> None:
    shelf = Shelf(ab12=plain)
    once = symbolicate(crash_of(native(inlined_at), native(0x7FFF0000)), find=shelf)

    again = symbolicate(once.crash, find=shelf)

    assert again == once


def test_a_missing_debug_file_that_arrives_later_helps(plain: Symcache, inlined_at: int) -> None:
    before = symbolicate(crash_of(native(inlined_at)), find=Shelf())

    after = symbolicate(before.crash, find=Shelf(ab12=plain))

    assert after == symbolicate(crash_of(native(inlined_at)), find=Shelf(ab12=plain))


def test_return_addresses_are_moved_only_when_asked(host: Toolchain, plain: Symcache) -> None:
    # The first address behind `hidden`: a call at its very end would return here.
    start = host.symbols(host.plain())["hidden"]
    behind = next(
        address
        for address in range(start, start + 64)
        if not any(frame.function == "hidden" for frame in plain.lookup([address])[0])
    )
    crash = crash_of(native(behind), native(behind, index=1))
    shelf = Shelf(ab12=plain)

    exact = symbolicate(crash, find=shelf).crash.threads[0].frames
    moved = symbolicate(crash, find=shelf, frames_adjusted=False).crash.threads[0].frames

    assert [frame.function for frame in exact] == [None, None]
    assert [frame.function for frame in moved] == [None, "hidden"]
    assert moved[1].address == behind


@pytest.mark.parametrize("trust", FrameTrust)
def test_a_frame_of_a_stack_walked_here_is_a_return_address(
    host: Toolchain, plain: Symcache, trust: FrameTrust
) -> None:
    start, size = host.symbols(host.plain())["hidden"], 64
    behind = next(
        address
        for address in range(start, start + size)
        if not any(frame.function == "hidden" for frame in plain.lookup([address])[0])
    )
    crash = crash_of(replace(native(behind), trust=trust))

    found = symbolicate(crash, find=Shelf(ab12=plain)).crash.threads[0].frames[0]

    is_exact = trust in {FrameTrust.CONTEXT, FrameTrust.PREWALKED}
    assert found.function == (None if is_exact else "hidden")
    assert (found.address, found.trust) == (behind, trust)


@pytest.mark.parametrize(
    ("address", "arch", "cleared"),
    [
        (0x1235, "arm", 0x1234),
        (0x1235, "arm64", 0x1235),
        (0x0034_0000_0001_1F40, "arm64", 0x1_1F40),
        (0xB400_0000_0001_1F40, "arm64", 0x1_1F40),
        (0xFFFF_FFC0_0801_1F40, "arm64", 0xFFFF_FFC0_0801_1F40),
        (0xFFFF_FFC0_0801_1F41, "x86_64", 0xFFFF_FFC0_0801_1F41),
        (0x1235, None, 0x1235),
    ],
)
def test_what_processors_hide_in_an_address_is_taken_out(
    address: int, arch: str | None, cleared: int
) -> None:
    assert lookup_address(address, arch) == cleared


def test_a_signed_address_is_found(phone: Toolchain, compiled: Compiler) -> None:
    path = phone.plain()
    address = phone.symbols(path)["hidden"]
    crash = crash_of(native(address | 0x0034 << 48), abi="arm64")

    result = symbolicate(crash, find=Shelf(ab12=compiled(path).symcache))

    assert result.crash.threads[0].frames[0].function == "hidden"


@pytest.mark.parametrize(
    ("abi", "arch"),
    [
        ("arm64-v8a", "arm64"),
        ("ARM64", "arm64"),
        ("armeabi-v7a", "arm"),
        ("x86", "x86"),
        ("x86_64", "x86_64"),
        ("riscv64", "riscv64"),
        ("mips", None),
        (None, None),
    ],
)
def test_abis_have_one_spelling(abi: str | None, arch: str | None) -> None:
    assert arch_of(abi) == arch


def test_a_frame_without_an_address_is_not_native() -> None:
    assert not is_native(native(None))
    assert is_native(native(0))
