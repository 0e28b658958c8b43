"""A replay in shadow is written down, so that somebody can look at it and say yes."""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

from django.db import transaction

from crashes.grouping.mechanisms import CURRENT
from crashes.models import (
    GroupingProposal,
    Issue,
    ProgramMechanism,
    ProposedReport,
    ProposedStack,
)
from crashes.selectors.replaying import Replayed, are_apart, list_changes, replay
from crashes.services.grouping import receipt_of

_CHUNK = 2_000
_KEPT_CHANGES = 500
State = GroupingProposal.State


class ImpossibleDiscard(Exception):
    """The proposal is applied, or on its way."""


@transaction.atomic
def discard_proposal(proposal_id: int) -> None:
    """Take back a proposal that nobody has applied. Raises ImpossibleDiscard."""
    proposal = GroupingProposal.objects.select_for_update().get(pk=proposal_id)
    if proposal.state not in (State.READY, State.WRITING):
        raise ImpossibleDiscard(
            f"the proposal is {proposal.state}; the way back is a proposal of {proposal.before}"
        )
    proposal.delete()


def write_proposal(
    program_id: int,
    *,
    mechanism: str,
    since: datetime,
    by_name: str,
    now: datetime,
    progress: Callable[[int], Any] = lambda _: None,
) -> GroupingProposal:
    """Replay the reports since then, and keep what comes out in place of older proposals.

    `progress` hears how many reports were done each time. A run that ends in the middle leaves a
    proposal that nobody can apply, and the next run takes it away. Raises KeyError for a mechanism
    that is not registered.
    """
    old = GroupingProposal.objects.filter(program_id=program_id)
    old.filter(state__in=(State.WRITING, State.READY)).delete()
    setting = ProgramMechanism.objects.filter(pk=program_id).first()
    proposal = GroupingProposal.objects.create(
        program_id=program_id,
        mechanism=mechanism,
        before=setting.mechanism if setting else CURRENT,
        state=State.WRITING,
        since=since,
        created_at=now,
        created_by_name=by_name,
    )
    replayed: list[Replayed] = []
    waiting: list[Replayed] = []
    for one in replay(program_id, mechanism=mechanism, since=since):
        replayed.append(replace(one, opened=None))
        waiting.append(one)
        if len(waiting) == _CHUNK:
            _keep(proposal, waiting)
            progress(len(waiting))
            waiting = []
    _keep(proposal, waiting)
    progress(len(waiting))
    _sum_up(proposal, replayed)
    return proposal


@transaction.atomic
def _keep(proposal: GroupingProposal, replayed: list[Replayed]) -> None:
    ProposedReport.objects.bulk_create(
        ProposedReport(proposal=proposal, report_pk=one.report_pk, opened_by=one.opened_by)
        for one in replayed
    )
    ProposedStack.objects.bulk_create(
        ProposedStack(
            proposal=proposal,
            opened_by=one.opened_by,
            group=int(one.group),
            content=one.opened[0].to_json(),
            decision={
                **receipt_of(*one.opened),
                "scores": [list(ranked) for ranked in one.opened[1].ranked],
            },
        )
        for one in replayed
        if one.opened is not None
    )


def _sum_up(proposal: GroupingProposal, replayed: list[Replayed]) -> None:
    changes = list_changes(replayed)
    proposal.reports, proposal.groups = changes.reports, changes.groups
    proposal.joins, proposal.splits = len(changes.joins), len(changes.partings)
    joins = [
        {
            "change": "join",
            "issue_id": one.issue_id,
            "into_id": one.into_id,
            "reports": one.reports,
            "kept_apart": are_apart(one.issue_id, one.into_id),
        }
        for one in changes.joins[:_KEPT_CHANGES]
    ]
    partings = [
        {
            "change": "split",
            "issue_id": one.issue_id,
            "first_report": int(one.group),
            "reports": one.reports,
        }
        for one in changes.partings[:_KEPT_CHANGES]
    ]
    proposal.changes = _with_signatures(proposal, [*joins, *partings])
    proposal.state = State.READY
    proposal.save()


def _with_signatures(
    proposal: GroupingProposal, changes: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    """The changes, the largest first, with what they are called."""
    ids = {change[key] for change in changes for key in ("issue_id", "into_id") if key in change}
    issues = dict(Issue.objects.filter(pk__in=ids).values_list("pk", "signature"))
    groups = [change["first_report"] for change in changes if "first_report" in change]
    stacks = ProposedStack.objects.filter(proposal=proposal, opened_by__in=groups)
    named: dict[int, str] = defaultdict(str)
    named |= dict(stacks.values_list("opened_by", "content__signature"))
    for change in changes:
        change["signature"] = issues.get(change["issue_id"], "")
        if "into_id" in change:
            change["into_signature"] = issues.get(change["into_id"], "")
        else:
            change["new_signature"] = named[change["first_report"]]
    return sorted(changes, key=lambda change: -change["reports"])
