"""Which moves an issue may make, what each one means, and what shows that it came back.

    open ──resolve──> resolved ──a report that should not be──> open, regressed
     │ └──mute──> muted ──time, count or rate──> open
     └<──reopen── from both

A resolution says from where on the cause is gone:

* `now`: what happens after the moment of resolving shows that it is not;
* `build`: the named OS build and those of the same model that came later. Builds are ordered by the
  moment their first report arrived; names say nothing. A model that never sent the named build may
  not have it, so its reports show nothing;
* `version`: the named version of the app and higher version codes;
* `next_release`: the first version code above all that were seen; where reports carry none, builds
  of which the first report arrived after resolving.

So a report from older software reopens nothing, however many phones still run it. The moment is the
phone's; one whose clock is ahead can only be wrong about `now`.

Moves take the whole standing of an issue and give back a new one, so that writing it down, and
undoing it, needs no knowledge of what changed.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

LONGEST_MUTE = timedelta(days=366)
LARGEST_COUNT = 10**12


class IssueState(StrEnum):
    """What people decided about an issue."""

    OPEN = "open"
    MUTED = "muted"
    RESOLVED = "resolved"


class Resolution(StrEnum):
    """From where on a resolved issue must not be seen any more."""

    NONE = ""
    NOW = "now"
    BUILD = "build"
    VERSION = "version"
    NEXT_RELEASE = "next_release"


NO_VERSION = -1
"""Where no version code is known; real ones are not negative."""


class ImpossibleTransition(Exception):
    """The issue cannot make this move from the state it is in."""


@dataclass(frozen=True, slots=True)
class Standing:
    """Where an issue stands and what that waits for.

    `resolved_in_version_code` is `NO_VERSION` when the version has none. For `next_release` it is
    the lowest code that belongs to the next release, `NO_VERSION` where only builds tell.
    """

    state: IssueState = IssueState.OPEN
    resolution: Resolution = Resolution.NONE
    resolved_at: datetime | None = None
    resolved_in_build: str = ""
    resolved_in_version: str = ""
    resolved_in_version_code: int = NO_VERSION
    regressed_at: datetime | None = None
    regressed_in: str = ""
    muted_until: datetime | None = None
    muted_until_count: int | None = None
    muted_until_daily: int | None = None


@dataclass(frozen=True, slots=True)
class Target:
    """What a resolution names; the fields that do not belong to it stay as they are."""

    resolution: Resolution = Resolution.NOW
    build: str = ""
    version: str = ""
    version_code: int = NO_VERSION


@dataclass(frozen=True, slots=True)
class Sight:
    """What one report says about the software it came from."""

    occurred_at: datetime
    model: str = ""
    os_build: str = ""
    version: str = ""
    version_code: int = NO_VERSION


@dataclass(frozen=True, slots=True)
class BuildOrder:
    """When builds were first seen, by model and build."""

    first_seen: Mapping[tuple[str, str], datetime] = field(default_factory=dict)

    def is_at_least(self, model: str, build: str, other: str) -> bool:
        """Whether a model's build is the other one or came after it."""
        if build == other:
            return True
        mine, theirs = self.first_seen.get((model, build)), self.first_seen.get((model, other))
        return mine is not None and theirs is not None and mine > theirs

    def is_after(self, model: str, build: str, moment: datetime) -> bool:
        """Whether the first report of a model's build arrived after a moment."""
        mine = self.first_seen.get((model, build))
        return mine is not None and mine > moment


# Moves ----------------------------------------------------------------------------------------


def resolve(standing: Standing, target: Target, *, now: datetime) -> Standing:
    """Say that the cause is gone. Raises ImpossibleTransition for a target that names nothing.

    A resolved issue may be resolved once more: that corrects where.
    """
    del standing
    if target.resolution is Resolution.NONE:
        raise ImpossibleTransition("a resolution says from where on")
    if target.resolution is Resolution.BUILD and not target.build:
        raise ImpossibleTransition("name the OS build that has the fix")
    if target.resolution is Resolution.VERSION and not target.version:
        raise ImpossibleTransition("name the version of the app that has the fix")
    return Standing(
        state=IssueState.RESOLVED,
        resolution=target.resolution,
        resolved_at=now,
        resolved_in_build=target.build,
        resolved_in_version=target.version,
        resolved_in_version_code=target.version_code,
    )


def reopen(standing: Standing) -> Standing:
    """Put a resolved or muted issue back among the open ones."""
    if standing.state is IssueState.OPEN:
        raise ImpossibleTransition("the issue is open already")
    return Standing()


def mute(
    standing: Standing,
    *,
    now: datetime,
    until: datetime | None = None,
    until_count: int | None = None,
    until_daily: int | None = None,
) -> Standing:
    """Silence an open issue, for good or until one of the conditions holds.

    `until_count` is a number of reports altogether, `until_daily` a number on one day.
    """
    if standing.state is IssueState.RESOLVED:
        raise ImpossibleTransition("a resolved issue has nothing to silence; reopen it first")
    if until is not None and not now < until <= now + LONGEST_MUTE:
        raise ImpossibleTransition("a mute ends in the future, within a year")
    for count in (until_count, until_daily):
        if count is not None and not 0 < count <= LARGEST_COUNT:
            raise ImpossibleTransition("a mute ends at a number of reports above 0")
    return Standing(
        state=IssueState.MUTED,
        regressed_at=standing.regressed_at,
        regressed_in=standing.regressed_in,
        muted_until=until,
        muted_until_count=until_count,
        muted_until_daily=until_daily,
    )


# What reports and time do ----------------------------------------------------------------------


def is_back(standing: Standing, sight: Sight, builds: BuildOrder) -> bool:
    """Whether a report shows that the cause of a resolved issue is not gone."""
    if standing.state is not IssueState.RESOLVED or standing.resolved_at is None:
        return False
    if standing.resolution is Resolution.NOW:
        return sight.occurred_at > standing.resolved_at
    return carries_fix(standing, sight, builds)


def carries_fix(standing: Standing, sight: Sight, builds: BuildOrder) -> bool:
    """Whether the software of a report has what a resolution names; `now` names no software."""
    if standing.resolved_at is None:
        return False
    match standing.resolution:
        case Resolution.BUILD:
            return bool(sight.os_build) and builds.is_at_least(
                sight.model, sight.os_build, standing.resolved_in_build
            )
        case Resolution.VERSION:
            return _is_version_or_later(standing, sight)
        case Resolution.NEXT_RELEASE if standing.resolved_in_version_code != NO_VERSION:
            return sight.version_code >= standing.resolved_in_version_code
        case Resolution.NEXT_RELEASE:
            return builds.is_after(sight.model, sight.os_build, standing.resolved_at)
        case _:
            return False


def come_back(standing: Standing, sight: Sight, *, now: datetime) -> Standing:
    """The standing of an issue that was resolved and is seen again."""
    is_app = standing.resolved_in_version_code != NO_VERSION or bool(standing.resolved_in_version)
    seen_in = (sight.version or str(sight.version_code)) if is_app else sight.os_build
    return Standing(regressed_at=now, regressed_in=seen_in[:100])


def is_mute_over(
    standing: Standing, *, now: datetime, reports: int, most_daily: int | None = None
) -> bool:
    """Whether what a mute waits for has come. `most_daily` is the larger of today and yesterday."""
    if standing.state is not IssueState.MUTED:
        return False
    is_late = standing.muted_until is not None and standing.muted_until <= now
    is_many = standing.muted_until_count is not None and reports > standing.muted_until_count
    is_dense = (
        standing.muted_until_daily is not None
        and most_daily is not None
        and most_daily > standing.muted_until_daily
    )
    return is_late or is_many or is_dense


def unmute(standing: Standing) -> Standing:
    """The standing after a mute; that the issue came back stays known."""
    return Standing(regressed_at=standing.regressed_at, regressed_in=standing.regressed_in)


def _is_version_or_later(standing: Standing, sight: Sight) -> bool:
    """Codes order versions; where one has none, names of numbers and dots do."""
    if NO_VERSION not in (standing.resolved_in_version_code, sight.version_code):
        return sight.version_code >= standing.resolved_in_version_code
    if not sight.version or sight.version == standing.resolved_in_version:
        return bool(sight.version)
    mine, fixed = _numbers(sight.version), _numbers(standing.resolved_in_version)
    return bool(mine and fixed) and mine > fixed


def _numbers(version: str) -> tuple[int, ...]:
    """`1.10.2` as numbers; nothing for a name that is more than that."""
    is_plain = re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})*", version) is not None
    return tuple(int(part) for part in version.split(".")) if is_plain else ()
