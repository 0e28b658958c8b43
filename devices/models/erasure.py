"""Erasures: asked for, under way, done; and the credentials that must not come back."""

from django.db import models


class Erasure(models.Model):
    """All data of one device goes, as its owner asked or by withdrawing consent.

    The number is random and is the owner's only handle. `device_id` is known until the work is
    done, then it is forgotten. `stores` is what was found, by store; the receipt is what the owner
    gets. `destroyed_keys` are the fingerprints of the data keys that went with the request.
    """

    class Reason(models.TextChoices):
        """Why."""

        REQUEST = "request"
        WITHDRAWAL = "withdrawal"
        OPERATOR = "operator"

    class State(models.TextChoices):
        """How far."""

        REQUESTED = "requested"
        DONE = "done"

    id = models.UUIDField(primary_key=True)
    program_id = models.BigIntegerField()
    device_id = models.UUIDField(null=True)
    reason = models.CharField(max_length=10, choices=Reason)
    state = models.CharField(max_length=9, choices=State, default=State.REQUESTED)
    requested_at = models.DateTimeField()
    leased_until = models.DateTimeField(null=True)
    stores = models.JSONField(default=dict)
    destroyed_keys = models.JSONField(null=True)
    finished_at = models.DateTimeField(null=True)
    receipt = models.JSONField(null=True)

    class Meta:
        indexes = [
            models.Index(
                fields=["requested_at"],
                name="erasure_open",
                condition=models.Q(state="requested"),
            ),
            models.Index(fields=["device_id"], name="erasure_of"),
            models.Index(fields=["-finished_at"], name="erasure_done"),
        ]

    def __str__(self) -> str:
        return f"erasure {self.pk} ({self.state})"


class ErasedToken(models.Model):
    """The hash of a token whose device was erased: reports that come late are refused by it."""

    token_hash = models.BinaryField(max_length=32, unique=True)
    erased_at = models.DateTimeField(db_index=True)

    def __str__(self) -> str:
        return f"erased token {self.pk}"
