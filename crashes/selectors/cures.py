"""How many of the phones whose owners were told of a fix were cured by it: numbers, no phone."""

from collections.abc import Iterable
from dataclasses import dataclass

from django.db.models import Count, Exists, OuterRef, Q

from crashes.models import Issue, Report
from devices.models import AdviceGiven
from devices.selectors.vital_series import LEAST_DEVICES
from uxp_diag.viewer import Viewer

_MOST = 50


@dataclass(frozen=True, slots=True)
class Cure:
    """A fix: phones told of it, those that installed it, and those of them that met it again.

    None where too few were told for a number.
    """

    issue_id: int
    signature: str
    fixed_in: str
    told: int | None
    installed: int | None
    met_again: int | None

    @property
    def rate(self) -> float | None:
        """The cured part of those that installed it."""
        if not self.installed or self.met_again is None:
            return None
        return 1 - self.met_again / self.installed


def list_cures(
    *, viewer: Viewer, issue_id: int | None = None, fixed_in: str | None = None
) -> list[Cure]:
    """The fixes of an issue, of an OS build or version, or the latest of all."""
    rows = AdviceGiven.objects.filter(program_id__in=viewer.program_ids)
    if issue_id is not None:
        rows = rows.filter(issue_id=issue_id)
    if fixed_in is not None:
        rows = rows.filter(fixed_in=fixed_in)
    again = Report.objects.filter(
        issue_id=OuterRef("issue_id"),
        device_id=OuterRef("device_id"),
        occurred_at__gt=OuterRef("installed_at"),
    )
    counted = (
        rows.values("issue_id", "fixed_in")
        .annotate(
            told=Count("pk"),
            installed=Count("pk", filter=Q(installed_at__isnull=False)),
            met_again=Count("pk", filter=Q(Exists(again), installed_at__isnull=False)),
        )
        .order_by("-told", "issue_id", "fixed_in")
        .values_list("issue_id", "fixed_in", "told", "installed", "met_again")[:_MOST]
    )
    return _cures(counted)


def _cures(counted: Iterable[tuple[int, str, int, int, int]]) -> list[Cure]:
    rows = list(counted)
    issues = Issue.objects.in_bulk([row[0] for row in rows])
    found = []
    for issue_id, fixed_in, *counts in rows:
        issue = issues.get(issue_id)
        numbers = counts if counts[0] >= LEAST_DEVICES else [None, None, None]
        found.append(Cure(issue_id, issue.signature if issue else "", fixed_in, *numbers))
    return found
