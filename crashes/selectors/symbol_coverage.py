"""How much of what phones send has names, per OS build, and what the debug files take up."""

from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.db.models import Count, Exists, Max, OuterRef, Sum

from crashes.models import DebugFile, Report, WaitingReport
from crashes.models.report import COUNTED
from uxp_diag.viewer import Viewer

_MOST_REPORTS = 50_000
"""Of the newest so many a share is as good as of all, and the page stays fast."""


@dataclass(frozen=True, slots=True)
class CoverageRow:
    """One OS build: stored reports, those that lack no debug file, and their native frames.

    Frames are those of crashing threads; `named_frames` have a name from one of our debug files.
    """

    os_build: str
    reports: int
    complete_reports: int
    native_frames: int
    named_frames: int

    @property
    def reports_percent(self) -> float:
        """The share of reports that lack nothing."""
        return 100 * self.complete_reports / self.reports

    @property
    def frames_percent(self) -> float | None:
        """The share of native frames with a name; None without native frames."""
        return 100 * self.named_frames / self.native_frames if self.native_frames else None


@dataclass(frozen=True, slots=True)
class SymbolUsage:
    """What debug files take up. `quota_bytes` is for all programs together; 0 is no limit."""

    files: int
    file_bytes: int
    table_bytes: int
    quota_bytes: int

    @property
    def total_bytes(self) -> int:
        """Files and tables."""
        return self.file_bytes + self.table_bytes


def list_symbol_coverage(*, viewer: Viewer, since: datetime, limit: int = 20) -> list[CoverageRow]:
    """OS builds, those with most reports first; reports received since then, the newest of them."""
    stored = Report.objects.filter(
        COUNTED,
        program_id__in=viewer.program_ids,
        state=Report.State.DONE,
        is_counted_only=False,
        received_at__gte=since,
    )
    newest = stored.order_by("-received_at", "-pk")[:_MOST_REPORTS]
    is_waiting = Exists(WaitingReport.objects.filter(report_id=OuterRef("pk")))
    rows = (
        Report.objects.filter(pk__in=newest.values("pk"))
        .values("os_build")
        .annotate(
            reports=Count("pk"),
            complete=Count("pk", filter=~is_waiting),
            native=Sum("native_frames"),
            named=Sum("named_frames"),
        )
        .order_by("-reports", "os_build")
    )
    fields = ("os_build", "reports", "complete", "native", "named")
    return [
        CoverageRow(os_build, reports, complete, native or 0, named or 0)
        for os_build, reports, complete, native, named in rows.values_list(*fields)[:limit]
    ]


def get_symbol_usage(*, viewer: Viewer) -> SymbolUsage:
    """What the debug files of the viewer's programs take up; what two of them share counts once."""
    mine = DebugFile.objects.filter(program_id__in=viewer.program_ids)
    once = mine.values("sha256").annotate(size=Max("size_bytes"), tables=Max("table_bytes"))
    found = once.aggregate(files=Count("sha256"), size_sum=Sum("size"), tables_sum=Sum("tables"))
    return SymbolUsage(
        files=found["files"],
        file_bytes=found["size_sum"] or 0,
        table_bytes=found["tables_sum"] or 0,
        quota_bytes=settings.SYMBOLS_QUOTA_BYTES,
    )
