"""Dumps as text get names."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crashes.symbolication.lookup import Symcache
from crashes.symbolication.text import name_text
from tests.unit.symbolication.conftest import Compiler, Toolchain


class Shelf:
    """One debug file, and the architectures asked for."""

    def __init__(self, build_id: str, symcache: Symcache) -> None:
        self._symcaches = {build_id: symcache}
        self.arches: set[str | None] = set()

    def symcache_for(self, build_id: str, arch: str | None) -> Symcache | None:
        self.arches.add(arch)
        return self._symcaches.get(build_id)


@pytest.fixture
def shelf(host: Toolchain, compiled: Compiler) -> Shelf:
    """The small C library under its own build id."""
    result = compiled(host.plain())
    return Shelf(host.build_id(host.plain()), result.symcache)


@pytest.fixture
def inlined_at(host: Toolchain, compiled: Compiler) -> int:
    """An address in `plain_entry` where `doubled` was inlined."""
    symcache = compiled(host.plain()).symcache
    start = host.symbols(host.plain())["plain_entry"]
    return next(at for at in range(start, start + 64) if len(symcache.lookup([at])[0]) == 2)


def test_a_tombstone_line_gets_its_name_and_its_inlined_calls(
    host: Toolchain, shelf: Shelf, inlined_at: int
) -> None:
    build_id = host.build_id(host.plain())
    start = f"      #01 pc {inlined_at:016x}  /data/app/libplain.so"
    line = f"{start} (plain_entry+4) (BuildId: {build_id})\n"

    named = name_text(f"backtrace:\n{line}\nend\n", find=shelf)

    first, inner, outer, empty, last = named.text.splitlines()
    assert (first, empty, last) == ("backtrace:", "", "end")
    assert inner.startswith(f"{start} (doubled) (")
    assert re.search(r"/plain\.c:\d+\) \(inlined\)$", inner)
    assert outer.startswith(f"{start} (plain_entry) (")
    assert re.search(rf"/plain\.c:1\d\) \(BuildId: {build_id}\)$", outer)
    assert named.named_frames == 1
    assert named.missing_build_ids == ()


@pytest.mark.parametrize(
    ("before", "module"),
    [
        ("  native: #02 pc 0", "  /data/app/libplain.so"),
        ("    #00 pc ", "  /data/app/base.apk!libplain.so (offset 0x1a000)"),
        ("11-20 10:11:12.345  1234  1234 F DEBUG   :       #00 pc ", "  /data/app/a b/libplain.so"),
    ],
)
def test_other_forms_of_the_line_keep_what_stands_before_the_name(
    host: Toolchain, shelf: Shelf, before: str, module: str
) -> None:
    address = host.symbols(host.plain())["hidden"]
    build_id = host.build_id(host.plain())

    named = name_text(f"{before}{address:x}{module} (???) (BuildId: {build_id})", find=shelf)

    assert named.text.startswith(f"{before}{address:x}{module} (hidden) (")
    assert named.named_frames == 1


def test_pairs_of_build_id_and_address_get_a_block_each(
    host: Toolchain, shelf: Shelf, inlined_at: int
) -> None:
    build_id = host.build_id(host.plain())

    named = name_text(f"{build_id.upper()} 0x{inlined_at:x}\n", find=shelf)

    inner, outer, blank = named.text.splitlines()
    assert inner.startswith(f"{build_id} {inlined_at:#x} doubled ")
    assert re.search(r"/plain\.c:\d+ \(inlined\)$", inner)
    assert outer.startswith(f"{build_id} {inlined_at:#x} plain_entry ")
    assert blank == ""


def test_the_architecture_comes_from_the_dump(host: Toolchain, shelf: Shelf) -> None:
    pair = f"{host.build_id(host.plain())} 1000\n"

    name_text(f"ABI: 'arm64'\n{pair}", find=shelf)
    name_text(pair, find=shelf, arch="arm")

    assert shelf.arches == {"arm64", "arm"}


def test_what_has_no_debug_file_or_no_name_stays_as_it_was(host: Toolchain, shelf: Shelf) -> None:
    text = (
        "#00 pc 0000000000001000  /system/lib64/libc.so (abort+8) (BuildId: 00ff00ff00ff)\r\n"
        f"#01 pc 00000000ffff0000  /x.so (BuildId: {host.build_id(host.plain())})\n"
        "#02 pc 0000000000002000  /system/lib64/libold.so (f+8)\n"
        "  at com.example.Main.run(Main.java:3)\n"
    )

    named = name_text(text, find=shelf)

    assert named.text == text
    assert named.missing_build_ids == ("00ff00ff00ff",)
    assert named.named_frames == 0


def test_line_ends_are_kept(host: Toolchain, shelf: Shelf) -> None:
    address = host.symbols(host.plain())["hidden"]
    line = f"#00 pc {address:x}  /x.so (BuildId: {host.build_id(host.plain())})\r\n"

    named = name_text(line + "next\r\n", find=shelf)

    assert named.text.count("\r\n") == named.text.count("\n") == 2


class Nothing:
    """No debug files."""

    def symcache_for(self, build_id: str, arch: str | None) -> Symcache | None:
        return None


@given(st.text(alphabet="#01 pcx/.()BuildI:abf\r\n!\u2028", max_size=200))
def test_any_text_without_debug_files_comes_back_unchanged(text: str) -> None:
    assert name_text(text, find=Nothing()).text == text
