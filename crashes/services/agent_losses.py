"""Count what our own agent says it lost, once per report however often it is sent."""

from collections.abc import Sequence

from crashes.intake.client_losses import losses_of_agent
from crashes.services.acceptance import Receipt, Upload
from crashes.services.client_losses import count_losses


def count_agent_losses(uploads: Sequence[Upload], receipts: Sequence[Receipt]) -> None:
    """Count the losses that new reports tell of; replays told it before."""
    for upload, receipt in zip(uploads, receipts, strict=True):
        if receipt.pk is None or not (upload.report.discarded or upload.unknown_keys):
            continue
        losses = losses_of_agent(upload.report.discarded, unknown_keys=upload.unknown_keys)
        count_losses(losses, program_id=upload.program_id, day=upload.received_at.date())
