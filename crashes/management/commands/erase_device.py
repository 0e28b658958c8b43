"""`manage.py erase_device DEVICE`: erase one device for its owner, and print the signed receipt."""

import json
import uuid
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError
from django.utils import timezone

from crashes.services.erasing import erase_waiting
from devices.audit import Action
from devices.selectors.erasures import find_erasure
from devices.services.audit import record_command
from devices.services.erasure import OPERATOR, UnknownDevice, request_erasure
from uxp_diag.commands import DatabaseCommand, words_or_stdin


class Command(DatabaseCommand):
    """Erase devices."""

    help = "Erase all data of devices, by device id; prints one signed receipt per line."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Which ones."""
        parser.add_argument(
            "device_ids", nargs="*", metavar="DEVICE", help="a device id; without any, from stdin"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Erase them, one after the other."""
        del args
        for text in words_or_stdin(options["device_ids"]):
            try:
                request_id = request_erasure(uuid.UUID(text), reason=OPERATOR, now=timezone.now())
            except ValueError:
                raise CommandError(f"{text} is no device id.") from None
            except UnknownDevice:
                raise CommandError(f"There is no device {text}.") from None
            record_command(Action.ERASURE, subject=str(request_id), count=1, now=timezone.now())
            while True:
                found = find_erasure(request_id)
                if found is not None and found.receipt is not None:
                    self.stdout.write(json.dumps(found.receipt, ensure_ascii=False))
                    break
                if not erase_waiting(now=timezone.now()):
                    raise CommandError(f"A worker is erasing {text} right now; ask again.")
