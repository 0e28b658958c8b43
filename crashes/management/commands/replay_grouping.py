"""`manage.py replay_grouping --mechanism v2`: what another mechanism would join and split.

Replays the kept reports of the last days in shadow and moves nothing. One JSON line per change,
the largest first, and a summary at the end. With `--write` the result is kept as a proposal that
`manage.py apply_grouping` and the page Grouping apply.
"""

import json
from argparse import ArgumentParser
from datetime import datetime, timedelta
from typing import Any

from django.core.management.base import CommandError
from django.utils import timezone
from tqdm import tqdm

from crashes.grouping.mechanisms import CURRENT, MECHANISMS
from crashes.selectors.replaying import are_apart, count_replayable, list_changes, replay
from crashes.services.proposing import write_proposal
from uxp_diag.commands import DatabaseCommand


class Command(DatabaseCommand):
    """Show what a mechanism would change before it is made the current one."""

    help = "Replay stored reports through a grouping mechanism in shadow and print what differs."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Which mechanism, which program, how far back."""
        parser.add_argument("--mechanism", default=CURRENT, help="one that is registered")
        parser.add_argument("--days", type=int, default=30, help="how far back [30]")
        parser.add_argument("--write", action="store_true", help="keep the result as a proposal")
        parser.add_argument("--by", default="", help="who proposes it")
        parser.add_argument("--program", type=int, default=1, help="the number of a program [1]")

    def handle(self, *_args: Any, **options: Any) -> None:
        """Replay, compare, print."""
        mechanism, program_id = options["mechanism"], options["program"]
        if mechanism not in MECHANISMS:
            raise CommandError(f"There is no mechanism {mechanism}: {', '.join(MECHANISMS)}.")
        if not 0 < options["days"] <= 365:  # noqa: PLR2004  nothing is kept longer
            raise CommandError("--days is a number from 1 to 365.")
        since = timezone.now() - timedelta(days=options["days"])
        total = count_replayable(program_id, since=since)
        if options["write"]:
            self._write(program_id, mechanism, since, total, options["by"])
            return
        steps = replay(program_id, mechanism=mechanism, since=since)
        replayed = list(tqdm(steps, total=total, unit=" reports", disable=None))
        changes = list_changes(replayed)
        for join in changes.joins:
            self._say(
                change="join", issue_id=join.issue_id, into=join.into_id, reports=join.reports,
                kept_apart=are_apart(join.issue_id, join.into_id),
            )  # fmt: skip
        for parting in changes.partings:
            self._say(
                change="split", issue_id=parting.issue_id, first_report=int(parting.group),
                reports=parting.reports,
            )  # fmt: skip
        self._say(
            change="summary", mechanism=mechanism, reports=changes.reports, groups=changes.groups,
            joins=len(changes.joins), splits=len(changes.partings),
        )  # fmt: skip

    def _write(
        self, program_id: int, mechanism: str, since: datetime, total: int, by_name: str
    ) -> None:
        with tqdm(total=total, unit=" reports", disable=None) as bar:
            proposal = write_proposal(
                program_id, mechanism=mechanism, since=since, by_name=by_name or "command line",
                now=timezone.now(), progress=bar.update,
            )  # fmt: skip
        for change in proposal.changes:
            self._say(**change)
        self._say(
            change="summary", proposal=proposal.pk, mechanism=mechanism, reports=proposal.reports,
            groups=proposal.groups, joins=proposal.joins, splits=proposal.splits,
        )  # fmt: skip

    def _say(self, **line: Any) -> None:
        self.stdout.write(json.dumps(line))
