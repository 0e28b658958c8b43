"""What owners are told is written down, as long as they allow it."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from devices.models import AdviceGiven, Device
from devices.selectors.advice import Phone, phone_of
from uxp_diag.db import insert_new

LOOK_AGAIN = timedelta(hours=1)
NO_VERSION = -1


@dataclass(frozen=True, slots=True)
class Told:
    """A fix as an owner is told of it. `version_code` is -1 where there is none."""

    issue_id: int
    fixed_in: str
    is_app: bool = False
    version_code: int = NO_VERSION


@dataclass(frozen=True, slots=True)
class OpenAdvice:
    """An owner was told; whether the phone has it by now is not known."""

    pk: int
    phone: Phone
    told: Told
    given_at: datetime


def hold_personalisation(device_id: uuid.UUID) -> Phone | None:
    """The phone if its owner allows personalisation now; taking that back waits for the transaction."""
    row = Device.objects.select_for_update().filter(pk=device_id).first()
    return None if row is None or not row.allows_personalisation else phone_of(row)


def write_advice(
    phone: Phone, told: Sequence[Told], *, now: datetime
) -> frozenset[tuple[int, str]]:
    """Keep what an owner is told; (issue, fixed in) of what is new. Inside `hold_personalisation`."""
    rows = [
        AdviceGiven(
            device_id=phone.id,
            program_id=phone.program_id,
            issue_id=it.issue_id,
            fixed_in=it.fixed_in[:100],
            is_app=it.is_app,
            version_code=it.version_code,
            given_at=now,
            checked_at=now,
        )
        for it in told
    ]
    conflict = ["device_id", "issue_id", "fixed_in"]
    new = insert_new(rows, conflict=conflict, returning=["issue_id", "fixed_in"])
    return frozenset((issue_id, fixed_in) for issue_id, fixed_in in new)


def take_open_advice(*, now: datetime, limit: int) -> list[OpenAdvice]:
    """The advice that was looked at longest ago, an hour at least; inside a transaction.

    The look counts at once, so that all of it gets its turn.
    """
    due = AdviceGiven.objects.select_for_update(skip_locked=True, of=("self",)).filter(
        installed_at=None, checked_at__lte=now - LOOK_AGAIN
    )
    rows = list(due.select_related("device").order_by("checked_at", "pk")[:limit])
    AdviceGiven.objects.filter(pk__in=[row.pk for row in rows]).update(checked_at=now)
    return [
        OpenAdvice(
            row.pk,
            phone_of(row.device),
            Told(row.issue_id, row.fixed_in, row.is_app, row.version_code),
            row.given_at,
        )
        for row in rows
    ]


def note_installed(pks: Sequence[int], *, now: datetime) -> None:
    """These phones have what their owners were told of."""
    AdviceGiven.objects.filter(pk__in=pks).update(installed_at=now)
