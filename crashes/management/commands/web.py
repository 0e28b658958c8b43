"""The web server of every shape: granian in front of the WSGI application.

This is the only place that knows which server runs; see docs/adr/0004.
"""

import os
import sys
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

_POOL_SIZE = 12
"""Connections to PostgreSQL per web process; request threads hold one only while they query."""


def web_command(*, host: str, port: int) -> list[str]:
    """The server's command line."""
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
        "uxp_diag.wsgi:application",
    ]  # fmt: skip


class Command(BaseCommand):
    """Serve pages and API."""

    help = "Serve pages and API (the process becomes the web server)."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Where to listen."""
        parser.add_argument("--host", default=settings.BIND)
        parser.add_argument("--port", type=int, default=settings.PORT)

    def handle(self, *args: Any, **options: Any) -> None:
        """Become the server."""
        del args
        command = web_command(host=options["host"], port=options["port"])
        os.environ.setdefault("UXP_DATABASE_POOL", str(_POOL_SIZE))
        os.execv(command[0], command)  # noqa: S606  no shell is wanted
