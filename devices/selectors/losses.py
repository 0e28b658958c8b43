"""What our own agent sent, beside reports, and was not kept."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date

from devices.models import AgentLoss


@dataclass(frozen=True, slots=True)
class AgentLossRow:
    """How much of one category was not kept on one day for one reason."""

    program_id: int
    reason: str
    category: str
    day: date
    count: int


def list_agent_losses(
    program_ids: Collection[int], *, first: date, last: date
) -> list[AgentLossRow]:
    """All of some days: a handful for each day and program."""
    rows = AgentLoss.objects.filter(program_id__in=program_ids, day__gte=first, day__lte=last)
    fields = ("program_id", "reason", "category", "day", "count")
    return [AgentLossRow(*row) for row in rows.order_by(*fields).values_list(*fields)]
