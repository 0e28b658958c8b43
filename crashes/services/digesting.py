"""What a device sent becomes a crash with names, and what grouping wants to know of it.

    parse        in the sandbox, the payloads of one program together, unless `reading` has done so
    walk         stacks of minidumps and microdumps once more, where debug files say how functions unwind
    retrace      managed frames, with the mappings of R8 and ProGuard
    symbolicate  native frames, with symcaches

Nothing is stored here, so the same steps serve a new report and one that is digested again
because its symbols came late. What a report would gain from debug files that are not here comes
back as its needs.
"""

import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, TypeAlias

import msgspec

from crashes.grouping.mechanisms import Mechanism
from crashes.grouping.values import GroupingInput
from crashes.intake.occurrences import Mark, mark_of
from crashes.intake.report import without_nul
from crashes.models import Report
from crashes.services.mechanisms import mechanisms_of
from crashes.services.places import hold_decisions
from crashes.services.refusals import (
    Refusal,
    content_key,
    find_refusals,
    remember_refusals,
)
from crashes.services.retracing import missing_mappings, retrace_crashes
from crashes.services.sandboxes import sandbox
from crashes.services.symbols import StoreFinder, store_finder, symbolicate_crash
from crashes.services.waiting import Need, native_needs
from crashes.services.walk_jobs import WALKED_FORMATS
from crashes.services.walking import Dump, walk_dumps
from crashes.stack import Crash, CrashKind, PayloadFormat, from_json, to_json
from crashes.symbolication.frames import SymbolicationResult
from uxp_diag.sandbox import JobRefused, SandboxFailure

logger = logging.getLogger(__name__)


Outcome: TypeAlias = Crash | Refusal
"""What parsing comes to."""


@dataclass(frozen=True, slots=True)
class Leased:
    """A report that this process may work on, and what the device sent."""

    row: Report
    envelope: dict[str, Any]
    payload: bytes

    @property
    def format(self) -> PayloadFormat:
        """What the payload claims to be."""
        return PayloadFormat(self.envelope["payload"]["format"])


@dataclass(frozen=True, slots=True)
class Digested:
    """A report ready to be stored."""

    leased: Leased
    crash: Crash
    item: GroupingInput
    symbols: SymbolicationResult
    needs: tuple[Need, ...] = ()
    mark: Mark | None = None


@dataclass(frozen=True, slots=True)
class Failure:
    """A report that could not be digested. A final one is not tried again."""

    row: Report
    code: str
    detail: str
    is_final: bool


@dataclass(frozen=True, slots=True)
class _Parsed:
    """A report on its way."""

    leased: Leased
    crash: Crash
    needs: tuple[Need, ...] = ()
    mark: Mark | None = None


def digest(
    loaded: Sequence[Leased], *, now: datetime, parsed: Mapping[int, Outcome] | None = None
) -> tuple[list[Digested], list[Failure]]:
    """All the steps for a batch. One report's trouble never touches its neighbors.

    `parsed` holds, by row, what is parsed already.
    """
    outcomes = _parse(loaded, parsed or {}, now=now)
    failures = [outcome for outcome in outcomes if isinstance(outcome, Failure)]
    crashes = [
        (leased, outcome)
        for leased, outcome in zip(loaded, outcomes, strict=True)
        if isinstance(outcome, Crash)
    ]
    digested, refused = digest_parsed(crashes, now=now)
    return digested, failures + refused


def digest_parsed(
    parsed: Sequence[tuple[Leased, Crash]], *, now: datetime
) -> tuple[list[Digested], list[Failure]]:
    """The steps after parsing."""
    by_program: dict[int, list[_Parsed]] = defaultdict(list)
    for leased, crash in parsed:
        whole = with_envelope(crash, leased.row, leased.envelope)
        mark = mark_of(whole, leased.format, occurred_at=leased.row.occurred_at)
        by_program[leased.row.program_id].append(_Parsed(leased, whole, mark=mark))
    digested: list[Digested] = []
    failures: list[Failure] = []
    for program_id, items in by_program.items():
        walked = _walked(items, program_id=program_id, now=now)
        retraced = _retraced(walked, program_id=program_id, now=now)
        done, refused = _named(retraced, program_id=program_id, now=now)
        digested, failures = digested + done, failures + refused
    return digested, failures


def _parse(
    loaded: Sequence[Leased], known: Mapping[int, Outcome], *, now: datetime
) -> list[Crash | Failure]:
    """Every payload through the sandbox; reports without one need no parser."""
    parsed: dict[int, Crash | Failure] = {}
    by_program: dict[int, list[Leased]] = defaultdict(list)
    for item in loaded:
        outcome = known.get(item.row.pk)
        if item.format is PayloadFormat.NONE:
            parsed[item.row.pk] = _bare_crash(item)
        elif isinstance(outcome, Crash):
            parsed[item.row.pk] = outcome
        else:
            by_program[item.row.program_id].append(item)
    for program_id, items in by_program.items():  # a child reads payloads of one program only
        parsed |= _parse_of_program(items, known, program_id=program_id, now=now)
    return [parsed[item.row.pk] for item in loaded]


def _parse_of_program(
    items: Sequence[Leased], known: Mapping[int, Outcome], *, program_id: int, now: datetime
) -> dict[int, Crash | Failure]:
    """Equal payloads are read once, and those that are known to be unreadable not at all."""
    keys = [content_key(item.format, item.payload) for item in items]
    outcomes: dict[bytes, Outcome] = {}
    outcomes |= find_refusals(keys, program_id=program_id, now=now)
    pairs = list(zip(keys, items, strict=True))
    read = {
        key: known[item.row.pk]
        for key, item in pairs
        if key not in outcomes and item.row.pk in known
    }
    unread = {key: item for key, item in pairs if key not in outcomes and key not in read}
    inputs = [(item.format.value, item.payload) for item in unread.values()]
    answers = sandbox().run_many("crashes.formats.jobs:crash_job", inputs, into=Crash)
    read |= {
        key: crash_or_refusal(unread[key], answer)
        for key, answer in zip(unread, answers, strict=True)
    }
    refused = {key: answer for key, answer in read.items() if isinstance(answer, Refusal)}
    remember_refusals(refused, program_id=program_id, now=now)
    outcomes |= read
    return {
        item.row.pk: _of_row(item.row, outcomes[key]) for key, item in zip(keys, items, strict=True)
    }


def _of_row(row: Report, outcome: Outcome) -> Crash | Failure:
    if isinstance(outcome, Crash):
        return outcome
    return Failure(row, outcome.code, outcome.detail, is_final=outcome.is_final)


def _bare_crash(leased: Leased) -> Crash:
    """A crash without a dump. What a reboot has is its reason, which devices send as process."""
    kind = CrashKind(leased.row.kind)
    reason = leased.row.process or None
    return Crash(kind=kind, reason=reason if kind is CrashKind.REBOOT else None)


def crash_or_refusal(leased: Leased, outcome: Outcome | JobRefused | SandboxFailure) -> Outcome:
    """What a sandbox's answer comes to; the payload of `leased` is the one that was parsed."""
    if isinstance(outcome, JobRefused):
        return Refusal(outcome.code, str(outcome), is_final=True)
    if isinstance(outcome, SandboxFailure):
        return Refusal(f"sandbox_{outcome.reason.value}", outcome.detail, is_final=False)
    if isinstance(outcome, Refusal):
        return outcome
    return _storable(outcome) if b"\0" in leased.payload else outcome


def _storable(crash: Crash) -> Crash:
    """The crash without NUL in its texts. Binary dumps are full of zeros and rarely have one there."""
    has_nul = b"\\u0000" in msgspec.json.encode(crash)
    return from_json(without_nul(to_json(crash))) if has_nul else crash


def with_envelope(crash: Crash, row: Report, envelope: dict[str, Any]) -> Crash:
    """The crash, completed by what the device said beside the payload.

    The envelope decides the kind: a tombstone inside a watchdog report is still a watchdog. For
    everything else the dump knows better, and the envelope fills the gaps.
    """
    software = envelope.get("software", {})
    return replace(
        crash,
        kind=CrashKind(row.kind),
        process=crash.process or row.process or None,
        package=crash.package or row.package or None,
        version_name=crash.version_name or row.version_name or None,
        version_code=crash.version_code if crash.version_code is not None else row.version_code,
        build_fingerprint=crash.build_fingerprint or software.get("build_fingerprint") or None,
    )


def _walked(items: Sequence[_Parsed], *, program_id: int, now: datetime) -> list[_Parsed]:
    """Dumps with stack memory walked with unwind tables; every other crash as it is."""
    dumps = {
        place: Dump(item.leased.format, item.leased.payload, item.crash)
        for place, item in enumerate(items)
        if item.leased.format in WALKED_FORMATS
    }
    if not dumps:
        return list(items)
    walks = walk_dumps(list(dumps.values()), program_id=program_id, now=now)
    done = list(items)
    for place, walk in zip(dumps, walks, strict=True):
        leased = items[place].leased
        whole = with_envelope(walk.crash, leased.row, leased.envelope)
        done[place] = replace(items[place], crash=whole, needs=walk.needs)
    return done


def _retraced(items: Sequence[_Parsed], *, program_id: int, now: datetime) -> list[_Parsed]:
    answers = retrace_crashes([item.crash for item in items], program_id=program_id, now=now)
    return [
        replace(item, crash=answer.crash, needs=item.needs + answer.needs)
        for item, answer in zip(items, answers, strict=True)
    ]


def _named(
    items: Sequence[_Parsed], *, program_id: int, now: datetime
) -> tuple[list[Digested], list[Failure]]:
    digested, failures = [], []
    expected = _build_ids(item.crash for item in items)
    find = store_finder(program_id, now=now, expected=expected)
    mechanism = mechanisms_of([program_id])[program_id]
    for item in items:
        row = item.leased.row
        try:
            digested.append(_named_one(item, find, mechanism))
        except Exception as error:
            logger.exception("report %d cannot be digested", row.pk)
            failures.append(Failure(row, "digest_failed", _kind(error), is_final=False))
    return digested, failures


def _build_ids(crashes: Iterable[Crash]) -> set[str]:
    threads = (thread for crash in crashes for thread in crash.threads)
    return {frame.build_id for thread in threads for frame in thread.frames if frame.build_id}


def _named_one(item: _Parsed, find: StoreFinder, mechanism: Mechanism) -> Digested:
    symbols = symbolicate_crash(item.crash, find=find)
    grouped = mechanism.prepare(symbols.crash, package=item.leased.row.package or None)
    needs = item.needs + native_needs(symbols.crash, find.quality_of)
    missing = symbols.missing + missing_mappings(item.needs, item.crash)
    symbols = replace(symbols, missing=missing)
    return Digested(item.leased, symbols.crash, grouped, symbols, needs, item.mark)


def prepared_now(items: Sequence[Digested]) -> list[Digested]:
    """The reports as the mechanism of their program wants them, which stays it from here on.

    Somebody may have switched it since they were digested. Runs inside the transaction that
    stores them.
    """
    program_ids = {item.leased.row.program_id for item in items}
    hold_decisions(program_ids)
    mechanisms = mechanisms_of(program_ids)
    done = []
    for item in items:
        row = item.leased.row
        mechanism = mechanisms[row.program_id]
        if item.item.mechanism != mechanism.NAME:
            again = mechanism.prepare(item.crash, package=row.package or None)
            done.append(replace(item, item=again))
        else:
            done.append(item)
    return done


def _kind(error: Exception) -> str:
    """The name of an error; its text may quote the report."""
    return type(error).__name__
