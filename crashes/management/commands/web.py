"""`manage.py web`: the web server."""

import os
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from crashes.management.webserver import (
    APPLICATION,
    allow_open_files,
    web_command,
    web_environment,
)


class Command(BaseCommand):
    """Serve pages and API."""

    help = "Serve pages and API (the process becomes the web server)."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Where to listen."""
        parser.add_argument("--host", default=settings.BIND)
        parser.add_argument("--port", type=int, default=settings.PORT)
        parser.add_argument("--application", default=APPLICATION, help="another WSGI application")

    def handle(self, *args: Any, **options: Any) -> None:
        """Become the server."""
        del args
        command = web_command(
            host=options["host"], port=options["port"], application=options["application"]
        )
        allow_open_files()
        os.environ.update(web_environment())
        os.execv(command[0], command)  # noqa: S606  no shell is wanted
