"""Frames of a tombstone that are easily taken for something else, each with its right answer."""

from pathlib import Path

import pytest

from crashes.formats.tombstone_text import parse
from crashes.stack import Frame, FrameStatus
from crashes.symbolication.demangle import demangle
from crashes.symbolication.frames import symbolicate
from crashes.symbolication.lookup import Symcache
from tests.unit.symbolication.conftest import Compiler, Toolchain, run
from tests.unit.symbolication.test_kernel import Files

_TOMBSTONE = """*** *** *** *** *** *** *** *** *** *** *** *** *** *** *** ***
ABI: 'arm64'
pid: 1, tid: 1, name: main  >>> com.example <<<
signal 11 (SIGSEGV), code 1 (SEGV_MAPERR), fault addr 0x0

backtrace:
{rows}
"""
_BUILD_ID = "c16b1f0c4f2e36bf9a0e4d7fa8a1e2d3"


def _symbolicated(row: str, symcache: Symcache) -> tuple[Frame, ...]:
    crash = parse(_TOMBSTONE.format(rows=row).encode())
    found = symbolicate(crash, find=Files({_BUILD_ID: symcache}))
    return found.crash.threads[0].frames


@pytest.fixture
def plain(phone: Toolchain, compiled: Compiler) -> tuple[Symcache, int]:
    """The small library, and where `plain_other` begins."""
    path = phone.plain()
    return compiled(path).symcache, phone.symbols(path)["plain_other"]


def test_a_library_inside_an_apk_is_looked_up_by_its_own_addresses(
    plain: tuple[Symcache, int],
) -> None:
    # The offset says where the library lies in the APK; the pc counts within the library already.
    symcache, address = plain
    module = "/data/app/~~a==/com.example-b==/base.apk!libplain.so (offset 0x1234000)"
    row = f"      #00 pc {address:016x}  {module} (plain_other+0) (BuildId: {_BUILD_ID})"

    frame = _symbolicated(row, symcache)[-1]

    assert (frame.function, frame.status) == ("plain_other", FrameStatus.SYMBOLICATED)
    assert frame.map_offset == 0x1234000


@pytest.mark.parametrize(
    "module",
    [
        "[anon:dalvik-jit-code-cache] (com.example.Camera.open+120)",
        "/data/app/com.example/oat/arm64/base.odex (com.example.Camera.open+120)",
        "/data/app/com.example/oat/arm64/base.vdex (com.example.Camera.open+12)",
        "/apex/com.android.art/javalib/arm64/boot.oat (art_jni_trampoline+120)",
        "<anonymous:7f1234567000>",
        "[vdso] (__kernel_rt_sigreturn+0)",
    ],
)
def test_code_without_a_build_id_keeps_what_the_device_printed(
    plain: tuple[Symcache, int], module: str
) -> None:
    (frame,) = _symbolicated(f"      #00 pc 0000000000001040  {module}", plain[0])

    assert frame.status is FrameStatus.NO_BUILD_ID
    printed = module.partition("(")[2].partition("+")[0]
    assert frame.function == (printed or None)


def test_the_vdso_is_a_library_like_any_other(plain: tuple[Symcache, int]) -> None:
    symcache, address = plain
    row = f"      #00 pc {address:016x}  [vdso] (__kernel_rt_sigreturn+0) (BuildId: {_BUILD_ID})"

    assert _symbolicated(row, symcache)[-1].function == "plain_other"


def test_java_and_native_frames_stay_in_their_order(plain: tuple[Symcache, int]) -> None:
    symcache, address = plain
    rows = "\n".join(
        (
            f"      #00 pc {address:016x}  /data/app/libplain.so (BuildId: {_BUILD_ID})",
            "      #01 pc 0000000000440554  /apex/com.android.art/lib64/libart.so"
            " (art_quick_generic_jni_trampoline+148) (BuildId: 00112233445566778899aabbccddeeff)",
            "      #02 pc 0000000000001000  [anon:dalvik-classes.dex] (com.example.Camera.open+4)",
            f"      #03 pc {address:016x}  /data/app/libplain.so (BuildId: {_BUILD_ID})",
        )
    )

    frames = [frame for frame in _symbolicated(rows, symcache) if not frame.inlined]

    names = [frame.function for frame in frames]
    assert names == [
        "plain_other",
        "art_quick_generic_jni_trampoline",
        "com.example.Camera.open",
        "plain_other",
    ]


def test_the_cold_part_of_a_function_has_the_functions_name(
    host: Toolchain, compiled: Compiler, tmp_path: Path
) -> None:
    source, path = tmp_path / "cold.c", tmp_path / "cold.so"
    source.write_text(
        "void give_up(int) __attribute__((cold, noreturn));\n"
        "int careful(int value)\n{\n    if (value < 0)\n        give_up(value);\n"
        "    return value * 3;\n}\n"
    )
    run(host.cc, "-shared", "-fPIC", "-O2", "-g", "-o", path, source)
    cold = host.symbols(path)["careful.cold"]

    said = run(host.addr2line, "-e", path, hex(cold), hex(cold + 4)).split("\n")

    first, second = (frames[-1] for frames in compiled(path).symcache.lookup([cold, cold + 4]))

    assert (first.function, first.raw_function) == ("careful", "careful.cold")
    assert [f"{frame.file}:{frame.line}" for frame in (first, second)] == said[:2]


@pytest.mark.parametrize("name", ["$s6Camera4openyyF", "_$s6Camera4openyyF", "_T06Camera4openyyF"])
def test_a_swift_name_stays_as_it_is(name: str) -> None:
    assert demangle(name) == name
