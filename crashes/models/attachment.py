"""Files that follow their report in pieces."""

from django.db import models


class Attachment(models.Model):
    """A file that a report announced: how much of it is here, and where it is once it is whole.

    `blob` is its key from the start; the pieces gather beside it. `received_bytes` is what was last
    told to the sender and is on disk; the file itself may hold more. `is_payload` marks the one that
    its report waits for. Of its name only the kind is kept. `scrubber_version` says which rules the
    blob of a complete one has been through; before that it is 0, and nobody is shown the blob.
    Pieces and blob are sealed with the device's key; `is_sealed` is False for what is from before
    there were keys.
    """

    class State(models.TextChoices):
        """Whether all of it is here."""

        PARTIAL = "partial"
        COMPLETE = "complete"

    program_id = models.BigIntegerField()
    device_id = models.UUIDField()
    report_id = models.UUIDField()
    sha256 = models.CharField(max_length=64)
    size_bytes = models.BigIntegerField()
    format = models.CharField(max_length=20)
    name_kind = models.CharField(max_length=20, blank=True)
    is_payload = models.BooleanField(default=False)
    received_bytes = models.BigIntegerField(default=0)
    state = models.CharField(max_length=8, choices=State, default=State.PARTIAL)
    blob = models.CharField(max_length=80)
    created_at = models.DateTimeField()
    scrubber_version = models.PositiveSmallIntegerField(default=0, db_default=0)
    is_sealed = models.BooleanField(default=False, db_default=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["program_id", "device_id", "report_id", "sha256"], name="attachment_once"
            ),
        ]
        indexes = [
            models.Index(
                fields=["created_at"],
                name="attachment_partial",
                condition=models.Q(state="partial"),
            ),
            models.Index(
                fields=["id"], name="attachment_unsealed", condition=models.Q(is_sealed=False)
            ),
        ]

    def __str__(self) -> str:
        return f"attachment {self.sha256[:12]} of report {self.report_id} ({self.state})"
