"""Count what never became a report."""

import logging
from collections.abc import Sequence
from datetime import date

from django.db import Error, transaction

from crashes.intake.client_losses import Loss
from crashes.models import ClientLoss
from uxp_diag.db import insert_adding

logger = logging.getLogger(__name__)


def count_losses(losses: Sequence[Loss], *, program_id: int, day: date) -> None:
    """Add losses to the day's counts.

    A count is not worth failing an upload whose reports are safe: without the database it is
    lost, and the log says so.
    """
    if not losses:
        return
    rows = [
        ClientLoss(
            program_id=program_id,
            client=loss.client,
            reason=loss.reason,
            category=loss.category,
            day=day,
            count=loss.count,
        )
        for loss in losses
    ]
    try:
        with transaction.atomic():
            insert_adding(
                rows,
                conflict=["program_id", "client", "reason", "category", "day"],
                add="count",
            )
    except Error:
        logger.warning("%d counts of losses could not be stored", len(rows))
