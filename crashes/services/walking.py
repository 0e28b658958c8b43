"""Stacks of minidumps, microdumps and core files, walked with the unwind tables of known debug files.

The first reading of a dump walks by frame pointers and guesses. Where a debug file of one of its
modules tells how functions unwind, the dump is read once more with that, in the sandbox.
"""

import logging
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from crashes.intake.report import without_nul
from crashes.models import DebugFile
from crashes.services.sandboxes import sandbox
from crashes.services.symbol_tables import debug_id, files_by_name, unwind_path
from crashes.services.symbols import note_use
from crashes.services.waiting import Need, native_build_ids, unwind_needs
from crashes.stack import Crash, PayloadFormat, from_json
from uxp_diag.sandbox import JobRefused, SandboxFailure

logger = logging.getLogger(__name__)

MAX_TABLES = 40
"""As many descriptors as one job may get; modules with frames come first."""


@dataclass(frozen=True, slots=True)
class Walk:
    """A dump as well walked as it can be now, and the tables that would do better."""

    crash: Crash
    needs: tuple[Need, ...] = ()


@dataclass(frozen=True, slots=True)
class Dump:
    """A dump with stack memory, and its first reading."""

    format: PayloadFormat
    payload: bytes
    crash: Crash


def walk_dumps(dumps: Sequence[Dump], *, program_id: int, now: datetime) -> list[Walk]:
    """The dumps, walked with what debug files there are."""
    ids = {name for dump in dumps for name in _module_ids(dump.crash)}
    tables = _tables(ids, program_id)
    return [_walk(dump, tables, now=now) for dump in dumps]


def _module_ids(crash: Crash) -> tuple[str, ...]:
    """Build ids, or debug ids, of the modules; those with frames first."""
    listed = (module.build_id or module.debug_id for module in crash.modules)
    return tuple(dict.fromkeys((*native_build_ids(crash), *filter(None, listed))))


def _tables(ids: set[str], program_id: int) -> dict[str, DebugFile]:
    """By debug id, a debug file whose unwind table is there."""
    found = files_by_name(program_id, ids, state=DebugFile.State.READY, has_unwind=True)
    files = {
        name: [f for f in own if unwind_path(f.sha256).exists()] for name, own in found.items()
    }
    return {debug_id(name): own[-1] for name, own in files.items() if own}


def _walk(dump: Dump, tables: dict[str, DebugFile], *, now: datetime) -> Walk:
    crash = dump.crash
    chosen = [name for name in _module_ids(crash) if debug_id(name) in tables][:MAX_TABLES]
    if chosen:
        files = {name: tables[debug_id(name)] for name in chosen}
        note_use(list(files.values()), now=now)
        crash = _walked(dump, files) or crash
    return Walk(crash, unwind_needs(crash, lambda build_id: debug_id(build_id) in tables))


def _walked(dump: Dump, files: dict[str, DebugFile]) -> Crash | None:
    """The dump walked with these tables; None when that fails, as the first reading is there."""
    with ExitStack() as stack:
        opened = [
            stack.enter_context(unwind_path(file.sha256).open("rb")) for file in files.values()
        ]
        try:
            document: dict[str, Any] = sandbox().run(
                "crashes.services.walk_jobs:walk_job",
                dump.format.value,
                dump.payload,
                list(files),
                files=[file.fileno() for file in opened],
            )
            return from_json(without_nul(document))
        except (JobRefused, SandboxFailure) as problem:
            logger.warning("a dump keeps its first walk: %s", problem)
    return None
