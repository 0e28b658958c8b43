"""Seal what is stored from before there were keys, and wrap keys with the newest master key."""

import json
from argparse import ArgumentParser
from typing import Any

from tqdm import tqdm

from crashes.services.retention import clean_files
from crashes.services.seal_stored import STEPS, count_unsealed
from uxp_diag.commands import DatabaseCommand


class Command(DatabaseCommand):
    """In batches; may be stopped at any time, and goes on where it ended."""

    help = (
        "Seal reports, attachments and samples that are stored from before phones had keys, and wrap "
        "keys with the newest master key. Workers do the same bit by bit; this does it now. Stop it at "
        "any time, the next run goes on. Ends with one JSON line."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """How much at a time."""
        parser.add_argument("--batch", type=int, default=200, help="rows at a time (200)")

    def handle(self, *args: Any, **options: Any) -> None:
        """One kind behind the other."""
        del args
        waiting = count_unsealed()
        done = {}
        for name, step in STEPS:
            done[name] = 0
            with tqdm(total=getattr(waiting, name), desc=name, unit="", disable=None) as bar:
                while count := step(limit=max(1, options["batch"])):
                    done[name] += count
                    bar.update(count)
        if any(done.values()):
            clean_files()  # what was there in clear is in no file any more
        self.stdout.write(json.dumps({**done, "left": count_unsealed().total}))
