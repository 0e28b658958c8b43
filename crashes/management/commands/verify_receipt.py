"""`manage.py verify_receipt FILE`: is a receipt of erasure what we signed. Needs no database."""

import json
import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from devices.receipts import BadReceipt, public_key_of, signing_key, verify

_MOST_BYTES = 1 << 20


class Command(BaseCommand):
    """Verify receipts."""

    help = "Verify a receipt of erasure; exits with 1 if anything in it was changed."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Which receipt, and whose."""
        parser.add_argument(
            "file",
            nargs="?",
            default="-",
            help="a receipt, or the answer it came in; - or none is stdin",
        )
        parser.add_argument(
            "--public-key",
            metavar="KEY",
            help="the public key it must be signed with; `any` takes the receipt's own. "
            "Default: this installation's",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Verify, and print what the receipt says."""
        del args
        expected = options["public_key"] or public_key_of(signing_key(settings.RECEIPT_KEY))
        try:
            content = verify(
                _read(options["file"]), public_key=None if expected == "any" else expected
            )
        except BadReceipt as problem:
            self.stdout.write(json.dumps({"valid": False, "reason": str(problem)}))
            raise CommandError(str(problem), returncode=1) from None
        self.stdout.write(json.dumps({"valid": True, "receipt": content}, ensure_ascii=False))


def _read(name: str) -> Any:
    """The receipt in a file, bare or as `receipt` of an API answer. Raises BadReceipt."""
    try:
        text = sys.stdin.buffer.read(_MOST_BYTES) if name == "-" else Path(name).read_bytes()
        given = json.loads(text)
    except OSError as problem:
        raise CommandError(str(problem)) from problem
    except (ValueError, RecursionError):
        raise BadReceipt("This is not a receipt.") from None
    if isinstance(given, dict) and "request_id" in given and "receipt" in given:
        return given["receipt"]
    return given
