"""`manage.py issue_token`: an API token for staff scripts and CI, shown once."""

import json
from argparse import ArgumentParser
from datetime import timedelta
from typing import Any

from django.core.management.base import CommandError
from django.utils import timezone

from devices.services.access import (
    UnknownScope,
    get_or_create_ingest_key,
    get_or_create_program,
    issue_api_token,
)
from uxp_diag.commands import DatabaseCommand
from uxp_diag.roles import TOKEN_SCOPES


class Command(DatabaseCommand):
    """Issue a token or show an ingest key."""

    help = "Issue an API token with scopes, or show a program's ingest key."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """What for, and for how long."""
        parser.add_argument("--program", default="User Experience Program")
        parser.add_argument("--label", default="command line")
        parser.add_argument(
            "--scope",
            action="append",
            default=[],
            choices=sorted(TOKEN_SCOPES),
            help="repeat for several scopes",
        )
        parser.add_argument(
            "--days", type=int, default=90, help="how long it is good for (1 to 90)"
        )
        parser.add_argument("--ingest-key", action="store_true", help="an ingest key instead")

    def handle(self, *args: Any, **options: Any) -> None:
        """Print one JSON line."""
        del args
        now = timezone.now()
        program = get_or_create_program(options["program"], now=now)
        if options["ingest_key"]:
            key = get_or_create_ingest_key(program, label=options["label"], now=now)
            self._print({"program": program.pk, "ingest_key": key.key})
            return
        if not options["scope"]:
            raise CommandError("Name at least one --scope.")
        if not 1 <= options["days"] <= 90:  # noqa: PLR2004
            raise CommandError("--days must lie between 1 and 90.")
        try:
            token = issue_api_token(
                program,
                label=options["label"],
                scopes=options["scope"],
                now=now,
                lifetime=timedelta(days=options["days"]),
            )
        except UnknownScope as problem:
            raise CommandError(str(problem)) from None
        self._print({"program": program.pk, "token": token, "scopes": options["scope"]})

    def _print(self, document: dict[str, Any]) -> None:
        self.stdout.write(json.dumps(document))
