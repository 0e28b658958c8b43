"""What a developer partner sees: the packages granted to them and the counts released of those."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from django.db.models import QuerySet

from crashes.models import SharedCount, SharedPackage, SharedWeek
from uxp_diag.roles import Scope
from uxp_diag.viewer import Viewer

_MOST_WEEKS = 53
_MOST_SHARED = 500


@dataclass(frozen=True, slots=True)
class PackageGrant:
    """A package that the viewer may see, in one program."""

    program_id: int
    package: str


@dataclass(frozen=True, slots=True)
class ReleasedCrash:
    """A crash in a version, and on about how many phones in each of the weeks; None: not told."""

    issue_id: int
    signature: str
    kind: str
    version_name: str
    frames: list[str]
    devices: list[int | None]

    @property
    def latest(self) -> int:
        """The newest number that was told."""
        return next((count for count in reversed(self.devices) if count is not None), 0)


@dataclass(frozen=True, slots=True)
class ReleasedWeeks:
    """All that was released of a package: weeks oldest first, crashes with the newest number first."""

    package: str
    weeks: list[date]
    crashes: list[ReleasedCrash]
    epsilon: float


def list_granted(*, viewer: Viewer) -> list[PackageGrant]:
    """The packages that the viewer may see."""
    rows = _granted(viewer).order_by("package")
    return [PackageGrant(*row) for row in rows.values_list("program_id", "package")]


def get_granted(*, viewer: Viewer, package: str) -> PackageGrant:
    """One of them. Raises SharedPackage.DoesNotExist."""
    row = _granted(viewer).filter(package=package).order_by("program_id").first()
    if row is None:
        raise SharedPackage.DoesNotExist
    return PackageGrant(row.program_id, row.package)


def _granted(viewer: Viewer) -> QuerySet[SharedPackage]:
    if viewer.user_id is None:
        return SharedPackage.objects.none()
    return SharedPackage.objects.filter(user_id=viewer.user_id, program_id__in=viewer.program_ids)


def released_weeks(grant: PackageGrant) -> ReleasedWeeks:
    """What was released in the last year."""
    rows: Sequence[SharedWeek] = list(
        SharedWeek.objects.filter(program_id=grant.program_id, package=grant.package).order_by(
            "-week"
        )[:_MOST_WEEKS]
    )[::-1]
    place = {row.pk: number for number, row in enumerate(rows)}
    found: dict[tuple[int, str], ReleasedCrash] = {}
    for count in SharedCount.objects.filter(week__in=rows).order_by("week__week", "pk"):
        key = (count.issue_id, count.version_name)
        crash = found.setdefault(
            key,
            ReleasedCrash(
                count.issue_id,
                count.signature,
                count.kind,
                count.version_name,
                count.frames,
                [None] * len(rows),
            ),
        )
        crash.devices[place[count.week_id]] = count.devices
    crashes = sorted(found.values(), key=lambda it: (-it.latest, it.signature, it.version_name))
    return ReleasedWeeks(
        grant.package, [row.week for row in rows], crashes, sum(row.epsilon for row in rows)
    )


@dataclass(frozen=True, slots=True)
class SharedWith:
    """A package, and who sees its released counts."""

    package: str
    name: str


def list_shared(*, viewer: Viewer) -> list[SharedWith]:
    """What is shared with whom in the viewer's programs, for staff."""
    if not viewer.may(Scope.READ):
        return []
    rows = SharedPackage.objects.filter(program_id__in=viewer.program_ids)
    pairs = rows.order_by("package", "user__username").values_list("package", "user__username")
    return [SharedWith(*pair) for pair in pairs[:_MOST_SHARED]]
