"""Our answers next to those of the tools that people trust: addr2line and llvm-symbolizer.

Compared are the location (inline depth, and file name and line of every frame) and the function
names, at addresses for which the other tool knows a function and a line (the padding between
functions has a line in the table, and no function). Names are compared without what only
tells compilers' copies apart: constructor and destructor kinds, clone suffixes.

binutils 2.40 takes the unit's own file for some frames of DWARF 5 (`more.cc:1933` for a line of
`stl_tree.h`; LLVM and we say `stl_tree.h:1933`), and knows nothing in 64-bit DWARF. So against
binutils file names are compared in DWARF 4 only, and 64-bit DWARF against its 32-bit twin.
"""

import json
import random
from collections.abc import Sequence
from pathlib import Path

import pytest

from crashes.management.benchmarks.agreement import Answer, agreement, asked, asked_llvm, known
from tests.conftest import require_program
from tests.unit.symbolication.conftest import Compiled, Compiler, Toolchain


def random_addresses(result: Compiled, count: int = 3000) -> list[int]:
    bounds = result.symcache.text_bounds
    chance = random.Random(42)
    return [chance.randrange(bounds[0], bounds[-1]) for _ in range(count)]


def asked_binutils(addr2line: str, path: Path, addresses: Sequence[int]) -> list[Answer]:
    output = asked([addr2line, "-a", "-i", "-f", "-e", str(path)], addresses)
    answers: list[list[tuple[str | None, str | None, int | None]]] = []
    lines = iter(output.splitlines())
    for line in lines:
        if line.startswith("0x"):
            answers.append([])
        else:
            answers[-1].append((known(line), *_place(next(lines))))
    return list(answers)


def _place(text: str) -> tuple[str | None, int | None]:
    file, _, line = text.partition(" (discriminator")[0].rpartition(":")
    return (None if file == "??" else file), (int(line) if line.isdigit() else None)


_LLVM = ("llvm-symbolizer", "llvm-symbolizer-19", "llvm-symbolizer-16", "llvm-symbolizer-14")
_FLAVORS = [("-gdwarf-5",), ("-gdwarf-4",), ("-gdwarf-5", "-gz=zlib"), ("-O3", "-flto")]


@pytest.mark.parametrize("target", ["host", "phone"])
@pytest.mark.parametrize("flags", _FLAVORS, ids=" ".join)
def test_a_library_agrees_with_llvm(
    request: pytest.FixtureRequest, compiled: Compiler, target: str, flags: tuple[str, ...]
) -> None:
    program = require_program("llvm-symbolizer", *_LLVM)
    toolchain: Toolchain = request.getfixturevalue(target)
    path = toolchain.library("".join(flags), *flags)
    result = compiled(path)
    addresses = random_addresses(result)

    found = agreement(result.symcache.lookup(addresses), asked_llvm(program, path, addresses))

    assert found.count > 1500
    assert found.location >= 0.995
    assert found.full >= 0.99


@pytest.mark.parametrize("target", ["host", "phone"])
@pytest.mark.parametrize("flags", _FLAVORS, ids=" ".join)
def test_a_library_agrees_with_binutils(
    request: pytest.FixtureRequest, compiled: Compiler, target: str, flags: tuple[str, ...]
) -> None:
    toolchain: Toolchain = request.getfixturevalue(target)
    path = toolchain.library("".join(flags), *flags)
    result = compiled(path)
    addresses = random_addresses(result)

    theirs = asked_binutils(toolchain.addr2line, path, addresses)

    found = agreement(result.symcache.lookup(addresses), theirs, with_files="-gdwarf-4" in flags)
    assert found.count > 1500
    assert found.location >= 0.98
    assert found.full >= 0.97


@pytest.mark.parametrize("flags", [("-static-pie",), ("-no-pie",)], ids=" ".join)
def test_a_program_agrees_with_binutils(
    host: Toolchain, compiled: Compiler, flags: tuple[str, ...]
) -> None:
    path = host.program("".join(flags), "-gdwarf-4", *flags)
    result = compiled(path)
    symbols = host.symbols(path)
    start = symbols["shapes_entry"]
    addresses = [*range(start, start + 1200), *range(symbols["main"], symbols["main"] + 10)]

    found = agreement(
        result.symcache.lookup(addresses), asked_binutils(host.addr2line, path, addresses)
    )

    assert found.count > 800
    assert found.location >= 0.99
    assert found.full >= 0.98


def test_64_bit_dwarf_answers_like_its_32_bit_twin(host: Toolchain, compiled: Compiler) -> None:
    narrow, wide = compiled(host.library()), compiled(host.library("dwarf64", "-gdwarf64"))

    addresses = random_addresses(narrow)

    assert wide.facts.dead_sequences == narrow.facts.dead_sequences
    assert wide.symcache.lookup(addresses) == narrow.symcache.lookup(addresses)


def test_a_debug_file_answers_for_the_stripped_library(
    phone: Toolchain, compiled: Compiler
) -> None:
    path = phone.library("debug4", "-gdwarf-4")
    result = compiled(phone.copied(path, "agreeing", "--only-keep-debug"))
    addresses = random_addresses(result, 1000)

    found = agreement(
        result.symcache.lookup(addresses), asked_binutils(phone.addr2line, path, addresses)
    )

    assert found.location >= 0.99


@pytest.mark.parametrize(
    ("name", "full"),
    [
        ("a64-clang-dwarf5.so", 0.98),
        ("a64-gcc-dwarf4.so", 0.93),
        ("a64-gcc-dwarf5.so", 0.93),
        ("a64-gcc-dwarf5.zlib.so", 0.93),
        ("a64-gcc-dwarf5.zstd.so", 0.93),
    ],
)
def test_the_sample_libraries_agree_with_llvm_19(
    shared_dir: Path, compiled: Compiler, name: str, full: float
) -> None:
    path = shared_dir / "samples/symbolication/elf" / name
    expected = json.loads(path.with_name(f"{name}.expected.json").read_text())
    rows = expected["addresses"]
    theirs: list[Answer] = [
        [(known(f[0]), f[1] or None, f[2] or None) for f in row["frames"]] for row in rows
    ]

    result = compiled(path)

    found = agreement(result.symcache.lookup(int(row["addr"], 16) for row in rows), theirs)
    assert result.symcache.build_id == expected["build_id"]
    assert found.location >= 0.995
    assert found.full >= full
