"""Answers to batches, remembered for replays."""

import logging
from datetime import datetime, timedelta
from typing import Any

from django.db import DatabaseError

from crashes.models import BatchAnswer
from crashes.models.report import NO_DEVICE
from devices.selectors.access import Sender
from uxp_diag.db import insert_new

logger = logging.getLogger(__name__)

KEPT = timedelta(hours=72)


def find_answer(sender: Sender, key: str) -> dict[str, Any] | None:
    """The answer that a batch with this key got from us before, if it did."""
    if not key:
        return None
    try:
        found = BatchAnswer.objects.filter(
            program_id=sender.program_id, device_id=sender.device_id or NO_DEVICE, key=key
        ).first()
    except DatabaseError:  # then its reports are duplicates one by one
        return None
    return None if found is None else dict(found.answer)


def remember_answer(
    sender: Sender, key: str, answer: dict[str, Any], *, now: datetime
) -> dict[str, Any]:
    """Keep an answer under the batch's key; without a key there is nothing to keep."""
    if not key:
        return answer
    row = BatchAnswer(
        program_id=sender.program_id,
        device_id=sender.device_id or NO_DEVICE,
        key=key,
        answer=answer,
        created_at=now,
    )
    try:
        insert_new([row], conflict=["program_id", "device_id", "key"], returning=["id"])
    except DatabaseError:
        logger.warning("the answer to a batch could not be kept")
    return answer


def forget_old_answers(*, now: datetime) -> int:
    """Drop the answers that no replay will ask for any more."""
    return BatchAnswer.objects.filter(created_at__lt=now - KEPT).delete()[0]
