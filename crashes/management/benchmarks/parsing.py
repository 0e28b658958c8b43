"""Parsers, format by format, and what the sandbox around them costs.

The peer of a parser is what people write before they have a platform: one regular expression over
the text (`json.loads` for formats that are JSON). It finds frames and nothing else.
"""

import base64
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial

from crashes.formats.jobs import parse_job
from crashes.management.benchmarks.corpus import make_corpus
from crashes.management.benchmarks.machines import cpu_seconds, descendants, run_inner
from crashes.management.benchmarks.payloads import WITHOUT_FRAMES, payloads_by_format, scan
from crashes.management.benchmarks.terms import (
    OURS,
    Benchmark,
    Contest,
    Measures,
    Row,
    Side,
    Terms,
    Unavailable,
)
from crashes.services.sandboxes import sandbox
from uxp_diag.sandbox import JobRefused, SandboxFailure

SCRIPT, IN_PROCESS = "a script's expression", "in process"
ONE_EACH, INTERPRETER = "a child each", "an interpreter each"
_JOB = "crashes.formats.jobs:parse_job"
_Payloads = Mapping[str, Sequence[bytes]]


@contextmanager
def prepare_parsers(terms: Terms) -> Iterator[Contest]:
    """Every format in this process."""
    payloads = payloads_by_format(make_corpus(terms.size(600, quick=250)), terms.size(60, quick=20))
    repeats = terms.size(4, quick=2)
    sides: dict[str, Side] = {
        OURS: partial(_in_turn, payloads, parse_job, repeats),
        SCRIPT: partial(_in_turn, _with_frames(payloads), scan, repeats),
    }
    yield Contest(sides, [row for name in sorted(payloads) for row in _format_rows(name, payloads)])


def _with_frames(payloads: _Payloads) -> _Payloads:
    return {name: some for name, some in payloads.items() if name not in WITHOUT_FRAMES}


def _in_turn(
    payloads: _Payloads, read: Callable[[str, bytes], object], repeats: int
) -> dict[str, float]:
    measures = {}
    for name, some in payloads.items():
        began = time.process_time()
        for _ in range(repeats):
            for payload in some:
                read(name, payload)
        seconds = max(time.process_time() - began, 1e-6)
        measures[f"{name} per_s"] = repeats * len(some) / seconds
        measures[f"{name} mb_per_s"] = repeats * sum(map(len, some)) / 1e6 / seconds
    return measures


def _format_rows(name: str, payloads: _Payloads) -> list[Row]:
    mean = sum(map(len, payloads[name])) / len(payloads[name]) / 1000
    note = f"{mean:.1f} KB each"
    peer = SCRIPT if name not in WITHOUT_FRAMES else None
    return [
        Row(f"{name}", f"{name} per_s", "reports/CPU s", peer=peer, note=note),
        Row(f"{name}", f"{name} mb_per_s", "MB/CPU s", peer=peer),
    ]


@contextmanager
def prepare_sandbox(terms: Terms) -> Iterator[Contest]:
    """The same payloads by four ways; the processor time of all processes."""
    corpus = make_corpus(terms.size(400, quick=150))
    inputs = [(report.format.value, report.payload) for report in corpus.reports]
    sandbox().run(_JOB, *inputs[0])  # the server is started
    sides: dict[str, Side] = {
        OURS: partial(_measured, partial(_together, inputs), len(inputs)),
        ONE_EACH: partial(_measured, partial(_one_each, inputs[:60]), len(inputs[:60])),
        IN_PROCESS: partial(_measured, partial(_in_process, inputs), len(inputs)),
        INTERPRETER: partial(_interpreters, inputs[:5]),
    }
    try:
        yield Contest(sides, _sandbox_rows())
    finally:
        sandbox().close()


def _measured(work: Callable[[], None], count: int) -> Measures:
    before, began = cpu_seconds(descendants([os.getpid()])), time.perf_counter()
    work()
    wall = time.perf_counter() - began
    cpu = cpu_seconds(descendants([os.getpid()])) - before
    return {"cpu_ms": cpu * 1000 / count, "wall_ms": wall * 1000 / count}


def _together(inputs: Sequence[tuple[str, bytes]]) -> None:
    for start in range(0, len(inputs), 50):
        for outcome in sandbox().run_many(_JOB, inputs[start : start + 50]):
            if isinstance(outcome, JobRefused | SandboxFailure):
                raise Unavailable(f"a payload was not parsed: {outcome}")


def _one_each(inputs: Sequence[tuple[str, bytes]]) -> None:
    for payload_format, payload in inputs:
        sandbox().run(_JOB, payload_format, payload)


def _in_process(inputs: Sequence[tuple[str, bytes]]) -> None:
    for payload_format, payload in inputs:
        parse_job(payload_format, payload)


def _interpreters(inputs: Sequence[tuple[str, bytes]]) -> Measures:
    def work() -> None:
        for payload_format, payload in inputs:
            text = base64.b64encode(payload).decode()
            run_inner("parse_one", {"payload_format": payload_format, "payload": text})

    return _measured(work, len(inputs))


def _sandbox_rows() -> list[Row]:
    cpu, wall = ("cpu_ms", "ms CPU/report"), ("wall_ms", "ms/report")
    less = True
    return [
        Row("batch of 50", *cpu, peer=IN_PROCESS, less_is_better=less, note="without protection"),
        Row("batch of 50", *cpu, peer=INTERPRETER, less_is_better=less),
        Row("batch of 50", *wall, peer=IN_PROCESS, less_is_better=less),
        Row("one report", *cpu, side=ONE_EACH, peer=IN_PROCESS, less_is_better=less),
        Row("one report", *cpu, side=ONE_EACH, peer=INTERPRETER, less_is_better=less),
        Row("one report", *wall, side=ONE_EACH, peer=INTERPRETER, less_is_better=less),
    ]


BENCHMARKS = (
    Benchmark("parsing", "every format's parser, in process", prepare_parsers),
    Benchmark("sandbox", "parsing behind the sandbox", prepare_sandbox),
)
