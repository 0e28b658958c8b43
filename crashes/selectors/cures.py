"""How many of the phones whose owners were told of a fix were cured by it: numbers, no phone."""

from dataclasses import dataclass

from django.db.models import Exists, OuterRef

from crashes.models import Issue, Report
from devices.selectors.advice import count_advice
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
    told: int | None = None
    installed: int | None = None
    met_again: int | None = None

    @property
    def rate(self) -> float | None:
        """The cured part of those that installed it."""
        if not self.installed or self.met_again is None:
            return None
        return 1 - self.met_again / self.installed


def list_cures(
    *, viewer: Viewer, issue_id: int | None = None, fixed_in: str | None = None
) -> list[Cure]:
    """The fixes of an issue, of an OS build or version, or those that most were told of."""
    again = Report.objects.filter(
        issue_id=OuterRef("issue_id"),
        device_id=OuterRef("device_id"),
        occurred_at__gt=OuterRef("installed_at"),
    )
    counts = count_advice(
        program_ids=viewer.program_ids,
        issue_id=issue_id,
        fixed_in=fixed_in,
        met_again=Exists(again),
        most=_MOST,
    )
    issues = Issue.objects.in_bulk([it.issue_id for it in counts])
    found = []
    for it in counts:
        issue = issues.get(it.issue_id)
        signature = issue.signature if issue else ""
        if it.told < LEAST_DEVICES:
            found.append(Cure(it.issue_id, signature, it.fixed_in))
        else:
            numbers = (it.told, it.installed, it.met_again)
            found.append(Cure(it.issue_id, signature, it.fixed_in, *numbers))
    return found
