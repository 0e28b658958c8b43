"""Data keys are made when something is first sealed for a device, and destroyed before its data is.

Whose data is being erased gets no key: what a worker still holds of it is not kept. A key is made
under the lock of its device's row, so it is there before an erasure begins, and destroyed with the
others, or the device says no.
"""

import uuid
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

from django.db import transaction

from devices.models import DataKey as DataKeyRow
from devices.models import Device, Erasure
from devices.sealing.keys import DataKey, device_holder, program_holder
from devices.selectors.data_keys import keys_by, master_keys


@dataclass(frozen=True, slots=True)
class Origin:
    """Where something that is to be sealed comes from, and when it came. No device: a program's."""

    program_id: int
    device_id: uuid.UUID | None
    received_at: datetime

    @property
    def holder(self) -> str:
        """Whose key it is sealed with."""
        if self.device_id is not None:
            return device_holder(self.device_id)
        return program_holder(self.program_id, self.received_at.date())


def keys_for(origins: Collection[Origin]) -> dict[Origin, DataKey]:
    """The keys to seal with; none for what is to be erased. Inside the transaction that stores."""
    if not origins:
        return {}
    found = _present(origins)
    # A key that is older than what is to be sealed has outlived no erasure that it belongs to.
    unsure = {
        origin
        for origin in origins
        if origin.holder not in found or origin.received_at < found[origin.holder][1]
    }
    wanted = set(origins) - _being_erased(unsure)
    missing = [origin for origin in wanted if origin.holder not in found]
    if missing:
        _make(missing)
        found |= _present(missing)
    return {origin: found[origin.holder][0] for origin in wanted if origin.holder in found}


def _being_erased(origins: Iterable[Origin]) -> set[Origin]:
    devices = {origin.device_id for origin in origins if origin.device_id}
    if not devices:
        return set()
    waiting = Erasure.objects.filter(device_id__in=devices, state=Erasure.State.REQUESTED)
    until = dict(waiting.values_list("device_id", "requested_at"))
    return {
        origin
        for origin in origins
        if origin.device_id in until and origin.received_at <= until[origin.device_id]
    }


def _present(origins: Iterable[Origin]) -> dict[str, tuple[DataKey, datetime]]:
    return keys_by("holder", {origin.holder for origin in origins})


def _make(origins: Iterable[Origin]) -> None:
    """Keys for those that may have one; another process may make the same one."""
    by_holder = {origin.holder: origin for origin in origins}
    devices = Device.objects.select_for_update(no_key=True).order_by("pk")
    held = devices.filter(pk__in={origin.device_id for origin in by_holder.values()})
    said = held.values_list("pk", "allows_development", "allows_personalisation")
    allowed = {pk: any(purposes) for pk, *purposes in said}
    wraps = master_keys()
    rows = []
    for holder, origin in sorted(by_holder.items()):
        if origin.device_id is not None and not allowed.get(origin.device_id, False):
            continue
        fresh = DataKey.fresh()
        day = origin.received_at.date()
        rows.append(
            DataKeyRow(
                id=fresh.id,
                holder=holder,
                month=None if origin.device_id else day.replace(day=1),
                master_key=wraps.newest,
                wrapped=wraps.wrap(fresh),
                created_at=origin.received_at,
            )
        )
    DataKeyRow.objects.bulk_create(rows, ignore_conflicts=True)


def destroy_keys(device_id: uuid.UUID) -> list[str]:
    """Delete the key of a device: nothing of it opens from the commit on. What names it in receipts.

    The device's row is locked by the caller.
    """
    rows = DataKeyRow.objects.select_for_update().filter(holder=device_holder(device_id))
    ids = list(rows.values_list("pk", flat=True))
    DataKeyRow.objects.filter(pk__in=ids).delete()
    return [fingerprint_of(key_id) for key_id in ids]


def fingerprint_of(key_id: uuid.UUID) -> str:
    """What a receipt calls a destroyed key; nothing leads from it to a device."""
    return sha256(b"uxp_diag data key " + key_id.bytes).hexdigest()


def forget_old_keys(*, before: datetime) -> int:
    """Delete the keys of programs and months of which everything is older; how many."""
    first = before.date().replace(day=1)
    return DataKeyRow.objects.filter(month__lt=first).delete()[0]


def count_old_wraps() -> int:
    """How many data keys an older master key wraps."""
    return DataKeyRow.objects.exclude(master_key=master_keys().newest).count()


def wrap_anew(*, limit: int) -> int:
    """Wrap up to `limit` data keys with the newest master key; how many there were."""
    wraps = master_keys()
    with transaction.atomic():
        old = DataKeyRow.objects.exclude(master_key=wraps.newest).order_by("pk")
        rows = list(old.select_for_update(skip_locked=True)[:limit])
        for row in rows:
            key = wraps.unwrap(bytes(row.wrapped), key_id=row.pk, master_key=row.master_key)
            row.wrapped, row.master_key = wraps.wrap(key), wraps.newest
        DataKeyRow.objects.bulk_update(rows, ["wrapped", "master_key"])
    return len(rows)
