"""Runs benchmarks: prepare, let the sides take turns, clean up."""

import shutil
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from tqdm import tqdm

from crashes.management.benchmarks.terms import (
    Benchmark,
    Contest,
    Outcome,
    Terms,
    Unavailable,
)

Say = Callable[[str], None]

_EXPECTED = (Unavailable, ConnectionError)  # something is missing, or a server under load gave up


def run_all(benchmarks: Sequence[Benchmark], terms: Terms, *, say: Say) -> Iterator[Outcome]:
    """One outcome per benchmark, as they come."""
    for number, benchmark in enumerate(benchmarks, start=1):
        say(f"[{number}/{len(benchmarks)}] {benchmark.name}: {benchmark.about}")
        yield run_one(benchmark, terms, say=say)


def run_one(benchmark: Benchmark, terms: Terms, *, say: Say) -> Outcome:
    """The outcome of one benchmark, in a folder of its own that is removed afterwards."""
    folder = terms.folder / benchmark.name.replace(" ", "-")
    folder.mkdir(parents=True)
    began = time.perf_counter()
    try:
        with benchmark.prepare(replace(terms, folder=folder)) as contest:
            outcome = hold(contest, name=benchmark.name, rounds=terms.rounds, say=say)
    except _EXPECTED as reason:
        say(f"      skipped: {reason}")
        outcome = Outcome(benchmark.name, skipped=str(reason))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return replace(outcome, seconds=time.perf_counter() - began)


def hold(contest: Contest, *, name: str, rounds: int, say: Say) -> Outcome:
    """Let the sides take turns; every other round in the opposite order."""
    samples: dict[str, dict[str, list[float]]] = {}
    missing = dict(contest.missing)
    with tqdm(total=rounds * len(contest.sides), desc=f"      {name}", disable=None) as bar:
        for number in range(rounds):
            for side in _order(contest.sides, number):
                bar.update()
                if side in missing:
                    continue
                bar.set_postfix_str(f"round {number + 1}: {side}")
                try:
                    measures = contest.sides[side]()
                except _EXPECTED as reason:
                    say(f"      without {side}: {reason}")
                    missing[side] = str(reason)
                    samples.pop(side, None)
                    continue
                figures = samples.setdefault(side, defaultdict(list))
                for figure, value in measures.items():
                    figures[figure].append(value)
    return Outcome(name, contest.rows, samples, missing)


def _order(sides: Mapping[str, object], number: int) -> Iterable[str]:
    return reversed(list(sides)) if number % 2 else list(sides)
