"""Programs and the credentials that reach them."""

from django.conf import settings
from django.db import models


class Program(models.Model):
    """One user experience program: everything a request names is resolved inside it.

    The number is the project id of clients that know such a thing (Sentry's DSN).
    """

    name = models.CharField(max_length=100, unique=True)
    created_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"program {self.name}"


class Membership(models.Model):
    """A person who works on a program."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    program = models.ForeignKey(Program, models.CASCADE, related_name="+")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["user", "program"], name="membership_once"),
        ]

    def __str__(self) -> str:
        return f"user {self.user_id} in program {self.program_id}"


class IngestKey(models.Model):
    """The key that ships in firmware and apps: public by nature, it can write and never read."""

    program = models.ForeignKey(Program, models.CASCADE, related_name="+")
    key = models.CharField(max_length=64, unique=True)
    label = models.CharField(max_length=100, blank=True)
    created_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"ingest key {self.key[:10]}…"


class DeviceToken(models.Model):
    """What an enrolled phone shows; only the hash is kept."""

    device = models.ForeignKey("devices.Device", models.CASCADE, related_name="+")
    token_hash = models.BinaryField(max_length=32, unique=True)
    created_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"token {self.pk} of device {self.device_id}"


class ApiToken(models.Model):
    """A staff or CI credential with scopes; shown once, kept as a hash."""

    program = models.ForeignKey(Program, models.CASCADE, related_name="+")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, null=True, related_name="+")
    label = models.CharField(max_length=100)
    prefix = models.CharField(max_length=12)
    token_hash = models.BinaryField(max_length=32, unique=True)
    scopes = models.JSONField()
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    last_used_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"API token {self.prefix}… {self.label}"
