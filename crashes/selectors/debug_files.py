"""Debug files that are there, and build ids that have none."""

from dataclasses import dataclass
from datetime import datetime

from django.db.models import F, Q, Value

from crashes.models import DebugFile, MissingDebugFile
from crashes.selectors.keyset import Order, take_page
from crashes.selectors.matching import Like, literal
from uxp_diag.api.pagination import DEFAULT_SIZE, Page
from uxp_diag.viewer import Viewer

_ORDER = Order("created", "created_at", "Uploaded", datetime)


@dataclass(frozen=True, slots=True)
class DebugFileRow:
    """One debug file. `state` is received, ready or unusable; `has_lines` tells of DWARF.

    `regrouped_reports` came before it and got their names from it; `is_regrouping` while more of
    them may be waiting.
    """

    id: int
    build_id: str
    kind: str
    arch: str
    name: str
    size_bytes: int
    state: str
    failure_detail: str
    has_lines: bool
    regrouped_reports: int
    is_regrouping: bool
    created_at: datetime


@dataclass(frozen=True, slots=True)
class MissingRow:
    """A build id without a debug file, and the reports that would get names from one."""

    build_id: str
    arch: str
    module: str
    reports: int
    last_seen_at: datetime


def list_debug_files(
    *, viewer: Viewer, text: str = "", cursor: str | None = None, size: int = DEFAULT_SIZE
) -> Page[DebugFileRow]:
    """A page of debug files, newest first; `text` is part of a name or begins a build id."""
    rows = DebugFile.objects.filter(program_id__in=viewer.program_ids)
    text = text.replace("\0", "").strip()
    if text:
        part = literal(text)
        rows = rows.filter(
            Q(Like(F("name"), Value(f"%{part}%"))) | Q(Like(F("build_id"), Value(f"{part}%")))
        )
    page = take_page(rows, order=_ORDER, cursor=cursor, size=size)
    return Page([_debug_file_row(item) for item in page.items], page.next_cursor)


def has_debug_file(*, viewer: Viewer, build_id: str) -> bool:
    """Whether one of the viewer's programs has a debug file of this id (a mapping's UUID, too)."""
    mine = DebugFile.objects.filter(program_id__in=viewer.program_ids)
    return mine.filter(build_id=build_id.replace("\0", "")[:64].lower()).exists()


def list_missing_debug_files(*, viewer: Viewer, limit: int = 100) -> list[MissingRow]:
    """Build ids without a debug file, those that would help most reports first."""
    rows = MissingDebugFile.objects.filter(program_id__in=viewer.program_ids)
    fields = ("build_id", "arch", "module", "reports", "last_seen_at")
    return [
        MissingRow(*values)
        for values in rows.order_by("-reports", "-pk").values_list(*fields)[:limit]
    ]


def count_missing_debug_files(*, viewer: Viewer) -> int:
    """How many build ids have no debug file."""
    return MissingDebugFile.objects.filter(program_id__in=viewer.program_ids).count()


def _debug_file_row(item: DebugFile) -> DebugFileRow:
    return DebugFileRow(
        id=item.pk,
        build_id=item.build_id,
        kind=item.kind,
        arch=item.arch,
        name=item.name,
        size_bytes=item.size_bytes,
        state=item.state,
        failure_detail=item.failure_detail,
        has_lines=bool(item.facts.get("has_dwarf")),
        regrouped_reports=item.regrouped_reports,
        is_regrouping=item.regroup_at is not None,
        created_at=item.created_at,
    )
