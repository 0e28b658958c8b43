"""Samples as devices sent them; roll-ups are made from these and can be made again."""

from django.db import models


class VitalSample(models.Model):
    """One interval of one device. `content` is zstd-compressed JSON of what was measured."""

    program_id = models.BigIntegerField()
    device_id = models.UUIDField()
    sample_id = models.UUIDField()
    received_at = models.DateTimeField()
    interval_start = models.DateTimeField()
    interval_end = models.DateTimeField()
    model = models.CharField(max_length=100, blank=True)
    os_version = models.CharField(max_length=40, blank=True)
    os_build = models.CharField(max_length=100, blank=True)
    mcc = models.CharField(max_length=3, blank=True)
    mnc = models.CharField(max_length=3, blank=True)
    content = models.BinaryField()
    scrubber_version = models.PositiveSmallIntegerField(default=0, db_default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["program_id", "device_id", "sample_id"], name="sample_once"
            ),
        ]
        indexes = [
            models.Index(fields=["program_id", "received_at"], name="sample_recent"),
            models.Index(fields=["interval_end"], name="sample_age"),
        ]

    def __str__(self) -> str:
        return f"sample {self.sample_id} of device {self.device_id}"
