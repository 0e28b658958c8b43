"""The web server of every shape: granian in front of the WSGI application.

This is the only place that knows which server runs; see docs/adr/0004.
"""

import resource
import sys

from django.conf import settings

from uxp_diag.env import env_str
from uxp_diag.spool_keys import without_private_keys

APPLICATION = "uxp_diag.wsgi:application"

POOL_SIZE = 12
"""Connections to PostgreSQL per web process; request threads hold one only while they query."""


_MOST_OPEN_FILES = 65_536
_DEFAULTS = {
    "UXP_DATABASE_POOL": str(POOL_SIZE),
    # Else glibc learns from large bodies to keep their memory, once per thread's arena.
    "MALLOC_MMAP_THRESHOLD_": str(1 << 20),
}


def web_environment() -> dict[str, str]:
    """The server's environment beside what it inherits: its defaults, and no key of the spool."""
    defaults = {name: env_str(name, value) for name, value in _DEFAULTS.items()}
    return defaults | without_private_keys(settings.SPOOL_PUBLIC_KEY)


def allow_open_files() -> None:
    """Let this process and those it starts open as many files as the machine allows.

    A slow phone holds a socket and, on SQLite, a database file; the usual 1,024 are less than two
    for each of the server's threads.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = _MOST_OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, _MOST_OPEN_FILES)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def web_command(*, host: str, port: int, application: str = APPLICATION) -> list[str]:
    """The server's command line; `bench` measures another application in the same server."""
    return [
        sys.executable, "-m", "granian",
        "--interface", "wsgi",
        "--host", host,
        "--port", str(port),
        "--http", "1",
        "--no-ws",
        "--workers", str(settings.WEB_WORKERS),
        "--blocking-threads", str(settings.WEB_THREADS),
        "--backlog", "2048",
        "--http1-header-read-timeout", "10000",
        "--workers-kill-timeout", "10s",
        "--respawn-failed-workers",
        "--log-level", "error",  # it warns of our many threads, which wait for slow phones
        application,
    ]  # fmt: skip
