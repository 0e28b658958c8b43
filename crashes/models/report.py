"""What devices sent, and how far we are with it.

`Report` owns the state of the pipeline: received → leased → done or quarantined; one whose payload
follows by itself is awaiting it before that. A lease on a done report says that it is digested
again, because symbols came late. The row is written in the same breath as the spool file and before
the 202; whoever holds the lease works on it; nothing else, not Celery and not Redis, knows more
than this row.

Several reports may tell of one occurrence. One of them is its lead; the others are evidence of it:
in the same issue with the same variant, and in no count. What counts reports filters by `COUNTED`.
"""

import uuid

from django.db import models

NO_DEVICE = uuid.UUID(int=0)
"""The device id of reports from clients without enrollment: they are tied to no person."""

COUNTED = models.Q(evidence_of=None)
"""Reports that stand for an occurrence each."""


class Report(models.Model):
    """What one device sent about one occurrence.

    `native_frames` are those of its crashing threads, `named_frames` the ones of them that got a
    name from a debug file; None where nobody has counted.
    """

    class State(models.TextChoices):
        """Where the report is in the pipeline."""

        AWAITING = "awaiting"
        RECEIVED = "received"
        LEASED = "leased"
        DONE = "done"
        QUARANTINED = "quarantined"

    program_id = models.BigIntegerField()
    device_id = models.UUIDField()
    report_id = models.UUIDField(db_index=True)
    state = models.CharField(max_length=11, choices=State, default=State.RECEIVED)
    kind = models.CharField(max_length=20)
    received_at = models.DateTimeField()
    occurred_at = models.DateTimeField()

    spool_file = models.CharField(max_length=80, blank=True)
    spool_offset = models.BigIntegerField(default=0)
    spool_length = models.BigIntegerField(default=0)
    leased_until = models.DateTimeField(null=True)
    lease_id = models.UUIDField(null=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    failure_code = models.CharField(max_length=60, blank=True)
    failure_detail = models.CharField(max_length=500, blank=True)

    model = models.CharField(max_length=100, blank=True)
    os_version = models.CharField(max_length=40, blank=True)
    os_build = models.CharField(max_length=100, blank=True)
    process = models.CharField(max_length=200, blank=True)
    package = models.CharField(max_length=200, blank=True)
    version_name = models.CharField(max_length=100, blank=True)
    version_code = models.BigIntegerField(null=True)
    mcc = models.CharField(max_length=3, blank=True)
    mnc = models.CharField(max_length=3, blank=True)

    issue = models.ForeignKey("crashes.Issue", models.PROTECT, null=True, related_name="+")
    variant = models.ForeignKey(
        "crashes.StackVariant", models.SET_NULL, null=True, related_name="+"
    )
    parser_version = models.PositiveSmallIntegerField(default=0)
    native_frames = models.PositiveIntegerField(null=True)
    named_frames = models.PositiveIntegerField(null=True)
    is_counted_only = models.BooleanField(default=False)
    evidence_of = models.ForeignKey(
        "self", models.CASCADE, null=True, related_name="evidence", db_index=False
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["program_id", "device_id", "report_id"], name="report_once"
            ),
        ]
        indexes = [
            models.Index(
                fields=["id"],
                name="report_waiting",
                condition=models.Q(state__in=["received", "leased"]),
            ),
            models.Index(fields=["issue", "-occurred_at", "-id"], name="report_by_issue"),
            models.Index(fields=["program_id", "-received_at", "-id"], name="report_recent"),
            models.Index(fields=["occurred_at"], name="report_age"),
            models.Index(
                fields=["issue", "device_id"],
                name="report_counted_only",
                condition=models.Q(is_counted_only=True),
            ),
            models.Index(
                fields=["-received_at", "-id"],
                name="report_quarantined",
                condition=models.Q(state="quarantined"),
            ),
            models.Index(
                fields=["spool_file"], name="report_spool", condition=~models.Q(spool_file="")
            ),
            models.Index(
                fields=["evidence_of"],
                name="report_evidence",
                condition=models.Q(evidence_of__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"report {self.report_id} ({self.state})"


class OccurrenceMark(models.Model):
    """What tells the occurrence of an enrolled device's report from others: see intake.occurrences.

    Only reports that may be joined with others have one.
    """

    report = models.OneToOneField(Report, models.CASCADE, primary_key=True, related_name="mark")
    device_id = models.UUIDField()
    kind = models.CharField(max_length=20)
    source = models.CharField(max_length=24)
    pid = models.BigIntegerField(null=True)
    tid = models.BigIntegerField(null=True)
    process = models.CharField(max_length=200, blank=True)
    cause = models.CharField(max_length=200, blank=True)
    message_key = models.CharField(max_length=16, blank=True)
    occurred_at = models.DateTimeField()
    dumped_at = models.DateTimeField(null=True)
    rank = models.PositiveSmallIntegerField()

    class Meta:
        indexes = [
            models.Index(fields=["device_id", "pid"], name="mark_by_pid"),
            models.Index(
                fields=["device_id", "occurred_at"],
                name="mark_by_moment",
                condition=models.Q(kind="java_crash"),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.source} of report {self.report_id}"


class ReportContent(models.Model):
    """The large part of a report, apart so that lists stay narrow.

    `document` holds what the device said beside the payload, the crash and the receipt of the
    decision, as `crashes.packing` packs them. The raw payload is inline when it is small, else a
    blob.

    Document and payload are sealed with the key of the report's device, unless `is_sealed` says that
    one of them is from before there were keys.

    `envelope`, `crash` (zstd-compressed JSON) and `grouping` are filled in rows from before there
    was `document`; `crashes.selectors.contents` reads both. `scrubber_version` says which rules all
    of a row has been through.
    """

    report = models.OneToOneField(Report, models.CASCADE, primary_key=True, related_name="content")
    document = models.BinaryField(null=True)
    envelope = models.JSONField(null=True)
    crash = models.BinaryField(null=True)
    grouping = models.JSONField(null=True)
    raw = models.BinaryField(null=True)
    raw_blob = models.CharField(max_length=80, blank=True)
    raw_format = models.CharField(max_length=20, blank=True)
    raw_bytes = models.BigIntegerField(default=0)
    scrubber_version = models.PositiveSmallIntegerField(default=0, db_default=0)
    is_sealed = models.BooleanField(default=False, db_default=False)

    class Meta:
        indexes = [
            models.Index(
                fields=["report"], name="content_unsealed", condition=models.Q(is_sealed=False)
            ),
        ]

    def __str__(self) -> str:
        return f"content of report {self.pk}"
