"""An owner's data is to go: the gate closes at once, the work is written down for the workers.

What devices hold themselves is removed here; what hangs on them elsewhere is the work of the outer
app, which finds the erasures that wait with `lease_erasure` and ends them with `finish_erasure`.
"""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.db import transaction
from django.db.models import Q, QuerySet

from devices.models import (
    AdviceGiven,
    Device,
    DeviceToken,
    ErasedToken,
    Erasure,
    IdentityLink,
    VitalMark,
    VitalSample,
)
from devices.receipts import hash_of, sign
from devices.services.data_keys import destroy_keys
from devices.vitals.day import day_of
from uxp_diag.db import lock_name

SOFTWARE = "uxp_diag 0.1.0"
_LEASE = timedelta(minutes=5)
REFUSED_FOR = timedelta(days=396)
"""Thirteen months: longer than any phone keeps a report."""

_CHUNK = 1_000

REQUEST, OPERATOR = Erasure.Reason.REQUEST, Erasure.Reason.OPERATOR


class UnknownDevice(Exception):
    """There is no such device, or no more."""


@dataclass(frozen=True, slots=True)
class OpenErasure:
    """An erasure that the caller works on. `until`: only what was received by then; None for all.

    `found` is what was there, by store, if the work began earlier.
    """

    request_id: uuid.UUID
    program_id: int
    device_id: uuid.UUID
    reason: Erasure.Reason
    requested_at: datetime
    until: datetime | None
    found: dict[str, int]


_ENDS_ENROLLMENT = (Erasure.Reason.REQUEST, Erasure.Reason.OPERATOR)


@transaction.atomic
def request_erasure(device_id: uuid.UUID, *, reason: Erasure.Reason, now: datetime) -> uuid.UUID:
    """Erase a device wholly: nobody can upload as it or find it by its identity from now on.

    Returns the number of the erasure. Raises UnknownDevice.
    """
    device = Device.objects.select_for_update().filter(pk=device_id).first()
    if device is None:
        raise UnknownDevice
    Device.objects.filter(pk=device_id).update(
        allows_development=False, allows_personalisation=False
    )
    tokens = DeviceToken.objects.filter(device=device)
    ErasedToken.objects.bulk_create(
        [
            ErasedToken(token_hash=bytes(token), erased_at=now)
            for token in tokens.values_list("token_hash", flat=True)
        ],
        ignore_conflicts=True,
    )
    tokens.delete()
    IdentityLink.objects.filter(device_id=device_id).delete()
    return open_erasure(device, reason=reason, now=now)


def open_erasure(device: Device, *, reason: Erasure.Reason, now: datetime) -> uuid.UUID:
    """Destroy the device's key, and write the rest of the work down.

    A stronger reason or a later moment widens one that is still waiting. The device's row is locked.
    """
    waiting = Erasure.objects.filter(device_id=device.pk, state=Erasure.State.REQUESTED).first()
    if waiting is None:
        waiting = Erasure(pk=uuid.uuid4(), program_id=device.program_id, device_id=device.pk)
        waiting.reason = reason
    elif reason in _ENDS_ENROLLMENT:
        waiting.reason = reason
    waiting.requested_at = now
    waiting.destroyed_keys = [*(waiting.destroyed_keys or []), *destroy_keys(device.pk)]
    waiting.save()
    return waiting.pk


def waiting_erasure(device_id: uuid.UUID) -> uuid.UUID | None:
    """The erasure of a device that is not done yet."""
    waiting = Erasure.objects.filter(device_id=device_id, state=Erasure.State.REQUESTED)
    return waiting.values_list("pk", flat=True).first()


def lease_erasure(*, now: datetime) -> OpenErasure | None:
    """The erasure that waits longest and nobody works on; it is the caller's for five minutes."""
    is_free = Q(leased_until=None) | Q(leased_until__lt=now)
    open_ones = Erasure.objects.filter(is_free, state=Erasure.State.REQUESTED)
    for found in open_ones.order_by("requested_at", "pk")[:10]:
        taken = Erasure.objects.filter(is_free, pk=found.pk, state=Erasure.State.REQUESTED)
        if taken.update(leased_until=now + _LEASE):
            return _open(Erasure.objects.get(pk=found.pk))
    return None


def _open(row: Erasure) -> OpenErasure:
    if row.device_id is None:
        raise ValueError("an erasure that is done has no device")
    is_whole = row.reason in _ENDS_ENROLLMENT
    return OpenErasure(
        request_id=row.pk,
        program_id=row.program_id,
        device_id=row.device_id,
        reason=Erasure.Reason(row.reason),
        requested_at=row.requested_at,
        until=None if is_whole else row.requested_at,
        found=dict(row.stores),
    )


def note_found(erasure: OpenErasure, found: Mapping[str, int]) -> None:
    """Keep what was found before anything was deleted; what was kept earlier stands."""
    Erasure.objects.filter(pk=erasure.request_id, stores={}).update(stores=dict(found))


def count_fleet_data(erasure: OpenErasure) -> dict[str, int]:
    """How many rows of each store of this app are to go."""
    return {"vital_samples": _samples(erasure).count(), "advice": _advice(erasure).count()}


def erase_fleet_data(erasure: OpenErasure) -> None:
    """Delete what this app has collected from the device; its days are rolled up without it."""
    _advice(erasure).delete()
    rows = _samples(erasure).order_by("pk").values_list("pk", "interval_end")
    while found := list(rows[:_CHUNK]):
        days = sorted({day_of(end) for _, end in found})
        with transaction.atomic():
            VitalSample.objects.filter(pk__in=[pk for pk, _ in found]).delete()
            VitalMark.objects.bulk_create(
                VitalMark(program_id=erasure.program_id, day=day, marked_at=erasure.requested_at)
                for day in days
            )


def _advice(erasure: OpenErasure) -> QuerySet[AdviceGiven]:
    advice = AdviceGiven.objects.filter(device_id=erasure.device_id)
    return advice if erasure.until is None else advice.filter(given_at__lte=erasure.until)


def _samples(erasure: OpenErasure) -> QuerySet[VitalSample]:
    samples = VitalSample.objects.filter(program_id=erasure.program_id, device_id=erasure.device_id)
    return samples if erasure.until is None else samples.filter(received_at__lte=erasure.until)


@transaction.atomic
def finish_erasure(
    erasure: OpenErasure,
    *,
    stores: Mapping[str, Mapping[str, int]],
    key: Ed25519PrivateKey,
    now: datetime,
) -> bool:
    """Sign the receipt and forget the device. False if there is more to do: it was asked again.

    `stores` is {"before", "after"} by store.
    """
    lock_name("erasure receipts")
    row = Erasure.objects.select_for_update().get(pk=erasure.request_id)
    if row.state == Erasure.State.DONE:
        return True
    if (row.requested_at, row.reason) != (erasure.requested_at, erasure.reason):
        Erasure.objects.filter(pk=row.pk).update(leased_until=None)
        return False
    if row.reason in _ENDS_ENROLLMENT:
        Device.objects.filter(pk=erasure.device_id).delete()
        destroy_keys(erasure.device_id)  # nobody makes one any more, but let it be certain
    last = Erasure.objects.filter(state=Erasure.State.DONE).order_by("-finished_at", "-pk").first()
    moment = now  # of each a different one: the chain has an order
    if last is not None and last.finished_at is not None:
        moment = max(now, last.finished_at + timedelta(microseconds=1))
    content = {
        "request_id": str(row.pk),
        "reason": row.reason,
        "requested_at": row.requested_at.isoformat(),
        "finished_at": now.isoformat(),
        "stores": {name: dict(counts) for name, counts in stores.items()},
        "destroyed_keys": row.destroyed_keys or [],
        "software": SOFTWARE,
        "previous": None if last is None or last.receipt is None else hash_of(last.receipt),
    }
    row.receipt = sign(content, key)
    row.state, row.finished_at, row.device_id = Erasure.State.DONE, moment, None
    row.stores, row.leased_until, row.destroyed_keys = {}, None, None
    row.save()
    return True


def forget_old_erasures(*, now: datetime) -> int:
    """Drop refused tokens that no phone can still hold reports for; how many."""
    return ErasedToken.objects.filter(erased_at__lt=now - REFUSED_FOR).delete()[0]
