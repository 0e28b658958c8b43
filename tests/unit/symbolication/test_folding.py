"""A frame says when its code is several functions."""

from pathlib import Path

import pytest

from crashes.stack import Crash, CrashKind, Frame, Thread, from_json, to_json
from crashes.symbolication.elfsymbols import Symbol
from crashes.symbolication.folding import FoldedCode, folded_text
from crashes.symbolication.frames import symbolicate
from crashes.symbolication.lookup import Symcache
from crashes.symbolication.symcache import build_symcache
from tests.unit.symbolication.conftest import Toolchain, run

_SOURCE = """
int first(int a) { return a * 3 + 1; }
int second(int a) { return a * 5 + 2; }
int other(int a) { return a * 7 + 3; }
__asm__(".globl twin\\n.type twin,@function\\n.set twin, first\\n.size twin, 8\\n");
"""


def places(*symbols: tuple[int, int, str], readable=lambda name: None) -> FoldedCode:
    return FoldedCode(folded_text((Symbol(*one) for one in symbols), readable))


def test_functions_at_one_place_are_told():
    code = places((0x10, 8, "area"), (0x10, 8, "perimeter"), (0x20, 8, "volume"))

    assert code.names_at(0x10) == code.names_at(0x17) == ("area", "perimeter")
    assert code.names_at(0xF) == code.names_at(0x18) == code.names_at(0x20) == ()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("memcpy", "__memcpy"),
        ("_ZN3FooC1Ev", "_ZN3FooC2Ev"),
        ("pthread_join@@GLIBC_2.34", "pthread_join@GLIBC_2.2.5"),
        ("walk", "walk.localalias"),
        ("walk.constprop.0", "walk"),
    ],
)
def test_names_of_one_function_are_no_folding(one, other):
    assert places((0x10, 8, one), (0x10, 8, other)).names_at(0x10) == ()


def test_a_place_has_no_more_than_eight_names_and_is_demangled():
    many = [(0x10, 8, f"f{number}") for number in range(20)]

    code = places(*many, readable=str.upper)

    assert code.names_at(0x10)[:2] == ("F0", "F1")
    assert len(code.names_at(0x10)) == 8


def test_a_symbol_without_a_size_is_a_label():
    assert places((0x10, 0, "start"), (0x10, 0, "begin")).names_at(0x10) == ()


def test_a_frame_names_the_others(host: Toolchain, tmp_path: Path):
    source, library = tmp_path / "folded.c", tmp_path / "folded.so"
    source.write_text(_SOURCE)
    run(host.cc, "-O1", "-g", "-shared", "-fPIC", "-Wl,--build-id", "-o", library, source)
    target = tmp_path / "table"
    with library.open("rb") as debug, target.open("w+b") as out:
        build_symcache(debug.fileno(), out.fileno())
    symcache = Symcache(target)
    address = host.symbols(library)
    frames = tuple(
        Frame(index=index, address=address[name], build_id="ab", module="folded.so")
        for index, name in enumerate(("first", "second"))
    )
    threads = (Thread(crashing=True, frames=frames),)
    crash = Crash(kind=CrashKind.NATIVE_CRASH, abi="x86_64", threads=threads)

    class Finder:
        def symcache_for(self, build_id, arch):
            return symcache

    named = symbolicate(crash, find=Finder()).crash

    first, second = named.threads[0].frames
    assert {first.function, *first.folded_with} == {"first", "twin"}
    assert second.folded_with == ()
    assert from_json(to_json(named)) == named
    assert ["folded_with" in frame for frame in to_json(named)["threads"][0]["frames"]] == [
        True,
        False,
    ]
