"""The keys that sealed things open with.

Nothing is remembered between calls: a key that was destroyed opens nothing from that moment on, in
every process. Reading a few wrapped keys costs one look-up, unwrapping one two microseconds.
"""

import uuid
from collections.abc import Collection, Iterable
from contextlib import suppress
from datetime import datetime
from functools import lru_cache
from typing import Any

from django.conf import settings
from django.db import connection

from devices.models import DataKey as DataKeyRow
from devices.sealing import BrokenSeal
from devices.sealing.keys import DataKey, MasterKeyMissing, MasterKeys, parse_master_keys
from devices.sealing.values import key_of
from uxp_diag.db import fetch_in

_PROBES = 3


class KeyDestroyed(Exception):
    """There is no such key any more: whose data it was has been erased."""


def master_keys() -> MasterKeys:
    """The master keys of this installation."""
    return _parsed(settings.SEALING_KEYS)


@lru_cache(maxsize=4)
def _parsed(text: str) -> MasterKeys:
    return parse_master_keys(text)


def keys_by(field: str, values: Collection[Any]) -> dict[Any, tuple[DataKey, datetime]]:
    """The keys whose `field` has one of these values, by it, and since when they are there.

    Raises MasterKeyMissing, BrokenSeal.
    """
    names = (field, "id", "master_key", "wrapped", "created_at")
    masters = master_keys()
    return {
        value: (masters.unwrap(bytes(wrapped), key_id=key_id, master_key=master_key), created_at)
        for value, key_id, master_key, wrapped, created_at in fetch_in(
            DataKeyRow, field=field, values=values, returning=names
        )
    }


def check_master_keys() -> None:
    """Raises MasterKeyMissing if what is stored was wrapped by other keys than those of the settings.

    A worker asks before it starts: one that cannot seal would use up the tries of every report.
    """
    masters = master_keys()
    for master_key in DataKeyRow.objects.order_by("master_key").values_list(
        "master_key", flat=True
    ).distinct():  # fmt: skip
        rows = DataKeyRow.objects.filter(master_key=master_key).order_by("pk")[:_PROBES]
        if not any(_unwraps(masters, row) for row in rows):
            raise MasterKeyMissing(
                f"Master key {master_key} of UXP_SEALING_KEYS has another secret than the one that "
                "data keys were wrapped with. Put that back; a new one gets a new id."
            )


def _unwraps(masters: MasterKeys, row: DataKeyRow) -> bool:
    try:
        masters.unwrap(bytes(row.wrapped), key_id=row.pk, master_key=row.master_key)
    except BrokenSeal:
        return False
    return True


class KeyRing:
    """Keys by their ids, each read once. For one page or one batch, not for long."""

    def __init__(self, sealed_values: "Iterable[bytes | memoryview | None]" = ()) -> None:
        """With the keys of these values, read together; what is not sealed needs none."""
        self._keys: dict[uuid.UUID, DataKey | None] = {}
        ids = set()
        for value in sealed_values:
            with suppress(BrokenSeal):  # also what is not sealed
                ids.add(key_of(bytes(value or b"")))
        self._read(ids)

    def key(self, key_id: uuid.UUID) -> DataKey:
        """One key. Raises KeyDestroyed, MasterKeyMissing."""
        if key_id not in self._keys:
            self._read({key_id})
        found = self._keys[key_id]
        if found is None:
            raise KeyDestroyed
        return found

    def _read(self, ids: set[uuid.UUID]) -> None:
        names = [DataKeyRow._meta.pk.get_db_prep_value(key_id, connection) for key_id in ids]
        self._keys |= dict.fromkeys(ids)
        self._keys |= {key_id: key for key_id, (key, _) in keys_by("id", names).items()}
