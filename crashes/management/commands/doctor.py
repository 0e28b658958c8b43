"""`manage.py doctor`: what is wrong with this installation, and what to do about it."""

import json
import sys
from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand

from crashes.management.doctor import State, examine
from crashes.management.doctor.machine import (
    check_configuration,
    check_disk,
    check_hosts,
    check_sandbox,
    check_tools,
)
from crashes.management.doctor.stores import check_database, check_keys, check_redis

CHECKS = (
    ("configuration", check_configuration),
    ("residency", check_hosts),
    ("keys", check_keys),
    ("disk", check_disk),
    ("database", check_database),
    ("redis", check_redis),
    ("sandbox", check_sandbox),
    ("symbolication", check_tools),
)


class Command(BaseCommand):
    """Look at everything, and say what to do."""

    help = "Check configuration, keys, disk, database, clock, Redis and sandbox; 1 if one fails."
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        """How to answer."""
        parser.add_argument("--json", action="store_true", help="print one JSON document")

    def handle(self, *args: Any, **options: Any) -> None:
        """One line per finding; the exit code is 1 if something failed."""
        del args
        findings = examine(CHECKS)
        if options["json"]:
            self.stdout.write(json.dumps([asdict(it) for it in findings], ensure_ascii=False))
        else:
            for it in findings:
                advice = f". {it.advice}" if it.advice else ""
                self.stdout.write(f"{it.state:8} {it.part:14} {it.seen}{advice}")
        if any(it.state is State.FAILED for it in findings):
            sys.exit(1)
