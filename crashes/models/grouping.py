"""What grouping has seen: one row per distinct stack, and the terms under which it is found.

A variant is a stack with its exact key under one mechanism. Repeats of it go to its issue by one
unique look-up; other stacks find it through the rare terms they share.
"""

from django.db import models


class StackVariant(models.Model):
    """One distinct stack of one mechanism, and the issue it belongs to."""

    program_id = models.BigIntegerField()
    mechanism = models.CharField(max_length=10)
    scope = models.CharField(max_length=250)
    exact_key = models.CharField(max_length=64)
    issue = models.ForeignKey("crashes.Issue", models.CASCADE, related_name="+")
    content = models.JSONField()
    decision = models.JSONField()
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["program_id", "mechanism", "exact_key"], name="variant_once"
            ),
        ]
        indexes = [models.Index(fields=["issue"], name="variant_of_issue")]

    def __str__(self) -> str:
        return f"variant {self.pk} of issue {self.issue_id}"


class ProgramMechanism(models.Model):
    """The mechanism that groups the reports of a program; without a row it is `CURRENT`."""

    program_id = models.BigIntegerField(primary_key=True)
    mechanism = models.CharField(max_length=10)
    changed_at = models.DateTimeField()
    changed_by_name = models.CharField(max_length=150)

    def __str__(self) -> str:
        return f"{self.mechanism} in program {self.program_id}"


class VariantTerm(models.Model):
    """A term of a variant inside a scope: the index of fuzzy matching.

    `scope_hash` and `term` are signed 64-bit hashes.
    """

    scope_hash = models.BigIntegerField()
    term = models.BigIntegerField()
    variant = models.ForeignKey(StackVariant, models.CASCADE, related_name="+")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["scope_hash", "term", "variant"], name="term_once"),
        ]

    def __str__(self) -> str:
        return f"term {self.term} of variant {self.variant_id}"


class TermCount(models.Model):
    """How many variants of a scope have a term, so that asking does not count them.

    Under `TOTAL` stands how many variants the scope has.
    """

    TOTAL = 0

    scope_hash = models.BigIntegerField()
    term = models.BigIntegerField()
    variants = models.BigIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["scope_hash", "term"], name="term_count_once"),
        ]

    def __str__(self) -> str:
        return f"{self.variants} variants with term {self.term}"


class VariantLikeness(models.Model):
    """Two stacks that are much alike and were not joined: what "similar issues" is made of.

    `other` was there first. `is_strong` says that their issues most likely belong together.
    """

    variant = models.ForeignKey(StackVariant, models.CASCADE, related_name="+")
    other = models.ForeignKey(StackVariant, models.CASCADE, related_name="+")
    score = models.FloatField()
    is_strong = models.BooleanField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["variant", "other"], name="likeness_once"),
        ]

    def __str__(self) -> str:
        return f"variants {self.variant_id} and {self.other_id}: {self.score:.2f}"
