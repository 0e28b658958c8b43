"""Where the servers of the tests are: PostgreSQL, Redis.

`UXP_TEST_DATABASE_URL` and `UXP_TEST_REDIS_URL` say it; without them the standard local ports are
tried. Whoever finds nothing gets a sentence that says what was looked for.
"""

import contextlib
import fcntl
import os
import random
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg
import redis
from psycopg import sql

DEFAULT_DATABASE_URL = "postgresql://postgres@127.0.0.1:5432/postgres"
DEFAULT_REDIS_URL = "redis://127.0.0.1:6379"
_START_SECONDS = 20.0


class ServerMissing(Exception):
    """There is no such server; the text is the reason to show."""


def find_postgres() -> str:
    """The URL of a database whose role may create databases. Raises ServerMissing."""
    url = os.environ.get("UXP_TEST_DATABASE_URL") or DEFAULT_DATABASE_URL
    try:
        psycopg.connect(url, connect_timeout=5).close()
    except psycopg.OperationalError as error:
        raise ServerMissing(f"PostgreSQL: no server at {_place(url)}{_why(error)}") from None
    return url


def _why(error: psycopg.OperationalError) -> str:
    """What stands between us and a server that is there; nothing when there is none."""
    _, is_there, reason = str(error).partition("FATAL: ")
    return f" that lets us in ({reason.strip()})" if is_there else ""


def _place(url: str) -> str:
    """Host and port of a URL, without its password."""
    parts = urlsplit(url)
    return f"{parts.hostname or 'localhost'}:{parts.port or '?'}"


@contextlib.contextmanager
def fresh_database(url: str, name: str, *, template: str = "template1") -> Iterator[str]:
    """The URL of a new database beside the one in `url`; it is dropped afterwards.

    It is empty, or a copy of the database `template`, to which nobody may be connected.
    """
    create = sql.SQL("CREATE DATABASE {} TEMPLATE {}")
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(create.format(sql.Identifier(name), sql.Identifier(template)))
    try:
        yield urlunsplit(urlsplit(url)._replace(path=f"/{name}"))
    finally:
        with psycopg.connect(url, autocommit=True) as connection:
            drop = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)")
            connection.execute(drop.format(sql.Identifier(name)))


@contextlib.contextmanager
def claimed_redis() -> Iterator[str]:
    """The URL of an empty Redis database that nobody else uses meanwhile. Raises ServerMissing.

    It is emptied again afterwards. A URL that the environment names is taken as it is, and tests
    that run beside this one take turns; on a server that was merely found, only an empty numbered
    database will do.
    """
    given = os.environ.get("UXP_TEST_REDIS_URL")
    if given:
        with _redis_at(given), _claim(given, wait=True):
            yield given
            empty_redis(given)
            return
    for number in range(15, 0, -1):
        url = f"{DEFAULT_REDIS_URL}/{number}"
        with _redis_at(url) as client, _claim(url, wait=False) as is_ours:
            if is_ours and client.dbsize() == 0:
                yield url
                empty_redis(url)
                return
    raise ServerMissing(f"Redis: every database at {_place(DEFAULT_REDIS_URL)} is in use")


@contextlib.contextmanager
def _claim(url: str, *, wait: bool) -> Iterator[bool]:
    """Whether the database is ours, among the test processes of this machine, for this long."""
    name = f"uxp-test-redis-{_place(url)}-{urlsplit(url).path.strip('/') or '0'}.lock"
    path = Path(tempfile.gettempdir()) / name.replace(":", "-")
    try:
        lock = path.open("a")
    except PermissionError:  # another user's
        yield wait
        return
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True


@contextlib.contextmanager
def _redis_at(url: str) -> "Iterator[redis.Redis]":
    client = redis.Redis.from_url(url, socket_connect_timeout=5)
    try:
        client.ping()
        yield client
    except redis.ConnectionError:
        raise ServerMissing(f"Redis: no server at {_place(url)}") from None
    finally:
        client.close()


def empty_redis(url: str) -> None:
    """Remove every key of the database in the URL."""
    with _redis_at(url) as client:
        client.flushdb()


def free_port() -> int:
    """A TCP port of this machine that nobody listens on.

    It lies below those that the system gives to clients, or a connection of a test that runs
    beside this one could have it before the server does.
    """
    while True:
        port = random.SystemRandom().randrange(16_000, 32_000)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


@dataclass(slots=True)
class OwnRedis:
    """A Redis server of the test's own, which it may stop and start again."""

    program: str
    folder: Path = field(default_factory=lambda: Path(tempfile.mkdtemp(prefix="uxp-redis-")))
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where it listens, or would."""
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """Start it and wait until it answers. Raises ServerMissing."""
        arguments = ["--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.folder)]
        arguments += ["--save", "", "--appendonly", "no", "--logfile", str(self.folder / "log")]
        self.process = subprocess.Popen([self.program, *arguments])
        deadline = time.monotonic() + _START_SECONDS
        while True:
            try:
                return empty_redis(self.url)
            except ServerMissing:
                if time.monotonic() > deadline or self.process.poll() is not None:
                    raise
                time.sleep(0.02)

    def stop(self) -> None:
        """End it at once, as a machine does that loses power."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def remove(self) -> None:
        """Stop it and forget its folder."""
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)
