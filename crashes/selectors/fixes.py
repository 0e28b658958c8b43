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
from devices.models import Device, VitalSample
from devices.selectors.vital_samples import content_of_row

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


def software_of(device: Device, fixes: Sequence[Fix]) -> dict[str, Sight]:
    """What a phone runs now as far as it told, by package; "" is the phone without an app.

    The newest of its samples and reports says the build, the newest report of an app its version.
    """
    sample = (
        VitalSample.objects.filter(program_id=device.program_id, device_id=device.pk)
        .order_by("-interval_end")
        .first()
    )
    reports = Report.objects.filter(program_id=device.program_id, device_id=device.pk)
    told = reports.order_by("-occurred_at").values_list("occurred_at", "os_build").first()
    known = [(device.enrolled_at, device.os_build)]
    known += [told] if told else []
    known += [(sample.interval_end, sample.os_build)] if sample else []
    moment, build = max((it for it in known if it[1]), default=(device.enrolled_at, ""))
    found = {"": Sight(moment, device.model, build)}
    installed = _installed_of(sample)
    for package in sorted({fix.package for fix in fixes if fix.package}):
        last = reports.filter(package=package).order_by("-occurred_at").first()
        code = NO_VERSION if last is None or last.version_code is None else last.version_code
        if sample and package in installed and (not last or last.occurred_at < sample.interval_end):
            found[package] = Sight(
                sample.interval_end, device.model, build, version_code=installed[package]
            )
        elif last is not None:
            found[package] = Sight(last.occurred_at, device.model, build, last.version_name, code)
    return found


def _installed_of(sample: VitalSample | None) -> dict[str, int]:
    """The apps of a phone and their versions, as a sample tells them."""
    if sample is None:
        return {}
    content = content_of_row(sample)
    apps = (*content.get("installed", ()), *content.get("apps", ()))
    return {
        app["package"]: app["version_code"] for app in apps if app.get("version_code") is not None
    }


def missing_fixes(
    device: Device, fixes: Sequence[Fix], software: dict[str, Sight]
) -> list[FixForDevice]:
    """Which fixes a phone lacks and can get."""
    order = _order_of(device, fixes, software)
    found = []
    for fix in fixes:
        sight = software.get(fix.package, software[""])
        if not carries_fix(fix.standing, sight, order):
            where = _where(device, fix)
            if where is not None:
                found.append(where)
    return found


def _order_of(device: Device, fixes: Sequence[Fix], software: dict[str, Sight]) -> BuildOrder:
    named = {fix.standing.resolved_in_build for fix in fixes}
    named |= {sight.os_build for sight in software.values()}
    rows = BuildSeen.objects.filter(
        program_id=device.program_id, model=device.model, os_build__in=named - {""}
    ).values_list("model", "os_build", "first_seen_at")
    return BuildOrder({(model, build): first for model, build, first in rows})


def _where(device: Device, fix: Fix) -> FixForDevice | None:
    """The software that has a fix, None where this phone's model cannot get it yet."""
    standing = fix.standing
    if standing.resolution is Resolution.BUILD:
        build = standing.resolved_in_build
        return FixForDevice(fix, os_build=build) if _is_out(device, build) else None
    if standing.resolution is Resolution.VERSION:
        code = standing.resolved_in_version_code
        return FixForDevice(
            fix,
            version_name=standing.resolved_in_version,
            version_code=None if code == NO_VERSION else code,
        )
    return _in_next_release(device, fix)


def _in_next_release(device: Device, fix: Fix) -> FixForDevice | None:
    standing = fix.standing
    if standing.resolved_in_version_code != NO_VERSION:
        version = (
            VersionSeen.objects.filter(
                program_id=device.program_id,
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
        program_id=device.program_id, model=device.model, first_seen_at__gt=standing.resolved_at
    )
    build = builds.order_by("first_seen_at").first()
    return None if build is None else FixForDevice(fix, os_build=build.os_build)


def _is_out(device: Device, build: str) -> bool:
    """Whether a phone of the model was seen with the build."""
    same = {"program_id": device.program_id, "model": device.model, "os_build": build}
    return BuildSeen.objects.filter(**same).exists() or Device.objects.filter(**same).exists()
