"""Releases: OS builds as the fleet shows them, what was judged of them, and what people decided."""

from django.conf import settings
from django.db import models


class Release(models.Model):
    """An OS build, since a device first told of it. `previous` is what its models ran before.

    `discovered_at` is when this platform first knew of it, which may be long after `first_seen`.
    """

    program_id = models.BigIntegerField()
    os_build = models.CharField(max_length=100)
    first_seen = models.DateField()
    discovered_at = models.DateTimeField()
    previous = models.ForeignKey("self", models.SET_NULL, null=True, related_name="+")
    asked_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["program_id", "os_build"], name="release_once"),
        ]
        indexes = [models.Index(fields=["program_id", "-first_seen"], name="release_recent")]

    def __str__(self) -> str:
        return f"release {self.os_build} of program {self.program_id}"


class VerdictSnapshot(models.Model):
    """What was judged of a release at a moment, and from what: never changed afterwards.

    `inputs` names the days and the moment up to which samples were read, `inputs_hash` is a SHA-256
    of the rows that came of it: as long as the samples are there, judging them again gives the
    same verdict.
    """

    release = models.ForeignKey(Release, models.CASCADE, related_name="+")
    made_at = models.DateTimeField()
    verdict = models.CharField(max_length=20)
    reasons = models.JSONField()
    metrics = models.JSONField()
    by_model = models.JSONField()
    inputs = models.JSONField()
    inputs_hash = models.CharField(max_length=64)
    engine_version = models.CharField(max_length=40)

    class Meta:
        indexes = [models.Index(fields=["release", "-made_at"], name="verdict_latest")]

    def __str__(self) -> str:
        return f"verdict {self.verdict} on release {self.release_id}"


class VerdictOverride(models.Model):
    """Somebody decided otherwise, or (without a verdict) gave the decision back. Never changed."""

    release = models.ForeignKey(Release, models.CASCADE, related_name="+")
    snapshot = models.ForeignKey(VerdictSnapshot, models.SET_NULL, null=True, related_name="+")
    verdict = models.CharField(max_length=20, blank=True)
    reason = models.CharField(max_length=1000)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    by_name = models.CharField(max_length=150)
    at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["release", "-at", "-id"], name="override_latest")]

    def __str__(self) -> str:
        return f"{self.by_name} on release {self.release_id}: {self.verdict or 'as judged'}"
