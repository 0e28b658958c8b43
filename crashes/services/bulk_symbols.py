"""Thousands of debug files from folders of this machine: the symbols of a whole system build.

Most of them are known already, from the build before or from a run that was stopped. So the headers
of some forty files at a time are read in one child of the sandbox, one query says which of them are
new, and only those are copied: in threads, as copying and hashing leave the interpreter free. Rows
are written here, in one transaction for each batch, after the bytes are on disk; a run that ends in
between has lost nothing but time, and the next one goes on where it stopped. What is held in memory
is one buffer per thread and the facts of one batch, whatever the files are.
"""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from django.db import transaction

from crashes.models import DebugFile
from crashes.services.debug_archives import ArchiveEntry, is_archive, register_archive
from crashes.services.sandboxes import IDENTIFY, IDENTIFY_MANY, sandbox
from crashes.services.symbol_tables import debug_file_path
from crashes.services.symbols import (
    DebugFileRefused,
    NewFile,
    Registration,
    copy_in,
    incoming_path,
    keep_file,
    record_file,
    refuse_beyond_quota,
    refuse_nameless,
)
from uxp_diag.sandbox import JobRefused, SandboxFailure

_GROUP = 40  # as many descriptors as one order to the sandbox may carry
_JOB = "crashes.symbolication.jobs:identify_many_job"
_NO_DEBUG_FILE = "not_a_debug_file"


@dataclass(frozen=True, slots=True)
class BulkFile:
    """What became of one file: registered, known without a look at all of it, or refused.

    A file that is no debug file at all has the code `not_a_debug_file`.
    """

    name: str
    size_bytes: int
    registration: Registration | None = None
    known_build_id: str = ""
    code: str = ""
    detail: str = ""


def add_files(
    paths: Iterable[Path], *, program_id: int, now: datetime, threads: int, skips_known: bool = True
) -> Iterator[BulkFile]:
    """Take in what is new of these files, a batch at a time; zips entry by entry.

    A file whose build id, kind and size are known is not read to its end, unless `skips_known` is
    false. Raises DebugFileRefused when the quota leaves no room for a batch.
    """
    pool = ThreadPoolExecutor(threads)
    try:
        for batch in _batched(paths, _GROUP * threads):
            items = [*itertools.chain(*pool.map(_look, _batched(batch, _GROUP)))]
            known = _known(items, program_id) if skips_known else set()
            fresh = [item for item in items if item.facts and item.key not in known]
            if fresh:
                refuse_beyond_quota(sum(item.size_bytes for item in fresh))
            share = max(1, min(_GROUP, -(-len(fresh) // threads)))
            taken = dict(itertools.chain(*pool.map(_take_in, _batched(fresh, share))))
            yield from _record(items, taken, program_id=program_id, now=now)
    finally:
        pool.shutdown(cancel_futures=True)


@dataclass(frozen=True, slots=True)
class _Item:
    """A file as its headers show it: facts, or why there are none."""

    path: Path
    size_bytes: int
    facts: dict[str, Any] | None = None
    is_archive: bool = False
    code: str = ""
    detail: str = ""

    @property
    def key(self) -> tuple[str, str, int]:
        """What makes it known."""
        facts = self.facts or {}
        build_id = facts.get("build_id") or facts.get("debug_id") or ""
        return build_id, facts.get("kind", ""), self.size_bytes


def _look(paths: Sequence[Path]) -> list[_Item]:
    """The files as their headers show them. In a thread: no database."""
    items: list[_Item | None] = []
    with ExitStack() as stack:
        descriptors = []
        for path in paths:
            try:
                file = stack.enter_context(path.open("rb"))
                size_bytes = path.stat().st_size
                zipped = is_archive(file)
            except OSError as problem:
                items.append(_Item(path, 0, code="unreadable", detail=problem.strerror or ""))
                continue
            if zipped or not size_bytes:
                code = "" if zipped else _NO_DEBUG_FILE
                items.append(_Item(path, size_bytes, is_archive=zipped, code=code))
                continue
            items.append(None)
            descriptors.append((path, size_bytes, file.fileno()))
        outcomes = _identify([fd for _, _, fd in descriptors])
    found = (
        _Item(
            path, size_bytes, outcome.get("facts"), code=_why(outcome)[0], detail=_why(outcome)[1]
        )
        for (path, size_bytes, _), outcome in zip(descriptors, outcomes, strict=True)
    )
    return [next(found) if item is None else item for item in items]


def _why(outcome: dict[str, Any]) -> tuple[str, str]:
    return str(outcome.get("code", "")), str(outcome.get("detail", ""))


def _identify(descriptors: Sequence[int]) -> list[dict[str, Any]]:
    """Of every file its facts, or code and detail; one that ends the child is left alone with it."""
    if not descriptors:
        return []
    limits = IDENTIFY_MANY if len(descriptors) > 1 else IDENTIFY
    try:
        outcomes: list[dict[str, Any]] = sandbox().run(_JOB, files=descriptors, limits=limits)
    except (JobRefused, SandboxFailure) as problem:
        if len(descriptors) > 1:
            return [outcome for one in descriptors for outcome in _identify([one])]
        reason = problem.reason.value if isinstance(problem, SandboxFailure) else problem.code
        return [{"code": f"sandbox_{reason}", "detail": problem.detail}]
    return outcomes


def _known(items: Iterable[_Item], program_id: int) -> set[tuple[str, str, int]]:
    """What is in the store, its bytes included. Build id, kind and size, as `_Item.key` has them."""
    build_ids = {item.key[0] for item in items} - {""}
    rows = DebugFile.objects.filter(program_id=program_id, build_id__in=build_ids)
    fields = ("build_id", "kind", "size_bytes", "sha256")
    return {
        (build_id, kind, size_bytes)
        for build_id, kind, size_bytes, sha256 in rows.values_list(*fields)
        if debug_file_path(sha256).exists()
    }


def _take_in(items: Sequence[_Item]) -> list[tuple[Path, NewFile | DebugFileRefused]]:
    """Copy files into the store. In a thread: no database.

    What counts is what was copied, so that is identified once more: a build may still be writing.
    """
    taken: list[tuple[Path, NewFile | DebugFileRefused]] = []
    copies = []
    with ExitStack() as stack:
        for item in items:
            copy = stack.enter_context(incoming_path())
            try:
                with item.path.open("rb") as source:
                    sha256, size_bytes = copy_in(source, copy)
            except DebugFileRefused as problem:
                taken.append((item.path, problem))
                continue
            except FileNotFoundError as problem:
                taken.append((item.path, DebugFileRefused("unreadable", str(problem.strerror))))
                continue
            copies.append((item.path, copy, sha256, size_bytes))
        files = [stack.enter_context(copy.open("rb")) for _, copy, _, _ in copies]
        outcomes = _identify([file.fileno() for file in files])
        for (path, copy, sha256, size_bytes), outcome in zip(copies, outcomes, strict=True):
            facts = outcome.get("facts")
            if facts is None:
                taken.append((path, DebugFileRefused(*_why(outcome))))
                continue
            try:
                refuse_nameless(facts, path.name)
            except DebugFileRefused as refusal:
                taken.append((path, refusal))
                continue
            was_missing = keep_file(copy, sha256)
            new = NewFile(sha256, size_bytes, facts, path.name, was_missing)
            taken.append((path, new))
    return taken


def _record(
    items: Sequence[_Item],
    taken: dict[Path, NewFile | DebugFileRefused],
    *,
    program_id: int,
    now: datetime,
) -> Iterator[BulkFile]:
    """Write the rows of one batch, and tell."""
    done: list[BulkFile] = []
    with transaction.atomic():
        for item in items:
            outcome = taken.get(item.path)
            name, size_bytes = str(item.path), item.size_bytes
            if isinstance(outcome, NewFile):
                registration = record_file(outcome, program_id=program_id, now=now)
                done.append(BulkFile(name, size_bytes, registration))
            elif outcome is not None:
                done.append(BulkFile(name, size_bytes, code=outcome.code, detail=outcome.detail))
            elif item.facts:
                done.append(BulkFile(name, size_bytes, known_build_id=item.key[0]))
            elif not item.is_archive:
                done.append(BulkFile(name, size_bytes, code=item.code, detail=item.detail))
    yield from done
    for item in items:
        if item.is_archive:
            yield from _add_archive(item, program_id=program_id, now=now)


def _add_archive(item: _Item, *, program_id: int, now: datetime) -> Iterator[BulkFile]:
    entries: Iterable[ArchiveEntry]
    try:
        with item.path.open("rb") as file:
            entries = list(register_archive(file, program_id=program_id, now=now))
    except DebugFileRefused as problem:
        entries = [ArchiveEntry("", code=problem.code, detail=problem.detail)]
    for entry in entries:
        name = f"{item.path}!{entry.name}" if entry.name else str(item.path)
        yield BulkFile(name, 0, entry.registration, code=entry.code, detail=entry.detail)


def _batched(items: Iterable[Any], size: int) -> Iterator[list[Any]]:
    source = iter(items)
    while batch := list(itertools.islice(source, size)):
        yield batch
