"""Managed frames get the names that R8 and ProGuard took from them.

Which mapping a crash needs, the first that is known:

* its frames say (`r8-map-id-…` in place of a source file), or the event it came in does;
* whoever uploaded a mapping said that it belongs to this package and version code.

Mappings come from build machines and are read in the sandbox only. The crashes of a batch that
need the same one share a child, which opens it once, and stacks that this process has seen before
need none (`crashes.services.retrace_memo`).
"""

import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from django.db.models import Q

from crashes.models import DebugFile
from crashes.services.retrace_memo import RetraceMemo, filled, key_of, skeleton_of
from crashes.services.sandboxes import OPEN_MAPPING, sandbox
from crashes.services.symbol_tables import debug_file_path, mapping_name
from crashes.services.symbols import note_use
from crashes.services.waiting import Need, app_mappings, app_need, mapping_need
from crashes.stack import Crash, Frame, FrameStatus, from_json
from crashes.symbolication.elf import DebugFileKind
from crashes.symbolication.frames import MissingDebugFile
from crashes.symbolication.retrace.crash import map_ids_of
from uxp_diag.sandbox import JobRefused, SandboxFailure

logger = logging.getLogger(__name__)

memo = RetraceMemo(max_bytes=32 << 20)

_LISTED_CHARS = 64
_MAX_MAPPINGS = 4
"""A stack may hold the code of several apps; more than a few is somebody's game."""


@dataclass(frozen=True, slots=True)
class Retraced:
    """A crash with the names there are, and the mappings that would give more."""

    crash: Crash
    needs: tuple[Need, ...] = ()


@dataclass(frozen=True, slots=True)
class _Wish:
    """The mappings a crash names, else the app whose mapping it may need."""

    ids: tuple[str, ...] = ()
    app: str = ""


def retrace_crashes(crashes: Sequence[Crash], *, program_id: int, now: datetime) -> list[Retraced]:
    """The crashes of one program, retraced as far as its mappings go."""
    wishes = [_wish(crash) for crash in crashes]
    by_id, by_app = _mappings(wishes, program_id)
    done = [
        Retraced(crash, _needs(wish, crash, by_id, by_app))
        for crash, wish in zip(crashes, wishes, strict=True)
    ]
    uses: dict[int, list[int]] = defaultdict(list)
    for place, wish in enumerate(wishes):
        for mapping in _chosen(wish, by_id, by_app):
            uses[mapping.pk].append(place)
    known = {mapping.pk: mapping for mapping in (*by_id.values(), *by_app.values())}
    for pk in sorted(uses):
        named = _retrace([done[place].crash for place in uses[pk]], known[pk])
        for place, crash in zip(uses[pk], named, strict=True):
            done[place] = replace(done[place], crash=crash)
    note_use([known[pk] for pk in uses], now=now)
    return done


def missing_mappings(needs: Iterable[Need], crash: Crash) -> tuple[MissingDebugFile, ...]:
    """Of a crash's needs the mappings that its frames name, for the list of what is missing."""
    return tuple(
        MissingDebugFile(need.file_id, crash.package, None, 1)
        for need in needs
        if need.name == mapping_name(need.file_id) and len(need.file_id) <= _LISTED_CHARS
    )


def _wish(crash: Crash) -> _Wish:
    stacks = [thread.frames for thread in crash.threads]
    stacks += [exception.frames for exception in crash.exceptions]
    if not any(_is_managed(frame) for stack in stacks for frame in stack):
        return _Wish()
    said = crash.details.get("mapping_ids")
    listed = [str(one) for one in said] if isinstance(said, list) else []
    ids = tuple(dict.fromkeys((*map_ids_of(crash), *listed)))[:_MAX_MAPPINGS]
    if crash.package and crash.version_code is not None:
        return _Wish(ids, f"{crash.package}/{crash.version_code}")
    return _Wish(ids)


def _is_managed(frame: Frame) -> bool:
    return frame.status is FrameStatus.JAVA


def _mappings(
    wishes: Iterable[_Wish], program_id: int
) -> tuple[dict[str, DebugFile], dict[str, DebugFile]]:
    """The ready mappings that are wished for, by id and by app; of two the later one."""
    wished = list(wishes)
    ids = {name for wish in wished for name in wish.ids}
    apps = {wish.app for wish in wished if wish.app}
    if not ids and not apps:
        return {}, {}
    number_of = app_mappings(apps, program_id)
    found = DebugFile.objects.filter(
        Q(build_id__in=ids) | Q(mapping_id__in=ids) | Q(pk__in=number_of.values()),
        program_id=program_id,
        kind=DebugFileKind.PROGUARD_MAPPING,
        state=DebugFile.State.READY,
    ).order_by("pk")
    by_number = {mapping.pk: mapping for mapping in found}
    by_id = {mapping.build_id: mapping for mapping in found}
    by_id |= {mapping.mapping_id: mapping for mapping in found if mapping.mapping_id}
    by_app = {app: by_number[pk] for app, pk in number_of.items() if pk in by_number}
    return by_id, by_app


def _chosen(
    wish: _Wish, by_id: Mapping[str, DebugFile], by_app: Mapping[str, DebugFile]
) -> list[DebugFile]:
    named = [by_id[name] for name in wish.ids if name in by_id]
    if named or wish.app not in by_app:
        return list({mapping.pk: mapping for mapping in named}.values())
    return [by_app[wish.app]]


def _needs(
    wish: _Wish, crash: Crash, by_id: Mapping[str, DebugFile], by_app: Mapping[str, DebugFile]
) -> tuple[Need, ...]:
    needs = [mapping_need(name) for name in wish.ids if name not in by_id]
    if wish.app and wish.app not in by_app and len(needs) == len(wish.ids):
        needs.append(app_need(crash.package or "", crash.version_code or 0))
    return tuple(needs)


def _retrace(crashes: Sequence[Crash], mapping: DebugFile) -> list[Crash]:
    """The crashes with the names of one mapping; where that fails, as they are."""
    keyed = [key_of(skeleton_of(crash), mapping_sha256=mapping.sha256) for crash in crashes]
    answers: dict[bytes, Crash | None] = {key: memo.get(key) for key, _ in keyed}
    unknown = {key: document for key, document in keyed if answers[key] is None}
    for key, outcome in zip(unknown, _run(list(unknown.values()), mapping), strict=True):
        if isinstance(outcome, JobRefused | SandboxFailure):
            logger.warning("%s names nothing: %s", mapping, outcome)
            continue
        memo.put(key, outcome)
        answers[key] = from_json(outcome)
    return [
        _answer(crash, answers[key], mapping)
        for crash, (key, _) in zip(crashes, keyed, strict=True)
    ]


def _run(
    documents: Sequence[dict[str, Any]], mapping: DebugFile
) -> list[dict[str, Any] | JobRefused | SandboxFailure]:
    if not documents:
        return []
    with debug_file_path(mapping.sha256).open("rb") as file:
        return sandbox().run_many(
            "crashes.symbolication.jobs:retrace_job",
            [(document,) for document in documents],
            files=[file.fileno()],
            limits=OPEN_MAPPING,
        )


def _answer(crash: Crash, answer: Crash | None, mapping: DebugFile) -> Crash:
    if answer is None:
        return crash
    retraced = filled(crash, answer)
    said = retraced.details.get("retrace")
    facts = said if isinstance(said, dict) else {}
    details = {**retraced.details, "retrace": {**facts, "mapping": mapping.build_id}}
    return replace(retraced, details=details)
