"""Files with symbols, the names they go by, and what still waits for one."""

from django.db import models


class DebugFile(models.Model):
    """One file with symbols for one build id; its bytes and what is made of them are blobs.

    A mapping has its UUID in `build_id` and R8's own id in `mapping_id`, where kernels
    and their modules have their second name (`kernel/<release>`). `building_until` is the
    lease of the one process that makes the tables of the file. `regroup_at` is when to look next
    for reports that wait for it, `regrouped_reports` how many it gave names to afterwards.
    `last_used_at` is exact to a day; `table_bytes` is the size of what was made of it, and
    `table_key` what its symcache goes by where other files hold parts of it.
    """

    class State(models.TextChoices):
        """Whether it can be used yet."""

        RECEIVED = "received"
        READY = "ready"
        UNUSABLE = "unusable"

    class Quality(models.IntegerChoices):
        """What a report gets from it. More is better; a report waits for more than it has."""

        NOTHING = 0
        NAMES = 1
        LINES = 2

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
    mapping_id = models.CharField(max_length=130, blank=True, db_default="")
    quality = models.PositiveSmallIntegerField(
        choices=Quality, default=Quality.NOTHING, db_default=Quality.NOTHING
    )
    has_unwind = models.BooleanField(default=False, db_default=False)
    created_at = models.DateTimeField()
    ready_at = models.DateTimeField(null=True)
    building_until = models.DateTimeField(null=True)
    build_lease = models.UUIDField(null=True)
    regroup_at = models.DateTimeField(null=True)
    regrouped_reports = models.PositiveBigIntegerField(default=0, db_default=0)
    last_used_at = models.DateTimeField(null=True)
    table_bytes = models.PositiveBigIntegerField(default=0, db_default=0)
    table_key = models.CharField(max_length=64, blank=True, db_default="")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["program_id", "build_id", "kind", "sha256"], name="debug_file_once"
            ),
        ]
        indexes = [
            models.Index(fields=["program_id", "build_id"], name="debug_file_by_id"),
            models.Index(
                fields=["program_id", "mapping_id"],
                name="debug_file_by_map",
                condition=~models.Q(mapping_id=""),
            ),
            models.Index(
                fields=["regroup_at"],
                name="debug_file_regroup",
                condition=models.Q(regroup_at__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"debug file {self.name} for {self.build_id}"


class DebugFilePart(models.Model):
    """A part of debug information that stands in another file than the code it is about.

    `name` is `alt:<build id>` of what `dwz` moved, or `dwo:<id>` of a split unit; `is_held` tells the
    file that has the part from the one it was taken from.
    """

    program_id = models.BigIntegerField()
    name = models.CharField(max_length=140)
    debug_file = models.ForeignKey(DebugFile, models.CASCADE, related_name="+")
    is_held = models.BooleanField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["program_id", "name", "is_held", "debug_file"], name="debug_file_part_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} {'in' if self.is_held else 'missing from'} {self.debug_file_id}"


class AppMapping(models.Model):
    """The mapping that a version of an app was built with, as whoever uploaded it said.

    For apps whose frames do not name their mapping. One mapping may serve several version codes.
    """

    program_id = models.BigIntegerField()
    package = models.CharField(max_length=200)
    version_code = models.BigIntegerField()
    debug_file = models.ForeignKey(DebugFile, models.CASCADE, related_name="+")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["program_id", "package", "version_code"], name="app_mapping_once"
            ),
        ]

    def __str__(self) -> str:
        return f"mapping of {self.package} {self.version_code}"


class WaitingReport(models.Model):
    """A report that would gain from a better debug file than it had.

    `key` is a hash of program and name (`crashes.services.waiting`), `quality` what the report
    has. The row is there as long as the wish is; it goes with the report.
    """

    key = models.BigIntegerField()
    report = models.ForeignKey("crashes.Report", models.CASCADE, related_name="+")
    quality = models.PositiveSmallIntegerField(default=DebugFile.Quality.NOTHING)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["key", "report"], name="waiting_once"),
        ]

    def __str__(self) -> str:
        return f"report {self.report_id} waits for {self.key}"


class MissingDebugFile(models.Model):
    """A build id that reports asked for in vain, and how many reports that were.

    `asks` counts how often other people's servers were asked for it, `ask_after` is the earliest
    moment for the next time.
    """

    program_id = models.BigIntegerField()
    build_id = models.CharField(max_length=64)
    arch = models.CharField(max_length=20, blank=True)
    module = models.CharField(max_length=300)
    reports = models.PositiveBigIntegerField(default=0)
    last_seen_at = models.DateTimeField()
    ask_after = models.DateTimeField(null=True)
    asks = models.PositiveSmallIntegerField(default=0, db_default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["program_id", "build_id"], name="missing_once"),
        ]

    def __str__(self) -> str:
        return f"missing {self.build_id} ({self.module})"
