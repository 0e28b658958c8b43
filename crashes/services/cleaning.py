"""The first thing that a worker does with payloads: what identifies a person goes.

Everything after it, parsing, grouping, logs and what is kept, sees the clean payload only. One that
cannot be cleaned is not kept at all: its report goes into quarantine without it.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from crashes.services.digesting import Failure, Leased
from crashes.services.sandboxes import CLEAN, sandbox
from crashes.stack import PayloadFormat
from uxp_diag.sandbox import JobRefused, SandboxFailure

_Answer: Any = bytes | None


def clean_payloads(loaded: Sequence[Leased]) -> tuple[list[Leased], list[Failure]]:
    """The reports with clean payloads, in order, and those whose payloads cannot be cleaned."""
    outcomes: dict[int, Leased | Failure] = {}
    by_program: dict[int, list[Leased]] = defaultdict(list)
    for item in loaded:
        if item.payload:
            by_program[item.row.program_id].append(item)
        else:
            outcomes[item.row.pk] = item
    for items in by_program.values():  # a child reads the payloads of one program only
        cleaned = clean_all((item.format, item.payload) for item in items)
        for item, outcome in zip(items, cleaned, strict=True):
            outcomes[item.row.pk] = _settled(item, outcome)
    done = [outcomes[item.row.pk] for item in loaded]
    clean = [outcome for outcome in done if isinstance(outcome, Leased)]
    return clean, [outcome for outcome in done if isinstance(outcome, Failure)]


def clean_all(
    payloads: Iterable[tuple[PayloadFormat, bytes]],
) -> list[bytes | JobRefused | SandboxFailure]:
    """Clean payloads of one program, or why there are none."""
    inputs = [(payload_format.value, payload) for payload_format, payload in payloads]
    outcomes = sandbox().run_many(
        "crashes.formats.jobs:clean_job", inputs, limits=CLEAN, into=_Answer
    )
    return [
        payload if outcome is None else outcome
        for outcome, (_, payload) in zip(outcomes, inputs, strict=True)
    ]


def _settled(item: Leased, outcome: bytes | JobRefused | SandboxFailure) -> Leased | Failure:
    if isinstance(outcome, JobRefused):
        return Failure(item.row, outcome.code, str(outcome), is_final=True)
    if isinstance(outcome, SandboxFailure):
        code = f"sandbox_{outcome.reason.value}"
        return Failure(item.row, code, outcome.detail, is_final=False)
    return replace(item, payload=outcome)
