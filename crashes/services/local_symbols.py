"""Symbols from folders of debug files, without a database: for a person with a question."""

import hashlib
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from crashes.services.sandboxes import BUILD_SYMCACHE, IDENTIFY, sandbox
from crashes.services.symbol_parts import bundle_up
from crashes.symbolication.elf import DebugFileKind
from crashes.symbolication.kernel import PREFIX, kernel_name
from crashes.symbolication.kernelmap import release_in
from crashes.symbolication.lookup import Symcache, SymcachePool
from uxp_diag.sandbox import JobRefused, SandboxFailure


def walk_files(paths: Sequence[Path]) -> Iterator[Path]:
    """The files themselves, and those below folders, in a stable order; links are not followed."""
    for path in paths:
        if path.is_dir():
            yield from sorted(
                inner for inner in path.rglob("*") if inner.is_file() and not inner.is_symlink()
            )
        else:
            yield path


def identify_file(path: Path) -> dict[str, Any] | None:
    """What kind of debug file this is; None when it is none. Read in the sandbox."""
    with path.open("rb") as file:
        try:
            facts: dict[str, Any] = sandbox().run(
                "crashes.symbolication.jobs:identify_job", files=[file.fileno()], limits=IDENTIFY
            )
        except (JobRefused, SandboxFailure):
            return None
    return facts


def _kernel_name(facts: dict[str, Any], path: Path) -> str:
    """What a kernel or a module of it goes by besides its build id; empty for anything else."""
    if facts["kind"] == DebugFileKind.KERNEL_SYMBOLS:
        release = release_in(path.name)
        return kernel_name(release) if release else ""
    name = facts.get("mapping_id") or ""
    return name if name.startswith(PREFIX) else ""


class FolderFinder:
    """Finds symcaches for the debug files below some folders; makes each when first asked for.

    Use it as a context manager: the symcaches live in a temporary folder.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="uxp-symcaches-"))
        self._pool = SymcachePool()
        self._files: dict[str, list[tuple[bool, Path]]] = {}
        self._split: list[tuple[set[str], Path]] = []
        self._units: dict[Path, set[str]] = {}
        self._alternates: dict[str, Path] = {}
        self._wanted: dict[Path, str] = {}
        self._made: dict[str, Path | None] = {}
        for path in walk_files(paths):
            facts = identify_file(path)
            if facts and facts.get("dwo_ids"):
                self._units[path] = set(facts["dwo_ids"])
            if facts and facts["kind"] == DebugFileKind.ELF_SPLIT:
                self._split.append((self._units.get(path, set()), path))
            elif facts and facts["kind"] == DebugFileKind.ELF_ALTERNATE:
                self._alternates[facts["build_id"]] = path
            elif facts and facts.get("build_id"):
                files = self._files.setdefault(facts["build_id"], [])
                files.append((not facts.get("has_dwarf"), path))
                self._wanted[path] = facts.get("alternate") or ""
            name = _kernel_name(facts, path) if facts else ""
            if facts and name:
                self._files.setdefault(name, []).append((not facts.get("has_dwarf"), path))

    def __enter__(self) -> "FolderFinder":
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.clear()
        shutil.rmtree(self._folder, ignore_errors=True)

    def __len__(self) -> int:
        return len(self._files)

    def symcache_for(self, build_id: str, arch: str | None) -> Symcache | None:
        """The symcache of a build id, from the file with line numbers if there is one."""
        del arch
        if build_id not in self._made:
            self._made[build_id] = self._make(build_id)
        path = self._made[build_id]
        return None if path is None else self._pool.get(path)

    def _make(self, build_id: str) -> Path | None:
        for _, source in sorted(self._files.get(build_id, [])):
            target = self._folder / hashlib.sha256(build_id.encode()).hexdigest()
            with (
                source.open("rb") as debug,
                target.open("w+b") as out,
                tempfile.TemporaryFile(dir=self._folder) as scratch,
                ExitStack() as stack,
            ):
                alternate = self._alternates.get(self._wanted.get(source, ""))
                files = [debug, out, scratch]
                if alternate is not None:
                    files.append(stack.enter_context(alternate.open("rb")))
                bundle = stack.enter_context(tempfile.TemporaryFile(dir=self._folder))
                document: dict[str, Any] = {
                    "alternate": alternate is not None,
                    "split": bundle_up(self._split_of(source), bundle),
                }
                try:
                    sandbox().run(
                        "crashes.symbolication.jobs:build_joined_symcache_job",
                        document,
                        files=[file.fileno() for file in (*files, bundle)],
                        limits=BUILD_SYMCACHE,
                    )
                except (JobRefused, SandboxFailure):
                    continue
            return target
        return None

    def _split_of(self, source: Path) -> list[Path]:
        """The `.dwp` and `.dwo` files with units of a file, those with most of them first."""
        wanted = self._units.get(source, set())
        found = sorted(self._split, key=lambda one: (-len(one[0] & wanted), one[1]))
        return [path for units, path in found if units & wanted]
