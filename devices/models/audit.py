"""Who looked at what of phones: entries are added and never changed; the database sees to it."""

from django.db import models


class AuditEntry(models.Model):
    """One look, written before the answer (`devices.audit`). No foreign key: it outlives accounts.

    `subject` names a report or an erasure, never a device, so that nothing leads to one that is gone:
    a look at a device has the alias that its data key makes (`DataKey.alias`).
    """

    number = models.BigIntegerField(primary_key=True)
    at = models.DateTimeField(db_index=True)
    program_id = models.BigIntegerField(null=True)
    by_name = models.CharField(max_length=150)
    by_user_id = models.BigIntegerField(null=True)
    action = models.CharField(max_length=20)
    subject = models.CharField(max_length=64)
    fields = models.JSONField()
    count = models.PositiveIntegerField()
    previous = models.CharField(max_length=64, blank=True)
    hash = models.CharField(max_length=64, unique=True)

    def __str__(self) -> str:
        return f"audit entry {self.number}: {self.action} by {self.by_name}"
