"""Send a made-up fleet's uploads to a running server, through its HTTP API.

Phones enroll, a build server hands in debug files, and some six weeks of reports follow. The same
seed sends the same reports: run again, they are all answered `duplicate`.
"""

import time
from argparse import ArgumentParser
from datetime import UTC, datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from crashes.management.client import ServerUnreachable
from crashes.management.fleet.bugs import make_bugs
from crashes.management.fleet.population import make_population
from crashes.management.fleet.programs import Program, compile_programs, find_toolchain
from crashes.management.fleet.scenario import make_plans, make_reports
from crashes.management.fleet.sender import EnrollmentRefused, FleetSender, Summary
from crashes.management.fleet.vitals import count_days, make_samples
from uxp_diag.env import env_str

_OUTCOMES = ("accepted", "duplicate", "rejected")


class Command(BaseCommand):
    """`manage.py demo_fleet --url U --key K`."""

    help = "Send a made-up fleet's enrollments, debug files and reports to a running server."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Where to, as whom, and how much."""
        parser.add_argument(
            "--url", required=True, help="the server, such as http://127.0.0.1:8000"
        )
        parser.add_argument("--key", required=True, help="ingest key of the program (uxpi_...)")
        parser.add_argument(
            "--symbols-token",
            default=env_str("UXP_SYMBOLS_TOKEN"),
            help="API token with scope symbols (uxpa_...), or UXP_SYMBOLS_TOKEN; "
            "without, no debug files",
        )
        parser.add_argument("--devices", type=int, default=2500, help="how many phones [2500]")
        parser.add_argument("--reports", type=int, default=6000, help="how many reports [6000]")
        parser.add_argument("--vitals", type=int, default=400, help="how many send vitals [400]")
        parser.add_argument("--seed", type=int, default=1, help="decides everything else [1]")
        parser.add_argument("--weeks", type=int, default=6, help="how far back reports go [6]")
        parser.add_argument("--now", help="end of the window, ISO 8601 [the current time]")
        parser.add_argument("--threads", type=int, default=8, help="connections [8]")

    def handle(self, *_args: Any, **options: Any) -> None:
        """Send it all and say what became of it."""
        now = _moment(options["now"])
        began = time.perf_counter()
        try:
            with FleetSender(
                options["url"], key=options["key"], threads=options["threads"]
            ) as sender:
                summary = self._send(sender, now=now, options=options)
        except (ValueError, EnrollmentRefused, ServerUnreachable) as problem:
            raise CommandError(str(problem)) from problem
        self._show(summary, time.perf_counter() - began)

    def _send(self, sender: FleetSender, *, now: datetime, options: dict[str, Any]) -> Summary:
        seed, days = options["seed"], options["weeks"] * 7
        programs = self._programs()
        devices = make_population(options["devices"], seed=seed)
        tokens = sender.enroll(devices, now=now)
        if options["symbols_token"]:
            self._send_debug_files(sender, programs, options["symbols_token"])
        bugs = make_bugs(programs)
        plans = make_plans(devices, bugs, count=options["reports"], days=days, seed=seed)
        reports = make_reports(plans, days=days, seed=seed, now=now)
        summary = sender.send_reports(reports, tokens, total=len(plans))
        panel = [device for device in devices if "development" in device.purposes]
        counts = count_days(plans)
        said = sender.send_vitals(
            panel[: options["vitals"]],
            tokens,
            lambda device: make_samples(device, counts, days=days, seed=seed, now=now),
        )
        for status, count in said.most_common():
            self.stdout.write(f"vitals {status}: {count:,}")
        return summary

    def _programs(self) -> dict[tuple[str, int], Program]:
        toolchain = find_toolchain()
        if toolchain is None:
            self.stdout.write("No C compiler was found: the fleet has no native crashes.")
            return {}
        if toolchain.cxx is None:
            self.stdout.write("No C++ compiler was found: some native crashes are left out.")
        return compile_programs(toolchain)

    def _send_debug_files(
        self, sender: FleetSender, programs: dict[tuple[str, int], Program], token: str
    ) -> None:
        answers = sender.send_debug_files(programs, token=token)
        refused = [(name, answer) for name, answer in answers if not answer.is_ok]
        self.stdout.write(f"{len(answers) - len(refused)} debug files taken.")
        for name, answer in refused:
            self.stderr.write(f"{name} was refused: {answer.status} {answer.code}")

    def _show(self, summary: Summary, seconds: float) -> None:
        kinds = sorted({kind for kind, _ in summary.outcomes})
        self.stdout.write(f"{'kind':<18}" + "".join(f"{name:>11}" for name in _OUTCOMES))
        for kind in kinds:
            counts = (summary.outcomes[kind, name] for name in _OUTCOMES)
            self.stdout.write(f"{kind:<18}" + "".join(f"{count:>11,}" for count in counts))
        totals = "".join(f"{summary.count(name):>11,}" for name in _OUTCOMES)
        self.stdout.write(f"{'total':<18}{totals}")
        for code, count in summary.codes.most_common():
            self.stdout.write(f"refused with {code}: {count}")
        sent = sum(summary.outcomes.values())
        self.stdout.write(f"{sent:,} reports in {seconds:.0f} s.")


def _moment(text: str | None) -> datetime:
    """The end of the window. Raises CommandError."""
    if text is None:
        return timezone.now()
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as problem:
        raise CommandError(f"--now: {text!r} is no ISO 8601 time") from problem
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
