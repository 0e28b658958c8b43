"""`manage.py privacy_register`: the record of processing activities, made from the register."""

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from crashes.register import REGISTER, outdated, record, unregistered
from crashes.selectors.register import stored_fields


class Command(BaseCommand):
    """Print the register."""

    help = "Print what is stored, for what, how long and who reads it, as JSON (Art. 30 GDPR)."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Whether to compare only."""
        parser.add_argument(
            "--check",
            action="store_true",
            help="only compare the register with the database; fails if they differ",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Print it, or what it lacks."""
        del args
        stored = stored_fields()
        wrong = unregistered(REGISTER, stored) + outdated(REGISTER, stored)
        if wrong:
            raise CommandError(f"The register and the tables differ: {', '.join(sorted(wrong))}.")
        if options["check"]:
            self.stdout.write(json.dumps({"fields": sum(map(len, stored.values())), "missing": 0}))
        else:
            self.stdout.write(json.dumps(record(REGISTER), ensure_ascii=False, indent=1))
