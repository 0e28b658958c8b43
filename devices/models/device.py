"""Phones, by a random id; and the one way from an identity to it."""

from django.db import models


class Device(models.Model):
    """One enrolled phone. The id is random and says nothing about the phone or its owner."""

    id = models.UUIDField(primary_key=True)
    program = models.ForeignKey("devices.Program", models.PROTECT, related_name="+")
    model = models.CharField(max_length=100)
    build_fingerprint = models.CharField(max_length=200)
    os_version = models.CharField(max_length=40)
    os_build = models.CharField(max_length=100)
    mcc = models.CharField(max_length=3, blank=True)
    mnc = models.CharField(max_length=3, blank=True)
    enrolled_at = models.DateTimeField()
    last_seen_at = models.DateTimeField()
    policy_version = models.CharField(max_length=40, blank=True)
    allows_development = models.BooleanField(default=False)
    allows_personalisation = models.BooleanField(default=False)

    class Meta:
        indexes = [
            models.Index(fields=["program", "model", "os_build"], name="device_cohort"),
        ]

    def __str__(self) -> str:
        return f"device {self.id}"


class IdentityLink(models.Model):
    """Keyed look-up of a phone. No foreign key: this table can live in a database of its own."""

    lookup = models.BinaryField(max_length=32, unique=True)
    epoch = models.PositiveIntegerField()
    program_id = models.BigIntegerField()
    device_id = models.UUIDField(db_index=True)
    created_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"identity link of device {self.device_id}, epoch {self.epoch}"
