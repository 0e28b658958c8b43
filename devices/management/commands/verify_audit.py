"""`manage.py verify_audit`: whether the record of who looked at what is as it was written."""

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError

from devices.selectors.audit import audit_head, verify_audit
from uxp_diag.commands import DatabaseCommand


class Command(DatabaseCommand):
    """Verify the audit."""

    help = "Check the chain of the audit; prints its head as JSON, or names the first bad entry."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """What to compare with."""
        parser.add_argument(
            "--head",
            metavar="NUMBER:HASH",
            help="a head that was printed earlier and kept on another machine",
        )
        parser.add_argument(
            "--only-head", action="store_true", help="print the head without checking, to keep it"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Check it."""
        del args
        if options["only_head"]:
            number, known = audit_head()
            self.stdout.write(json.dumps({"head": f"{number}:{known}"}))
            return
        verdict = verify_audit(head=_head(options["head"]))
        if verdict.bad_number is not None:
            raise CommandError(f"Audit entry {verdict.bad_number} is bad: {verdict.problem}.")
        head = f"{verdict.head_number}:{verdict.head_hash}"
        self.stdout.write(json.dumps({"valid": True, "entries": verdict.entries, "head": head}))


def _head(text: str | None) -> tuple[int, str] | None:
    if text is None:
        return None
    number, _, known = text.partition(":")
    if not number.isdigit():
        raise CommandError("A head looks like 12:9f86d081….")
    return int(number), known
