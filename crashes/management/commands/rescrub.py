"""Scrub what is stored by the rules of today."""

import json
from argparse import ArgumentParser
from collections.abc import Callable
from typing import Any

from tqdm import tqdm

from crashes.services.rescrubbing import (
    count_remaining,
    rescrub_attachments,
    rescrub_reports,
    rescrub_vitals,
)
from devices.scrubbing import SCRUBBER_VERSION
from uxp_diag.commands import DatabaseCommand


class Command(DatabaseCommand):
    """In batches; may be stopped at any time, and goes on where it ended."""

    help = (
        "Scrub stored reports, attachments and samples by the newest rules. Works in batches beside the "
        "running platform; stop it at any time, the next run goes on. Ends with one JSON line."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """How much at a time, and how much in all."""
        parser.add_argument("--batch", type=int, default=100, help="reports at a time (100)")
        parser.add_argument(
            "--limit", type=int, default=None, help="end after so many of each kind"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Three queues, one behind the other."""
        del args
        remaining = count_remaining()
        batch, limit = max(1, options["batch"]), options["limit"]
        done = {
            "scrubber_version": SCRUBBER_VERSION,
            "reports": _run("reports", remaining.reports, rescrub_reports, batch, limit),
            "attachments": _run(
                "attachments", remaining.attachments, rescrub_attachments, 10, limit
            ),
            "samples": _run("samples", remaining.samples, rescrub_vitals, 10 * batch, limit),
        }
        left = count_remaining()
        done["left"] = left.reports + left.attachments + left.samples
        self.stdout.write(json.dumps(done))


def _run(name: str, total: int, step: Callable[..., int], batch: int, limit: int | None) -> int:
    """Work off one queue; how many were done."""
    most = total if limit is None else min(limit, total)
    done = 0
    with tqdm(total=most, desc=name, unit="", disable=None) as bar:
        while done < most:
            count = step(limit=min(batch, most - done))
            if not count:
                break
            done += count
            bar.update(count)
    return done
