"""What is made of a debug file when it has arrived: symcache, unwind table, a look at a mapping.

Everything is made in the sandbox, carries a version, and can be made again from the file at any
time. The tables are blobs named by content, so the same file of two programs has one set. Making
them may take minutes of CPU, so a lease in the row says that somebody is at it: two workers never
build the same file at once. A file that is ready is looked through for reports that waited for it
(`regroup_at`; see `crashes.services.regrouping`).
"""

import logging
import os
import secrets
import tempfile
import uuid
from collections import defaultdict
from collections.abc import Callable, Sequence, Set
from contextlib import ExitStack
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import IO, Any

from django.db.models import Q
from django.utils import timezone

from crashes.models import AppMapping, DebugFile, MissingDebugFile
from crashes.services.blobs import blobs
from crashes.services.leases import LEASE, kept
from crashes.services.sandboxes import BUILD_SYMCACHE, OPEN_MAPPING, sandbox
from crashes.services.symbol_parts import (
    Companions,
    bundle_up,
    companions_of,
    is_companion,
    wake_files,
)
from crashes.symbolication.build_ids import beginnings, unpadded
from crashes.symbolication.elf import DebugFileKind, debug_id_of
from crashes.symbolication.errors import UnreadableDebugFile
from crashes.symbolication.kernel import PREFIX
from crashes.symbolication.lookup import SymcachePool
from crashes.symbolication.symcache import SYMCACHE_VERSION, SymcacheSource
from crashes.symbolication.unwind import UNWIND_VERSION
from uxp_diag.db import insert_adding
from uxp_diag.sandbox import JobRefused, SandboxFailure

logger = logging.getLogger(__name__)

_POOL_BYTES = 512 << 20
_HALF_DIGITS = 32  # of a build id, as a debug id has them
_WITH_LINES = frozenset({SymcacheSource.DWARF.value, SymcacheSource.BREAKPAD.value})

Quality = DebugFile.Quality


def debug_file_path(sha256: str) -> Path:
    """Where the bytes of a debug file are."""
    return blobs().path(f"debug-files/{sha256[:2]}/{sha256}")


def symcache_path(sha256: str) -> Path:
    """Where the symcache of a debug file is, or would be."""
    return blobs().path(f"symcaches/v{SYMCACHE_VERSION}/{sha256[:2]}/{sha256}")


def unwind_path(sha256: str) -> Path:
    """Where the unwind table of a debug file is, or would be."""
    return blobs().path(f"unwind/v{UNWIND_VERSION}/{sha256[:2]}/{sha256}")


def table_path(debug_file: DebugFile) -> Path:
    """Where the symcache of a debug file is that was made last, its companions included."""
    return symcache_path(debug_file.table_key or debug_file.sha256)


@cache
def symcaches() -> SymcachePool:
    """The symcaches this process has open."""
    return SymcachePool(max_bytes=_POOL_BYTES)


def list_unprepared(*, limit: int) -> list[int]:
    """Debug files whose tables nobody has made or is making, oldest first."""
    waiting = DebugFile.objects.filter(_is_free(timezone.now())).order_by("pk")
    return list(waiting.values_list("pk", flat=True)[:limit])


def prepare_debug_file(debug_file_id: int) -> DebugFile:
    """Make the tables of a debug file, unless they are made or another process is at it."""
    lease_id = uuid.uuid4()
    mine = DebugFile.objects.filter(pk=debug_file_id, build_lease=lease_id)
    if not _take(debug_file_id, lease_id):
        return DebugFile.objects.get(pk=debug_file_id)
    debug_file = mine.get()
    with kept(lambda until: mine.update(building_until=until)):
        _make(debug_file)
    debug_file.building_until = debug_file.build_lease = None
    tables = (table_path(debug_file), unwind_path(debug_file.sha256))
    debug_file.table_bytes = sum(path.stat().st_size for path in tables if path.exists())
    fields = ("state", "failure_detail", "symcache_version", "quality", "has_unwind", "ready_at")
    others = ("regroup_at", "table_bytes", "table_key")
    values = {name: getattr(debug_file, name) for name in (*fields, *others)}
    if mine.update(**values, building_until=None, build_lease=None):
        _forget_missing(debug_file)
        _settle_parts(debug_file)
    return debug_file


def _settle_parts(debug_file: DebugFile) -> None:
    """Tell the files that lacked this one; look again for companions that came meanwhile."""
    if is_companion(debug_file):
        wake_files(debug_file)
        return
    companions = companions_of(debug_file)
    if companions.table_key(debug_file.sha256) != debug_file.table_key:
        DebugFile.objects.filter(pk=debug_file.pk).update(symcache_version=0)
    if companions.missing_alternate:
        row = MissingDebugFile(
            program_id=debug_file.program_id,
            build_id=companions.missing_alternate,
            arch=debug_file.arch,
            module=f"shared debug information of {debug_file.name}",
            last_seen_at=timezone.now(),
        )
        insert_adding([row], conflict=["program_id", "build_id"], add="reports")


def _is_free(now: datetime) -> Q:
    nobody = Q(building_until=None) | Q(building_until__lte=now)
    is_old = Q(state=DebugFile.State.READY, symcache_version__lt=SYMCACHE_VERSION)
    return (Q(state=DebugFile.State.RECEIVED) | is_old) & nobody


def _take(debug_file_id: int, lease_id: uuid.UUID) -> bool:
    now = timezone.now()
    free = DebugFile.objects.filter(_is_free(now), pk=debug_file_id)
    return bool(free.update(building_until=now + LEASE, build_lease=lease_id))


def _make(debug_file: DebugFile) -> None:
    """Make what can be made, and write down in the row how that went."""
    if is_companion(debug_file):
        debug_file.state, debug_file.symcache_version = DebugFile.State.READY, SYMCACHE_VERSION
        debug_file.ready_at = timezone.now()
        return
    makers = [_open_mapping] if is_mapping(debug_file) else [_make_symcache, _make_unwind_table]
    problems = list(filter(None, (_problem_of(make, debug_file) for make in makers)))
    useful = debug_file.quality > Quality.NOTHING or debug_file.has_unwind
    debug_file.state = DebugFile.State.READY if useful else DebugFile.State.UNUSABLE
    debug_file.failure_detail = "; ".join(problems)[:300]
    debug_file.symcache_version = SYMCACHE_VERSION
    if useful:
        debug_file.ready_at = debug_file.regroup_at = timezone.now()


def _problem_of(make: Callable[[DebugFile], str], debug_file: DebugFile) -> str:
    try:
        return make(debug_file)
    except (JobRefused, SandboxFailure, UnreadableDebugFile) as problem:
        return str(problem)
    except FileNotFoundError:
        return "the file itself is not in the store; upload it again"


def is_mapping(debug_file: DebugFile) -> bool:
    """Whether it is of R8 or ProGuard, and not of native code."""
    return debug_file.kind == DebugFileKind.PROGUARD_MAPPING


def _open_mapping(debug_file: DebugFile) -> str:
    """Have a look whether it can be read; it is used as it is."""
    with debug_file_path(debug_file.sha256).open("rb") as source:
        sandbox().run(
            "crashes.symbolication.jobs:mapping_job", files=[source.fileno()], limits=OPEN_MAPPING
        )
    debug_file.quality = Quality.LINES
    return ""


def _make_symcache(debug_file: DebugFile) -> str:
    companions = companions_of(debug_file)
    debug_file.table_key = companions.table_key(debug_file.sha256)
    target = table_path(debug_file)
    if not target.exists():
        with tempfile.TemporaryFile(dir=_folder(target)) as scratch:
            if debug_file.table_key:
                _build_joined(debug_file, companions, target, scratch)
            else:
                _build("crashes.symbolication.jobs:build_symcache_job", debug_file, target, scratch)
    has_lines = symcaches().get(target).source in _WITH_LINES and companions.is_complete
    debug_file.quality = Quality.LINES if has_lines else Quality.NAMES
    return "; ".join(companions.problems())


def _build_joined(
    debug_file: DebugFile, companions: Companions, target: Path, scratch: IO[bytes]
) -> None:
    """The symcache of a file and of what others hold of it, the split units in one file."""
    files: list[IO[bytes]] = [scratch]
    with ExitStack() as stack:
        if companions.alternate is not None:
            path = debug_file_path(companions.alternate.sha256)
            files.append(stack.enter_context(path.open("rb")))
        bundle = stack.enter_context(tempfile.TemporaryFile(dir=_folder(target)))
        places = bundle_up([debug_file_path(file.sha256) for file in companions.split], bundle)
        document = {"alternate": companions.alternate is not None, "split": places}
        job = "crashes.symbolication.jobs:build_joined_symcache_job"
        _build(job, debug_file, target, *files, bundle, document=document)


def _make_unwind_table(debug_file: DebugFile) -> str:
    if not debug_file.facts.get("has_unwind"):
        return ""
    target = unwind_path(debug_file.sha256)
    if not target.exists():
        _build("crashes.symbolication.unwind.jobs:build_cfi_job", debug_file, target)
    debug_file.has_unwind = True
    return ""


def _build(
    job: str,
    debug_file: DebugFile,
    target: Path,
    *others: IO[bytes],
    document: dict[str, Any] | None = None,
) -> None:
    """Have a job write `target`, whole or not at all. Raises JobRefused or SandboxFailure."""
    partial = _folder(target) / f".{target.name}.{secrets.token_hex(4)}"
    try:
        with (
            debug_file_path(debug_file.sha256).open("rb") as source,
            partial.open("x+b") as out,
        ):
            files: tuple[IO[bytes], ...] = (source, out, *others)
            arguments = () if document is None else (document,)
            descriptors = [file.fileno() for file in files]
            sandbox().run(job, *arguments, files=descriptors, limits=BUILD_SYMCACHE)
            out.flush()
            os.fsync(out.fileno())
        partial.rename(target)
    finally:
        partial.unlink(missing_ok=True)


def _folder(target: Path) -> Path:
    target.parent.mkdir(parents=True, exist_ok=True)
    return target.parent


def _forget_missing(debug_file: DebugFile) -> None:
    """Nobody needs to look for what a ready file is."""
    if debug_file.quality == Quality.NOTHING and not is_companion(debug_file):
        return
    ids = {debug_file.build_id, debug_file.mapping_id} - {""}
    MissingDebugFile.objects.filter(program_id=debug_file.program_id, build_id__in=ids).delete()


# --- Finding ---------------------------------------------------------------------------------


def files_by_name(program_id: int, names: Set[str], **wanted: Any) -> dict[str, list[DebugFile]]:
    """The debug files that each of these build ids or debug ids may mean, as reports spell them.

    `wanted` narrows the rows. A name that is nobody's build id is tried as another spelling of
    one (`crashes.symbolication.build_ids`).
    """
    files = DebugFile.objects.filter(program_id=program_id, **wanted).order_by("pk")
    exact = names | {debug_id(name) for name in names}
    known: dict[str, list[DebugFile]] = defaultdict(list)
    kernels = {name for name in names if name.startswith(PREFIX)}
    for file in files.filter(Q(build_id__in=exact) | Q(mapping_id__in=kernels)):
        known[file.build_id].append(file)
        known[file.mapping_id].append(file)
    found = {
        name: [file for one in {name, debug_id(name)} for file in known[one]] for name in names
    }
    starts = {name: beginnings(name) for name, own in found.items() if not own}
    every = {start for own in starts.values() for start in own}
    if not every:
        return found
    either = Q(build_id__in=[short for start in every for short in unpadded(start)])
    for start in every:
        either |= Q(build_id__startswith=start)
    others = [file for file in files.filter(either) if not is_mapping(file)]
    for name, own in starts.items():
        found[name] = [file for file in others if _begins(file.build_id, own)]
    return found


def _begins(build_id: str, beginnings: Sequence[str]) -> bool:
    return build_id.ljust(_HALF_DIGITS, "0").startswith(tuple(beginnings))


# --- Names -----------------------------------------------------------------------------------


def native_name(build_id: str) -> str:
    """What native code waits for: one name for a build id and for the debug id made of it."""
    return f"elf:{debug_id(build_id)}"


def unwind_name(build_id: str) -> str:
    """What a stack walk waits for."""
    return f"unwind:{debug_id(build_id)}"


def mapping_name(mapping_id: str) -> str:
    """What obfuscated code waits for that names its mapping: by R8's id, or by UUID."""
    return f"map:{mapping_id}"


def app_name(package: str, version_code: int) -> str:
    """What managed code waits for that names no mapping."""
    return f"app:{package}/{version_code}"


def debug_id(build_id: str) -> str:
    """The debug id of a build id, and of a debug id itself."""
    try:
        return build_id if "-" in build_id else debug_id_of(build_id)
    except ValueError:  # whatever the device called a build id
        return build_id


def names_of(debug_file: DebugFile) -> dict[str, int]:
    """The names that a ready debug file answers to, with what it is worth under each."""
    if not is_mapping(debug_file):
        own = debug_id(debug_file.build_id)
        # Some daemons write the debug id without its dashes, which then reads as a build id.
        spellings = (own, own.replace("-", ""))
        names = {native_name(spelling): int(debug_file.quality) for spelling in spellings}
        if debug_file.mapping_id:
            names[native_name(debug_file.mapping_id)] = int(debug_file.quality)
        return names | ({unwind_name(debug_file.build_id): 1} if debug_file.has_unwind else {})
    ids = filter(None, (debug_file.build_id, debug_file.mapping_id))
    apps = AppMapping.objects.filter(debug_file_id=debug_file.pk)
    names = {mapping_name(name): int(debug_file.quality) for name in ids}
    versions = apps.values_list("package", "version_code")
    return names | {app_name(*version): int(debug_file.quality) for version in versions}
