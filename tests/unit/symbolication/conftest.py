"""Debug files made on the spot: small programs compiled, stripped, split and compressed.

A file is compiled once per run and kept by the name of its variant. Everything a machine lacks is
skipped by name (see tests/conftest.py).
"""

import lzma
import os
import re
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from crashes.symbolication.lookup import Symcache
from crashes.symbolication.symcache import SymcacheFacts, build_symcache
from tests.conftest import ROOT, require_program

NATIVE = ROOT / "tests/data/native"


def run(*command: str | Path) -> str:
    """What a program prints; its failure is the test's."""
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, f"{command[0]}: {result.stderr}"
    return result.stdout


@dataclass
class Toolchain:
    """One target's compiler and tools. Paths are kept, so that each variant is made once."""

    cxx: str
    cc: str
    objcopy: str
    addr2line: str
    readelf: str
    nm: str
    folder: Path
    made: dict[str, Path] = field(default_factory=dict)

    def library(self, variant: str = "dwarf5", *flags: str) -> Path:
        """The C++ library of shapes.cc and more.cc, optimized, with inlined calls."""
        return self._compiled(variant, self.cxx, "-shared", "-fPIC", *flags, "shapes.cc", "more.cc")

    def program(self, variant: str, *flags: str) -> Path:
        """The same with a main function."""
        return self._compiled(variant, self.cxx, *flags, "main.cc", "shapes.cc", "more.cc")

    def plain(self, variant: str = "plain", *flags: str) -> Path:
        """The small C library."""
        flags = ("-Wl,-soname,libplain.so", *flags)
        return self._compiled(variant, self.cc, "-shared", "-fPIC", *flags, "plain.c")

    def copied(self, source: Path, variant: str, *options: str) -> Path:
        """What objcopy makes of a file."""
        name = f"{source.name}.{variant}"
        if name not in self.made:
            target = self.folder / name
            run(self.objcopy, *options, source, target)
            self.made[name] = target
        return self.made[name]

    def _compiled(self, variant: str, compiler: str, *arguments: str) -> Path:
        if variant not in self.made:
            target = self.folder / f"{variant}.elf"
            sources = [NATIVE / name for name in arguments if name.endswith((".c", ".cc"))]
            flags = [flag for flag in arguments if flag.startswith("-")]
            version = [] if any(flag.startswith("-gdwarf") for flag in flags) else ["-gdwarf-5"]
            common = ["-O2", "-g", *version, "-Wl,--build-id"]
            run(compiler, *common, *flags, "-o", target, *sources)
            self.made[variant] = target
        return self.made[variant]

    def build_id(self, path: Path) -> str:
        """The build id as binutils reads it."""
        found = re.search(r"Build ID: ([0-9a-f]+)", run(self.readelf, "-n", path))
        assert found is not None
        return found[1]

    def symbols(self, path: Path) -> dict[str, int]:
        """Address of every defined symbol."""
        rows = (line.split() for line in run(self.nm, "--defined-only", path).splitlines())
        return {row[2]: int(row[0], 16) for row in rows if len(row) == 3}


def _toolchain(folder: Path, prefix: str, what: str) -> Toolchain:
    def tool(name: str) -> str:
        return require_program(what, prefix + name)

    return Toolchain(
        cxx=tool("g++"),
        cc=tool("gcc"),
        objcopy=tool("objcopy"),
        addr2line=tool("addr2line"),
        readelf=tool("readelf"),
        nm=tool("nm"),
        folder=folder,
    )


@pytest.fixture(scope="session")
def host(tmp_path_factory: pytest.TempPathFactory) -> Toolchain:
    """This machine's own compiler."""
    return _toolchain(tmp_path_factory.mktemp("host"), "", "C++ compiler and binutils")


@pytest.fixture(scope="session")
def phone(tmp_path_factory: pytest.TempPathFactory) -> Toolchain:
    """A compiler for the processor of phones."""
    folder = tmp_path_factory.mktemp("phone")
    return _toolchain(folder, "aarch64-linux-gnu-", "aarch64 cross compiler")


@dataclass
class Compiled:
    """A symcache, what was said about it, and where it is."""

    facts: SymcacheFacts
    symcache: Symcache
    path: Path


class Compiler:
    """Compiles symcaches into one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __call__(self, debug_file: Path, scratch: Path | None = None) -> Compiled:
        path = self._folder / f"{debug_file.name}.symcache"
        scratch_fd = None if scratch is None else os.open(scratch, os.O_RDWR | os.O_CREAT)
        with debug_file.open("rb") as source, path.open("w+b") as out:
            facts = build_symcache(source.fileno(), out.fileno(), scratch_fd=scratch_fd)
        if scratch_fd is not None:
            os.close(scratch_fd)
        return Compiled(facts, Symcache(path), path)


@pytest.fixture
def compiled(tmp_path: Path) -> Compiler:
    """Compiles a debug file into a symcache and opens it."""
    return Compiler(tmp_path)


@pytest.fixture
def minidebug_library(host: Toolchain, tmp_path: Path) -> Path:
    """A stripped C library whose local names are in `.gnu_debugdata`, as system images have them."""
    whole = host.plain()
    names = tmp_path / "names.elf"
    run(host.objcopy, "--strip-debug", "--remove-section=.comment", whole, names)
    packed = tmp_path / "names.xz"
    packed.write_bytes(lzma.compress(names.read_bytes()))
    stripped = tmp_path / "libplain.so"
    run(host.objcopy, "--strip-all", whole, stripped)
    run(host.objcopy, f"--add-section=.gnu_debugdata={packed}", stripped)
    return stripped
