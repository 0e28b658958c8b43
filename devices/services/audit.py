"""Looks at what phones sent are written down before anybody sees it, and what is done with it."""

import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db import transaction

from devices.audit import Action, Entry, hash_of_entry
from devices.models import AuditEntry
from devices.selectors.audit import entry_of
from devices.services.data_keys import Origin, keys_for
from uxp_diag.db import lock_name
from uxp_diag.viewer import Viewer

KEPT = timedelta(days=730)
COMMAND = "command line"
NO_ALIAS = uuid.UUID(int=0)
"""In the audit, a phone whose owner allows nothing."""

_PLATFORM = "platform"


def record_look(
    viewer: Viewer,
    action: Action,
    *,
    program_id: int,
    subject: uuid.UUID,
    fields: Sequence[str],
    now: datetime,
) -> None:
    """Write down that somebody is about to see these parts of one report."""
    _append(
        Entry(
            number=0,
            at=now,
            program_id=program_id,
            by_name=viewer.name,
            by_user_id=viewer.user_id,
            action=action,
            subject=str(subject),
            fields=tuple(fields),
            count=1,
            previous="",
        )
    )


@transaction.atomic
def record_device_look(
    viewer: Viewer,
    *,
    program_id: int,
    device_id: uuid.UUID,
    fields: Sequence[str],
    now: datetime,
) -> uuid.UUID:
    """Write down that somebody is about to see a phone; the alias that the entry calls it by.

    The alias is made with the phone's data key, so it leads nowhere once the phone is erased. A
    phone whose owner allows nothing has no key, and nothing that it sent is kept: `NO_ALIAS`.
    """
    origin = Origin(program_id, device_id, now)
    key = keys_for({origin}).get(origin)
    alias = NO_ALIAS if key is None else key.alias
    record_look(viewer, Action.DEVICE, program_id=program_id, subject=alias, fields=fields, now=now)
    return alias


def record_act(
    viewer: Viewer, action: Action, *, program_id: int, subject: str, count: int, now: datetime
) -> None:
    """Write down that somebody had something done to so many reports."""
    _append(
        Entry(0, now, program_id, viewer.name, viewer.user_id, action, subject[:64], (), count, "")
    )


def record_command(action: Action, *, subject: str, count: int, now: datetime) -> None:
    """Write down what was done to the data of phones on the command line, or by the platform."""
    by_name = _PLATFORM if action is Action.FORGOTTEN else COMMAND
    _append(Entry(0, now, None, by_name, None, action, subject, (), count, ""))


def _append(said: Entry) -> None:
    """Add an entry behind the last; one writer at a time, as each needs the hash before it."""
    with transaction.atomic():
        lock_name("audit")
        last = AuditEntry.objects.order_by("-number").values_list("number", "hash").first()
        number, previous = last or (0, "")
        row = AuditEntry(
            number=number + 1,
            at=said.at,
            program_id=said.program_id,
            by_name=said.by_name[:150],
            by_user_id=said.by_user_id,
            action=said.action,
            subject=said.subject,
            fields=list(said.fields),
            count=said.count,
            previous=previous,
        )
        row.hash = hash_of_entry(entry_of(row))
        row.save(force_insert=True)


def forget_old_looks(*, now: datetime) -> int:
    """Take entries off the front that are older than two years; how many.

    The last of them is named in an entry of its own, so that the chain may begin behind it.
    """
    old = AuditEntry.objects.filter(at__lt=now - KEPT)
    last = old.order_by("-number").first()
    if last is None:
        return 0
    gone = AuditEntry.objects.filter(number__lte=last.number, at__lt=now - KEPT)
    record_command(Action.FORGOTTEN, subject=last.hash, count=gone.count(), now=now)
    return gone.delete()[0]
