"""Which reports wait for which debug files.

A report is stored at once with the names there are, and what it would gain from is written down:
one row per report and name. Names are those of `crashes.services.symbol_tables`, and stand in the
row as a hash that includes the program.

    elf:<debug id>      a debug file for native code; also while there is only one without lines
    unwind:<debug id>   how its functions unwind, for a minidump
    map:<id>            the mapping that frames name
    app:<package>/<n>   the mapping of that version code, for frames that name none

When a debug file is ready, or once more some time later, `list_waiting` finds the reports whose wish
it fulfils. A digest that looked just before the file was ready and stores just after is caught
twice: storing looks for ready files itself, and a file is looked through again a while later.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b

from django.db.models import Q, QuerySet

from crashes.models import AppMapping, DebugFile, WaitingReport
from crashes.services.symbol_tables import (
    Quality,
    app_name,
    debug_id,
    mapping_name,
    names_of,
    native_name,
    unwind_name,
)
from crashes.stack import Crash
from crashes.symbolication.frames import is_native
from crashes.symbolication.kernel import file_name

MAX_NEEDS = 64
"""A report waits for this many files at most, those of the crashing thread first."""


@dataclass(frozen=True, slots=True)
class Need:
    """A debug file that would give a report more than it has (`quality`).

    `file_id` is what the file itself is known by: build id, debug id, id of a mapping, or empty.
    """

    name: str
    quality: int
    file_id: str = ""


def native_needs(crash: Crash, quality_of: Callable[[str], int]) -> tuple[Need, ...]:
    """What the native frames of a crash would gain from."""
    return tuple(
        Need(native_name(build_id), quality_of(build_id), build_id)
        for build_id in native_build_ids(crash)
        if quality_of(build_id) < Quality.LINES
    )


def unwind_needs(crash: Crash, has_table: Callable[[str], bool]) -> tuple[Need, ...]:
    """What walking the stacks of a crash would gain from."""
    return tuple(
        Need(unwind_name(build_id), Quality.NOTHING, build_id)
        for build_id in native_build_ids(crash)
        if not has_table(build_id)
    )


def mapping_need(mapping_id: str) -> Need:
    """A mapping that frames name and that is not here."""
    return Need(mapping_name(mapping_id), Quality.NOTHING, mapping_id)


def app_need(package: str, version_code: int) -> Need:
    """The mapping that an app may have been built with."""
    return Need(app_name(package, version_code), Quality.NOTHING)


def native_build_ids(crash: Crash) -> tuple[str, ...]:
    """The build ids of native frames, or what else a kernel goes by, each once, those of the crashing thread first."""
    threads = sorted(crash.threads, key=lambda thread: not thread.crashing)
    frames = (frame for thread in threads for frame in thread.frames)
    names = (
        frame.build_id if is_native(frame) and frame.build_id else file_name(frame, crash)
        for frame in frames
    )
    return tuple(dict.fromkeys(filter(None, names)))


def note_needs(needs: Mapping[int, Sequence[Need]], *, program_id: int, now: datetime) -> None:
    """Write down what reports (by number) of one program wait for, in place of what they waited for.

    Runs in the transaction that stores the reports.
    """
    rows = [
        WaitingReport(report_id=report_pk, key=_key(program_id, need.name), quality=need.quality)
        for report_pk, some in sorted(needs.items())
        for need in {need.name: need for need in some[:MAX_NEEDS]}.values()
    ]
    WaitingReport.objects.bulk_create(
        rows,
        update_conflicts=True,
        unique_fields=["key", "report"],
        update_fields=["quality"],
    )
    _call_ready({need for some in needs.values() for need in some}, program_id, now)


def forget_needs(report_pks: Iterable[int]) -> None:
    """These reports wait for nothing, or for something new."""
    WaitingReport.objects.filter(report_id__in=list(report_pks)).delete()


def list_waiting(debug_file: DebugFile, *, limit: int) -> list[int]:
    """Numbers of reports whose wish a ready debug file fulfils, at most `limit` per wish."""
    found: set[int] = set()
    for name, quality in names_of(debug_file).items():
        key = _key(debug_file.program_id, name)
        rows = WaitingReport.objects.filter(key=key, quality__lt=quality).order_by("report_id")
        found.update(rows.values_list("report_id", flat=True)[:limit])
    return sorted(found)


def mark_tried(report_pks: Iterable[int], debug_file: DebugFile) -> None:
    """The reports have what this file can give them, whatever that was."""
    rows = WaitingReport.objects.filter(report_id__in=list(report_pks))
    for name, quality in names_of(debug_file).items():
        key = _key(debug_file.program_id, name)
        rows.filter(key=key, quality__lt=quality).update(quality=quality)


def _call_ready(needs: set[Need], program_id: int, now: datetime) -> None:
    """Have those files looked through again that are ready, although these needs say otherwise."""
    if not needs:
        return
    for debug_file in _files(needs, program_id):
        names = names_of(debug_file)
        if any(names.get(need.name, 0) > need.quality for need in needs):
            DebugFile.objects.filter(pk=debug_file.pk).update(regroup_at=now)


def _files(needs: set[Need], program_id: int) -> QuerySet[DebugFile]:
    """The ready files that some of the needs may mean."""
    ids = {need.file_id for need in needs if need.file_id}
    ids |= {debug_id(file_id) for file_id in ids}
    apps = {need.name.removeprefix("app:") for need in needs if need.name.startswith("app:")}
    ready = DebugFile.objects.filter(program_id=program_id, state=DebugFile.State.READY)
    return ready.filter(
        Q(build_id__in=ids)
        | Q(mapping_id__in=ids)
        | Q(pk__in=app_mappings(apps, program_id).values())
    )


def app_mappings(apps: Iterable[str], program_id: int) -> dict[str, int]:
    """By app (`package/version code`), the number of its mapping."""
    wanted = [app.rpartition("/") for app in apps]
    if not wanted:
        return {}
    rows = AppMapping.objects.filter(
        program_id=program_id,
        package__in={package for package, _, _ in wanted},
        version_code__in={int(code) for _, _, code in wanted},
    ).values_list("package", "version_code", "debug_file_id")
    return {f"{package}/{code}": pk for package, code, pk in rows}


def _key(program_id: int, name: str) -> int:
    digest = blake2b(f"{program_id}/{name}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, signed=True)
