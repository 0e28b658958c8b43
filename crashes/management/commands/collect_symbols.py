"""`manage.py collect_symbols --older-than DAYS`: debug files that nobody needs make room."""

import json
from argparse import ArgumentParser
from datetime import timedelta
from typing import Any

from django.core.management.base import CommandError
from django.utils import timezone

from crashes.services.collecting import collect_debug_files
from uxp_diag.commands import DatabaseCommand


class Command(DatabaseCommand):
    """Drop unused debug files."""

    help = (
        "Drop debug files that were not used for a number of days and that no report of an open "
        "or muted issue names. Prints one JSON line per file."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """How long unused, and whether only to tell."""
        parser.add_argument(
            "--older-than", type=int, required=True, metavar="DAYS", help="unused for so many days"
        )
        parser.add_argument("--dry-run", action="store_true", help="tell, and drop nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        """Drop, and tell what and how much."""
        del args
        if options["older_than"] < 1:
            raise CommandError("--older-than wants one day or more.")
        count = total = 0
        for gone in collect_debug_files(
            older_than=timedelta(days=options["older_than"]),
            now=timezone.now(),
            is_rehearsal=options["dry_run"],
        ):
            count, total = count + 1, total + gone.size_bytes
            line = {
                "build_id": gone.build_id,
                "name": gone.name,
                "size_bytes": gone.size_bytes,
                "last_used_at": gone.last_used_at and gone.last_used_at.isoformat(),
            }
            self.stdout.write(json.dumps(line))
        verb = "would go" if options["dry_run"] else "went"
        self.stderr.write(f"{count} debug files {verb}, {total / 1e6:.1f} MB")
