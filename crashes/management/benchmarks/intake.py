"""From a phone's upload to an issue: the door, the workers, and what they cost.

One round of ours has four parts:

1. the workers are stopped, reports go in as fast as answers come: what the door can take;
2. the workers go on, and we wait until nothing waits: what they digest;
3. everything at once, as in a burst: as fast as answers come while the workers digest, until
   nothing waits;
4. as on a busy day: reports come at half the rate of part 3, whatever the answers take.

The other side is a Django view that only keeps the body (`bare`), behind the same server with the
same settings, on the same bodies.
"""

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TypeAlias

from crashes.management.benchmarks.corpus import Corpus, make_corpus
from crashes.management.benchmarks.load import request_bytes, send_all
from crashes.management.benchmarks.machines import cpu_seconds, peak_bytes
from crashes.management.benchmarks.platforms import Platform, bare, embedded, production
from crashes.management.benchmarks.terms import (
    OURS,
    Benchmark,
    Contest,
    Measures,
    Row,
    Terms,
    Unavailable,
)

CEILING = "bare Django view"
_MIB = 1 << 20
_WARM_UP = 48
_QUIET_SECONDS = 0.6  # longer than an idle worker's pause: then none is inside a transaction

Shape: TypeAlias = Callable[[Terms, Corpus], AbstractContextManager[Platform]]


@contextmanager
def prepare_embedded(terms: Terms) -> Iterator[Contest]:
    """SQLite, files, our own workers."""
    with _prepared(terms, embedded, digested_target=300.0) as contest:
        yield contest


@contextmanager
def prepare_production(terms: Terms) -> Iterator[Contest]:
    """PostgreSQL, Redis, Celery."""
    with _prepared(terms, production, digested_target=600.0) as contest:
        yield contest


@contextmanager
def _prepared(terms: Terms, shape: Shape, *, digested_target: float) -> Iterator[Contest]:
    count = terms.size(800, quick=150)
    corpus = make_corpus(count)
    with shape(terms, corpus) as platform, bare(terms) as (fleet, port):
        platform.send(platform.requests(corpus, _WARM_UP))
        platform.drain()
        bodies = [
            request_bytes("/upload/", body, port=port) for _, body in corpus.packed_bodies(count)
        ]

        def ceiling() -> Measures:
            before = cpu_seconds(fleet.pids())
            answers = send_all(bodies, port=port)
            return {
                "accepted_per_s": answers.per_second,
                "accept_p50_ms": answers.percentile_ms(50),
                "accept_p99_ms": answers.percentile_ms(99),
                "accept_cpu_ms": (cpu_seconds(fleet.pids()) - before) * 1000 / count,
                "wire_bytes": sum(map(len, bodies)) / count,
                "body_bytes": corpus.mean_bytes,
                "web_peak_mib": peak_bytes(fleet.pids()) / _MIB,
            }

        sides = {OURS: lambda: one_round(platform, corpus, count), CEILING: ceiling}
        yield Contest(sides, _rows(digested_target))


def one_round(platform: Platform, corpus: Corpus, count: int) -> Measures:
    """The four parts. Raises Unavailable when a report was not digested."""
    stored = platform.stored_bytes()
    door = _door_alone(platform, platform.requests(corpus, count))
    digesting = _workers_alone(platform, count)
    together = _together(platform, platform.requests(corpus, count))
    busy = platform.requests(corpus, count // 2)
    half_load = _half_load(platform, busy, together["both_per_s"] / 2)
    peaks = {
        "web_peak_mib": peak_bytes(platform.fleet.pids("web")) / _MIB,
        "workers_peak_mib": peak_bytes(platform.fleet.pids(*platform.workers)) / _MIB,
    }
    lost = {state: n for state, n in platform.states().items() if state != "done"}
    if lost:
        raise Unavailable(f"reports were not digested: {lost}")
    stored_each = (platform.stored_bytes() - stored) / (2 * count + len(busy))
    cpu = {"cpu_ms": door["accept_cpu_ms"] + digesting["digest_cpu_ms"]}
    return {
        **door,
        **digesting,
        **together,
        **half_load,
        **peaks,
        **cpu,
        "stored_bytes": stored_each,
    }


def _door_alone(platform: Platform, requests: list[bytes]) -> dict[str, float]:
    time.sleep(_QUIET_SECONDS)
    platform.fleet.signal(signal.SIGSTOP, *platform.workers)
    before = platform.cpu_seconds()
    answers = platform.send(requests)
    return {
        "accepted_per_s": answers.per_second,
        "accept_p50_ms": answers.percentile_ms(50),
        "accept_p99_ms": answers.percentile_ms(99),
        "accept_cpu_ms": (platform.cpu_seconds() - before) * 1000 / len(requests),
    }


def _workers_alone(platform: Platform, count: int) -> dict[str, float]:
    before = platform.cpu_seconds()
    began = time.perf_counter()
    platform.fleet.signal(signal.SIGCONT, *platform.workers)
    platform.drain()
    seconds = time.perf_counter() - began
    used = platform.cpu_seconds() - before
    return {"digested_per_s": count / seconds, "digest_cpu_ms": used * 1000 / count}


def _together(platform: Platform, requests: list[bytes]) -> dict[str, float]:
    began = time.perf_counter()
    answers = platform.send(requests)
    platform.drain()
    seconds = time.perf_counter() - began
    return {
        "both_per_s": len(requests) / seconds,
        "busy_accepted_per_s": answers.per_second,
        "busy_p99_ms": answers.percentile_ms(99),
    }


def _half_load(platform: Platform, requests: list[bytes], per_second: float) -> dict[str, float]:
    answers = platform.send(requests, per_second=per_second)
    platform.drain()
    return {
        "half_load_p50_ms": answers.percentile_ms(50),
        "half_load_p99_ms": answers.percentile_ms(99),
    }


def _rows(digested_target: float) -> list[Row]:
    accepted = ("accepted", "accepted_per_s", "reports/s")
    return [
        Row(*accepted, peer=CEILING, target=1000.0, note="16 connections, workers stopped"),
        Row("accept p50", "accept_p50_ms", "ms", peer=CEILING, less_is_better=True),
        Row("accept p99", "accept_p99_ms", "ms", peer=CEILING, less_is_better=True),
        Row("accept CPU", "accept_cpu_ms", "ms/report", peer=CEILING, less_is_better=True),
        Row("digested", "digested_per_s", "reports/s", peer=CEILING, target=digested_target,
            peer_figure="accepted_per_s", note="web idle; the peer only keeps bytes"),
        Row("accepted and digested", "both_per_s", "reports/s", peer=CEILING,
            peer_figure="accepted_per_s", note="16 connections, workers digesting, until nothing waits"),
        Row("p99 at half load", "half_load_p99_ms", "ms", peer=CEILING, target=50.0,
            peer_figure="accept_p99_ms", less_is_better=True,
            note="workers digesting; the peer at full load"),
        Row("CPU, all processes", "cpu_ms", "ms/report", peer=CEILING, target=2.5,
            peer_figure="accept_cpu_ms", less_is_better=True),
        Row("stored", "stored_bytes", "bytes/report", peer=CEILING, target=4000.0,
            peer_figure="wire_bytes", less_is_better=True,
            note="database and blobs; the peer keeps the gzip body"),
        Row("peak memory, web", "web_peak_mib", "MiB", peer=CEILING, less_is_better=True),
        Row("peak memory, workers", "workers_peak_mib", "MiB", less_is_better=True,
            note="sum over processes, sandboxes included"),
    ]  # fmt: skip


BENCHMARKS = (
    Benchmark("intake-embedded", "SQLite and files, from upload to issue", prepare_embedded),
    Benchmark(
        "intake-production",
        "PostgreSQL, Redis and Celery, from upload to issue",
        prepare_production,
    ),
)
