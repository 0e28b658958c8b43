"""Releases are found, judged, and decided about.

A release is judged when it never was, when somebody asked, once a day, and when a tenth more samples
are there than at the last time (its first hours; a backlog that comes in). It is followed for two
months after its first day. One pass reads the device-days of a program once for all that is due.
"""

import logging
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.db import transaction

from crashes.models import Release, VerdictOverride, VerdictSnapshot
from crashes.regressions.judging import JUDGING_VERSION, judge
from crashes.services.release_effects import measure
from crashes.services.release_fleet import (
    DAYS_AFTER,
    DAYS_BEFORE,
    LEAST_DEVICES,
    assemble,
    find_day_zero,
)
from crashes.services.verdicts import Judgement, Verdict, decide, nothing_to_compare
from devices.selectors.vital_cells import build_before, count_samples, list_builds
from devices.selectors.vital_samples import DeviceDayRow, list_device_days
from uxp_diag.viewer import Viewer

logger = logging.getLogger(__name__)

ENGINE_VERSION = f"{JUDGING_VERSION}+rules2"
FOLLOWED = timedelta(days=60)
BACKLOG = timedelta(days=1)
"""What comes until so long after a release was discovered is its past, not a new look at it."""
_AGAIN = timedelta(days=1)
_SOONEST = timedelta(seconds=30)
_GROWN = 1.1


def discover_releases(*, now: datetime) -> int:
    """Add a release for every build that is new, and its predecessor; how many were added.

    Samples come late and in any order: where an earlier day turns up, the release begins there.
    """
    known = {(release.program_id, release.os_build): release for release in Release.objects.all()}
    added = 0
    for build in sorted(list_builds(), key=lambda it: (it.first_seen, it.os_build)):
        release = known.get((build.program_id, build.os_build))
        if release is not None and release.first_seen <= build.first_seen:
            continue
        before = known.get((build.program_id, build_before(build)))
        release, is_new = Release.objects.update_or_create(
            program_id=build.program_id,
            os_build=build.os_build,
            defaults={"first_seen": build.first_seen, "previous": before},
            create_defaults={
                "first_seen": build.first_seen,
                "previous": before,
                "discovered_at": now,
            },
        )
        known[build.program_id, build.os_build] = release
        added += is_new
    return added


def judge_due(*, now: datetime) -> int:
    """Find new releases and judge those that are due; how many were judged."""
    discover_releases(now=now)
    due: dict[int, list[Release]] = defaultdict(list)
    for release in Release.objects.filter(first_seen__gte=(now - FOLLOWED).date()):
        if _is_due(release, now):
            due[release.program_id].append(release)
    for program_id, releases in due.items():
        judge_releases(program_id, releases, now=now)
    return sum(map(len, due.values()))


def _is_due(release: Release, now: datetime) -> bool:
    last = _latest(release)
    if last is None:
        return count_samples(release.program_id) > 0
    if release.asked_at is not None and release.asked_at > last.made_at:
        return True
    if now - last.made_at >= _AGAIN:
        return True
    is_old_enough = now - last.made_at >= _SOONEST
    samples = last.inputs["samples_rolled_up"]
    return is_old_enough and count_samples(release.program_id) > _GROWN * samples


def judge_releases(
    program_id: int, releases: Sequence[Release], *, now: datetime
) -> list[VerdictSnapshot]:
    """Judge releases of one program from what has come until now; each gets a snapshot."""
    samples = count_samples(program_id)
    first = min(release.first_seen for release in releases) - timedelta(days=DAYS_BEFORE)
    read = list_device_days(program_id=program_id, first=first, last=now.date(), received_until=now)
    made = []
    for release in releases:
        backlog_until = min(release.discovered_at + BACKLOG, now)
        judged = _judge(release.os_build, read.rows, backlog_until=backlog_until)
        made.append(
            VerdictSnapshot.objects.create(
                release=release,
                made_at=now,
                verdict=judged.judgement.verdict,
                reasons=judged.judgement.reasons,
                metrics=judged.judgement.metrics,
                by_model=judged.judgement.by_model,
                inputs={
                    "first_day": first.isoformat(),
                    "last_day": now.date().isoformat(),
                    "day_zero": judged.day_zero and judged.day_zero.isoformat(),
                    "received_until": now.isoformat(),
                    "backlog_until": backlog_until.isoformat(),
                    "device_days": len(read.rows),
                    "share_of_devices": round(read.share, 4),
                    "samples_rolled_up": samples,
                },
                inputs_hash=judged.rows_hash,
                engine_version=ENGINE_VERSION,
            )
        )
        logger.info("release %s: %s", release.pk, judged.judgement.verdict)
    return made


def judge_again(snapshot: VerdictSnapshot) -> tuple[Judgement, str]:
    """What the engine says today of a snapshot's inputs, and their hash."""
    inputs = snapshot.inputs
    read = list_device_days(
        program_id=snapshot.release.program_id,
        first=date.fromisoformat(inputs["first_day"]),
        last=date.fromisoformat(inputs["last_day"]),
        received_until=datetime.fromisoformat(inputs["received_until"]),
    )
    backlog_until = inputs.get("backlog_until", inputs["received_until"])
    judged = _judge(
        snapshot.release.os_build,
        read.rows,
        backlog_until=datetime.fromisoformat(backlog_until),
    )
    return judged.judgement, judged.rows_hash


@dataclass(frozen=True, slots=True)
class _Judged:
    judgement: Judgement
    day_zero: date | None
    rows_hash: str


def _judge(os_build: str, rows: Sequence[DeviceDayRow], *, backlog_until: datetime) -> _Judged:
    day_zero = find_day_zero(rows, os_build)
    if day_zero is None:
        sentence = f"Not yet on {LEAST_DEVICES} devices that sent vitals on the same day."
        return _Judged(nothing_to_compare(sentence), None, "")
    first = min(row.day for row in rows)
    if (day_zero - first).days < 1:
        sentence = "The build was there before the first vitals: there is nothing to compare with."
        return _Judged(nothing_to_compare(sentence), day_zero, "")
    last = day_zero + timedelta(days=DAYS_AFTER)
    rows = [row for row in rows if row.day <= last]
    release = assemble(rows, os_build, day_zero, backlog_until=backlog_until)
    judgement = decide(release, judge(release.fleet), list(measure(release)), os_build=os_build)
    return _Judged(judgement, day_zero, release.rows_hash)


def _latest(release: Release) -> VerdictSnapshot | None:
    return VerdictSnapshot.objects.filter(release=release).order_by("-made_at", "-pk").first()


def ask_for_verdict(*, release_id: int, now: datetime) -> None:
    """Have a release judged with the next look of the workers."""
    Release.objects.filter(pk=release_id).update(asked_at=now)


@transaction.atomic
def override_verdict(
    *, release_id: int, verdict: Verdict | None, reason: str, by: Viewer, now: datetime
) -> VerdictOverride:
    """Decide otherwise than judged, or (None) give the decision back; by name, with a reason."""
    release = Release.objects.get(pk=release_id)
    return VerdictOverride.objects.create(
        release=release,
        snapshot=_latest(release),
        verdict=verdict.value if verdict else "",
        reason=reason,
        by_id=by.user_id,
        by_name=by.name,
        at=now,
    )
