"""Keys that what devices sent is sealed with."""

from django.db import models


class DataKey(models.Model):
    """One data key, wrapped by the master key with this id.

    `holder` says whose it is (`devices.sealing.keys`); `month` is filled for those of
    programs, which go when everything from that month is gone. Deleting a row is what makes an
    erasure final: see docs/adr/0008.
    """

    id = models.UUIDField(primary_key=True)
    holder = models.CharField(max_length=60, unique=True)
    month = models.DateField(null=True)
    master_key = models.PositiveIntegerField(db_index=True)
    wrapped = models.BinaryField(max_length=60)
    created_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"data key {self.pk}"
