"""Which mechanism groups the reports of a program now."""

from collections.abc import Iterable
from datetime import datetime

from crashes.grouping.mechanisms import CURRENT, MECHANISMS, Mechanism
from crashes.models import ProgramMechanism
from crashes.services.places import change_decisions


class UnknownMechanism(Exception):
    """A program was switched to a mechanism that this release does not have."""


def mechanisms_of(program_ids: Iterable[int]) -> dict[int, Mechanism]:
    """The mechanism of each program. Raises UnknownMechanism."""
    wanted = set(program_ids)
    rows = ProgramMechanism.objects.filter(pk__in=wanted)
    names = dict(rows.values_list("program_id", "mechanism"))
    missing = sorted(set(names.values()) - MECHANISMS.keys())
    if missing:
        raise UnknownMechanism(f"no mechanism {missing[0]} here; deploy the release that has it")
    return {program_id: MECHANISMS[names.get(program_id, CURRENT)] for program_id in wanted}


def switch_mechanism(program_id: int, name: str, *, by_name: str, now: datetime) -> None:
    """From the end of the transaction on, new reports are grouped by this mechanism."""
    change_decisions(program_id)
    ProgramMechanism.objects.update_or_create(
        program_id=program_id,
        defaults={"mechanism": name, "changed_at": now, "changed_by_name": by_name},
    )
