"""What our own agent sent and we did not keep, beside reports, counted by day."""

from django.db import models


class AgentLoss(models.Model):
    """How often things of one category were not kept, for one reason.

    Categories are `vitals`, `enrollment` and `consent`; reasons are `unknown_keys` (single keys
    that were dropped) and `malformed` (whole lines). Tied to no phone.
    """

    program_id = models.BigIntegerField()
    reason = models.CharField(max_length=40)
    category = models.CharField(max_length=40)
    day = models.DateField()
    count = models.PositiveBigIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["program_id", "reason", "category", "day"], name="agent_loss_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.count} {self.category} {self.reason} on {self.day}"
