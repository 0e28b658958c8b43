"""Debug files handed out again, to debuggers and other tools that know a build id."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import IO

from crashes.models import DebugFile
from crashes.services.symbol_tables import debug_file_path
from crashes.services.symbols import note_use
from crashes.symbolication.elf import DebugFileKind
from uxp_diag.viewer import Viewer


class WantedPart(StrEnum):
    """What somebody wants of a build id: names and lines, or the program that ran."""

    DEBUG_INFO = "debuginfo"
    EXECUTABLE = "executable"


@dataclass(frozen=True, slots=True)
class ServedFile:
    """A file open for reading; `sha256` names its content, `name` is for people."""

    stream: IO[bytes]
    size_bytes: int
    sha256: str
    name: str
    created_at: datetime


def open_served_file(
    *, viewer: Viewer, build_id: str, part: WantedPart, now: datetime
) -> ServedFile | None:
    """The best file of the viewer's programs for a build id; None when there is none.

    For debug info one with line numbers is better than one with names alone; as the program a
    stripped file is better, for it is what the phone ran and smaller. Fetching counts as use.
    """
    ranked = DebugFile.objects.filter(
        program_id__in=viewer.program_ids,
        build_id=build_id,
        kind__in=(DebugFileKind.ELF, DebugFileKind.ELF_DEBUG, DebugFileKind.ELF_ALTERNATE),
    )
    rank = _RANKS[part]
    for debug_file in sorted(ranked, key=lambda file: (rank(file), file.pk), reverse=True):
        if rank(debug_file) == 0:
            break
        try:
            stream = debug_file_path(debug_file.sha256).open("rb")
        except FileNotFoundError:  # lost, or collected a moment ago
            continue
        note_use([debug_file], now=now)
        return ServedFile(
            stream, debug_file.size_bytes, debug_file.sha256, debug_file.name, debug_file.created_at
        )
    return None


def _as_debug_info(debug_file: DebugFile) -> int:
    if debug_file.facts.get("has_dwarf"):
        return 2
    return int(not debug_file.facts.get("is_stripped", True))


def _as_executable(debug_file: DebugFile) -> int:
    if debug_file.kind != DebugFileKind.ELF:
        return 0
    return 1 + bool(debug_file.facts.get("is_stripped"))


_RANKS: dict[WantedPart, Callable[[DebugFile], int]] = {
    WantedPart.DEBUG_INFO: _as_debug_info,
    WantedPart.EXECUTABLE: _as_executable,
}
