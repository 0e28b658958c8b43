"""What owners were told about their phones: data of the purpose personalisation.

Nothing that serves development reads this table (tests/architecture/test_purposes.py), and it goes
with the owner's yes to that purpose.
"""

from django.db import models


class AdviceGiven(models.Model):
    """An owner was told that what their phone met is fixed.

    `fixed_in` names the OS build or, if `is_app`, the version of the app, which `version_code` orders
    (-1: it has none). `installed_at` is when the phone was first seen with
    it; `checked_at` when the platform looked last.
    """

    device = models.ForeignKey("devices.Device", models.CASCADE, related_name="+")
    program_id = models.BigIntegerField()
    issue_id = models.BigIntegerField()
    fixed_in = models.CharField(max_length=100)
    is_app = models.BooleanField(default=False)
    version_code = models.BigIntegerField(default=-1)
    given_at = models.DateTimeField()
    installed_at = models.DateTimeField(null=True)
    checked_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["device", "issue_id", "fixed_in"], name="advice_given_once"
            ),
        ]
        indexes = [
            models.Index(fields=["issue_id"], name="advice_of_issue"),
            models.Index(
                fields=["checked_at"],
                name="advice_open",
                condition=models.Q(installed_at__isnull=True),
            ),
            models.Index(fields=["given_at"], name="advice_age"),
        ]

    def __str__(self) -> str:
        return f"advice on issue {self.issue_id} to device {self.device_id}"
