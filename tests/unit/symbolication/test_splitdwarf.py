"""Debug information in `.dwo` and `.dwp` files answers as if it had not been split off."""

import json
import random
import struct
from contextlib import ExitStack
from pathlib import Path

import pytest

from crashes.management.benchmarks.agreement import Answer, agreement, known
from crashes.services.local_symbols import FolderFinder
from crashes.symbolication.elf import identify
from crashes.symbolication.errors import UnreadableDebugFile
from crashes.symbolication.lookup import Symcache
from crashes.symbolication.splitdwarf import SplitPlace
from crashes.symbolication.symcache import SymcacheFacts, build_symcache
from tests.conftest import require_program
from tests.unit.symbolication.conftest import NATIVE, Compiler, Toolchain, run


def _split_library(host: Toolchain, version: str, *, folder: Path) -> tuple[Path, Path]:
    """A library without most of its debug information, and the file that has it."""
    path, unit = folder / "split.so", folder / "plain.o"
    flags = ("-O2", "-g", version, "-gsplit-dwarf", "-ggnu-pubnames", "-fPIC", "-c")
    run(host.cc, *flags, "-o", unit, NATIVE / "plain.c")
    run(host.cc, "-shared", "-Wl,--build-id", "-Wl,-soname,libplain.so", "-o", path, unit)
    return path, folder / "plain.dwo"


def _built(library: Path, split: list[Path], target: Path) -> tuple[SymcacheFacts, Symcache]:
    with ExitStack() as stack:
        source = stack.enter_context(library.open("rb"))
        out = stack.enter_context(target.open("w+b"))
        places = [SplitPlace(stack.enter_context(path.open("rb")).fileno()) for path in split]
        facts = build_symcache(source.fileno(), out.fileno(), split=places)
    return facts, Symcache(target)


def _packed(file: Path) -> Path:
    program, target = require_program("dwp of binutils", "dwp"), file.with_suffix(".dwp")
    run(program, "-o", target, file)
    return target


# binutils pack the GNU form only; the sample below is a packed file of DWARF 5.
@pytest.mark.parametrize(
    ("version", "is_packed"), [("-gdwarf-4", False), ("-gdwarf-4", True), ("-gdwarf-5", False)]
)
def test_split_units_answer_like_whole_ones(
    host: Toolchain, compiled: Compiler, tmp_path: Path, version: str, is_packed: bool
) -> None:
    whole = compiled(host.plain(f"whole{version}", version, "-ggnu-pubnames")).symcache
    library, file = _split_library(host, version, folder=tmp_path)

    facts, symcache = _built(library, [_packed(file) if is_packed else file], tmp_path / "table")

    assert facts.split_units == 1
    assert whole.text_bounds == symcache.text_bounds
    addresses = range(whole.text_bounds[0], whole.text_bounds[-1])
    expected = whole.lookup(addresses)
    assert len({frames for frames in expected if frames and frames[0].line}) > 5
    assert symcache.lookup(addresses) == expected


def test_the_sample_agrees_with_llvm(shared_dir: Path, tmp_path: Path) -> None:
    path = shared_dir / "samples/symbolication/elf/a64-gcc-split.so"
    rows = json.loads(path.with_name(f"{path.name}.expected.json").read_text())["addresses"]
    theirs: list[Answer] = [
        [(known(f[0]), f[1] or None, f[2] or None) for f in row["frames"]] for row in rows
    ]

    _, symcache = _built(path, [path.with_name(f"{path.name}.dwp")], tmp_path / "table")

    found = agreement(symcache.lookup(int(row["addr"], 16) for row in rows), theirs)
    assert (found.count, found.location, found.full) == (391, 1.0, 1.0)


def test_without_its_units_a_library_keeps_its_names(host: Toolchain, tmp_path: Path) -> None:
    library, file = _split_library(host, "-gdwarf-5", folder=tmp_path)

    facts, symcache = _built(library, [], tmp_path / "table")

    frame = symcache.lookup([host.symbols(library)["plain_other"]])[0][-1]
    assert (facts.split_units, frame.function) == (0, "plain_other")
    ids = identify(library.read_bytes()).dwo_ids
    assert len(ids) == 1
    assert identify(file.read_bytes()).dwo_ids == ids


def test_a_folder_finds_the_split_files_of_a_library(host: Toolchain, tmp_path: Path) -> None:
    library, _ = _split_library(host, "-gdwarf-5", folder=tmp_path)
    entry = host.symbols(library)["plain_other"]

    with FolderFinder([tmp_path]) as finder:
        symcache = finder.symcache_for(host.build_id(library), "x86_64")
        assert symcache is not None
        frames = symcache.lookup([entry])[0]

    assert Path(frames[-1].file or "").name == "plain.c"
    assert frames[-1].line


def test_damaged_split_files_end_in_our_own_error(host: Toolchain, tmp_path: Path) -> None:
    library, file = _split_library(host, "-gdwarf-4", folder=tmp_path)
    whole, chance, bad = _packed(file).read_bytes(), random.Random(3), tmp_path / "bad.dwp"
    for _ in range(60):
        content = bytearray(whole)
        for _ in range(4):
            at = chance.randrange(64, len(content) - 4)
            struct.pack_into("<I", content, at, chance.choice([0, 1, 0xFFFFFFFF, 0x7FFFFFFF]))
        bad.write_bytes(content)
        try:
            facts, symcache = _built(library, [bad], tmp_path / "table")
        except UnreadableDebugFile:
            continue
        symcache.close()
        assert facts.split_units <= 1
