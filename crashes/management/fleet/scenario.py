"""Who hits which bug when: the stream of reports that the demo sends.

Plans come first: light tuples, drawn until there are enough. A draw picks a bug by its volume, a
phone by its activity, and a moment by day and hour (people use phones in the morning and most in
the evening); it counts if the phone has the app and the build or version that it runs on that day
is affected. Now and then a phone gets into a loop and hits the same bug again within minutes.

Sorted by time, plans become reports one after the other, each from a random source of its own, so
that neither order nor clock changes what a report says. A few are damaged on the way, a few come
twice.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from datetime import timezone as fixed_zone
from itertools import accumulate
from random import Random
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

from crashes.management.fleet.bugs import Bug
from crashes.management.fleet.models import OsBuild, PhoneModel
from crashes.management.fleet.population import CATALOG_DAYS, Device
from crashes.management.fleet.scene import SHAPES, Dump, Scene
from crashes.stack import PayloadFormat

DAMAGED_PART = 0.015
REPLAYED_PART = 0.01
_LOOP_PART = 0.004
_LOOP_LENGTHS = (6, 30)
_LOOP_PAUSE_SECONDS = (5, 90)
_REPLAY_DISTANCE = 40
_DAY_SECONDS = 86_400
_MOST_DRAWS = 400
_PER_HOUR = (
    0.3, 0.2, 0.1, 0.1, 0.1, 0.3, 0.8, 1.4, 1.7, 1.6, 1.5, 1.6,
    1.9, 1.8, 1.6, 1.6, 1.8, 2.1, 2.4, 2.6, 2.7, 2.4, 1.6, 0.8,
)  # fmt: skip
_NIGHT_HOURS = frozenset({23, 0, 1, 2, 3, 4, 5})


@dataclass(frozen=True, slots=True)
class Plan:
    """One report to come. `days_before_end` counts whole days; `second` is of the local day."""

    number: int
    bug: Bug = field(repr=False)
    device: Device
    days_before_end: int
    second: int

    def catalog_day(self, days: int) -> float:
        """The day in the catalog's window, whatever the length of the real one."""
        elapsed = days - self.days_before_end - 1 + self.second / _DAY_SECONDS
        return elapsed * CATALOG_DAYS / days


@dataclass(frozen=True, slots=True)
class PlannedReport:
    """A report ready to be sent. `document` lacks the payload's content."""

    report_id: UUID
    bug_key: str
    device: Device
    document: dict[str, Any] = field(repr=False)
    dump: Dump = field(repr=False)
    is_damaged: bool = False
    is_replay: bool = False


def make_plans(
    devices: Sequence[Device], bugs: Sequence[Bug], *, count: int, days: int, seed: int
) -> list[Plan]:
    """`count` plans in the order drawn. Owners who did not allow development have none."""
    random = Random(f"plans {seed}")  # noqa: S311  a demo, not a secret
    willing = [device for device in devices if "development" in device.purposes]
    if not willing:
        return []
    draw = _Draw(willing, bugs, days=days, random=random)
    plans: list[Plan] = []
    for _ in range(count * _MOST_DRAWS):
        if len(plans) >= count:
            break
        plan = draw.one(len(plans))
        if plan is not None:
            plans.append(plan)
            plans.extend(_looping(plan, random))
    return plans[:count]


class _Draw:
    """Draws plans; None for a phone that cannot hit the bug on that day."""

    def __init__(
        self, devices: Sequence[Device], bugs: Sequence[Bug], *, days: int, random: Random
    ) -> None:
        self._devices, self._bugs = devices, bugs
        self._days, self._random = days, random
        self._by_activity = list(accumulate(device.activity for device in devices))
        self._by_weight = list(accumulate(bug.weight for bug in bugs))
        self._by_hour = list(accumulate(_PER_HOUR))
        self._highest = max(max(*bug.builds, *bug.versions) for bug in bugs)

    def one(self, number: int) -> Plan | None:
        """The next draw."""
        random = self._random
        bug = random.choices(self._bugs, cum_weights=self._by_weight)[0]
        device = random.choices(self._devices, cum_weights=self._by_activity)[0]
        hour = random.choices(range(24), cum_weights=self._by_hour)[0]
        second = hour * 3600 + random.randrange(3600)
        plan = Plan(number, bug, device, random.randrange(self._days), second)
        is_hit = random.random() * self._highest < self._affected(plan)
        return plan if is_hit else None

    def _affected(self, plan: Plan) -> float:
        bug, device = plan.bug, plan.device
        if bug.models and not any(name in device.model.name for name in bug.models):
            return 0.0
        day = plan.catalog_day(self._days)
        factor = bug.builds[device.build_index_at(day)]
        app = bug.app
        if app is None or app.is_system:
            return factor
        return factor * bug.versions[device.version_index_at(app, day)] * device.has_app(app)


def _looping(plan: Plan, random: Random) -> Iterator[Plan]:
    """The repetitions of a crash loop, mostly none."""
    if not plan.bug.loops or random.random() >= _LOOP_PART:
        return
    second = plan.second
    for repeat in range(1, random.randint(*_LOOP_LENGTHS)):
        second += random.randint(*_LOOP_PAUSE_SECONDS)
        if second >= _DAY_SECONDS:
            return
        number = plan.number + repeat
        yield Plan(number, plan.bug, plan.device, plan.days_before_end, second)


def make_reports(
    plans: Sequence[Plan], *, days: int, seed: int, now: datetime
) -> Iterator[PlannedReport]:
    """The reports of the plans, oldest first, replays some way behind their originals."""
    random = Random(f"replays {seed}")  # noqa: S311  a demo, not a secret
    waiting: list[tuple[int, PlannedReport]] = []
    moments = [(_moment(plan, now), plan) for plan in plans]
    moments.sort(key=lambda pair: (pair[0], pair[1].number))
    for sent, (moment, plan) in enumerate(moments):
        report = _report(plan, moment, days=days, seed=seed)
        yield report
        if random.random() < REPLAYED_PART:
            waiting.append((sent + _REPLAY_DISTANCE, _replay(report)))
        while waiting and waiting[0][0] <= sent:
            yield waiting.pop(0)[1]
    yield from (report for _, report in waiting)


def _replay(report: PlannedReport) -> PlannedReport:
    return PlannedReport(
        report.report_id, report.bug_key, report.device, report.document, report.dump,
        is_damaged=report.is_damaged, is_replay=True,
    )  # fmt: skip


def _moment(plan: Plan, now: datetime) -> datetime:
    """When it happens, in the phone's time zone; what would lie ahead happened a day earlier."""
    zone = fixed_zone(timedelta(minutes=plan.device.country.utc_offset_minutes))
    midnight = now.astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0)
    moment = midnight - timedelta(days=plan.days_before_end) + timedelta(seconds=plan.second)
    moment += timedelta(microseconds=plan.number * 7_919_017 % 1_000_000)
    return moment if moment <= now else moment - timedelta(days=1)


def _report(plan: Plan, moment: datetime, *, days: int, seed: int) -> PlannedReport:
    random = Random(f"report {seed} {plan.number}")  # noqa: S311  a demo, not a secret
    scene = _scene(plan, moment, days=days, random=random)
    dump = plan.bug.make(scene)
    is_damaged = dump.format is not PayloadFormat.NONE and random.random() < DAMAGED_PART
    if is_damaged:
        dump = damaged(dump, random)
    report_id = uuid5(NAMESPACE_URL, f"urn:uxp-demo-fleet:{seed}:{plan.number}")
    document = _document(plan, scene, report_id)
    document["payload"] = {"format": dump.format.value}
    return PlannedReport(
        report_id, plan.bug.key, plan.device, document, dump, is_damaged=is_damaged
    )


def _scene(plan: Plan, moment: datetime, *, days: int, random: Random) -> Scene:
    day, device, app = plan.catalog_day(days), plan.device, plan.bug.app
    build_index = device.build_index_at(day)
    own_versions = app is not None and not app.is_system
    return Scene(
        model=device.model,
        build=device.model.builds[build_index],
        build_index=build_index,
        app=app,
        process=plan.bug.process,
        version_index=device.version_index_at(app, day) if app and own_versions else build_index,
        local_at=moment,
        uptime_ms=random.randint(40_000, 900_000_000),
        pid=random.randint(1800, 31_000),
        foreground=random.random() < plan.bug.foreground,
        shape=random.randrange(SHAPES),
        random=random,
    )


def damaged(dump: Dump, random: Random) -> Dump:
    """The dump as a bad line or a wrong label leaves it: no parser can read it."""
    if dump.format is PayloadFormat.TOMBSTONE_PROTO:
        return Dump(dump.format, dump.content[: len(dump.content) // 3])
    if dump.format is PayloadFormat.TOMBSTONE_TEXT:
        return Dump(PayloadFormat.ANR_TRACES, dump.content)
    if dump.format is PayloadFormat.ANR_TRACES:
        return Dump(dump.format, dump.content[: random.randint(5, 40)])
    return Dump(PayloadFormat.TOMBSTONE_PROTO, dump.content)


def _document(plan: Plan, scene: Scene, report_id: UUID) -> dict[str, Any]:
    """Everything a report says beside its payload."""
    device = plan.device
    occurred_at = scene.local_at.astimezone(UTC)
    document: dict[str, Any] = {
        "report_id": str(report_id),
        "occurred_at": f"{occurred_at:%Y-%m-%dT%H:%M:%S}.{occurred_at.microsecond // 1000:03d}Z",
        "uptime_ms": scene.uptime_ms,
        "boot_id": str(uuid5(NAMESPACE_URL, f"{device.number} {plan.days_before_end // 3}")),
        "kind": plan.bug.kind.value,
        "process": scene.process,
        "software": software_of(scene.model, scene.build_index, scene.local_at),
        "network": {"mcc": device.country.mcc, "mnc": device.mnc},
        "battery": _battery(device, scene),
    }
    if scene.app is not None:
        document["app"] = _app(scene)
    return document


def _app(scene: Scene) -> dict[str, Any]:
    name, code = scene.version
    return {
        "package": scene.package,
        "version_name": name,
        "version_code": code,
        "foreground": scene.foreground,
    }


def software_of(model: PhoneModel, build_index: int, at: datetime) -> dict[str, str]:
    """What a phone of this model with this build says about its software."""
    build = model.builds[build_index]
    return {
        "build_fingerprint": model.fingerprint(build),
        "os_version": build.release,
        "os_build": build.label,
        "security_patch": _patch_level(build, at),
        "kernel": model.kernel,
        "modem": model.modem,
    }


def _patch_level(build: OsBuild, at: datetime) -> str:
    """The security patch's date: the fifth of a month as far back as the build is old."""
    months = at.year * 12 + at.month - 1 - build.age_months
    return f"{months // 12:04d}-{months % 12 + 1:02d}-05"


def _battery(device: Device, scene: Scene) -> dict[str, Any]:
    """Level, temperature and charger; old batteries are found empty more often."""
    random = scene.random
    is_charging = random.random() < (0.7 if scene.local_at.hour in _NIGHT_HOURS else 0.15)
    wear = device.battery_age_months / 4
    level = random.triangular(1, 100, 100 if is_charging else 62 - wear)
    warmth = 33.0 if scene.foreground else 29.0
    return {
        "level": round(level),
        "temperature_c": round(random.gauss(warmth + 3 * is_charging, 2.5), 1),
        "charging": is_charging,
    }
