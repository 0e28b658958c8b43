"""Files with symbols, and the build ids that still have none."""

from django.db import models


class DebugFile(models.Model):
    """One file with symbols for one build id; its bytes and its symcache are blobs."""

    class State(models.TextChoices):
        """Whether it can be used yet."""

        RECEIVED = "received"
        READY = "ready"
        UNUSABLE = "unusable"

    program_id = models.BigIntegerField()
    build_id = models.CharField(max_length=64)
    kind = models.CharField(max_length=20)
    arch = models.CharField(max_length=20, blank=True)
    name = models.CharField(max_length=200)
    sha256 = models.CharField(max_length=64)
    size_bytes = models.BigIntegerField()
    facts = models.JSONField()
    state = models.CharField(max_length=10, choices=State, default=State.RECEIVED)
    failure_detail = models.CharField(max_length=300, blank=True)
    symcache_version = models.PositiveSmallIntegerField(default=0)
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["program_id", "build_id", "kind", "sha256"], name="debug_file_once"
            ),
        ]
        indexes = [models.Index(fields=["program_id", "build_id"], name="debug_file_by_id")]

    def __str__(self) -> str:
        return f"debug file {self.name} for {self.build_id}"


class MissingDebugFile(models.Model):
    """A build id that reports asked for in vain, and how many reports that were."""

    program_id = models.BigIntegerField()
    build_id = models.CharField(max_length=64)
    arch = models.CharField(max_length=20, blank=True)
    module = models.CharField(max_length=300)
    reports = models.PositiveBigIntegerField(default=0)
    last_seen_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["program_id", "build_id"], name="missing_once"),
        ]

    def __str__(self) -> str:
        return f"missing {self.build_id} ({self.module})"
