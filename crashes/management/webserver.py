"""The web server of every shape: granian in front of the WSGI application.

This is the only place that knows which server runs; see docs/adr/0004.
"""

import sys

from django.conf import settings

APPLICATION = "uxp_diag.wsgi:application"

POOL_SIZE = 12
"""Connections to PostgreSQL per web process; request threads hold one only while they query."""


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
