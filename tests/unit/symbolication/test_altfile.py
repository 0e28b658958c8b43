"""Debug information that `dwz` moved into a file of its own answers as if it were still there."""

import io
import random
import shutil
import struct
from contextlib import suppress
from pathlib import Path

import pytest

from crashes.services.local_symbols import FolderFinder
from crashes.symbolication.elf import DebugFileKind, identify
from crashes.symbolication.errors import UnreadableDebugFile
from crashes.symbolication.lookup import Symcache
from crashes.symbolication.symcache import build_symcache
from tests.conftest import require_program
from tests.unit.symbolication.conftest import Compiler, Toolchain, run

SHARED = "shared.debug"
STYLES = [("-gdwarf-4", ()), ("-gdwarf-5", ()), ("-gdwarf-5", ("--dwarf-5",))]


def _shortened(target: Toolchain, folder: Path, version: str, *options: str) -> tuple[Path, Path]:
    """The whole library, and the same after `dwz` moved what it shares with the program."""
    dwz = require_program("dwz", "dwz")
    # Compiled once for all tests that use these flags.
    whole = target.library(version, version) if version == "-gdwarf-4" else target.library()
    program = target.program(f"shared{version}", version)
    own = [Path(shutil.copy(path, folder)) for path in (whole, program)]
    run(dwz, *options, "-m", folder / SHARED, "-M", SHARED, *own)
    return whole, own[0]


def _built(library: Path, shared: Path | None, target: Path) -> Symcache:
    with library.open("rb") as source, target.open("w+b") as out:
        if shared is None:
            build_symcache(source.fileno(), out.fileno())
        else:
            with shared.open("rb") as other:
                build_symcache(source.fileno(), out.fileno(), alternate_fd=other.fileno())
    return Symcache(target)


@pytest.mark.parametrize(("version", "options"), STYLES)
def test_a_shortened_library_answers_like_the_whole_one(
    host: Toolchain, compiled: Compiler, tmp_path: Path, version: str, options: tuple[str, ...]
) -> None:
    whole, own = _shortened(host, tmp_path, version, *options)
    expected = compiled(whole).symcache
    addresses = range(expected.text_bounds[0], expected.text_bounds[-1])
    answers = expected.lookup(addresses)

    alone = _built(own, None, tmp_path / "alone").lookup(addresses)
    joined = _built(own, tmp_path / SHARED, tmp_path / "joined").lookup(addresses)

    assert alone != answers  # else there was nothing to join
    assert joined == answers


def test_a_compressed_shared_file_serves_as_well(
    phone: Toolchain, compiled: Compiler, tmp_path: Path
) -> None:
    whole, own = _shortened(phone, tmp_path, "-gdwarf-5")
    for path in (own, tmp_path / SHARED):
        run(phone.objcopy, "--compress-debug-sections=zlib", path)
    expected = compiled(whole).symcache
    addresses = range(expected.text_bounds[0], expected.text_bounds[-1], 4)

    joined = _built(own, tmp_path / SHARED, tmp_path / "joined")

    assert joined.lookup(addresses) == expected.lookup(addresses)


@pytest.mark.parametrize(("version", "options"), STYLES)
def test_both_files_say_that_they_belong_together(
    host: Toolchain, tmp_path: Path, version: str, options: tuple[str, ...]
) -> None:
    _, own = _shortened(host, tmp_path, version, *options)

    library, shared = (identify(path.read_bytes()) for path in (own, tmp_path / SHARED))

    assert library.kind is DebugFileKind.ELF
    assert shared.kind is DebugFileKind.ELF_ALTERNATE
    assert library.alternate == shared.build_id
    assert (shared.alternate, shared.debug_id) == (None, None)


def test_a_folder_finds_the_shared_file(host: Toolchain, tmp_path: Path) -> None:
    whole, own = _shortened(host, tmp_path, "-gdwarf-5")
    entry = host.symbols(whole)["shapes_entry"]

    with FolderFinder([tmp_path]) as finder:
        symcache = finder.symcache_for(host.build_id(own), "x86_64")
        assert symcache is not None
        addresses = range(entry, entry + 64)
        inlined = [frames[0] for frames in symcache.lookup(addresses) if len(frames) > 1]

    assert inlined
    assert all(frame.function for frame in inlined)


def test_damaged_shared_files_end_in_our_own_error(host: Toolchain, tmp_path: Path) -> None:
    _, own = _shortened(host, tmp_path, "-gdwarf-4")
    good, chance = (tmp_path / SHARED).read_bytes(), random.Random(5)
    bad = tmp_path / "bad.debug"
    for _ in range(20):
        content = bytearray(good)
        for _ in range(4):
            at = chance.randrange(64, len(content) - 4)
            struct.pack_into("<I", content, at, chance.choice([0, 1, 0xFFFFFFFF, 0x7FFFFFFF]))
        bad.write_bytes(content)
        with suppress(UnreadableDebugFile):
            _built(own, bad, tmp_path / "table").close()


def test_damaged_libraries_end_in_our_own_error(host: Toolchain, tmp_path: Path) -> None:
    _, own = _shortened(host, tmp_path, "-gdwarf-5")
    good, chance = own.read_bytes(), random.Random(7)
    start = good.index(b".debug_info")
    bad = tmp_path / "bad.so"
    for _ in range(20):
        content = bytearray(good)
        for _ in range(6):
            at = chance.randrange(min(start, len(content) // 3), len(content) - 4)
            struct.pack_into("<I", content, at, chance.choice([0, 1, 0xFFFFFFFF, 0x7FFFFFFF]))
        bad.write_bytes(content)
        with suppress(UnreadableDebugFile):
            _built(bad, tmp_path / SHARED, tmp_path / "table").close()


def test_a_shared_file_has_no_table_of_its_own(host: Toolchain, tmp_path: Path) -> None:
    _shortened(host, tmp_path, "-gdwarf-4")

    with pytest.raises(UnreadableDebugFile) as caught:
        _built(tmp_path / SHARED, None, tmp_path / "table")

    assert caught.value.code == "not_native"


def test_a_link_without_an_id_is_none(host: Toolchain, tmp_path: Path) -> None:
    _, own = _shortened(host, tmp_path, "-gdwarf-4")
    content = own.read_bytes()

    cut = content.replace(SHARED.encode() + b"\0", SHARED.encode() + b"x")

    assert identify(io.BytesIO(cut)).alternate is None
