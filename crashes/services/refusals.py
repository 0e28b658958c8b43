"""Payloads that could not be read, remembered by their content, so that none is tried forever.

A broken app, or somebody who means harm, sends the same bytes again and again under new ids. What a
parser refused once it will refuse again, so one try is enough. What broke its child may have met a
machine in trouble; that is believed once it has failed as often as a report may.

Rows name the parsers' version, as newer ones may know better, and are forgotten after a day.
"""

import hashlib
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import DatabaseError

from crashes.formats.registry import PARSER_VERSION
from crashes.models import RefusedPayload
from crashes.stack import PayloadFormat
from uxp_diag.db import insert_adding

logger = logging.getLogger(__name__)

_OF_THE_MACHINE = frozenset({"sandbox_unavailable", "sandbox_killed"})
KEPT = timedelta(hours=24)
BELIEVED_AFTER = 3


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a payload could not be read. A final one says so of the payload, not of the try."""

    code: str
    detail: str
    is_final: bool


def content_key(payload_format: PayloadFormat, payload: bytes) -> bytes:
    """What makes two payloads the same for a parser."""
    return hashlib.sha256(payload_format.value.encode() + b"\0" + payload).digest()


def find_refusals(keys: Iterable[bytes], *, program_id: int, now: datetime) -> dict[bytes, Refusal]:
    """Those among these payloads that need no other try. Without the database there are none."""
    rows = RefusedPayload.objects.filter(
        program_id=program_id,
        content_key__in=set(keys),
        parser_version=PARSER_VERSION,
        created_at__gt=now - KEPT,
    )
    try:
        return {
            bytes(row.content_key): Refusal(row.code, row.detail, is_final=True)
            for row in rows
            if row.is_final or row.times >= BELIEVED_AFTER
        }
    except DatabaseError:
        logger.warning("what was refused before cannot be looked up")
        return {}


def remember_refusals(refusals: Mapping[bytes, Refusal], *, program_id: int, now: datetime) -> None:
    """Keep why these payloads could not be read; those of one content add up."""
    if not refusals:
        return
    rows = [
        RefusedPayload(
            program_id=program_id,
            content_key=key,
            parser_version=PARSER_VERSION,
            code=refusal.code[:60],
            detail=refusal.detail.replace("\0", "\ufffd")[:500],
            is_final=refusal.is_final,
            times=1,
            created_at=now,
        )
        for key, refusal in sorted(refusals.items())
        if refusal.code not in _OF_THE_MACHINE
    ]
    try:
        insert_adding(rows, conflict=["program_id", "content_key", "parser_version"], add="times")
    except DatabaseError:
        logger.warning("what was refused cannot be kept")


def forget_refusals(
    *, program_ids: frozenset[int], code: str | None = None, key: bytes | None = None
) -> int:
    """Believe no longer what was refused with a code, or one payload; how many those were."""
    rows = RefusedPayload.objects.filter(program_id__in=program_ids)
    if code is not None:
        rows = rows.filter(code=code)
    if key is not None:
        rows = rows.filter(content_key=key)
    return rows.delete()[0]


def forget_old_refusals(*, now: datetime) -> int:
    """Drop what is believed no longer."""
    return RefusedPayload.objects.filter(created_at__lte=now - KEPT).delete()[0]
