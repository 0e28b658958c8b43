"""Debug files: taken in, made into symcaches, used.

A debug file is kept once per content and known by its build id. Its symcache is made in the
sandbox when the file arrives, carries a version, and can be made again from the file at any time;
a report that needs it earlier makes it on the spot. Both are blobs named by content, so two
processes that do the same work write the same bytes.
"""

import hashlib
import logging
import os
import secrets
import tempfile
from collections.abc import Iterable, Iterator, Set
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import IO, Any

from django.db.models import Case, IntegerField, Value, When

from crashes.models import DebugFile, MissingDebugFile
from crashes.services.blobs import blobs
from crashes.services.sandboxes import BUILD_SYMCACHE, IDENTIFY, sandbox
from crashes.stack import Crash
from crashes.symbolication.frames import SymbolicationResult, symbolicate
from crashes.symbolication.lookup import Symcache, SymcachePool
from crashes.symbolication.ports import DebugFileFinder
from crashes.symbolication.symcache import SYMCACHE_VERSION
from uxp_diag.db import insert_adding
from uxp_diag.sandbox import JobRefused, SandboxFailure

logger = logging.getLogger(__name__)

_COPY_BYTES = 1 << 20
MAX_DEBUG_FILE_BYTES = 2 << 30
_POOL_BYTES = 512 << 20


class DebugFileRefused(Exception):
    """The file is of no use as a debug file. `code` is stable."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail


@dataclass(frozen=True, slots=True)
class Registration:
    """What was recognised in one file. `is_new` is False when it was known already."""

    debug_file: DebugFile
    is_new: bool


def register_debug_file(
    source: IO[bytes], *, name: str, program_id: int, now: datetime
) -> Registration:
    """Take a debug file in and make it usable. Raises DebugFileRefused."""
    with _incoming() as path:
        sha256, size_bytes = _copy(source, path)
        facts = _identify(path)
        kind, build_id = facts["kind"], facts["build_id"] or facts.get("debug_id") or ""
        if not build_id:
            raise DebugFileRefused("no_build_id", "The file has no build id to find it by.")
        debug_file, is_new = DebugFile.objects.get_or_create(
            program_id=program_id,
            build_id=build_id,
            kind=kind,
            sha256=sha256,
            defaults={
                "arch": facts.get("arch") or "",
                "name": (facts.get("name") or Path(name).name)[:200],
                "size_bytes": size_bytes,
                "facts": facts,
                "created_at": now,
            },
        )
        _keep(path, sha256)
    return Registration(debug_file, is_new)


def prepare_debug_file(debug_file_id: int) -> DebugFile:
    """Make the symcache of a debug file, if it has none of this version yet."""
    debug_file = DebugFile.objects.get(pk=debug_file_id)
    try:
        _ensure_symcache(debug_file)
    except (JobRefused, SandboxFailure) as problem:
        debug_file.state = DebugFile.State.UNUSABLE
        debug_file.failure_detail = str(problem)[:300]
    else:
        debug_file.state = DebugFile.State.READY
        debug_file.failure_detail = ""
        debug_file.symcache_version = SYMCACHE_VERSION
        MissingDebugFile.objects.filter(
            program_id=debug_file.program_id, build_id=debug_file.build_id
        ).delete()
    debug_file.save(update_fields=["state", "failure_detail", "symcache_version"])
    return debug_file


def list_unprepared(*, limit: int) -> list[int]:
    """Debug files whose symcache nobody has made yet, oldest first."""
    waiting = DebugFile.objects.filter(state=DebugFile.State.RECEIVED).order_by("pk")
    return list(waiting.values_list("pk", flat=True)[:limit])


def has_debug_file(facts: dict[str, Any], *, program_id: int, size_bytes: int) -> bool:
    """Whether a file of this build id, kind and size is in the store already."""
    return DebugFile.objects.filter(
        program_id=program_id,
        build_id=facts["build_id"] or "",
        kind=facts["kind"],
        size_bytes=size_bytes,
    ).exists()


def store_finder(program_id: int, *, expected: Iterable[str] = ()) -> DebugFileFinder:
    """Finds symcaches in the store of one program; `expected` build ids are looked up together.

    It remembers what it found and what it did not, so take a new one for every batch of work.
    """
    return _Finder(program_id, frozenset(expected))


def symbolicate_crash(crash: Crash, *, find: DebugFileFinder) -> SymbolicationResult:
    """The crash with names, as far as the debug files of its program go (see `store_finder`)."""
    return symbolicate(crash, find=find)


def note_missing(results: Iterable[SymbolicationResult], *, program_id: int, now: datetime) -> None:
    """Count each report under every build id that it lacks a debug file for."""
    wanted: dict[str, MissingDebugFile] = {}
    for missing in (one for result in results for one in result.missing):
        row = wanted.setdefault(
            missing.build_id,
            MissingDebugFile(
                program_id=program_id,
                build_id=missing.build_id,
                arch=missing.arch or "",
                module=(missing.module or "")[:300],
                reports=0,
                last_seen_at=now,
            ),
        )
        row.reports += 1
    rows = [wanted[build_id] for build_id in sorted(wanted)]  # in one order: no deadlocks
    insert_adding(rows, conflict=["program_id", "build_id"], add="reports")


class _Finder:
    """Finds symcaches for the build ids of one program; asks the database once for each."""

    def __init__(self, program_id: int, expected: Set[str]) -> None:
        self._program_id = program_id
        self._files: dict[str, list[DebugFile]] = {}
        self._known: dict[str, Symcache | None] = {}
        self._fetch(expected)

    def symcache_for(self, build_id: str, arch: str | None) -> Symcache | None:
        """The best symcache there is for a build id, or None."""
        del arch  # a build id names one file of one architecture
        if build_id not in self._known:
            if build_id not in self._files:
                self._fetch({build_id})
            self._known[build_id] = self._open(self._files[build_id])
        return self._known[build_id]

    def _open(self, debug_files: Iterable[DebugFile]) -> Symcache | None:
        for debug_file in debug_files:
            if debug_file.state == DebugFile.State.RECEIVED:
                prepare_debug_file(debug_file.pk)
            path = symcache_path(debug_file.sha256)
            if path.exists():
                return _pool().get(path)
        return None

    def _fetch(self, build_ids: Set[str]) -> None:
        """Look up the usable files of these build ids, those with line numbers first."""
        if not build_ids:
            return
        lines_first = Case(
            When(facts__has_dwarf=True, then=Value(0)),
            default=Value(1),
            output_field=IntegerField(),
        )
        self._files |= {build_id: [] for build_id in build_ids}
        usable = (
            DebugFile.objects.filter(program_id=self._program_id, build_id__in=build_ids)
            .exclude(state=DebugFile.State.UNUSABLE)
            .order_by(lines_first, "-pk")
        )
        for debug_file in usable:
            self._files[debug_file.build_id].append(debug_file)


@cache
def _pool() -> SymcachePool:
    """The symcaches this process has open."""
    return SymcachePool(max_bytes=_POOL_BYTES)


def debug_file_path(sha256: str) -> Path:
    """Where the bytes of a debug file are."""
    return blobs().path(f"debug-files/{sha256[:2]}/{sha256}")


def symcache_path(sha256: str) -> Path:
    """Where the symcache of a debug file is, or would be."""
    return blobs().path(f"symcaches/v{SYMCACHE_VERSION}/{sha256[:2]}/{sha256}")


@contextmanager
def _incoming() -> Iterator[Path]:
    """A fresh path for a file on its way in, gone afterwards if nobody took it."""
    path = blobs().path(f"incoming/{secrets.token_hex(16)}")
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)


def _copy(source: IO[bytes], path: Path) -> tuple[str, int]:
    """Copy a stream to a file; its SHA-256 and size. Raises DebugFileRefused."""
    digest, size_bytes = hashlib.sha256(), 0
    with path.open("xb") as file:
        while chunk := source.read(_COPY_BYTES):
            digest.update(chunk)
            size_bytes += len(chunk)
            if size_bytes > MAX_DEBUG_FILE_BYTES:
                raise DebugFileRefused("file_too_large", "A debug file may have 2 GiB.")
            file.write(chunk)
        file.flush()
        os.fsync(file.fileno())
    return digest.hexdigest(), size_bytes


def _identify(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        try:
            facts: dict[str, Any] = sandbox().run(
                "crashes.symbolication.jobs:identify_job", files=[file.fileno()], limits=IDENTIFY
            )
        except JobRefused as problem:
            raise DebugFileRefused(problem.code, problem.detail) from None
        except SandboxFailure as problem:
            raise DebugFileRefused(f"sandbox_{problem.reason.value}", problem.detail) from None
    return facts


def _keep(path: Path, sha256: str) -> None:
    """Give a file on its way in the name of its content."""
    target = debug_file_path(sha256)
    target.parent.mkdir(parents=True, exist_ok=True)
    if not target.exists():
        path.rename(target)


def _ensure_symcache(debug_file: DebugFile) -> None:
    """Make the symcache unless it is there. Raises JobRefused or SandboxFailure."""
    target = symcache_path(debug_file.sha256)
    if target.exists():
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
    try:
        with (
            debug_file_path(debug_file.sha256).open("rb") as source,
            partial.open("x+b") as out,
            tempfile.TemporaryFile(dir=target.parent) as scratch,
        ):
            sandbox().run(
                "crashes.symbolication.jobs:build_symcache_job",
                files=[source.fileno(), out.fileno(), scratch.fileno()],
                limits=BUILD_SYMCACHE,
            )
            out.flush()
            os.fsync(out.fileno())
        partial.rename(target)
    finally:
        partial.unlink(missing_ok=True)
