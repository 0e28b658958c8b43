"""Unlinked objects, as kernel modules are, get addresses and then answers."""

import mmap
import random
from pathlib import Path

import pytest

from crashes.symbolication.elf import identify
from crashes.symbolication.elffile import ElfFile
from crashes.symbolication.errors import UnreadableDebugFile
from crashes.symbolication.relocate import TEXT_START, relocate
from crashes.symbolication.symcache import SymcacheSource
from tests.unit.symbolication.conftest import Compiler, Toolchain, run

_MODULE = """
static const char named[] __attribute__((section(".modinfo"), used)) = "name=camera";
static int table[4];
static inline int mixed(int value) { return table[value & 3] * 3 + value; }
__attribute__((section(".init.text"))) int camera_init(int value) { return mixed(value) + 1; }
int camera_open(int value)
{
    table[1] = value;
    return mixed(value) - 7;
}
__attribute__((cold, noinline)) int camera_fail(int value) { return table[value & 1]; }
int camera_close(int value) { return camera_fail(mixed(value + 1)); }
"""


def _module(target: Toolchain, folder: Path, *flags: str) -> Path:
    source, path = folder / "camera.c", folder / "camera.ko"
    source.write_text(_MODULE)
    run(target.cc, "-c", "-O2", "-g", *flags, "-o", path, source)
    return path


@pytest.mark.parametrize("toolchain", ["host", "phone"])
@pytest.mark.parametrize("flags", [("-gdwarf-5",), ("-gdwarf-4",), ("-gz=zlib",)], ids=" ".join)
def test_a_module_answers_as_binutils_do(
    request: pytest.FixtureRequest,
    compiled: Compiler,
    tmp_path: Path,
    toolchain: str,
    flags: tuple[str, ...],
) -> None:
    target: Toolchain = request.getfixturevalue(toolchain)
    path = _module(target, tmp_path, *flags)

    result = compiled(path)

    assert result.facts.source is SymcacheSource.DWARF
    symbols = target.symbols(path)
    for name in ("camera_open", "camera_close"):
        for offset in (0, 4, 8):
            frames = result.symcache.lookup([TEXT_START + symbols[name] + offset])[0]
            command = (target.addr2line, "-i", "-f", "-j", ".text", "-e", path)
            said = run(*command, hex(symbols[name] + offset)).split("\n")[:-1]
            functions, places = said[::2], [place.split(" (")[0] for place in said[1::2]]
            assert [frame.function for frame in frames] == functions
            assert [f"{frame.file}:{frame.line}" for frame in frames] == places


def test_every_section_of_code_has_a_place_of_its_own(
    host: Toolchain, compiled: Compiler, tmp_path: Path
) -> None:
    result = compiled(_module(host, tmp_path))

    bounds = result.symcache.text_bounds
    found = {
        frames[-1].function: frames[-1].line
        for frames in result.symcache.lookup(range(bounds[0], bounds[-1]))
        if frames
    }
    assert set(found) == {"camera_open", "camera_close", "camera_fail", "camera_init"}


def test_a_module_is_called_what_the_kernel_calls_it(host: Toolchain, tmp_path: Path) -> None:
    facts = identify(_module(host, tmp_path).read_bytes())

    assert facts.name == "camera"
    assert not facts.has_unwind


def test_relocations_that_nobody_knows_are_refused(
    host: Toolchain, compiled: Compiler, tmp_path: Path
) -> None:
    path = _module(host, tmp_path)
    content = bytearray(path.read_bytes())
    content[18:20] = (243).to_bytes(2, "little")  # the machine is said to be RISC-V
    path.write_bytes(content)

    with pytest.raises(UnreadableDebugFile) as refusal:
        compiled(path)

    assert refusal.value.code == "relocatable_object"


def test_a_damaged_object_ends_in_our_own_error(host: Toolchain, tmp_path: Path) -> None:
    path = _module(host, tmp_path)
    whole = path.read_bytes()
    chance, refused = random.Random(11), 0
    for _ in range(300):
        content = bytearray(whole)
        headers = int.from_bytes(whole[40:48], "little")
        for _ in range(3):
            content[chance.randrange(headers, len(content))] = chance.randrange(256)
        path.write_bytes(content)
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY) as data:
            try:
                relocate(ElfFile(file), data)
            except UnreadableDebugFile:
                refused += 1
    assert refused > 10
