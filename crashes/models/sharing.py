"""What developers of apps are shown of their own apps: counts that were released once, with noise.

No row names a phone or hangs on one: what is here was made anonymous before it was written
(`crashes.services.sharing`), so it stays when a phone is erased.
"""

from django.conf import settings
from django.db import models


class SharedPackage(models.Model):
    """A person may see the released counts of a package."""

    program_id = models.BigIntegerField()
    package = models.CharField(max_length=200)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    granted_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["program_id", "package", "user"], name="shared_package_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.package} of program {self.program_id}, shared"


class SharedWeek(models.Model):
    """One release: a package and a week (its Monday), and what it cost every device at most.

    The ledger of the budget: a week is released once.
    """

    program_id = models.BigIntegerField()
    package = models.CharField(max_length=200)
    week = models.DateField()
    released_at = models.DateTimeField()
    epsilon = models.FloatField()
    delta = models.FloatField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["program_id", "package", "week"], name="shared_week_once"
            ),
        ]

    def __str__(self) -> str:
        return f"week {self.week} of {self.package}"


class SharedCount(models.Model):
    """About so many devices had a crash in a version in that week. `frames` are names of code."""

    week = models.ForeignKey(SharedWeek, models.CASCADE, related_name="counts")
    issue_id = models.BigIntegerField()
    signature = models.CharField(max_length=250)
    kind = models.CharField(max_length=20)
    version_name = models.CharField(max_length=100, blank=True)
    devices = models.PositiveIntegerField()
    frames = models.JSONField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["week", "issue_id", "version_name"], name="shared_count_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.devices} devices: {self.signature}"
