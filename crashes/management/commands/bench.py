"""Run the benchmarks: one table, and every sample as JSON.

Each figure stands beside what a user would pick instead, measured in the same run. How is told in
docs/benchmarks.md.
"""

import json
import shutil
import sys
import tempfile
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from crashes.management.benchmarks.catalog import BENCHMARKS
from crashes.management.benchmarks.runner import run_all
from crashes.management.benchmarks.table import as_document, as_table
from crashes.management.benchmarks.terms import FEWEST_ROUNDS, Benchmark, Outcome, Terms
from uxp_diag.env import env_str


class Command(BaseCommand):
    """`manage.py bench`."""

    help = "Measure speed, memory and storage beside what a user would pick instead."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """What to measure, and for how long."""
        parser.add_argument(
            "--only", nargs="+", default=[], metavar="NAME", help="these benchmarks (see --list)"
        )
        parser.add_argument("--list", action="store_true", help="list the benchmarks and end")
        parser.add_argument("--quick", action="store_true", help="small sizes; within two minutes")
        parser.add_argument(
            "--peers", action="store_true", help="also install and measure the peers of `peers`"
        )
        parser.add_argument("--rounds", type=int, default=FEWEST_ROUNDS, help="at least 3 [3]")
        parser.add_argument(
            "--object",
            type=Path,
            help="a debug file of yours, for symbols-given and symbols-agreement",
        )
        parser.add_argument("--output", type=Path, help="the JSON file [UXP_DATA_DIR/bench.json]")

    def handle(self, *args: Any, **options: Any) -> None:
        """Run, print, write."""
        del args
        if options["list"]:
            for benchmark in BENCHMARKS:
                self.stdout.write(f"{benchmark.name:<24} {benchmark.about}")
            return
        chosen = self._chosen(options)
        outcomes = self._run(chosen, options)
        self.stdout.write("\n" + as_table(outcomes))
        path = options["output"] or settings.DATA_DIR / "bench.json"
        document = as_document(outcomes, now=timezone.now(), is_quick=options["quick"])
        path.write_text(json.dumps(document, indent=1) + "\n")
        self.stdout.write(f"\nEvery sample is in {path}")

    def _chosen(self, options: dict[str, Any]) -> list[Benchmark]:
        """The benchmarks that are asked for. Raises CommandError."""
        if options["rounds"] < FEWEST_ROUNDS:
            raise CommandError(f"--rounds must be at least {FEWEST_ROUNDS}.")
        wanted = options["only"]
        unknown = set(wanted) - {benchmark.name for benchmark in BENCHMARKS}
        if unknown:
            raise CommandError(f"There is no benchmark {', '.join(sorted(unknown))}; see --list.")
        if wanted:
            return [benchmark for benchmark in BENCHMARKS if benchmark.name in wanted]
        asked = {"peers": options["peers"], "symbols-given": options["object"] is not None}
        return [item for item in BENCHMARKS if asked.get(item.name, not item.is_optional)]

    def _run(self, chosen: list[Benchmark], options: dict[str, Any]) -> list[Outcome]:
        cache = settings.DATA_DIR / "bench"
        cache.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix="run-", dir=cache))
        terms = Terms(
            folder=folder,
            cache=cache,
            is_quick=options["quick"],
            rounds=options["rounds"],
            debug_file=options["object"] and options["object"].absolute(),
            database_url=env_str("UXP_BENCH_DATABASE_URL"),
            redis_url=env_str("UXP_BENCH_REDIS_URL"),
        )
        try:
            return list(run_all(chosen, terms, say=self._say))
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _say(self, line: str) -> None:
        self.stderr.write(line)
        sys.stderr.flush()
