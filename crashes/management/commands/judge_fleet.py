"""Judge a release from files of a fleet, as the platform would from what devices upload.

Reads a folder with `records.npz` (one row per uploaded device-day) and `devices.npz` (one row per
device) and writes the alerts as JSON lines: {"metric", "day", "slice": {"model", "os"}, "effect",
"low", "high"}. A look at the end of a day uses only rows that had arrived by then. Needs no
database; nothing else in the folder is read.
"""

import json
import sys
import zipfile
from argparse import ArgumentParser
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, TextIO

import numpy as np
from django.core.management.base import BaseCommand, CommandError

from crashes.regressions.fleet import Fleet, MalformedFleet, make_fleet
from crashes.regressions.judging import Alert, judge


class Command(BaseCommand):
    """`manage.py judge_fleet --input DIR --output Y.jsonl`."""

    help = "Judge a staged release from a folder of device-days; writes its alerts."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Where the fleet is and where the alerts go."""
        parser.add_argument(
            "--input", required=True, metavar="DIR", help="folder with records.npz and devices.npz"
        )
        parser.add_argument("--output", default="-", help="JSON lines; - is stdout")

    def handle(self, *_args: Any, **options: Any) -> None:
        """Read the fleet, judge it, write an alert per line."""
        fleet = _read_fleet(Path(options["input"]))
        try:
            with _writing(options["output"]) as output:
                for alert in judge(fleet):
                    output.write(json.dumps(_line(alert)) + "\n")
        except OSError as problem:
            raise CommandError(str(problem)) from problem


def _read_fleet(folder: Path) -> Fleet:
    try:
        return make_fleet(
            devices=_arrays(folder / "devices.npz"), days=_arrays(folder / "records.npz")
        )
    except MalformedFleet as problem:
        raise CommandError(f"{folder}: {problem}") from problem


def _arrays(path: Path) -> dict[str, Any]:
    """The arrays of a file by name. Pickled objects are refused: they would run code."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except (OSError, ValueError, EOFError, AttributeError, zipfile.BadZipFile) as problem:
        raise CommandError(f"{path}: {problem}") from problem


def _writing(path: str) -> AbstractContextManager[TextIO]:
    return nullcontext(sys.stdout) if path == "-" else Path(path).open("w", encoding="utf-8")


def _line(alert: Alert) -> dict[str, Any]:
    return {
        "metric": alert.metric,
        "day": alert.day,
        "slice": {"model": alert.slice.model, "os": alert.slice.os},
        "effect": round(alert.effect, 4),
        "low": round(alert.low, 4),
        "high": round(alert.high, 4),
    }
