"""The platform as its operator runs it, in its two shapes, each in a folder of its own.

What it did is looked up in its database from outside: how many reports still wait, how large it
has become.
"""

import json
import shutil
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import psycopg
import redis
from django.conf import settings
from django.utils import timezone
from psycopg import sql

from crashes.management.benchmarks.corpus import Corpus
from crashes.management.benchmarks.load import Answers, request_bytes, send_all
from crashes.management.benchmarks.machines import (
    Fleet,
    cpu_seconds,
    folder_bytes,
    free_port,
    python,
    run,
    wait_until,
)
from crashes.management.benchmarks.terms import Terms, Unavailable
from crashes.management.client import UploadClient
from crashes.management.fleet.population import enrollment_of

LOCAL_DATABASE_URL = "postgresql://postgres@127.0.0.1:5432/postgres"
LOCAL_REDIS_URL = "redis://127.0.0.1:6379"
_READY_SECONDS = 60.0
_SETTLED_SECONDS = 180.0
_UNLIMITED = {  # the budgets would answer 429 or count without storing; here everything counts
    "UXP_DEVICE_REPORTS_PER_DAY": "1000000000",
    "UXP_PROGRAM_REPORTS_PER_SECOND": "1000000000",
    "UXP_SIGNATURE_REPORTS_PER_DAY": "1000000000",
}
_WAITING = "SELECT count(*) FROM crashes_report WHERE state IN ('received', 'leased')"
_STATES = "SELECT state, count(*) FROM crashes_report GROUP BY state"


class Store(Protocol):
    """The database, seen from outside."""

    def ask(self, query: str) -> list[tuple[Any, ...]]:
        """The rows of a query."""

    def size_bytes(self) -> int:
        """What it takes on disk, with everything in its main file."""

    def cpu_seconds(self) -> float:
        """What servers of its own have used so far."""


@dataclass(frozen=True, slots=True)
class SqliteStore:
    """The embedded platform's file."""

    path: Path

    def ask(self, query: str) -> list[tuple[Any, ...]]:
        """The rows of a query."""
        connection = sqlite3.connect(f"file:{self.path}?mode=ro", uri=True, timeout=10)
        try:
            return connection.execute(query).fetchall()
        finally:
            connection.close()

    def size_bytes(self) -> int:
        """The size of the file; what still waits in the log is moved into it first."""
        connection = sqlite3.connect(self.path, timeout=10)
        try:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        finally:
            connection.close()
        return self.path.stat().st_size

    def cpu_seconds(self) -> float:
        """Nothing: it works inside our own processes."""
        return 0.0


@dataclass(frozen=True, slots=True)
class PostgresStore:
    """A database of its own on a server that others may use, with the Redis that goes with it."""

    url: str
    redis_url: str

    def ask(self, query: str) -> list[tuple[Any, ...]]:
        """The rows of a query."""
        with psycopg.connect(self.url) as connection:
            return connection.execute(query.encode()).fetchall()

    def size_bytes(self) -> int:
        """The size of the database with its indexes, dead rows included."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute("VACUUM")
            row = connection.execute("SELECT pg_database_size(current_database())").fetchone()
        return int(row[0]) if row else 0

    def cpu_seconds(self) -> float:
        """Its sessions that live, where they run on this machine, and Redis by its own account."""
        name = urlsplit(self.url).path.lstrip("/")
        with redis.Redis.from_url(self.redis_url) as client:
            said = client.info("cpu")
        of_redis = float(said["used_cpu_user"]) + float(said["used_cpu_sys"])
        return cpu_seconds(_sessions(name)) + of_redis


def _sessions(database: str) -> Iterator[int]:
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            title = path.read_text(errors="replace")
        except OSError:
            continue
        if title.startswith("postgres:") and f" {database} " in title:
            yield int(path.parent.name)


@dataclass(slots=True)
class Platform:
    """A running platform and the phones that are enrolled in it."""

    folder: Path
    fleet: Fleet
    store: Store
    port: int
    tokens: Mapping[int, str] = field(default_factory=dict)
    key: str = ""
    program: int = 0

    def send(self, requests: list[bytes], *, per_second: float | None = None) -> Answers:
        """Send requests. Raises Unavailable when the platform does not take them all."""
        answers = send_all(requests, port=self.port, per_second=per_second)
        if answers.good != len(requests):
            raise Unavailable(f"answers were {dict(answers.statuses)}: {answers.last_body[:200]!r}")
        return answers

    def requests(self, corpus: Corpus, count: int) -> list[bytes]:
        """`count` uploads of new reports, each by its own phone."""
        return [
            request_bytes(
                "/api/v1/reports/",
                body,
                port=self.port,
                headers={
                    "Authorization": f"Bearer {self.tokens[report.device.number]}",
                    "Content-Type": "application/json",
                    "Content-Encoding": "gzip",
                },
            )
            for report, body in corpus.packed_bodies(count)
        ]

    def waiting(self) -> int:
        """Reports that are not settled yet."""
        return int(self.store.ask(_WAITING)[0][0])

    def drain(self) -> None:
        """Wait until nothing waits. Raises Unavailable."""
        wait_until(lambda: self.waiting() == 0, seconds=_SETTLED_SECONDS, pause=0.02)

    def states(self) -> dict[str, int]:
        """How many reports are in which state."""
        return {state: int(count) for state, count in self.store.ask(_STATES)}

    def cpu_seconds(self) -> float:
        """All processes of the platform, and the servers behind it."""
        return cpu_seconds(self.fleet.pids()) + self.store.cpu_seconds()

    def stored_bytes(self) -> int:
        """Database and blobs. The spool is empty once everything is settled."""
        return self.store.size_bytes() + folder_bytes(self.folder / "blobs")

    @property
    def workers(self) -> list[str]:
        """The names of the processes that digest."""
        return [name for name in self.fleet.processes if name != "web"]


@contextmanager
def embedded(
    terms: Terms, corpus: Corpus, *, changes: Mapping[str, str] | None = None
) -> Iterator[Platform]:
    """SQLite, files, our own workers."""
    folder = terms.folder / "embedded"
    store = SqliteStore(folder / "uxp.sqlite3")
    workers = {f"worker-{number}": _work(number) for number in range(settings.EMBEDDED_WORKERS)}
    with _running(folder, {**(changes or {})}, store, workers, corpus) as platform:
        yield platform


def _work(number: int) -> list[str]:
    return python("manage.py", "work", *(["--reconcile"] if number == 0 else []))


@contextmanager
def production(terms: Terms, corpus: Corpus) -> Iterator[Platform]:
    """PostgreSQL, Redis, Celery. Raises Unavailable where one of the servers is missing."""
    folder = terms.folder / "production"
    folder.mkdir(parents=True)
    postgres_url = _find_postgres(terms.database_url)
    with _redis(terms.redis_url, folder) as redis_url, _fresh_database(postgres_url) as url:
        changes = {
            "DATABASE_URL": url,
            "REDIS_URL": redis_url,
            "SECRET_KEY": uuid4().hex * 2,
            "UXP_IDENTITY_KEYS": f"1:{uuid4().hex}",
            "UXP_RECEIPT_KEY": uuid4().hex,
            "UXP_SEALING_KEYS": f"1:{uuid4().hex}",
            "UXP_SPOOL_KEYS": f"1:{uuid4().hex * 2}",
        }
        celery = python(
            "-m", "celery", "-A", "uxp_diag.celery", "worker", "-Q", "reports,symbols",
            "-c", "2", "-l", "warning", "-B", "-s", str(folder / "beat"),
        )  # fmt: skip
        store = PostgresStore(url, redis_url)
        with _running(folder, changes, store, {"celery": celery}, corpus) as platform:
            yield platform


@contextmanager
def _running(
    folder: Path,
    changes: dict[str, str],
    store: Store,
    workers: Mapping[str, list[str]],
    corpus: Corpus,
) -> Iterator[Platform]:
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    changes |= _UNLIMITED
    changes |= {"UXP_DATA_DIR": str(folder), "PORT": str(port), "UXP_LOG_LEVEL": "WARNING"}
    run(python("manage.py", "migrate", "-v0"), changes=changes)
    shown = run(python("manage.py", "issue_token", "--ingest-key"), changes=changes)
    access = json.loads(shown.output)
    with Fleet(folder, changes) as fleet:
        platform = Platform(
            folder, fleet, store, port, key=access["ingest_key"], program=access["program"]
        )
        fleet.start("web", python("manage.py", "web", "--port", str(port)))
        await_port(fleet, port)
        platform.tokens = _enroll(platform, corpus)
        for name, command in workers.items():
            fleet.start(name, command)
        yield platform


def await_port(fleet: Fleet, port: int) -> None:
    """Wait until a server answers. Raises Unavailable with its last words."""
    probe = f"GET /health/live HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode()

    def answers() -> bool:
        if any(process.poll() is not None for process in fleet.processes.values()):
            raise Unavailable(f"a process ended: {fleet.last_words()}")
        try:
            return bool(send_all([probe], port=port, connections=1).statuses)
        except OSError:
            return False

    wait_until(answers, seconds=_READY_SECONDS)


def _enroll(platform: Platform, corpus: Corpus) -> dict[int, str]:
    now = timezone.now()
    numbers = {report.device.number for report in corpus.reports}
    tokens = {}
    with UploadClient(f"http://127.0.0.1:{platform.port}") as client:
        for device in corpus.devices:
            if device.number not in numbers:
                continue
            answer = client.enroll(enrollment_of(device, given_at=now), key=platform.key)
            if not answer.is_ok:
                raise Unavailable(f"a phone was not enrolled: {answer.status} {answer.code}")
            tokens[device.number] = str(answer.document["device_token"])
    return tokens


def _find_postgres(url: str) -> str:
    url = url or LOCAL_DATABASE_URL
    try:
        psycopg.connect(url, connect_timeout=3).close()
    except psycopg.OperationalError:
        raise Unavailable(f"no PostgreSQL at {_place(url)} that lets us in") from None
    return url


@contextmanager
def _redis(url: str, folder: Path) -> Iterator[str]:
    """The given Redis; else a server of our own; else an empty database of a local one."""
    program = shutil.which("redis-server")
    if url or program is None:
        yield url or _empty_local_redis()
        return
    port = free_port()
    command = [
        program,
        "--port",
        str(port),
        "--bind",
        "127.0.0.1",
        "--save",
        "",
        "--dir",
        str(folder),
    ]
    with Fleet(folder, {}) as fleet:
        fleet.start("redis", command)
        yield f"redis://127.0.0.1:{port}/0"


def _empty_local_redis() -> str:
    for number in range(14, 0, -1):
        url = f"{LOCAL_REDIS_URL}/{number}"
        try:
            with redis.Redis.from_url(url, socket_connect_timeout=3) as client:
                if client.dbsize() == 0:
                    return url
        except redis.RedisError:
            break
    raise Unavailable(f"no redis-server, and no Redis at {_place(LOCAL_REDIS_URL)} with room")


def _place(url: str) -> str:
    """Host and port of a URL, without its password."""
    parts = urlsplit(url)
    return f"{parts.hostname or 'localhost'}:{parts.port or '?'}"


@contextmanager
def _fresh_database(url: str) -> Iterator[str]:
    """A new database beside the given one, dropped afterwards."""
    name = f"uxp_bench_{uuid4().hex[:8]}"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    try:
        yield urlunsplit(urlsplit(url)._replace(path=f"/{name}"))
    finally:
        with psycopg.connect(url, autocommit=True) as connection:
            drop = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)")
            connection.execute(drop.format(sql.Identifier(name)))


@contextmanager
def bare(terms: Terms) -> Iterator[tuple[Fleet, int]]:
    """The ceiling of `bare`, behind the same server with the same settings."""
    folder = terms.folder / "bare"
    files = folder / "files"
    files.mkdir(parents=True)
    port = free_port()
    bare_application = "crashes.management.benchmarks.bare:application"
    command = python("manage.py", "web", "--port", str(port), "--application", bare_application)
    with Fleet(folder, {"UXP_DATA_DIR": str(files)}) as fleet:
        fleet.start("bare", command)
        await_port(fleet, port)
        yield fleet, port
        shutil.rmtree(files, ignore_errors=True)
