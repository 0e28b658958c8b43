"""What another mechanism would make of the reports of a program, kept until somebody says yes or no.

A proposal is the result of a replay in shadow. Applying it moves the reports to exactly these
groups; its stacks and reports go when that is done, and the proposal stays as the record.
"""

from django.conf import settings
from django.db import models


class GroupingProposal(models.Model):
    """One replay of the reports of a program that came since `since`.

    `changes` are the largest joins and splits, `joins` and `splits` count all. `moved` counts the
    reports that applying has moved up to the report `reached`; `left` the ones that nobody can
    read any more and that stay where they are.
    """

    class State(models.TextChoices):
        """How far it is."""

        WRITING = "writing"
        READY = "ready"
        APPLYING = "applying"
        APPLIED = "applied"

    program_id = models.BigIntegerField()
    mechanism = models.CharField(max_length=10)
    before = models.CharField(max_length=10)
    state = models.CharField(max_length=8, choices=State)
    since = models.DateTimeField()
    created_at = models.DateTimeField()
    created_by_name = models.CharField(max_length=150)
    reports = models.PositiveBigIntegerField(default=0)
    groups = models.PositiveBigIntegerField(default=0)
    joins = models.PositiveBigIntegerField(default=0)
    splits = models.PositiveBigIntegerField(default=0)
    changes = models.JSONField(default=list)
    applied_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+"
    )
    applied_by_name = models.CharField(max_length=150, blank=True)
    started_at = models.DateTimeField(null=True)
    applied_at = models.DateTimeField(null=True)
    reached = models.BigIntegerField(default=0)
    moved = models.PositiveBigIntegerField(default=0)
    left = models.PositiveBigIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["program_id"],
                name="proposal_applying_once",
                condition=models.Q(state="applying"),
            ),
        ]
        indexes = [models.Index(fields=["program_id", "-id"], name="proposal_by_program")]

    def __str__(self) -> str:
        return f"proposal {self.pk} of {self.mechanism} for program {self.program_id}"


class ProposedStack(models.Model):
    """A stack that the mechanism would tell apart, first seen in report `opened_by`.

    `group` is the report that opened its group. In `decision` stacks go by `opened_by`.
    """

    proposal = models.ForeignKey(GroupingProposal, models.CASCADE, related_name="+")
    opened_by = models.BigIntegerField()
    group = models.BigIntegerField()
    content = models.JSONField()
    decision = models.JSONField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["proposal", "opened_by"], name="proposed_stack_once"),
        ]

    def __str__(self) -> str:
        return f"stack of report {self.opened_by} in proposal {self.proposal_id}"


class ProposedReport(models.Model):
    """A report, by number, and its stack."""

    proposal = models.ForeignKey(GroupingProposal, models.CASCADE, related_name="+")
    report_pk = models.BigIntegerField()
    opened_by = models.BigIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["proposal", "report_pk"], name="proposed_report_once"),
        ]
        indexes = [models.Index(fields=["proposal", "opened_by"], name="proposed_report_by_stack")]

    def __str__(self) -> str:
        return f"report {self.report_pk} in proposal {self.proposal_id}"
