"""Debug files: taken in, found again by build id, used.

A debug file is kept once per content and known by its build id, a mapping by its UUID. What it is
good for is made when it arrives (`crashes.services.symbol_tables`); a report that needs a small
one earlier makes it on the spot, and gets its names later where the file is large.
"""

import hashlib
import logging
import os
import secrets
import time
from collections.abc import Iterable, Iterator, Sequence, Set
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import IO, Any

from django.conf import settings
from django.db.models import Max, Q, Sum

from crashes.intake.report import without_nul
from crashes.models import AppMapping, DebugFile, MissingDebugFile
from crashes.services.blobs import blobs
from crashes.services.sandboxes import IDENTIFY, sandbox
from crashes.services.symbol_parts import note_parts
from crashes.services.symbol_tables import (
    debug_file_path,
    files_by_name,
    is_mapping,
    prepare_debug_file,
    symcaches,
    table_path,
)
from crashes.stack import Crash
from crashes.storage import move_durably
from crashes.symbolication.elf import DebugFileKind
from crashes.symbolication.frames import SymbolicationResult, symbolicate
from crashes.symbolication.kernel import kernel_name
from crashes.symbolication.kernelmap import release_in
from crashes.symbolication.lookup import Symcache
from crashes.symbolication.ports import DebugFileFinder
from uxp_diag.db import insert_adding
from uxp_diag.sandbox import JobRefused, SandboxFailure

logger = logging.getLogger(__name__)

_COPY_BYTES = 1 << 20
MAX_DEBUG_FILE_BYTES = 2 << 30
_SMALL_BYTES = 64 << 20
"""A file of this size is made in about a second; reports wait for no larger one."""
_PATIENCE_SECONDS = 5.0
_COARSE = timedelta(days=1)
_LONGEST_ID = 64

Quality = DebugFile.Quality


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
    source: IO[bytes],
    *,
    name: str,
    program_id: int,
    now: datetime,
    build_id: str | None = None,
    fetched_from: str = "",
) -> Registration:
    """Take a debug file in and make it usable. Raises DebugFileRefused.

    Of a file that was asked for by its build id no other one is taken; `fetched_from` is the host
    that had it.
    """
    with incoming_path() as path:
        sha256, size_bytes = copy_in(source, path)
        facts = _identify(path)
        if build_id is not None and facts["build_id"] != build_id:
            raise DebugFileRefused("wrong_build_id", "The file is of another build id.")
        refuse_nameless(facts, name)
        if fetched_from:
            facts["fetched_from"] = fetched_from
        refuse_beyond_quota(size_bytes)
        was_missing = keep_file(path, sha256)  # before the row, which promises that it is there
        new = NewFile(sha256, size_bytes, facts, Path(name).name, was_missing)
        return record_file(new, program_id=program_id, now=now)


def refuse_nameless(facts: dict[str, Any], name: str) -> None:
    """Raise DebugFileRefused for a file that nothing would find; a kernel's map gets its release."""
    if facts["kind"] == DebugFileKind.KERNEL_SYMBOLS:
        release = release_in(Path(name).name)
        if release is None:
            raise DebugFileRefused(
                "no_kernel_release", "Name it after its kernel: System.map-6.1.0-56-arm64."
            )
        facts["mapping_id"] = kernel_name(release)
    if not (facts["build_id"] or facts.get("debug_id")):
        raise DebugFileRefused("no_build_id", "The file has no build id to find it by.")


@dataclass(frozen=True, slots=True)
class NewFile:
    """A file whose bytes are in the store; `was_missing` when they were not there before."""

    sha256: str
    size_bytes: int
    facts: dict[str, Any]
    name: str
    was_missing: bool


def used_bytes() -> int:
    """What all debug files and their tables take up; what programs share counts once."""
    once = DebugFile.objects.values("sha256").annotate(size=Max("size_bytes") + Max("table_bytes"))
    return once.aggregate(total=Sum("size"))["total"] or 0


def refuse_beyond_quota(size_bytes: int) -> None:
    """Raise DebugFileRefused when so much more would be too much."""
    quota = settings.SYMBOLS_QUOTA_BYTES
    if quota and used_bytes() + size_bytes > quota:
        raise DebugFileRefused("symbols_quota", "The store has no room for more debug files.")


def record_file(new: NewFile, *, program_id: int, now: datetime) -> Registration:
    """The row of a file whose bytes are in the store."""
    facts = new.facts
    debug_file, is_new = DebugFile.objects.get_or_create(
        program_id=program_id,
        build_id=facts["build_id"] or facts["debug_id"],
        kind=facts["kind"],
        sha256=new.sha256,
        defaults={
            "arch": facts.get("arch") or "",
            "name": (facts.get("name") or without_nul(new.name))[:200],
            "size_bytes": new.size_bytes,
            "facts": facts,
            "mapping_id": facts.get("mapping_id") or "",
            "created_at": now,
        },
    )
    note_parts(debug_file)
    if new.was_missing and debug_file.state == DebugFile.State.UNUSABLE:
        debug_file.state = DebugFile.State.RECEIVED
        debug_file.save(update_fields=["state"])
    return Registration(debug_file, is_new)


def name_mapping(
    debug_file_id: int, *, package: str, version_code: int, now: datetime
) -> AppMapping | None:
    """Say which version of which app a mapping belongs to; None for what is no mapping.

    Of two mappings for one version the one named last counts. Reports that wait for it are looked
    for once more.
    """
    debug_file = DebugFile.objects.get(pk=debug_file_id)
    if not is_mapping(debug_file):
        return None
    named, _ = AppMapping.objects.update_or_create(
        program_id=debug_file.program_id,
        package=package[:200],
        version_code=version_code,
        defaults={"debug_file": debug_file},
    )
    ready = DebugFile.objects.filter(pk=debug_file_id, state=DebugFile.State.READY)
    ready.update(regroup_at=now)
    return named


def store_finder(program_id: int, *, now: datetime, expected: Iterable[str] = ()) -> "StoreFinder":
    """Finds symcaches in the store of one program; `expected` build ids are looked up together.

    It remembers what it found and what it did not, so take a new one for every batch of work.
    """
    return StoreFinder(program_id, frozenset(expected), now=now)


def symbolicate_crash(crash: Crash, *, find: DebugFileFinder) -> SymbolicationResult:
    """The crash with names, as far as the debug files of its program go (see `store_finder`)."""
    return symbolicate(crash, find=find)


def note_missing(results: Iterable[SymbolicationResult], *, program_id: int, now: datetime) -> None:
    """Count each report under every build id that it lacks a debug file for."""
    wanted: dict[str, MissingDebugFile] = {}
    for missing in (one for result in results for one in result.missing):
        if len(missing.build_id) > _LONGEST_ID:  # a report can call anything a build id
            continue
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


class StoreFinder:
    """Finds symcaches for the build ids of one program; asks the database once for each."""

    def __init__(self, program_id: int, expected: Set[str], *, now: datetime) -> None:
        self._program_id = program_id
        self._now = now
        self._files: dict[str, list[DebugFile]] = {}
        self._known: dict[str, Symcache | None] = {}
        self._qualities: dict[str, int] = {}
        self._fetch(expected)

    def symcache_for(self, build_id: str, arch: str | None) -> Symcache | None:
        """The best symcache there is for a build id, or None."""
        del arch  # a build id names one file of one architecture
        if build_id not in self._known:
            if build_id not in self._files:
                self._fetch({build_id})
            self._known[build_id] = self._open(build_id)
        return self._known[build_id]

    def quality_of(self, build_id: str) -> int:
        """What the symcache of a build id is worth that was asked for before; 0 without one."""
        return self._qualities.get(build_id, Quality.NOTHING)

    def _open(self, build_id: str) -> Symcache | None:
        usable = [_settled(debug_file) for debug_file in self._files[build_id]]
        for debug_file in sorted(usable, key=lambda file: (-file.quality, -file.pk)):
            path = table_path(debug_file)
            if debug_file.quality > Quality.NOTHING and path.exists():
                self._qualities[build_id] = debug_file.quality
                note_use([debug_file], now=self._now)
                return symcaches().get(path)
        return None

    def _fetch(self, build_ids: Set[str]) -> None:
        """Look up the usable files of these build ids, however they are spelled."""
        if not build_ids:
            return
        found = files_by_name(self._program_id, build_ids)
        for build_id, files in found.items():
            self._files[build_id] = [f for f in files if f.state != DebugFile.State.UNUSABLE]


def _settled(debug_file: DebugFile) -> DebugFile:
    """The same file, made ready if that is a matter of seconds."""
    patience = _PATIENCE_SECONDS
    while debug_file.state == DebugFile.State.RECEIVED and debug_file.size_bytes <= _SMALL_BYTES:
        debug_file = prepare_debug_file(debug_file.pk)
        if debug_file.state != DebugFile.State.RECEIVED or patience <= 0:
            break
        time.sleep(0.1)  # another process is at it
        patience -= 0.1
    return debug_file


def note_use(debug_files: Sequence[DebugFile], *, now: datetime) -> None:
    """Remember that these files were of use, to a day: what nobody uses is dropped one day."""
    stale = [
        file.pk
        for file in debug_files
        if file.last_used_at is None or file.last_used_at <= now - _COARSE
    ]
    if stale:
        used_before = Q(last_used_at=None) | Q(last_used_at__lt=now)
        DebugFile.objects.filter(used_before, pk__in=stale).update(last_used_at=now)


@contextmanager
def incoming_path() -> Iterator[Path]:
    """A fresh path for a file on its way in, gone afterwards if nobody took it."""
    path = blobs().path(f"incoming/{secrets.token_hex(16)}")
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)


def copy_in(source: IO[bytes], path: Path) -> tuple[str, int]:
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


def keep_file(path: Path, sha256: str) -> bool:
    """Give a file on its way in the name of its content; whether it was not there yet."""
    target = debug_file_path(sha256)
    if target.exists():
        return False
    move_durably(path, target)
    return True
