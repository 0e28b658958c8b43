"""The platform that a small team would install instead: Bugsink, with the same events.

It comes from the Python index into a virtual environment of its own in the cache, never into ours,
and runs as its documentation says: gunicorn, its own worker, SQLite. Only its quotas are raised,
as ours are. Both sides get Sentry envelopes of the same Java crashes, with their breadcrumbs.
"""

import gzip
import json
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from itertools import count as counting
from pathlib import Path

from crashes.management.benchmarks.corpus import Corpus, make_corpus
from crashes.management.benchmarks.load import request_bytes, send_all
from crashes.management.benchmarks.machines import (
    Fleet,
    cpu_seconds,
    free_port,
    run,
    wait_until,
)
from crashes.management.benchmarks.payloads import payloads_by_format, sentry_event
from crashes.management.benchmarks.platforms import await_port, embedded
from crashes.management.benchmarks.terms import (
    OURS,
    Benchmark,
    Contest,
    Measures,
    Row,
    Terms,
    Unavailable,
)

BUGSINK = "Bugsink"
_DRAIN_SECONDS = 120.0
_WARM_UP = 16
_MAKE_PROJECT = """
from projects.models import Project
made = Project.objects.create(name="bench")
print(f"project {made.pk} {made.sentry_key}")
"""
_RAISED = """
ALLOWED_HOSTS = ["127.0.0.1"]
for _per in ("5_MINUTES", "HOUR", "MONTH"):
    BUGSINK[f"MAX_EVENTS_PER_PROJECT_PER_{_per}"] = BUGSINK[f"MAX_EVENTS_PER_{_per}"] = 10**9
BUGSINK["BASE_URL"] = "http://127.0.0.1"
"""


@dataclass(slots=True)
class _Place:
    """A platform that takes envelopes: where, with which key, and how to see what it digested."""

    port: int
    project: int
    key: str
    cpu: Callable[[], float]
    digested: Callable[[], int]
    numbers: Iterator[int] = field(default_factory=lambda: counting(1))

    def measure(self, traces: Sequence[bytes], count: int) -> Measures:
        """Send so many events as fast as answers come; wait until all are digested."""
        requests = [self._request(traces[at % len(traces)]) for at in range(count)]
        wanted, used = self.digested() + count, self.cpu()
        began = time.perf_counter()
        answers = send_all(requests, port=self.port)
        if answers.good != count:
            raise Unavailable(f"answers were {dict(answers.statuses)}: {answers.last_body[:200]!r}")
        wait_until(lambda: self.digested() >= wanted, seconds=_DRAIN_SECONDS)
        seconds = time.perf_counter() - began
        return {
            "accepted_per_s": answers.per_second,
            "accept_p50_ms": answers.percentile_ms(50),
            "accept_p99_ms": answers.percentile_ms(99),
            "digested_per_s": count / seconds,
            "cpu_ms": (self.cpu() - used) * 1000 / count,
        }

    def _request(self, trace: bytes) -> bytes:
        event = sentry_event(trace, next(self.numbers))
        header = {"event_id": json.loads(event)["event_id"]}
        item = {"type": "event", "length": len(event)}
        lines = (json.dumps(header).encode(), json.dumps(item).encode(), event, b"")
        return request_bytes(
            f"/api/{self.project}/envelope/",
            gzip.compress(b"\n".join(lines), mtime=0),
            port=self.port,
            headers={
                "Content-Type": "application/x-sentry-envelope",
                "Content-Encoding": "gzip",
                "X-Sentry-Auth": f"Sentry sentry_version=7, sentry_key={self.key}",
            },
        )


@contextmanager
def prepare(terms: Terms) -> Iterator[Contest]:
    """Both platforms, one event stream. Raises Unavailable when Bugsink cannot be installed."""
    corpus = make_corpus(terms.size(400, quick=150))
    traces = payloads_by_format(corpus, 200)["java_stacktrace"]
    count = terms.size(400, quick=150)
    with _bugsink(terms) as theirs, _ours(terms, corpus) as ours:
        for place in (ours, theirs):
            place.measure(traces, _WARM_UP)
        sides = {
            OURS: lambda: ours.measure(traces, count),
            BUGSINK: lambda: theirs.measure(traces, count),
        }
        yield Contest(sides, _rows(_version(terms)))


@contextmanager
def _ours(terms: Terms, corpus: Corpus) -> Iterator[_Place]:
    with embedded(terms, corpus) as platform:
        yield _Place(
            platform.port,
            platform.program,
            platform.key,
            cpu=platform.cpu_seconds,
            digested=lambda: platform.states().get("done", 0),
        )


@contextmanager
def _bugsink(terms: Terms) -> Iterator[_Place]:
    tools = _installed(terms)
    folder, port = terms.folder / "bugsink", free_port()
    folder.mkdir()
    conf = folder / "bugsink_conf.py"
    create = [str(tools / "bugsink-create-conf"), "--template=singleserver", "--host=127.0.0.1"]
    run([*create, f"--port={port}", f"--base-dir={folder}", f"--output-file={conf}"])
    conf.write_text(conf.read_text() + _RAISED)
    changes = {"PYTHONPATH": str(folder), "DJANGO_SETTINGS_MODULE": "bugsink_conf"}
    project, key = _set_up(tools, changes)
    with Fleet(folder, changes) as fleet:
        gunicorn = [str(tools / "gunicorn"), f"--bind=127.0.0.1:{port}", "--workers=2"]
        fleet.start("gunicorn", [*gunicorn, "--timeout=60", "bugsink.wsgi"])
        fleet.start("snappea", [str(tools / "bugsink-runsnappea")])
        await_port(fleet, port)
        yield _Place(
            port, project, key, lambda: cpu_seconds(fleet.pids()), lambda: _events_in(folder)
        )


def _set_up(tools: Path, changes: Mapping[str, str]) -> tuple[int, str]:
    manage = str(tools / "bugsink-manage")
    run([manage, "migrate", "-v0"], changes=changes)
    run([manage, "migrate", "snappea", "--database=snappea", "-v0"], changes=changes)
    shell = run([manage, "shell", "-v0"], text=_MAKE_PROJECT.encode(), changes=changes)
    said = next(line for line in shell.output.decode().splitlines() if line.startswith("project "))
    _, project, key = said.split()
    return int(project), key.replace("-", "")


def _events_in(folder: Path) -> int:
    path = f"file:{folder / 'db.sqlite3'}?mode=ro"
    with closing(sqlite3.connect(path, uri=True, timeout=10)) as connection:
        (count,) = connection.execute("SELECT count(*) FROM events_event").fetchone()
    return int(count)


def _installed(terms: Terms) -> Path:
    """The folder of its commands. Raises Unavailable when it cannot be installed."""
    home = terms.cache / "bugsink-venv"
    tools = home / "bin"
    if not (tools / "bugsink-manage").exists():
        run([sys.executable, "-m", "venv", str(home)])
        run([str(tools / "python"), "-m", "pip", "install", "--quiet", "--no-input", "bugsink"])
    return tools


def _version(terms: Terms) -> str:
    found = sorted((terms.cache / "bugsink-venv").glob("lib/*/site-packages/bugsink-*.dist-info"))
    return found[-1].name.removeprefix("bugsink-").removesuffix(".dist-info") if found else "?"


def _rows(version: str) -> list[Row]:
    note = f"Bugsink {version}, SQLite both, 2 web workers of its own, 1 of ours"
    return [
        Row("accepted", "accepted_per_s", "events/s", peer=BUGSINK, note=note),
        Row("digested", "digested_per_s", "events/s", peer=BUGSINK, note="drain included"),
        Row("accept p50", "accept_p50_ms", "ms", peer=BUGSINK, less_is_better=True),
        Row("accept p99", "accept_p99_ms", "ms", peer=BUGSINK, less_is_better=True),
        Row("CPU, all processes", "cpu_ms", "ms/event", peer=BUGSINK, less_is_better=True),
    ]


BENCHMARKS = (
    Benchmark("peers", "Bugsink and we, the same Sentry envelopes", prepare, is_optional=True),
)
