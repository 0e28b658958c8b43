"""What owners agreed to, as they said it. Rows are added and never changed."""

from django.db import models


class ConsentEntry(models.Model):
    """One statement of one owner: all purposes agreed to from now on, under one policy text."""

    device = models.ForeignKey("devices.Device", models.CASCADE, related_name="+")
    purposes = models.JSONField()
    policy_version = models.CharField(max_length=40)
    given_at = models.DateTimeField()
    recorded_at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["device", "recorded_at"], name="consent_by_device")]

    def __str__(self) -> str:
        return f"consent {self.pk} of device {self.device_id}"
