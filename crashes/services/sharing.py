"""Weekly counts for the developers of apps: which crashes, in which versions, on about how many phones.

A week that is over is released once for each package that somebody may see. What is released is drawn
with noise, written down, and never made again: asking twice, or for two slices and their
difference, gives the same numbers and nothing else. There are no totals and no filters: model,
country, operator, time of day and messages are not in it at all.
"""

import hashlib
import secrets
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from django.core.signing import BadSignature, SignatureExpired, TimestampSigner
from django.db import IntegrityError, transaction

from crashes.grouping.normalize import UNKNOWN
from crashes.models import Issue, Report, SharedCount, SharedPackage, SharedWeek, StackVariant
from crashes.models.report import NO_DEVICE
from crashes.services.noise import MOST_CELLS, privacy_loss, release
from devices.selectors.access import list_partners

SETTLES = timedelta(days=2)
"""A week is released so long after its end, when what was under way has arrived."""

LINK_DAYS = 7
_WEEKS_BACK = 4
_MOST_FRAMES = 30
_PLATFORM = (
    "android.", "androidx.", "java.", "javax.", "kotlin.", "kotlinx.", "dalvik.", "libcore.",
    "com.android.internal.",
)  # fmt: skip
OTHER_CODE = "(other code)"

_Cell = tuple[int, str]


class AlreadyReleased(Exception):
    """The week was released before; a second time would tell more than one release may."""


class UnknownPartner(Exception):
    """There is no developer partner of that name in the program."""


def grant_package(program_id: int, package: str, username: str, *, now: datetime) -> None:
    """Let a partner see what is released of a package. Raises UnknownPartner."""
    SharedPackage.objects.get_or_create(
        program_id=program_id,
        package=package,
        user_id=_partner(program_id, username),
        defaults={"granted_at": now},
    )


def revoke_package(program_id: int, package: str, username: str) -> int:
    """Take that back; how many grants there were. What was seen is seen. Raises UnknownPartner."""
    mine = SharedPackage.objects.filter(program_id=program_id, package=package)
    return mine.filter(user_id=_partner(program_id, username)).delete()[0]


def _partner(program_id: int, username: str) -> int:
    for partner in list_partners(program_id):
        if partner.name == username:
            return partner.user_id
    raise UnknownPartner(f"{username} is no developer partner of this program")


def week_of(moment: datetime) -> date:
    """The Monday (UTC) of a moment's week."""
    day = moment.astimezone(UTC).date()
    return day - timedelta(days=day.weekday())


def release_due(*, now: datetime) -> int:
    """Release the last weeks that are over, of all packages that are shared; how many weeks."""
    last = week_of(now - SETTLES) - timedelta(weeks=1)
    weeks = [last - timedelta(weeks=back) for back in range(_WEEKS_BACK)]
    packages = SharedPackage.objects.values_list("program_id", "package").distinct()
    made = 0
    for program_id, package in sorted(packages):
        known = set(
            SharedWeek.objects.filter(
                program_id=program_id, package=package, week__in=weeks
            ).values_list("week", flat=True)
        )
        for week in sorted(set(weeks) - known):
            try:
                release_week(program_id=program_id, package=package, week=week, now=now)
            except AlreadyReleased:
                continue
            made += 1
    return made


@transaction.atomic
def release_week(*, program_id: int, package: str, week: date, now: datetime) -> SharedWeek:
    """Draw and keep the counts of one week. Raises AlreadyReleased, SharingUnavailable."""
    epsilon, delta = privacy_loss()
    try:
        with transaction.atomic():
            row = SharedWeek.objects.create(
                program_id=program_id,
                package=package,
                week=week,
                released_at=now,
                epsilon=epsilon,
                delta=delta,
            )
    except IntegrityError:
        raise AlreadyReleased(f"{package} in the week of {week}") from None
    counts = count_cells(program_id=program_id, package=package, week=week)
    drawn = release({f"{issue} {version}": count for (issue, version), count in counts.items()})
    issues = Issue.objects.in_bulk([int(cell.partition(" ")[0]) for cell in drawn])
    SharedCount.objects.bulk_create(
        SharedCount(
            week=row,
            issue_id=issue.pk,
            signature=_signature(issue, package),
            kind=issue.kind,
            version_name=cell.partition(" ")[2],
            devices=devices,
            frames=shared_frames(issue.pk, package),
        )
        for cell, devices in sorted(drawn.items())
        for issue in [issues[int(cell.partition(" ")[0])]]
        if devices
    )
    return row


def count_cells(*, program_id: int, package: str, week: date) -> dict[_Cell, int]:
    """Distinct devices by issue and version, each device in at most `MOST_CELLS` cells.

    Which cells of a device count is chance, so that nobody can push a phone into a cell. Reports of
    clients without enrollment are left out: without a device there is no limit to what one adds.
    """
    start = datetime.combine(week, time(), UTC)
    rows = (
        Report.objects.filter(
            program_id=program_id,
            package=package,
            received_at__gte=start,
            received_at__lt=start + timedelta(weeks=1),
            issue__isnull=False,
        )
        .exclude(device_id=NO_DEVICE)
        .values_list("device_id", "issue_id", "version_name")
        .distinct()
        .order_by("device_id", "issue_id", "version_name")
    )
    salt = secrets.token_bytes(16)
    counts: dict[_Cell, int] = defaultdict(int)
    for cells in _by_device(rows.iterator(chunk_size=2_000)):
        for cell in sorted(cells, key=lambda it: _chance(salt, it))[:MOST_CELLS]:
            counts[cell[1:]] += 1
    return dict(counts)


_Row = tuple[Any, int, str]


def _by_device(rows: Iterable[_Row]) -> Iterator[list[_Row]]:
    held: list[_Row] = []
    for row in rows:
        if held and held[0][0] != row[0]:
            yield held
            held = []
        held.append(row)
    if held:
        yield held


def _chance(salt: bytes, cell: _Row) -> bytes:
    return hashlib.blake2b(repr(cell).encode(), key=salt, digest_size=8).digest()


# What code may be named ------------------------------------------------------------------------


def shared_frames(issue_id: int, package: str) -> list[str]:
    """The stack of an issue as the developer of a package may see it.

    Their own code and that of the platform by name; whatever else ran in between only as that.
    """
    variant = StackVariant.objects.filter(issue_id=issue_id).order_by("pk").first()
    if variant is None:
        return []
    tokens: Sequence[str] = variant.content.get("tokens", ())
    in_app: Sequence[bool] = variant.content.get("in_app", ())
    frames: list[str] = []
    for text, is_own in zip(tokens, in_app, strict=False):
        shown = text if _may_see(text, package, is_own=is_own) else OTHER_CODE
        if shown != OTHER_CODE or frames[-1:] != [OTHER_CODE]:
            frames.append(shown)
    return frames[:_MOST_FRAMES]


def _may_see(text: str, package: str, *, is_own: bool) -> bool:
    if text.startswith("text ") or text.endswith(UNKNOWN):
        return False
    return is_own or text.startswith((f"{package}.", *_PLATFORM))


def _signature(issue: Issue, package: str) -> str:
    """Names only, as all signatures; one that names other people's code says what happened alone."""
    own = any(frame != OTHER_CODE for frame in shared_frames(issue.pk, package))
    return issue.signature if own else issue.signature.split(" at ")[0].split(" in ")[0]


# Links -----------------------------------------------------------------------------------------

_signer = TimestampSigner(salt="crashes.sharing")


def make_link_token(*, program_id: int, package: str) -> str:
    """A token that shows a package's counts to whoever has it, for `LINK_DAYS` days."""
    return _signer.sign_object({"program": program_id, "package": package})


def read_link_token(token: str) -> tuple[int, str] | None:
    """Program and package of a token; None if it is not ours or its time is over."""
    try:
        found = _signer.unsign_object(token, max_age=timedelta(days=LINK_DAYS))
    except (BadSignature, SignatureExpired):
        return None
    return found["program"], found["package"]
