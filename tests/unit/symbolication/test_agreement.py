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
import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import pytest

from crashes.symbolication.lookup import Frames
from tests.conftest import require_program
from tests.unit.symbolication.conftest import Compiled, Compiler, Toolchain

Answer = list[tuple[str | None, str | None, int | None]]

_CLONE = re.compile(r"\.(?:cold|part|isra|constprop|localalias|lto_priv)(?:\.\d+)*")
_KIND = re.compile(r"([CD])[0-9](?=E|I)")


@dataclass(frozen=True)
class Agreement:
    """Shares between 0 and 1, of `count` addresses."""

    count: int
    location: float
    full: float


def agreement(
    ours: Sequence[Frames], theirs: Sequence[Answer], *, with_files: bool = True
) -> Agreement:
    known = [
        ([(f.raw_function, f.file, f.line) for f in frames], answer)
        for frames, answer in zip(ours, theirs, strict=True)
        if any(name and line for name, _, line in answer)
    ]
    same = [
        (mine, other)
        for mine, other in known
        if places(mine, with_files=with_files) == places(other, with_files=with_files)
    ]
    full = sum(names(mine) == names(other) for mine, other in same)
    return Agreement(len(known), len(same) / len(known), full / len(known))


def places(answer: Answer, *, with_files: bool) -> list[tuple[str, int]]:
    return [
        (PurePosixPath(file or "").name if with_files else "", line or 0)
        for _, file, line in answer
    ]


def names(answer: Answer) -> list[str]:
    return [_KIND.sub(r"\1", _CLONE.sub("", name or "")) for name, _, _ in answer]


def random_addresses(result: Compiled, count: int = 3000) -> list[int]:
    bounds = result.symcache.text_bounds
    chance = random.Random(42)
    return [chance.randrange(bounds[0], bounds[-1]) for _ in range(count)]


def asked_binutils(addr2line: str, path: Path, addresses: Sequence[int]) -> list[Answer]:
    output = _output([addr2line, "-a", "-i", "-f", "-e", str(path)], addresses)
    answers: list[Answer] = []
    lines = iter(output.splitlines())
    for line in lines:
        if line.startswith("0x"):
            answers.append([])
        else:
            answers[-1].append((_known(line), *_place(next(lines))))
    return answers


def asked_llvm(program: str, path: Path, addresses: Sequence[int]) -> list[Answer]:
    options = ["--inlines", "--no-demangle", "--functions=linkage", "--output-style=JSON"]
    output = _output([program, *options, f"--obj={path}"], addresses)
    return [
        [
            (_known(frame["FunctionName"]), frame["FileName"] or None, frame["Line"] or None)
            for frame in json.loads(line)["Symbol"]
        ]
        for line in output.splitlines()
    ]


def _output(command: list[str], addresses: Sequence[int]) -> str:
    text = "".join(f"{address:#x}\n" for address in addresses)
    return subprocess.run(command, input=text, capture_output=True, text=True, check=True).stdout


def _known(name: str) -> str | None:
    return None if name in {"??", ""} else name


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
        [(_known(f[0]), f[1] or None, f[2] or None) for f in row["frames"]] for row in rows
    ]

    result = compiled(path)

    found = agreement(result.symcache.lookup(int(row["addr"], 16) for row in rows), theirs)
    assert result.symcache.build_id == expected["build_id"]
    assert found.location >= 0.995
    assert found.full >= full
