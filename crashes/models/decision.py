"""What people decided about which reports belong together.

Grouping puts every stack into its home issue. Decisions stand on top of that and never change it:
a merge leads from one issue to another, a split leads the reports that it means to an issue of
their own, a move pins one report. `crashes.triage.places` says where a report is with all of them;
taking one back leaves what grouping alone, and the other decisions, would have said.
"""

from django.conf import settings
from django.db import models


class GroupingDecision(models.Model):
    """One decision: `other` was merged into `issue`, or split from it, or got a report of it.

    `query` is what a split means, empty for a selection of stacks (`SplitVariant`) or reports
    (`ReportPin`). An `apart` decision only says that two issues are not the same. `details` keeps
    what undoing restores. One that was undone stays as a record.
    """

    class Kind(models.TextChoices):
        """What was decided."""

        MERGE = "merge"
        SPLIT = "split"
        MOVE = "move"
        APART = "apart"

    program_id = models.BigIntegerField()
    kind = models.CharField(max_length=6, choices=Kind)
    issue = models.ForeignKey("crashes.Issue", models.CASCADE, related_name="+")
    other = models.ForeignKey("crashes.Issue", models.CASCADE, related_name="+")
    query = models.CharField(max_length=1000, blank=True)
    reports = models.PositiveBigIntegerField(default=0)
    details = models.JSONField(default=dict)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    by_name = models.CharField(max_length=150)
    at = models.DateTimeField()
    undone_at = models.DateTimeField(null=True)
    undone_by_name = models.CharField(max_length=150, blank=True)

    def __str__(self) -> str:
        return f"{self.kind} {self.pk} of issues {self.issue_id} and {self.other_id}"


class SplitVariant(models.Model):
    """A stack that a split means."""

    decision = models.ForeignKey(GroupingDecision, models.CASCADE, related_name="+")
    variant = models.ForeignKey("crashes.StackVariant", models.CASCADE, related_name="+")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["variant", "decision"], name="split_variant_once"),
        ]

    def __str__(self) -> str:
        return f"variant {self.variant_id} in decision {self.decision_id}"


class ReportPin(models.Model):
    """A report that stays in an issue whatever its stack says; of several the latest counts."""

    decision = models.ForeignKey(GroupingDecision, models.CASCADE, related_name="+")
    report = models.ForeignKey("crashes.Report", models.CASCADE, related_name="+")
    issue = models.ForeignKey("crashes.Issue", models.CASCADE, related_name="+")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["report", "decision"], name="report_pin_once"),
        ]

    def __str__(self) -> str:
        return f"report {self.report_id} stays in issue {self.issue_id}"


class ApartPair(models.Model):
    """Two issues that never become one while the decision stands."""

    decision = models.ForeignKey(GroupingDecision, models.CASCADE, related_name="+")
    one = models.ForeignKey("crashes.Issue", models.CASCADE, related_name="+")
    other = models.ForeignKey("crashes.Issue", models.CASCADE, related_name="+")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["one", "other", "decision"], name="apart_once"),
        ]

    def __str__(self) -> str:
        return f"issues {self.one_id} and {self.other_id} stay apart"
