"""An owner grants or withdraws consent."""

import uuid
from datetime import datetime

from django.db import transaction

from devices.consent import Purpose
from devices.models import AdviceGiven, ConsentEntry, Device, Erasure
from devices.services.erasure import open_erasure, waiting_erasure
from uxp_diag.db import hold_rows


@transaction.atomic
def record_consent(
    device_id: uuid.UUID,
    *,
    purposes: frozenset[Purpose],
    policy_version: str,
    given_at: datetime,
    now: datetime,
) -> uuid.UUID | None:
    """Write what the owner said to the ledger and to the device.

    An empty set is withdrawal: from now on nothing is taken, and what was collected is erased.
    The number of an erasure that is under way is returned. What only personalisation needs goes
    at once with that purpose.
    """
    device = Device.objects.select_for_update().get(pk=device_id)
    had_consent = device.allows_development or device.allows_personalisation
    ConsentEntry.objects.create(
        device=device,
        purposes=sorted(purposes),
        policy_version=policy_version,
        given_at=given_at,
        recorded_at=now,
    )
    device.policy_version = policy_version
    device.allows_development = Purpose.DEVELOPMENT in purposes
    device.allows_personalisation = Purpose.PERSONALISATION in purposes
    device.save(update_fields=["policy_version", "allows_development", "allows_personalisation"])
    if not device.allows_personalisation:
        AdviceGiven.objects.filter(device=device).delete()
    if purposes or not had_consent:
        return waiting_erasure(device.pk)
    return open_erasure(device, reason=Erasure.Reason.WITHDRAWAL, now=now)


def hold_consent(device_ids: frozenset[uuid.UUID]) -> frozenset[uuid.UUID]:
    """The devices that allow development now; a withdrawal waits until this transaction ends.

    To be called inside the transaction that stores what they sent.
    """
    return frozenset(hold_rows(Device, device_ids, flag="allows_development"))


def last_withdrawals(device_ids: frozenset[uuid.UUID]) -> dict[uuid.UUID, datetime]:
    """When these devices last withdrew everything: what was received until then is to be gone."""
    entries = ConsentEntry.objects.filter(device_id__in=device_ids).order_by("recorded_at", "pk")
    said = entries.values_list("device_id", "recorded_at", "purposes")
    return {device_id: recorded_at for device_id, recorded_at, purposes in said if not purposes}
