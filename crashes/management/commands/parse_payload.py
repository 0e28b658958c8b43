"""`manage.py parse_payload`: what the platform reads out of one payload.

The payload goes through the same sandboxed parser as an uploaded one. No database is needed.
"""

import json
import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from crashes.services.sandboxes import sandbox
from crashes.stack import PayloadFormat
from uxp_diag.sandbox import JobRefused, SandboxFailure

_AUTO = "auto"
_FORMATS = [_AUTO, *(item.value for item in PayloadFormat if item is not PayloadFormat.NONE)]


class Command(BaseCommand):
    """Parse payload files."""

    help = (
        "Print the crash object of each payload, one JSON line per file. A payload that cannot be "
        'read prints {"error": {"code", "detail", "where"}} and the exit status is 1.'
    )
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Which files, in which format."""
        parser.add_argument("--format", default=_AUTO, choices=_FORMATS)
        parser.add_argument("--pretty", action="store_true", help="indent the JSON")
        parser.add_argument(
            "files", nargs="*", metavar="FILE", help="a payload; - or none is stdin"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Parse every file."""
        del args
        failed = False
        for name in options["files"] or ["-"]:
            document = _parse(_read(name), options["format"])
            failed |= "error" in document
            indent = 2 if options["pretty"] else None
            self.stdout.write(json.dumps(document, ensure_ascii=False, indent=indent))
        if failed:
            sys.exit(1)


def _read(name: str) -> bytes:
    if name == "-":
        return sys.stdin.buffer.read()
    try:
        return Path(name).read_bytes()
    except OSError as error:
        raise CommandError(f"{name}: {error.strerror}") from None


def _parse(payload: bytes, payload_format: str) -> dict[str, Any]:
    try:
        if payload_format == _AUTO:
            found = sandbox().run("crashes.formats.jobs:sniff_job", payload)
            if found is None:
                return _error("unknown_format", "The payload looks like none of our formats.")
            payload_format = found
        crash: dict[str, Any] = sandbox().run(
            "crashes.formats.jobs:parse_job", payload_format, payload
        )
    except JobRefused as problem:
        return _error(problem.code, problem.detail, problem.where)
    except SandboxFailure as problem:
        return _error(f"sandbox_{problem.reason.value}", problem.detail)
    return crash


def _error(code: str, detail: str, where: str | None = None) -> dict[str, Any]:
    return {"error": {"code": code, "detail": detail, "where": where}}
