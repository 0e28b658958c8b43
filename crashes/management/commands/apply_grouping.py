"""`manage.py apply_grouping PROPOSAL`: another mechanism takes over, and reports move to its groups.

Works in batches beside the running platform. Stop it at any time: the workers, or the next run,
go on. Applying a proposal of the old mechanism is the way back.
"""

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError
from django.utils import timezone
from tqdm import tqdm

from crashes.selectors.grouping_proposals import Proposal, find_proposal
from crashes.services.switch_moves import BATCH, count_to_move, move_batch
from crashes.services.switching import ImpossibleSwitch, start_applying
from uxp_diag.commands import DatabaseCommand
from uxp_diag.roles import Scope
from uxp_diag.viewer import Viewer


class Command(DatabaseCommand):
    """Apply a proposal that `replay_grouping --write` has written, or go on with one."""

    help = "Switch a program to the mechanism of a proposal and move its reports. May be repeated."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Which one, and on whose behalf."""
        parser.add_argument("proposal", type=int, help="the number of a proposal")
        parser.add_argument("--by", default="", help="who decided it")

    def handle(self, *_args: Any, **options: Any) -> None:
        """Start it if it is ready, then move what is left."""
        proposal = find_proposal(options["proposal"])
        if proposal is None:
            raise CommandError(f"There is no proposal {options['proposal']}.")
        if not proposal.is_applying:
            try:
                start_applying(
                    proposal.id, by=_operator(proposal, options["by"]), now=timezone.now()
                )
            except ImpossibleSwitch as problem:
                raise CommandError(f"Not applied: {problem}.") from problem
        with tqdm(total=count_to_move(proposal.id), unit=" reports", disable=None) as bar:
            while move_batch(proposal.id, limit=BATCH, now=timezone.now()):
                bar.update(BATCH)
        done = find_proposal(proposal.id) or proposal
        line = {
            "proposal": done.id,
            "mechanism": done.mechanism,
            "moved": done.moved,
            "left": done.left,
        }
        self.stdout.write(json.dumps(line))


def _operator(proposal: Proposal, name: str) -> Viewer:
    """Whoever may run commands on the server."""
    return Viewer(
        name or "command line", frozenset({Scope.TRIAGE}), frozenset({proposal.program_id})
    )
