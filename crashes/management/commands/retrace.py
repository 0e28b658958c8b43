"""`manage.py retrace`: the original names of an obfuscated Java stack.

Prints what R8's own retrace prints for the same mapping and stack; no database is needed.
"""

import gc
import json
import sys
from argparse import ArgumentParser
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from crashes.symbolication.retrace.errors import MalformedMapping
from crashes.symbolication.retrace.frames import RetracedCall
from crashes.symbolication.retrace.retracer import Retracer
from crashes.symbolication.retrace.text import RetracedLine, split_lines

_STDIN = "-"


class Command(BaseCommand):
    """Retrace files."""

    help = (
        "Print obfuscated Java stack traces with their original names. A line may become several "
        "(inlined calls, <OR> before what it may have been as well) or none (calls that only the "
        "compiler knows); what is no stack line stays as it is."
    )
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Which mapping, which stacks, in which form."""
        parser.add_argument(
            "--mapping", required=True, metavar="MAPPING", help="mapping.txt of R8 or ProGuard"
        )
        parser.add_argument("--verbose", action="store_true", help="show the types of methods")
        parser.add_argument(
            "--json",
            action="store_true",
            help='one JSON line per line of input: {"obfuscated", "retraced": [lines], '
            '"alternatives": [[{"function", "signature", "line"}, ...], ...]}',
        )
        parser.add_argument(
            "files", nargs="*", default=[_STDIN], metavar="FILE", help="stack traces; - is stdin"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Retrace every file."""
        del args
        retracer = _retracer(options["mapping"])
        show = _json_lines if options["json"] else _text_lines
        # Whatever is made here lives to the end, so looking for garbage would find none.
        gc.disable()
        try:
            for name in options["files"]:
                lines = split_lines(_read(name))
                retraced = retracer.retrace_lines(lines, verbose=options["verbose"])
                text = "".join(f"{line}\n" for line in show(lines, retraced))
                self.stdout.write(text, ending="")
        finally:
            gc.enable()


def _retracer(path: str) -> Retracer:
    try:
        return Retracer(Path(path))
    except OSError as error:
        raise CommandError(f"{path}: {error.strerror}") from None
    except MalformedMapping as problem:
        raise CommandError(f"{path}: {problem}") from None


def _read(name: str) -> str:
    try:
        data = sys.stdin.buffer.read() if name == _STDIN else Path(name).read_bytes()
    except OSError as error:
        raise CommandError(f"{name}: {error.strerror}") from None
    return data.decode("utf-8", "replace")


def _text_lines(_lines: list[str], retraced: Iterator[RetracedLine]) -> Iterator[str]:
    for item in retraced:
        yield from item.retraced


def _json_lines(lines: list[str], retraced: Iterator[RetracedLine]) -> Iterator[str]:
    for line, item in zip(lines, retraced, strict=True):
        answer = item.answer
        alternatives = [] if answer is None else answer.alternatives
        document = {
            "obfuscated": line,
            "retraced": item.retraced,
            "alternatives": [[_call_json(call) for call in calls] for calls in alternatives],
        }
        yield json.dumps(document, ensure_ascii=False)


def _call_json(call: RetracedCall) -> dict[str, Any]:
    return {
        "function": call.function,
        "signature": None if call.signature is None else call.described_method,
        "line": call.line if call.line > 0 else None,
    }
