"""Train the dictionaries that stored reports are compressed with, from the demo fleet.

Nothing else goes in: a dictionary holds pieces of its samples word for word, and it is kept for as
long as any report that was packed with it.
"""

from argparse import ArgumentParser
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import zstandard
from django.core.management.base import BaseCommand, CommandError

from crashes.grouping.mechanisms import CURRENT, MECHANISMS
from crashes.intake.report import decode_report, envelope_of
from crashes.management.fleet.bugs import make_bugs
from crashes.management.fleet.population import make_population
from crashes.management.fleet.programs import compile_programs, find_toolchain
from crashes.management.fleet.scenario import PlannedReport, make_plans, make_reports
from crashes.packing import DOCUMENT, FOLDER, LEVEL, PAYLOAD, Document
from crashes.services.sandboxes import sandbox
from crashes.stack import Crash
from uxp_diag.sandbox import JobRefused

_DAYS = 42
_SIZE_BYTES = 112 * 1024  # what zstd recommends


class Command(BaseCommand):
    """Make the files of `crashes/packing/dictionaries` anew, under given numbers."""

    help = "Train the dictionaries for stored reports from the demo fleet (for developers)."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        """How much to learn from, and where the result goes."""
        parser.add_argument("--reports", type=int, default=3000)
        parser.add_argument("--seed", type=int, default=1)
        parser.add_argument("--size-bytes", type=int, default=_SIZE_BYTES, help="of each")
        parser.add_argument("--output", type=Path, default=FOLDER)
        parser.add_argument("--document", type=int, default=DOCUMENT, help="its number")
        parser.add_argument("--payload", type=int, default=PAYLOAD, help="its number")

    def handle(self, *args: Any, **options: Any) -> None:
        """Train both, write them. A number that is taken stays as it is."""
        del args
        paths = [options["output"] / f"{options[name]}.zdict" for name in ("document", "payload")]
        taken = [path.name for path in paths if path.exists()]
        if taken:
            raise CommandError(
                f"{', '.join(taken)}: stored reports may need it; take a new number."
            )
        samples = list(_samples(options["reports"], options["seed"]))
        for path, kind in zip(paths, zip(*samples, strict=True), strict=True):
            trained = zstandard.train_dictionary(
                options["size_bytes"], list(kind), dict_id=int(path.stem), level=LEVEL, threads=-1
            )
            path.write_bytes(trained.as_bytes())
            self.stdout.write(f"{path.name}: {len(trained)} bytes of {len(kind)} reports")


def _samples(count: int, seed: int) -> Iterator[tuple[bytes, bytes]]:
    """(document, payload) of reports of the fleet."""
    toolchain = find_toolchain()
    bugs = make_bugs(compile_programs(toolchain) if toolchain else {})
    phones = make_population(200, seed=seed)
    plans = make_plans(phones, bugs, count=count, days=_DAYS, seed=seed)
    now = datetime(2026, 11, 20, 12, tzinfo=UTC)
    planned = [
        report
        for report in make_reports(plans, days=_DAYS, seed=seed, now=now)
        if not report.is_damaged and not report.is_replay
    ]
    inputs = [(report.dump.format.value, report.dump.content) for report in planned]
    crashes = sandbox().run_many("crashes.formats.jobs:crash_job", inputs, into=Crash)
    for report, crash in zip(planned, crashes, strict=True):
        if isinstance(crash, JobRefused | Exception):
            continue
        yield msgspec.json.encode(_document(report, crash)), report.dump.content


def _document(planned: PlannedReport, crash: Crash) -> Document:
    """The document that a repeat of this crash is stored with."""
    said = {**planned.document, "report_id": str(planned.report_id)}
    said["payload"] = {"format": planned.dump.format.value}
    envelope = envelope_of(decode_report(msgspec.json.encode(said)))
    grouped = MECHANISMS[CURRENT].prepare(crash, package=crash.package)
    receipt = {
        "mechanism": CURRENT,
        "score": 1.0,
        "matched": "exact",
        "explanation": [*grouped.explanation, "Seen before: the same stack has this issue."],
    }
    return Document(envelope, crash, receipt)
