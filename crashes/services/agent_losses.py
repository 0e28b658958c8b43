"""Count what phones say was lost, once per report however often it is sent."""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import date

from crashes.intake.client_losses import (
    dropped_by_android,
    losses_of_agent,
    losses_of_dropbox,
    malformed_by_agent,
)
from crashes.models import Report
from crashes.services.acceptance import Receipt, Upload
from crashes.services.client_losses import count_losses
from crashes.stack import Crash
from uxp_diag.outage import database_outage


def count_agent_losses(uploads: Sequence[Upload], receipts: Sequence[Receipt]) -> None:
    """Count the losses that new reports of one sender tell of; replays told it before."""
    new = [
        upload
        for upload, receipt in zip(uploads, receipts, strict=True)
        if receipt.pk is not None and (upload.report.discarded or upload.unknown_keys)
    ]
    if not new:
        return
    discarded: Counter[str] = Counter()
    for upload in new:
        discarded.update(upload.report.discarded)
    losses = losses_of_agent(discarded, unknown_keys=sum(upload.unknown_keys for upload in new))
    count_losses(losses, program_id=new[0].program_id, day=new[0].received_at.date())


def count_malformed(count: int, *, program_id: int, day: date) -> None:
    """Count reports of our own agent that could not be read."""
    if count and not database_outage.is_on():
        count_losses(malformed_by_agent(count), program_id=program_id, day=day)


def count_dropped_entries(digested: Iterable[tuple[Report, Crash]]) -> None:
    """Count what Android says it dropped before these reports; runs where they are stored."""
    dropped: Counter[tuple[int, date]] = Counter()
    for row, crash in digested:
        dropped[row.program_id, row.received_at.date()] += dropped_by_android(crash.details)
    for (program_id, day), count in sorted(dropped.items()):
        count_losses(losses_of_dropbox(count), program_id=program_id, day=day)
