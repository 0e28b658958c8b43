"""Releases with their verdicts, and the issues of their builds."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from django.db.models import Sum

from crashes.models import Issue, IssueTally, Release, VerdictOverride, VerdictSnapshot
from devices.selectors.vital_cells import AdoptionDay, count_device_days, list_adoption, list_told
from uxp_diag.viewer import Viewer

MOST_RELEASES = 200
_ADOPTION_DAYS = 42
_ISSUES = 10


@dataclass(frozen=True, slots=True)
class Override:
    """Somebody's decision; without a verdict, the decision is the engine's again."""

    verdict: str
    reason: str
    by_name: str
    at: datetime
    snapshot_id: int | None


@dataclass(frozen=True, slots=True)
class ReleaseSummary:
    """A release, what was judged of it last, and what somebody decided since."""

    id: int
    program_id: int
    os_build: str
    first_seen: date
    previous: str
    snapshot: VerdictSnapshot | None
    override: Override | None

    @property
    def judged(self) -> str:
        """What the engine says."""
        return self.snapshot.verdict if self.snapshot else "insufficient_data"

    @property
    def verdict(self) -> str:
        """What holds: somebody's decision, else the engine's."""
        return (self.override.verdict if self.override else "") or self.judged

    @property
    def is_overridden(self) -> bool:
        """Whether somebody decided otherwise."""
        return bool(self.override and self.override.verdict)

    @property
    def reasons(self) -> list[str]:
        """Why, the strongest first."""
        if self.snapshot is None:
            return ["Not judged yet."]
        return list(self.snapshot.reasons)

    @property
    def metrics(self) -> list[dict[str, Any]]:
        """Each metric with its effect, interval and exposure."""
        return list(self.snapshot.metrics) if self.snapshot else []

    @property
    def worst(self) -> dict[str, Any] | None:
        """The metric that speaks loudest against it: an alert, else the largest effect."""
        known = [metric for metric in self.metrics if metric["effect"] is not None]
        return max(
            known,
            key=lambda it: (it["alert"] is not None, (it["alert"] or it)["effect"]),
            default=None,
        )


def list_releases(*, viewer: Viewer) -> list[ReleaseSummary]:
    """The latest releases, newest first."""
    rows = Release.objects.filter(program_id__in=viewer.program_ids).select_related("previous")
    return _summaries(list(rows.order_by("-first_seen", "-pk")[:MOST_RELEASES]))


def get_release(*, viewer: Viewer, release_id: int) -> ReleaseSummary:
    """One release. Raises Release.DoesNotExist."""
    rows = Release.objects.filter(program_id__in=viewer.program_ids).select_related("previous")
    return _summaries([rows.get(pk=release_id)])[0]


def _summaries(rows: Sequence[Release]) -> list[ReleaseSummary]:
    ids = [row.pk for row in rows]
    snapshots = {
        row.release_id: row
        for row in VerdictSnapshot.objects.filter(release__in=ids).order_by("made_at", "pk")
    }
    overrides = {
        row.release_id: row
        for row in VerdictOverride.objects.filter(release__in=ids).order_by("at", "pk")
    }
    return [
        ReleaseSummary(
            row.pk,
            row.program_id,
            row.os_build,
            row.first_seen,
            row.previous.os_build if row.previous else "",
            snapshots.get(row.pk),
            _override(overrides[row.pk]) if row.pk in overrides else None,
        )
        for row in rows
    ]


def _override(row: VerdictOverride) -> Override:
    return Override(row.verdict, row.reason, row.by_name, row.at, row.snapshot_id)


def list_overrides(*, release: ReleaseSummary) -> list[Override]:
    """Everything that people decided about a release, latest first."""
    rows = VerdictOverride.objects.filter(release_id=release.id).order_by("-at", "-pk")
    return [_override(row) for row in rows]


def release_adoption(*, release: ReleaseSummary, today: date) -> list[AdoptionDay]:
    """How the build spread."""
    return list_adoption(
        program_ids=[release.program_id],
        os_build=release.os_build,
        first=max(release.first_seen - timedelta(days=3), today - timedelta(days=366)),
        last=min(release.first_seen + timedelta(days=_ADOPTION_DAYS), today),
    )


@dataclass(frozen=True, slots=True)
class BuildIssue:
    """An issue on a build and on another: reports, and reports per 1,000 device-days.

    A rate is None where too few devices sent vitals to know the exposure.
    """

    id: int
    signature: str
    kind: str
    here: int
    before: int
    rate_here: float | None
    rate_before: float | None


@dataclass(frozen=True, slots=True)
class BuildIssues:
    """What a build brought, made worse, and ended, by reports; the largest first.

    The device-days are those that sent vitals, 0 for fewer than 20 devices.
    """

    other: str
    here_days: int
    before_days: int
    new: list[BuildIssue]
    worse: list[BuildIssue]
    gone: list[BuildIssue]


def list_told_models(*, releases: Sequence[ReleaseSummary]) -> set[tuple[int, str, str]]:
    """Program, build and model wherever 20 devices had it on one day: whose numbers are shown."""
    return list_told(
        program_ids={it.program_id for it in releases}, os_builds={it.os_build for it in releases}
    )


def build_issues(*, release: ReleaseSummary, other: str) -> BuildIssues:
    """Issues of a build against those of another one, over all their reports.

    New: never on the other build. Worse: twice as many as the exposure (device-days that sent
    vitals) explains, and ten at least. Gone: the exposure would explain five reports, and there is
    none. Where an exposure is not known, they count as equal.
    """
    here_days, before_days = (
        count_device_days(program_id=release.program_id, os_build=it) if it else 0
        for it in (release.os_build, other)
    )
    reports_ratio = here_days / before_days if here_days and before_days else 1.0
    tallies = IssueTally.objects.filter(
        issue__program_id=release.program_id, issue__merged_into=None
    )

    def counts(os_build: str) -> dict[int, int]:
        rows = tallies.filter(os_build=os_build).values("issue").annotate(n=Sum("reports"))
        return {issue: count for issue, count in rows.values_list("issue", "n") if count}

    here = counts(release.os_build)
    before = counts(other) if other else {}
    new = {it: n for it, n in here.items() if it not in before}
    worse = {
        it: n
        for it, n in here.items()
        if it in before and n >= 10 and n > 2 * reports_ratio * before[it]  # noqa: PLR2004
    }
    gone = {it: n for it, n in before.items() if it not in here and n * reports_ratio >= 5}  # noqa: PLR2004
    parts = [sorted(part, key=lambda it: (-part[it], it))[:_ISSUES] for part in (new, worse, gone)]
    issues = Issue.objects.in_bulk([it for part in parts for it in part])

    def rate(count: int, days: int) -> float | None:
        return 1_000 * count / days if days else None

    def row(it: int) -> BuildIssue:
        one, two = here.get(it, 0), before.get(it, 0)
        issue = issues[it]
        return BuildIssue(
            it, issue.signature, issue.kind, one, two, rate(one, here_days), rate(two, before_days)
        )

    return BuildIssues(other, here_days, before_days, *([row(it) for it in part] for part in parts))
