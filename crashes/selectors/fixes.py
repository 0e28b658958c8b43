"""Fixes that owners can install: what a resolved issue names, where phones can get it.

Data of the purpose personalisation: only for phones whose owners allow that, and read by nothing
else (tests/architecture/test_purposes.py).
"""

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from crashes.models import BuildSeen, Issue, IssueDevice, Report, VersionSeen
from crashes.selectors.standings import standing_of
from crashes.triage.transitions import (
    NO_VERSION,
    BuildOrder,
    Resolution,
    Sight,
    Standing,
    carries_fix,
)
from devices.selectors.advice import Phone, is_enrolled_with, newest_sample

MOST_FIXES = 500
"""Of a program, the latest."""

_NAMES_SOFTWARE = (Resolution.BUILD, Resolution.VERSION, Resolution.NEXT_RELEASE)


@dataclass(frozen=True, slots=True)
class Fix:
    """An issue that is resolved from some software on."""

    issue_id: int
    kind: str
    package: str
    standing: Standing


@dataclass(frozen=True, slots=True)
class FixForDevice:
    """A fix that a phone has not installed and can: one of build and version is given."""

    fix: Fix
    os_build: str = ""
    version_name: str = ""
    version_code: int | None = None

    @property
    def fixed_in(self) -> str:
        """The software by its shortest name."""
        return self.os_build or self.version_name or str(self.version_code)


def list_fixes(program_id: int) -> list[Fix]:
    """The latest issues of a program that are resolved in some software."""
    rows = Issue.objects.filter(
        program_id=program_id,
        state=Issue.State.RESOLVED,
        resolution__in=_NAMES_SOFTWARE,
        merged_into=None,
    ).order_by("-resolved_at", "-pk")
    return [Fix(row.pk, row.kind, row.package, standing_of(row)) for row in rows[:MOST_FIXES]]


def fixes_met_by(device_id: uuid.UUID, fixes: Iterable[Fix]) -> list[Fix]:
    """Those of the fixes whose issues a phone has met."""
    by_issue = {fix.issue_id: fix for fix in fixes}
    met = IssueDevice.objects.filter(device_id=device_id, issue_id__in=by_issue)
    return [by_issue[issue] for issue in sorted(met.values_list("issue_id", flat=True))]


def software_of(phone: Phone, fixes: Sequence[Fix]) -> dict[str, Sight]:
    """What a phone runs now as far as it told, by package; "" is the phone without an app.

    The newest of its samples and reports says the build, the newest report of an app its version.
    """
    sample = newest_sample(phone)
    reports = Report.objects.filter(program_id=phone.program_id, device_id=phone.id)
    told = reports.order_by("-occurred_at").values_list("occurred_at", "os_build").first()
    known = [(phone.enrolled_at, phone.os_build)]
    known += [told] if told else []
    known += [(sample.ended_at, sample.os_build)] if sample else []
    moment, build = max((it for it in known if it[1]), default=(phone.enrolled_at, ""))
    found = {"": Sight(moment, phone.model, build)}
    for package in sorted({fix.package for fix in fixes if fix.package}):
        last = reports.filter(package=package).order_by("-occurred_at").first()
        code = NO_VERSION if last is None or last.version_code is None else last.version_code
        if (
            sample
            and package in sample.installed
            and (not last or last.occurred_at < sample.ended_at)
        ):
            found[package] = Sight(
                sample.ended_at, phone.model, build, version_code=sample.installed[package]
            )
        elif last is not None:
            found[package] = Sight(last.occurred_at, phone.model, build, last.version_name, code)
    return found


def missing_fixes(
    phone: Phone, fixes: Sequence[Fix], software: dict[str, Sight]
) -> list[FixForDevice]:
    """Which fixes a phone lacks and can get."""
    order = _order_of(phone, fixes, software)
    found = []
    for fix in fixes:
        sight = software.get(fix.package, software[""])
        if not carries_fix(fix.standing, sight, order):
            where = _where(phone, fix)
            if where is not None:
                found.append(where)
    return found


def _order_of(phone: Phone, fixes: Sequence[Fix], software: dict[str, Sight]) -> BuildOrder:
    named = {fix.standing.resolved_in_build for fix in fixes}
    named |= {sight.os_build for sight in software.values()}
    rows = BuildSeen.objects.filter(
        program_id=phone.program_id, model=phone.model, os_build__in=named - {""}
    ).values_list("model", "os_build", "first_seen_at")
    return BuildOrder({(model, build): first for model, build, first in rows})


def _where(phone: Phone, fix: Fix) -> FixForDevice | None:
    """The software that has a fix, None where this phone's model cannot get it yet."""
    standing = fix.standing
    if standing.resolution is Resolution.BUILD:
        build = standing.resolved_in_build
        return FixForDevice(fix, os_build=build) if _is_out(phone, build) else None
    if standing.resolution is Resolution.VERSION:
        code = standing.resolved_in_version_code
        return FixForDevice(
            fix,
            version_name=standing.resolved_in_version,
            version_code=None if code == NO_VERSION else code,
        )
    return _in_next_release(phone, fix)


def _in_next_release(phone: Phone, fix: Fix) -> FixForDevice | None:
    standing = fix.standing
    if standing.resolved_in_version_code != NO_VERSION:
        version = (
            VersionSeen.objects.filter(
                program_id=phone.program_id,
                package=fix.package,
                version_code__gte=standing.resolved_in_version_code,
            )
            .order_by("version_code")
            .first()
        )
        if version is None:
            return None
        return FixForDevice(
            fix, version_name=version.version_name, version_code=version.version_code
        )
    builds = BuildSeen.objects.filter(
        program_id=phone.program_id, model=phone.model, first_seen_at__gt=standing.resolved_at
    )
    build = builds.order_by("first_seen_at").first()
    return None if build is None else FixForDevice(fix, os_build=build.os_build)


def _is_out(phone: Phone, build: str) -> bool:
    """Whether a phone of the model was seen with the build."""
    seen = BuildSeen.objects.filter(program_id=phone.program_id, model=phone.model, os_build=build)
    return seen.exists() or is_enrolled_with(
        program_id=phone.program_id, model=phone.model, os_build=build
    )
