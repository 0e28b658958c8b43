"""Payloads are cleaned and parsed, in one visit to the sandbox where that is enough.

A payload goes in once, and comes back only if something had to go; what is parsed is what is left.
Where the one visit ends without an answer, nobody knows which of the two steps was to blame, nor
what the clean payload is. So that report takes the long road: cleaned by itself, then parsed, each
within its own limits, with what is remembered of such payloads (`refusals`). The same road is taken
by large payloads, by reports that were tried before, and by payloads that are known to be unreadable.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from crashes.formats.jobs import Reading
from crashes.services.cleaning import clean_payloads
from crashes.services.digesting import Failure, Leased, Outcome, crash_or_refusal
from crashes.services.refusals import content_key, find_refusals
from crashes.services.sandboxes import READ, sandbox
from crashes.stack import PayloadFormat
from uxp_diag.sandbox import JobRefused, SandboxFailure

_LARGEST = 1 << 20


@dataclass(frozen=True, slots=True)
class Readings:
    """Reports with clean payloads, those that cannot be cleaned, and by row what was parsed already."""

    clean: list[Leased]
    failures: list[Failure]
    outcomes: dict[int, Outcome]


def read_payloads(loaded: Sequence[Leased], *, now: datetime) -> Readings:
    """Clean every payload, and parse those that one visit is enough for; in the order given."""
    settled: dict[int, Leased | Failure] = {}
    outcomes: dict[int, Outcome] = {}
    by_program: dict[int, list[Leased]] = defaultdict(list)
    for item in loaded:
        if _is_quick(item):
            by_program[item.row.program_id].append(item)
    for program_id, quick in by_program.items():  # a child reads the payloads of one program only
        items = _not_refused(quick, program_id=program_id, now=now)
        for item, answer in zip(items, _answers(items), strict=True):
            if isinstance(answer, JobRefused):
                settled[item.row.pk] = Failure(item.row, answer.code, str(answer), is_final=True)
            elif isinstance(answer, Reading):
                clean = item if answer.clean is None else replace(item, payload=answer.clean)
                settled[item.row.pk] = clean
                outcomes[item.row.pk] = crash_or_refusal(clean, _parsed(answer))
    rest, failures = clean_payloads([item for item in loaded if item.row.pk not in settled])
    settled |= {item.row.pk: item for item in rest}
    settled |= {failure.row.pk: failure for failure in failures}
    done = [settled[item.row.pk] for item in loaded]
    return Readings(
        [item for item in done if isinstance(item, Leased)],
        [item for item in done if isinstance(item, Failure)],
        outcomes,
    )


def _is_quick(item: Leased) -> bool:
    has_content = bool(item.payload) and item.format is not PayloadFormat.NONE
    return has_content and item.row.attempts <= 1 and len(item.payload) <= _LARGEST


def _not_refused(items: Sequence[Leased], *, program_id: int, now: datetime) -> list[Leased]:
    """Those of which nobody remembers that they cannot be read."""
    keys = [content_key(item.format, item.payload) for item in items]
    refused = find_refusals(keys, program_id=program_id, now=now)
    return [item for item, key in zip(items, keys, strict=True) if key not in refused]


def _answers(items: Sequence[Leased]) -> list[Reading | JobRefused | SandboxFailure]:
    """One for each; equal payloads are looked at once."""
    inputs = [(item.format.value, item.payload) for item in items]
    distinct = list(dict.fromkeys(inputs))
    answers = sandbox().run_many(
        "crashes.formats.jobs:read_job", distinct, limits=READ, into=Reading
    )
    by_input = dict(zip(distinct, answers, strict=True))
    return [by_input[one] for one in inputs]


def _parsed(reading: Reading) -> Outcome | JobRefused:
    if reading.crash is not None:
        return reading.crash
    code, detail, where = reading.refusal or ("no_answer", "the parser gave no answer", None)
    return JobRefused(code, detail, where=where)
