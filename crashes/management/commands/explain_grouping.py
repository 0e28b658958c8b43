"""`manage.py explain_grouping REPORT`: why a report is in its issue."""

import json
import uuid
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError

from crashes.packing import UnreadablePack
from crashes.selectors.grouping import get_grouping_receipts
from uxp_diag.commands import DatabaseCommand, words_or_stdin


class Command(DatabaseCommand):
    """Print the receipt of a grouping decision."""

    help = "Tell, step by step, why a report is in its issue (one JSON line per report)."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Which reports."""
        parser.add_argument(
            "report_ids", nargs="*", metavar="REPORT", help="a report id; without any, from stdin"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Print what was written down when the report was grouped."""
        del args
        for text in words_or_stdin(options["report_ids"]):
            try:
                report_id = uuid.UUID(text)
            except ValueError:
                raise CommandError(f"{text} is no report id.") from None
            try:
                receipts = get_grouping_receipts(report_id)
            except UnreadablePack:
                raise CommandError(f"What is kept of report {text} is damaged.") from None
            if not receipts:
                raise CommandError(f"There is no report {text}.")
            for receipt in receipts:
                self.stdout.write(json.dumps(receipt, ensure_ascii=False))
