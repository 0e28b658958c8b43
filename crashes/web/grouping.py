"""Proposals of another grouping mechanism: what would join and split, and the button that does it."""

from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from crashes.selectors.grouping_proposals import (
    Proposal,
    get_proposal,
    list_mechanisms,
    list_proposals,
)
from crashes.services.proposing import ImpossibleDiscard, discard_proposal
from crashes.services.switch_moves import count_to_move
from crashes.services.switching import ImpossibleSwitch, start_applying
from crashes.tasks import ring_moves
from devices.selectors.programs import program_names
from devices.web.access import StaffRequest, needs
from uxp_diag.roles import Scope

_SHOWN = 100


@require_safe
@needs(Scope.TRIAGE)
def grouping(request: StaffRequest) -> HttpResponse:
    """The mechanism of each program, and the proposals to change it."""
    names = program_names(viewer=request.viewer)
    mechanisms = list_mechanisms(viewer=request.viewer)
    context = {
        "now": timezone.now(),
        "mechanisms": [(name, mechanisms[pk]) for pk, name in names.items() if pk in mechanisms],
        "proposals": [
            _shown(proposal, names.get(proposal.program_id, ""))
            for proposal in list_proposals(viewer=request.viewer)
        ],
    }
    return render(request, "crashes/grouping.html", context)


@require_POST
@needs(Scope.TRIAGE)
def apply(request: StaffRequest, proposal_id: int) -> HttpResponse:
    """Switch the program to the mechanism of a proposal; workers then move its reports."""
    proposal = get_proposal(viewer=request.viewer, proposal_id=proposal_id)
    try:
        start_applying(proposal.id, by=request.viewer, now=timezone.now())
    except ImpossibleSwitch as problem:
        messages.warning(request, f"Not applied: {problem}.")
    else:
        ring_moves(proposal.id)
        messages.success(
            request, f"{proposal.mechanism} groups new reports now; the stored ones are moving."
        )
    return redirect("grouping")


@require_POST
@needs(Scope.TRIAGE)
def discard(request: StaffRequest, proposal_id: int) -> HttpResponse:
    """Take back a proposal that nobody has applied."""
    proposal = get_proposal(viewer=request.viewer, proposal_id=proposal_id)
    try:
        discard_proposal(proposal.id)
    except ImpossibleDiscard as problem:
        messages.warning(request, f"Not discarded: {problem}.")
    else:
        messages.success(request, f"Proposal {proposal.id} is gone; nothing has changed.")
    return redirect("grouping")


def _shown(proposal: Proposal, program: str) -> dict[str, Any]:
    return {
        "proposal": proposal,
        "program": program,
        "changes": proposal.changes[:_SHOWN],
        "more": max(0, proposal.joins + proposal.splits - _SHOWN),
        "to_move": count_to_move(proposal.id) if proposal.is_applying else 0,
    }
