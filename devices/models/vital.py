"""Samples as devices sent them; roll-ups are made from these and can be made again."""

from django.db import models


class VitalSample(models.Model):
    """One interval of one device.

    `content` is zstd-compressed JSON of what was measured, sealed with the device's key, unless
    `is_sealed` says that it is from before there were keys.
    """

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
    is_sealed = models.BooleanField(default=False, db_default=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["program_id", "device_id", "sample_id"], name="sample_once"
            ),
        ]
        indexes = [
            models.Index(
                fields=["id"], name="sample_unsealed", condition=models.Q(is_sealed=False)
            ),
            models.Index(fields=["program_id", "received_at"], name="sample_recent"),
            models.Index(fields=["interval_end"], name="sample_age"),
        ]

    def __str__(self) -> str:
        return f"sample {self.sample_id} of device {self.device_id}"


class VitalMark(models.Model):
    """Samples of a day came or went since its roll-ups were made. One row per upload and day.

    Nobody looks for a mark that is there already: a row appears together with its samples, and
    whoever rolls the day up removes the rows that were there when it began, so none gets lost.
    """

    program_id = models.BigIntegerField()
    day = models.DateField()
    marked_at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["program_id", "day"], name="vital_mark_day")]

    def __str__(self) -> str:
        return f"day {self.day} of program {self.program_id} has to be rolled up"


class VitalCell(models.Model):
    """The vitals of one day, model, OS build and country: sums over device-days, no device.

    `content` is zstd-compressed JSON, for each vital its sums and its sketch
    (`devices.vitals.amounts`). Cells can be made again from the samples.
    """

    program_id = models.BigIntegerField()
    day = models.DateField()
    model = models.CharField(max_length=100, blank=True)
    os_build = models.CharField(max_length=100, blank=True)
    mcc = models.CharField(max_length=3, blank=True)
    devices = models.PositiveIntegerField()
    samples = models.PositiveIntegerField()
    content = models.BinaryField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["program_id", "day", "model", "os_build", "mcc"], name="vital_cell_once"
            ),
        ]

    def __str__(self) -> str:
        return f"vitals of {self.devices} devices on {self.day}"


class AppVitalCell(models.Model):
    """The vitals of one day and version of an app, as in `VitalCell`."""

    program_id = models.BigIntegerField()
    day = models.DateField()
    package = models.CharField(max_length=200)
    version_code = models.BigIntegerField()
    devices = models.PositiveIntegerField()
    content = models.BinaryField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["program_id", "day", "package", "version_code"], name="app_cell_once"
            ),
        ]

    def __str__(self) -> str:
        return f"vitals of {self.package} {self.version_code} on {self.day}"
