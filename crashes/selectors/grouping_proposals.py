"""Proposals of other grouping mechanisms, and which mechanism a program has now."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from crashes.grouping.mechanisms import CURRENT
from crashes.models import GroupingProposal, ProgramMechanism
from uxp_diag.viewer import Viewer

_MOST = 50
State = GroupingProposal.State


@dataclass(frozen=True, slots=True)
class Proposal:
    """A proposal as people see it. `changes` are the largest, described in `services.proposing`."""

    id: int
    program_id: int
    mechanism: str
    before: str
    state: str
    since: datetime
    created_at: datetime
    created_by_name: str
    reports: int
    groups: int
    joins: int
    splits: int
    changes: list[dict[str, Any]]
    applied_by_name: str
    started_at: datetime | None
    applied_at: datetime | None
    moved: int
    left: int

    @property
    def is_ready(self) -> bool:
        """Whether it can be applied."""
        return self.state == State.READY

    @property
    def is_applying(self) -> bool:
        """Whether its reports are moving."""
        return self.state == State.APPLYING


def get_proposal(*, viewer: Viewer, proposal_id: int) -> Proposal:
    """One of the viewer's programs. Raises GroupingProposal.DoesNotExist."""
    rows = GroupingProposal.objects.filter(program_id__in=viewer.program_ids)
    return _proposal(rows.get(pk=proposal_id))


def find_proposal(proposal_id: int) -> Proposal | None:
    """One of any program, for whoever runs commands."""
    row = GroupingProposal.objects.filter(pk=proposal_id).first()
    return _proposal(row) if row else None


def list_proposals(*, viewer: Viewer) -> list[Proposal]:
    """The newest of the viewer's programs; the ones that are still written are left out."""
    rows = GroupingProposal.objects.filter(program_id__in=viewer.program_ids)
    rows = rows.exclude(state=State.WRITING).order_by("-pk")
    return [_proposal(row) for row in rows[:_MOST]]


def list_mechanisms(*, viewer: Viewer) -> dict[int, str]:
    """The name of the mechanism of each program of the viewer."""
    rows = ProgramMechanism.objects.filter(pk__in=viewer.program_ids)
    chosen = dict(rows.values_list("program_id", "mechanism"))
    return {program_id: chosen.get(program_id, CURRENT) for program_id in viewer.program_ids}


def _proposal(row: GroupingProposal) -> Proposal:
    names = Proposal.__dataclass_fields__.keys()
    return Proposal(**{name: getattr(row, name) for name in names})
