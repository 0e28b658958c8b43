"""Count what our own agent sent, beside reports, and we did not keep."""

import logging
from datetime import date
from enum import StrEnum

from django.db import Error, transaction

from devices.models import AgentLoss
from uxp_diag.db import insert_adding

logger = logging.getLogger(__name__)

UNKNOWN_KEYS = "unknown_keys"
MALFORMED = "malformed"


class Sent(StrEnum):
    """What the agent sends beside reports."""

    VITALS = "vitals"
    ENROLLMENT = "enrollment"
    CONSENT = "consent"


def count_not_kept(
    category: Sent, *, program_id: int, day: date, unknown_keys: int = 0, malformed: int = 0
) -> None:
    """Add to the day's counts.

    A count is not worth failing an upload whose content is safe: without the database it is lost,
    and the log says so.
    """
    counts = {UNKNOWN_KEYS: unknown_keys, MALFORMED: malformed}
    rows = [
        AgentLoss(program_id=program_id, reason=reason, category=category, day=day, count=count)
        for reason, count in counts.items()
        if count
    ]
    if not rows:
        return
    try:
        with transaction.atomic():
            insert_adding(rows, conflict=["program_id", "reason", "category", "day"], add="count")
    except Error:
        logger.warning("%d counts of losses could not be stored", len(rows))
