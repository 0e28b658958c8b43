"""Count what our own agent says it lost, once per report however often it is sent."""

from collections import Counter
from collections.abc import Sequence

from crashes.intake.client_losses import losses_of_agent
from crashes.services.acceptance import Receipt, Upload
from crashes.services.client_losses import count_losses


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
