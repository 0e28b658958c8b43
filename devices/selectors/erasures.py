"""Erasures, for owners who ask how far theirs is."""

import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from devices.models import Erasure


@dataclass(frozen=True, slots=True)
class ErasureState:
    """How far an erasure is; `receipt` once it is done."""

    request_id: uuid.UUID
    state: str
    requested_at: datetime
    finished_at: datetime | None
    receipt: dict[str, Any] | None


def find_erasure(request_id: uuid.UUID) -> ErasureState | None:
    """The erasure with this number."""
    row = Erasure.objects.filter(pk=request_id).first()
    if row is None:
        return None
    return ErasureState(row.pk, row.state, row.requested_at, row.finished_at, row.receipt)


def newest_receipt() -> dict[str, Any] | None:
    """The receipt that was signed last."""
    signed = Erasure.objects.filter(finished_at__isnull=False, receipt__isnull=False)
    found: dict[str, Any] | None = (
        signed.order_by("-finished_at").values_list("receipt", flat=True).first()
    )
    return found
