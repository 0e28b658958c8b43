"""What never became a report, counted by day."""

from django.core.serializers.json import DjangoJSONEncoder
from django.db import models


class ClientLoss(models.Model):
    """How often a client dropped, or we did not keep, things of one category for one reason.

    `client` is the SDK's name without its version, `reason` its word or ours (`not_kept`,
    `malformed`, `too_large`, `over_budget`); all words are from `crashes.intake.client_losses`.
    """

    program_id = models.BigIntegerField()
    client = models.CharField(max_length=60)
    reason = models.CharField(max_length=40)
    category = models.CharField(max_length=40)
    day = models.DateField()
    count = models.PositiveBigIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["program_id", "client", "reason", "category", "day"],
                name="client_loss_once",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.count} {self.category} {self.reason} by {self.client} on {self.day}"


class BatchAnswer(models.Model):
    """The answer to a batch with an idempotency key, kept for replays."""

    program_id = models.BigIntegerField()
    device_id = models.UUIDField()
    key = models.CharField(max_length=100)
    answer = models.JSONField(encoder=DjangoJSONEncoder)
    created_at = models.DateTimeField(db_index=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["program_id", "device_id", "key"], name="batch_answer_once"
            ),
        ]

    def __str__(self) -> str:
        return f"answer to batch {self.key} of device {self.device_id}"


class RefusedPayload(models.Model):
    """A payload that could not be read, by its content: see services.refusals.

    `is_final`: a parser refused it. Else its child broke, `times` times.
    """

    program_id = models.BigIntegerField()
    content_key = models.BinaryField(max_length=32)
    parser_version = models.PositiveSmallIntegerField()
    code = models.CharField(max_length=60)
    detail = models.CharField(max_length=500)
    is_final = models.BooleanField()
    times = models.PositiveBigIntegerField(default=1)
    created_at = models.DateTimeField(db_index=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["program_id", "content_key", "parser_version"], name="refused_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.code}, {self.times} times"
