"""An owner grants or withdraws consent."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.utils import timezone

from devices.consent import ConsentStatement, Purpose, is_agreed_since
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
    now: datetime | None = None,
) -> uuid.UUID | None:
    """Write what the owner said to the ledger and to the device.

    An empty set is withdrawal: from now on nothing is taken, and what was collected is erased.
    The number of an erasure that is under way is returned. What only personalisation needs goes
    at once with that purpose.

    The moment is when nobody else stores anything of the device any more, unless it is given: an
    upload that was stored while this waited for it was received before, and is erased with the rest.
    """
    device = Device.objects.select_for_update().get(pk=device_id)
    now = now or timezone.now()
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


@dataclass(frozen=True, slots=True)
class HeldConsent:
    """What some owners allow, kept as it is until the transaction ends."""

    device_ids: frozenset[uuid.UUID]
    """Those who allow development now."""
    ledgers: Mapping[uuid.UUID, Sequence[ConsentStatement]]
    """What was said in all, for those among them who said something lately."""

    def covers(self, device_id: uuid.UUID, *, received_at: datetime) -> bool:
        """Whether what was received then may be stored: allowed from then on without a break.

        Else what came before a withdrawal would be stored after it, should a new consent be faster.
        """
        return device_id in self.device_ids and is_agreed_since(
            self.ledgers.get(device_id, ()), purpose=Purpose.DEVELOPMENT, since=received_at
        )


def hold_consent(device_ids: frozenset[uuid.UUID], *, since: datetime | None = None) -> HeldConsent:
    """What these devices allow now and, with `since`, have allowed at any moment from then on.

    To be called inside the transaction that stores what they sent; a withdrawal waits until it
    ends.
    """
    allowed = frozenset(hold_rows(Device, device_ids, flag="allows_development"))
    if since is None or not allowed:
        return HeldConsent(allowed, {})
    lately = ConsentEntry.objects.filter(device_id__in=allowed, recorded_at__gte=since)
    spoken = set(lately.values_list("device_id", flat=True))
    return HeldConsent(allowed, _ledgers(spoken) if spoken else {})


def _ledgers(device_ids: set[uuid.UUID]) -> dict[uuid.UUID, list[ConsentStatement]]:
    entries = ConsentEntry.objects.filter(device_id__in=device_ids).order_by("recorded_at", "pk")
    ledgers: dict[uuid.UUID, list[ConsentStatement]] = {}
    for entry in entries:
        purposes = frozenset(map(Purpose, entry.purposes))
        statement = ConsentStatement(purposes, entry.policy_version, entry.recorded_at)
        ledgers.setdefault(entry.device_id, []).append(statement)
    return ledgers
