"""What a debug file has in other files: found when they are there, waited for when not.

`dwz` moves what several files share into an alternate file, `-gsplit-dwarf` the bulk of each unit
into a `.dwo` (many of which make a `.dwp`). Both sides are rows of `DebugFilePart`:

    libfoo.so.debug   lacks alt:91ef...       shared.debug   holds alt:91ef...
    libbar.so         lacks dwo:0c4d...       libbar.dwp     holds dwo:0c4d...

Tables are made of a file and the companions that are there, and kept by the contents of all of
them. A table that lacks something is worth its names only, so reports go on waiting. A companion
that arrives later has the tables of its files made anew (`wake_files`).
"""

import hashlib
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from crashes.models import DebugFile, DebugFilePart
from crashes.symbolication.elf import DebugFileKind

_CHUNK = 500
_COPY_BYTES = 1 << 20
_ALTERNATE, _UNIT = "alt:", "dwo:"
_COMPANIONS = frozenset({DebugFileKind.ELF_ALTERNATE.value, DebugFileKind.ELF_SPLIT.value})


@dataclass(frozen=True, slots=True)
class Companions:
    """The files that hold parts of another one, and how many parts nobody holds."""

    alternate: DebugFile | None = None
    split: tuple[DebugFile, ...] = ()
    missing_alternate: str = ""
    missing_units: int = 0

    @property
    def is_complete(self) -> bool:
        """Whether nothing is missing."""
        return not (self.missing_alternate or self.missing_units)

    def table_key(self, sha256: str) -> str:
        """What the tables of a file of this content go by; empty when it has no companions."""
        files = [*self.split, *([self.alternate] if self.alternate else [])]
        if not files:
            return ""
        parts = [sha256, *sorted(file.sha256 for file in files)]
        return hashlib.sha256("".join(parts).encode()).hexdigest()

    def problems(self) -> Iterator[str]:
        """What is missing, in words."""
        if self.missing_alternate:
            yield f"its alternate file {self.missing_alternate} is missing"
        if self.missing_units:
            yield f"{self.missing_units} of its split units are missing"


def is_companion(debug_file: DebugFile) -> bool:
    """Whether a file is of use for others only."""
    return debug_file.kind in _COMPANIONS


def note_parts(debug_file: DebugFile) -> None:
    """Write down what a file holds for others, or has in others."""
    is_held = is_companion(debug_file)
    rows = [
        DebugFilePart(
            program_id=debug_file.program_id, name=name, debug_file=debug_file, is_held=is_held
        )
        for name in _part_names(debug_file.kind, debug_file.build_id, debug_file.facts)
    ]
    DebugFilePart.objects.bulk_create(rows, batch_size=_CHUNK, ignore_conflicts=True)


def _part_names(kind: str, build_id: str, facts: dict[str, Any]) -> list[str]:
    if kind == DebugFileKind.ELF_ALTERNATE:
        return [f"{_ALTERNATE}{build_id}"]
    names = [f"{_UNIT}{unit}" for unit in facts.get("dwo_ids") or ()]
    alternate = facts.get("alternate")
    return [*names, f"{_ALTERNATE}{alternate}"] if alternate else names


def companions_of(debug_file: DebugFile) -> Companions:
    """The companions of a file that are in the store. Of several for one part the oldest counts."""
    if is_companion(debug_file):
        return Companions()
    wanted = list(_names(debug_file, is_held=False))
    holders: dict[str, int] = {}
    for names in _chunks(wanted):
        held = DebugFilePart.objects.filter(
            program_id=debug_file.program_id, is_held=True, name__in=names
        )
        holders |= dict(held.order_by("-debug_file_id").values_list("name", "debug_file_id"))
    files = DebugFile.objects.in_bulk(sorted(set(holders.values())))
    missing = [name for name in wanted if holders.get(name) not in files]
    alternate = [name for name in missing if name.startswith(_ALTERNATE)]
    found = [file for _, file in sorted(files.items())]
    return Companions(
        alternate=next((f for f in found if f.kind == DebugFileKind.ELF_ALTERNATE), None),
        split=tuple(file for file in found if file.kind == DebugFileKind.ELF_SPLIT),
        missing_alternate="".join(alternate[:1]).removeprefix(_ALTERNATE),
        missing_units=len(missing) - len(alternate),
    )


def bundle_up(paths: Sequence[Path], bundle: IO[bytes]) -> list[tuple[int, int]]:
    """Write files one behind the other into an empty one; where each begins, and its size."""
    places = []
    for path in paths:
        start = bundle.tell()
        with path.open("rb") as source:
            shutil.copyfileobj(source, bundle, _COPY_BYTES)
        places.append((start, bundle.tell() - start))
    bundle.flush()
    return places


def wake_files(companion: DebugFile) -> int:
    """Have the tables made anew of the files that lacked what this one holds; how many."""
    waiting: set[int] = set()
    for names in _chunks(list(_names(companion, is_held=True))):
        lacking = DebugFilePart.objects.filter(
            program_id=companion.program_id, is_held=False, name__in=names
        )
        waiting |= set(lacking.values_list("debug_file_id", flat=True))
    state = DebugFile.State
    for keys in _chunks(sorted(waiting)):
        files = DebugFile.objects.filter(pk__in=keys)
        files.filter(state=state.READY).update(symcache_version=0)
        files.filter(state=state.UNUSABLE).update(state=state.RECEIVED)
    return len(waiting)


def is_needed(companion: DebugFile) -> bool:
    """Whether a file is in the store that has parts in this one."""
    return any(
        DebugFilePart.objects.filter(
            program_id=companion.program_id, is_held=False, name__in=names
        ).exists()
        for names in _chunks(list(_names(companion, is_held=True)))
    )


def _names(debug_file: DebugFile, *, is_held: bool) -> Sequence[str]:
    rows = DebugFilePart.objects.filter(debug_file=debug_file, is_held=is_held)
    return list(rows.order_by("name").values_list("name", flat=True))


def _chunks(items: Sequence[Any]) -> Iterator[Sequence[Any]]:
    return (items[start : start + _CHUNK] for start in range(0, len(items), _CHUNK))
