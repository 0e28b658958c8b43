"""Issues: the reports that share a cause, their counts, and what people did about them."""

from django.conf import settings
from django.db import models


class Issue(models.Model):
    """The reports that share a cause.

    What a state waits for stands beside it: a resolved issue says from where on a report shows that
    it is back (`crashes.triage.transitions`), a muted one when that ends. An open issue that was
    resolved before has `regressed_at` and the build that showed it. `resolved_in_version_code`
    orders what `resolved_in_version` names; -1 is no version. `muted_until_count` is a number of
    reports altogether, `muted_until_daily` a number on one day.

    One that people merged into another stays, without reports and out of sight, with everything
    that is known about it, so that a merge can be undone. `merged_into` leads on. `leads_on` says that its reports may go
    elsewhere by a merge or a split, now or in the past: mostly nobody has to look for decisions.
    """

    class State(models.TextChoices):
        """What people decided about it."""

        OPEN = "open"
        MUTED = "muted"
        RESOLVED = "resolved"

    class Resolution(models.TextChoices):
        """From where on a resolved issue must not be seen any more."""

        NONE = ""
        NOW = "now"
        BUILD = "build"
        VERSION = "version"
        NEXT_RELEASE = "next_release"

    program_id = models.BigIntegerField()
    kind = models.CharField(max_length=20)
    signature = models.CharField(max_length=250)
    package = models.CharField(max_length=200, blank=True)
    state = models.CharField(max_length=10, choices=State, default=State.OPEN)
    assignee = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+"
    )
    resolution = models.CharField(
        max_length=12, choices=Resolution, blank=True, default="", db_default=""
    )
    resolved_at = models.DateTimeField(null=True)
    resolved_in_build = models.CharField(max_length=100, blank=True, default="", db_default="")
    resolved_in_version = models.CharField(max_length=100, blank=True, default="", db_default="")
    resolved_in_version_code = models.BigIntegerField(default=-1, db_default=-1)
    regressed_at = models.DateTimeField(null=True)
    regressed_in = models.CharField(max_length=100, blank=True, default="", db_default="")
    muted_until = models.DateTimeField(null=True)
    muted_until_count = models.PositiveBigIntegerField(null=True)
    muted_until_daily = models.PositiveBigIntegerField(null=True)
    merged_into = models.ForeignKey("self", models.PROTECT, null=True, related_name="+")
    leads_on = models.BooleanField(default=False, db_default=False)
    first_seen_at = models.DateTimeField()
    last_seen_at = models.DateTimeField()
    first_os_build = models.CharField(max_length=100, blank=True)
    last_os_build = models.CharField(max_length=100, blank=True)
    report_count = models.PositiveBigIntegerField(default=0)
    device_count = models.PositiveBigIntegerField(default=0)

    class Meta:
        indexes = [
            models.Index(fields=["program_id", "state", "-last_seen_at", "-id"], name="issue_seen"),
            models.Index(
                fields=["program_id", "state", "-report_count", "-id"], name="issue_count"
            ),
            models.Index(
                fields=["muted_until"], name="issue_muted", condition=models.Q(state="muted")
            ),
        ]

    def __str__(self) -> str:
        return f"issue {self.pk}: {self.signature}"


class IssueMove(models.Model):
    """Reports that went from one issue to another when symbols made their stacks readable."""

    old_issue = models.ForeignKey(Issue, models.CASCADE, related_name="+")
    new_issue = models.ForeignKey(Issue, models.CASCADE, related_name="+")
    reports = models.PositiveBigIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["old_issue", "new_issue"], name="issue_move_once"),
        ]

    def __str__(self) -> str:
        return f"{self.reports} reports from issue {self.old_issue_id} to {self.new_issue_id}"


class IssueRedirect(models.Model):
    """Where an issue that is no more went, so that links to it still lead somewhere."""

    old_id = models.BigIntegerField(primary_key=True)
    issue = models.ForeignKey(Issue, models.CASCADE, related_name="+")

    def __str__(self) -> str:
        return f"issue {self.old_id} is now {self.issue_id}"


class IssueDevice(models.Model):
    """A device that met an issue: one row each, so that devices are counted once.

    `day_reports` counts the reports that arrived on `day`, the last day one did: what a device in
    a crash loop sends beyond its budget is counted and not stored.
    """

    issue = models.ForeignKey(Issue, models.CASCADE, related_name="+")
    device_id = models.UUIDField()
    first_seen_at = models.DateTimeField()
    day = models.DateField(null=True)
    day_reports = models.PositiveIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["issue", "device_id"], name="issue_device_once"),
        ]
        indexes = [models.Index(fields=["device_id"], name="issue_device_of")]

    def __str__(self) -> str:
        return f"issue {self.issue_id} on device {self.device_id}"


class IssueTally(models.Model):
    """Reports of one issue per day and cell; can be counted again from the reports."""

    issue = models.ForeignKey(Issue, models.CASCADE, related_name="+")
    day = models.DateField()
    model = models.CharField(max_length=100, blank=True)
    os_build = models.CharField(max_length=100, blank=True)
    version_name = models.CharField(max_length=100, blank=True)
    mcc = models.CharField(max_length=3, blank=True)
    reports = models.PositiveBigIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["issue", "day", "model", "os_build", "version_name", "mcc"],
                name="tally_cell_once",
            ),
        ]

    def __str__(self) -> str:
        return f"issue {self.issue_id} on {self.day}: {self.reports}"


class BuildSeen(models.Model):
    """When the first report of a model with an OS build arrived, by the server's clock.

    This is the order of builds: names say nothing about it.
    """

    program_id = models.BigIntegerField()
    model = models.CharField(max_length=100, blank=True)
    os_build = models.CharField(max_length=100)
    first_seen_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["program_id", "model", "os_build"], name="build_seen_once"
            ),
        ]

    def __str__(self) -> str:
        return f"build {self.os_build} of {self.model}"


class VersionSeen(models.Model):
    """When the first report of a version of an app arrived; `version_code` orders them."""

    program_id = models.BigIntegerField()
    package = models.CharField(max_length=200)
    version_code = models.BigIntegerField()
    version_name = models.CharField(max_length=100, blank=True)
    first_seen_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["program_id", "package", "version_code"], name="version_seen_once"
            ),
        ]

    def __str__(self) -> str:
        return f"version {self.version_code} of {self.package}"


class TriageEvent(models.Model):
    """What somebody did to an issue, or the platform when `by_name` is empty.

    Events of one action share `action_id`. `before` and `after` are the fields that it changed;
    an action without them, like a comment, cannot be undone.
    """

    issue = models.ForeignKey(Issue, models.CASCADE, related_name="+")
    kind = models.CharField(max_length=20)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    by_name = models.CharField(max_length=150)
    text = models.TextField(blank=True)
    at = models.DateTimeField()
    action_id = models.UUIDField(null=True)
    before = models.JSONField(null=True)
    after = models.JSONField(null=True)
    undone_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [
            models.Index(fields=["issue", "at"], name="triage_by_issue"),
            models.Index(
                fields=["action_id"],
                name="triage_action",
                condition=models.Q(action_id__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} on issue {self.issue_id} by {self.by_name}"
