"""Debug files that nobody needs any more make room.

A debug file may go when it was not used for a while (nor uploaded lately) and no report of an
open or muted issue names it: such a report may have to be digested again. What reports name is
read from the reports themselves, once for all candidates. Tables and bytes are shared by programs
that have the same file, and go with the last of them.
"""

import logging
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Coalesce

from crashes.models import DebugFile, Issue, ReportContent
from crashes.packing import unpack
from crashes.selectors.sealed import ContentErased, document_place, opened
from crashes.services.blobs import blobs
from crashes.services.symbol_parts import is_needed
from crashes.services.symbol_tables import (
    app_name,
    debug_file_path,
    mapping_name,
    names_of,
    native_name,
    symcache_path,
    table_path,
    unwind_path,
)
from crashes.services.symbols import used_bytes
from devices.selectors.data_keys import KeyRing

logger = logging.getLogger(__name__)

_NAMED = re.compile(
    rb'"(build_id|debug_id|map_id|mapping)":"([^"\\]{1,200})"|r8-map-id-([^"\\]{1,128})"'
)
_YOUNG = timedelta(days=7)
_ABANDONED_AFTER = timedelta(days=1)
_MAX_CRASH_BYTES = 512 << 20
_CHUNK = 200


@dataclass(frozen=True, slots=True)
class Collected:
    """A debug file that went, or would go; `size_bytes` counts the file and its tables."""

    build_id: str
    name: str
    size_bytes: int
    last_used_at: datetime | None


def collect_debug_files(
    *, older_than: timedelta, now: datetime, is_rehearsal: bool
) -> Iterator[Collected]:
    """Drop what nobody needs, one by one; a rehearsal only tells."""
    for program_id, candidates in _candidates(now - older_than).items():
        needed = _needed_names(program_id)
        for debug_file in candidates:
            if needed.isdisjoint(names_of(debug_file)) and not is_needed(debug_file):
                facts = _facts(debug_file)
                if not is_rehearsal:
                    _drop(debug_file, unused_since=now - older_than)
                yield facts


@dataclass(frozen=True, slots=True)
class Collection:
    """What the timetable's collection took away."""

    files: int
    size_bytes: int
    abandoned_uploads: int


def tend_debug_files(*, now: datetime) -> Collection:
    """What the timetable does: by age, by quota, and what uploads left that nobody finished.

    The quota takes the longest unused first, and only what is older than a week: what is that
    young is being worked with.
    """
    gone: list[Collected] = []
    if settings.SYMBOLS_KEEP_DAYS:
        age = timedelta(days=settings.SYMBOLS_KEEP_DAYS)
        gone += collect_debug_files(older_than=age, now=now, is_rehearsal=False)
    excess = used_bytes() - settings.SYMBOLS_QUOTA_BYTES if settings.SYMBOLS_QUOTA_BYTES else 0
    if excess > 0:
        excess += settings.SYMBOLS_QUOTA_BYTES // 10  # room for what comes next
        for one in collect_debug_files(older_than=_YOUNG, now=now, is_rehearsal=False):
            gone.append(one)
            excess -= one.size_bytes
            if excess <= 0:
                break
    done = Collection(len(gone), sum(one.size_bytes for one in gone), _forget_abandoned(now))
    if gone or done.abandoned_uploads:
        logger.info(
            "debug files: %d went with %.1f MB, %d unfinished uploads",
            done.files, done.size_bytes / 1e6, done.abandoned_uploads,
        )  # fmt: skip
    return done


def _forget_abandoned(now: datetime) -> int:
    """Remove files on their way in whose process died."""
    count = 0
    for path in blobs().path("incoming").glob("*"):
        with suppress(FileNotFoundError):
            if path.is_file() and path.stat().st_mtime < (now - _ABANDONED_AFTER).timestamp():
                path.unlink()
                count += 1
    return count


def _unused(since: datetime) -> Q:
    """Files that were last used, else uploaded, before a moment, and that nobody works on."""
    last = Q(last_used_at__lt=since) | Q(last_used_at=None)
    return last & Q(created_at__lt=since, building_until=None, regroup_at=None)


def _candidates(since: datetime) -> dict[int, list[DebugFile]]:
    found: dict[int, list[DebugFile]] = {}
    files = DebugFile.objects.filter(_unused(since)).annotate(
        last=Coalesce("last_used_at", "created_at")
    )
    for debug_file in files.order_by("last", "pk"):
        found.setdefault(debug_file.program_id, []).append(debug_file)
    return found


def _needed_names(program_id: int) -> set[str]:
    """What the reports of issues that are not resolved name."""
    contents = ReportContent.objects.filter(
        report__program_id=program_id, report__issue__isnull=False
    ).exclude(report__issue__state=Issue.State.RESOLVED)
    needed: set[str] = set()
    fields = ("pk", "document", "crash", "report__package", "report__version_code")
    found = contents.values_list(*fields).iterator(chunk_size=_CHUNK)
    while some := list(islice(found, _CHUNK)):
        keys = KeyRing(document for _, document, *_ in some)
        for pk, document, crash, package, code in some:
            needed |= _names_in(pk, bytes(document or crash or b""), keys)
            if package and code is not None:
                needed.add(app_name(package, code))
    return needed


def _names_in(pk: int, stored: bytes, keys: KeyRing) -> set[str]:
    """The names in a stored crash, found without making it a crash again."""
    try:
        packed = opened(stored, place=document_place(pk), keys=keys)
    except ContentErased:
        return set()
    document = unpack(packed, max_bytes=_MAX_CRASH_BYTES) if packed else b""
    names = set()
    for key, value, map_id in _NAMED.findall(document):
        if key in {b"build_id", b"debug_id"}:
            names.add(native_name(value.decode()))
        else:
            names.add(mapping_name((map_id or value).decode()))
    return names


def _facts(debug_file: DebugFile) -> Collected:
    paths = _paths(debug_file)
    size_bytes = sum(path.stat().st_size for path in paths if path.exists())
    return Collected(debug_file.build_id, debug_file.name, size_bytes, debug_file.last_used_at)


def _paths(debug_file: DebugFile) -> set[Path]:
    sha256 = debug_file.sha256
    paths = {debug_file_path(sha256), symcache_path(sha256), unwind_path(sha256)}
    return paths | {table_path(debug_file)}


def _drop(debug_file: DebugFile, *, unused_since: datetime) -> None:
    """Unless somebody has used it meanwhile. The row goes first: a file without one is found by nobody."""
    with transaction.atomic():
        gone, _ = DebugFile.objects.filter(_unused(unused_since), pk=debug_file.pk).delete()
    if gone and not DebugFile.objects.filter(sha256=debug_file.sha256).exists():
        for path in _paths(debug_file):
            path.unlink(missing_ok=True)
