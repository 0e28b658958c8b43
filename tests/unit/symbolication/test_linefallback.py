"""Code that no function of the DWARF claims has the lines that the line table gives it."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crashes.symbolication.table import NONE
from crashes.symbolication.tableparts import Patch, TableParts
from tests.unit.symbolication.conftest import Compiler, Toolchain, run

# A label without a type is all that much hand-written assembly has; `as` makes no entry for it.
_ASSEMBLY = """
    .text
    .globl first
    .type first, %function
first:
    nop
    nop
    .size first, . - first
    .globl second
second:
    nop
    nop
    .globl third
    .type third, %function
third:
    nop
    .size third, . - third
"""
_THUNKS = """
struct Left { virtual ~Left(); virtual int left() { return 1; } };
struct Right { virtual ~Right(); virtual int right(int by); int value; };
struct Both : Left, Right { ~Both() override; int right(int by) override; };
Left::~Left() {}
Right::~Right() {}
int Right::right(int by) { return value + by; }
Both::~Both() {}
int Both::right(int by) { return value * by; }
"""


def _assembled(host: Toolchain, tmp_path: Path, *flags: str) -> Path:
    source = tmp_path / "hand.s"
    source.write_text(_ASSEMBLY)
    path = tmp_path / "hand.so"
    run(host.cc, "-shared", "-nostdlib", "-g", *flags, "-o", path, source)
    return path


@pytest.mark.parametrize("version", ["-gdwarf-2", "-gdwarf-4", "-gdwarf-5"])
def test_a_label_of_assembly_has_its_lines(
    host: Toolchain, compiled: Compiler, tmp_path: Path, version: str
) -> None:
    path = _assembled(host, tmp_path, version)
    symbols = host.symbols(path)

    result = compiled(path)

    for name, offset, line in (("first", 1, 7), ("second", 0, 11), ("second", 1, 12)):
        (frame,) = result.symcache.lookup([symbols[name] + offset])[0]
        assert (frame.function, frame.line) == (name, line)
        assert frame.file == str(tmp_path / "hand.s")


@pytest.mark.parametrize("toolchain", ["host", "phone"])
@pytest.mark.parametrize("version", ["-gdwarf-4", "-gdwarf-5"])
def test_a_thunk_has_the_line_that_binutils_gives_it(
    request: pytest.FixtureRequest,
    compiled: Compiler,
    tmp_path: Path,
    toolchain: str,
    version: str,
) -> None:
    target: Toolchain = request.getfixturevalue(toolchain)
    source, path = tmp_path / "thunks.cc", tmp_path / "thunks.so"
    source.write_text(_THUNKS)
    run(target.cxx, "-shared", "-fPIC", "-g", "-O2", version, "-o", path, source)
    thunk = target.symbols(path)["_ZThn8_N4Both5rightEi"]

    (frame,) = compiled(path).symcache.lookup([thunk])[0]

    assert frame.raw_function == "_ZThn8_N4Both5rightEi"
    assert run(target.addr2line, "-e", path, hex(thunk)).split()[0] == f"{source}:{frame.line}"
    assert frame.file == str(source)


_STRETCHES = st.lists(st.integers(0, 60), min_size=2, max_size=12, unique=True).map(sorted)


def _empty() -> TableParts:
    header = b"SYMC" + (9).to_bytes(4, "little") + bytes(72)
    return TableParts.of(header)


def _line_at(parts: TableParts, address: int) -> int:
    known = [at for at, start in enumerate(parts.ranges) if start <= address]
    return parts.places[known[-1] * 4 + 1] if known else NONE


@given(below=_STRETCHES, above=_STRETCHES)
def test_what_is_laid_over_a_table_hides_it_and_nothing_else(
    below: list[int], above: list[int]
) -> None:
    parts = _empty()
    lower = [Patch(a, b, 0, a + 1, 0, NONE) for a, b in zip(below[::2], below[1::2], strict=False)]
    upper = [Patch(a, b, 0, a + 99, 0, NONE) for a, b in zip(above[::2], above[1::2], strict=False)]

    parts.overlay(lower)
    parts.overlay(upper)

    parts = TableParts.of(parts.to_bytes())
    assert list(parts.ranges) == sorted(set(parts.ranges))
    for address in range(64):
        covering = [p.line for p in upper if p.start <= address < p.end]
        covering += [p.line for p in lower if p.start <= address < p.end]
        assert _line_at(parts, address) == (covering[0] if covering else NONE)
