"""`manage.py fetch_debug_files`: ask the debuginfod servers of the settings for what is missing."""

import json
import logging
import signal
import threading
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError
from django.db import InterfaceError, OperationalError
from django.utils import timezone

from crashes.services.debuginfod_client import BadServerAddress
from crashes.services.fetching import fetch_missing_debug_files, upstream_client
from crashes.tasks import FETCHED_AT_ONCE, ring_symbols
from uxp_diag.commands import DatabaseCommand

logger = logging.getLogger(__name__)


class Command(DatabaseCommand):
    """Fetch once, or again and again."""

    help = (
        "Ask the servers in UXP_DEBUGINFOD_URLS for the build ids that most reports wait for. "
        "Prints one JSON line per build id that was asked."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """How many, how often."""
        parser.add_argument(
            "--limit", type=int, default=FETCHED_AT_ONCE, help="how many build ids to ask for"
        )
        parser.add_argument(
            "--every", type=float, metavar="SECONDS", help="do it again and again, until stopped"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Ask, tell, perhaps wait and ask again."""
        del args
        if not settings.DEBUGINFOD_URLS:
            raise CommandError("UXP_DEBUGINFOD_URLS names no server.")
        try:
            upstream_client()
        except BadServerAddress as problem:
            raise CommandError(f"UXP_DEBUGINFOD_URLS: {problem}") from None
        if options["every"] is None:
            self._fetch(options["limit"])
            return
        stopped = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stopped.set())
        while not stopped.is_set():
            try:
                self._fetch(options["limit"])
            except (OperationalError, InterfaceError):
                logger.exception("the database did not take part; trying again")
            stopped.wait(options["every"])

    def _fetch(self, limit: int) -> None:
        for fetched in fetch_missing_debug_files(
            upstream_client(), limit=limit, now=timezone.now()
        ):
            for registration in fetched.registrations:
                ring_symbols(registration.debug_file.pk)
            line = {
                "build_id": fetched.build_id,
                "reports": fetched.reports,
                "files": [one.debug_file.kind for one in fetched.registrations],
                "from": fetched.host or None,
            }
            self.stdout.write(json.dumps(line))
