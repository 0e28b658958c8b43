import json
from collections import Counter
from datetime import datetime, timedelta

from crashes.intake.report import decode_report, payload_bytes
from crashes.management.fleet.bugs import make_bugs
from crashes.management.fleet.population import make_population
from crashes.management.fleet.scenario import make_plans, make_reports
from crashes.management.fleet.sender import body_of
from crashes.stack import CrashKind, PayloadFormat
from tests.unit.fleet.conftest import DAYS, NOW, SEED


def originals(reports):
    return [report for report in reports if not report.is_replay]


def test_there_are_as_many_reports_as_were_asked_for(reports):
    assert len(originals(reports)) == 1500
    assert len({report.report_id for report in reports}) == 1500


def test_the_same_seed_tells_the_same_story(plans, reports):
    again = list(make_reports(plans, days=DAYS, seed=SEED, now=NOW))

    assert [body_of(report) for report in again] == [body_of(report) for report in reports]


def test_a_later_run_sends_the_same_reports_at_other_times(plans, reports):
    later = make_reports(plans, days=DAYS, seed=SEED, now=NOW + timedelta(hours=9, days=3))
    before = {report.report_id: report for report in reports}

    for report in originals(later):
        known = before[report.report_id]
        assert report.device == known.device
        assert report.document["software"]["os_build"] == known.document["software"]["os_build"]
        assert report.dump.format == known.dump.format


def test_other_seeds_have_other_report_ids(devices, bugs, reports):
    plans = make_plans(devices, bugs, count=50, days=DAYS, seed=2)
    others = {report.report_id for report in make_reports(plans, days=DAYS, seed=2, now=NOW)}

    assert others.isdisjoint(report.report_id for report in reports)


def test_reports_come_in_the_order_of_time_within_the_window(reports):
    times = [datetime.fromisoformat(one.document["occurred_at"]) for one in originals(reports)]

    assert times == sorted(times)
    assert NOW - timedelta(days=DAYS + 2) < times[0] < times[-1] <= NOW


def test_every_report_is_one_that_the_door_takes(reports):
    for report in reports:
        document, payload = body_of(report)
        decoded = decode_report(json.dumps(document).encode())
        content = payload_bytes(decoded.payload) if payload is None else payload
        assert decoded.payload.format is report.dump.format
        assert content == report.dump.content
        assert len(content) < 1 << 20


def test_a_report_never_holds_an_imei(reports):
    for report in reports:
        document, payload = body_of(report)
        assert report.device.imei not in json.dumps(document)
        assert report.device.imei.encode() not in (payload or b"")


def test_owners_who_did_not_allow_development_send_nothing(reports):
    assert all("development" in report.device.purposes for report in reports)


def test_there_is_something_of_every_kind_and_format(reports):
    kinds = {report.document["kind"] for report in reports}
    formats = {report.dump.format for report in reports}

    assert kinds == set(CrashKind) - {CrashKind.KERNEL_PANIC, CrashKind.ERROR}
    assert formats >= {
        PayloadFormat.JAVA_STACKTRACE, PayloadFormat.TOMBSTONE_TEXT, PayloadFormat.TOMBSTONE_PROTO,
        PayloadFormat.ANR_TRACES, PayloadFormat.DROPBOX, PayloadFormat.LOGCAT, PayloadFormat.NONE,
    }  # fmt: skip


def test_a_few_bugs_make_most_of_the_reports(reports, bugs):
    volumes = [count for _, count in Counter(one.bug_key for one in reports).most_common()]

    assert len(bugs) >= 45
    assert sum(volumes[:10]) > len(reports) / 2
    assert len([count for count in volumes if count <= 20]) >= 10


def test_the_newest_build_brings_a_bug_and_loses_one(reports, devices):
    newest = {(model.name, model.builds[-1].label) for model in {one.model for one in devices}}

    def is_newest(report):
        build = report.document["software"]["os_build"]
        return (report.device.model.name, build) in newest

    new = [is_newest(one) for one in reports if one.bug_key == "recycled-frame"]
    fixed = [is_newest(one) for one in reports if one.bug_key == "bad-code"]

    assert new
    assert all(new)
    assert fixed
    assert not any(fixed)


def test_some_phones_are_in_crash_loops(reports):
    per_phone_and_bug = Counter((one.device.number, one.bug_key) for one in reports)

    assert per_phone_and_bug.most_common(1)[0][1] >= 6


def test_a_few_reports_are_damaged_and_a_few_come_twice(reports):
    damaged = [report for report in originals(reports) if report.is_damaged]
    replays = [report for report in reports if report.is_replay]

    assert 0.005 * len(reports) < len(damaged) < 0.03 * len(reports)
    assert 0 < len(replays) < 0.03 * len(reports)


def test_people_crash_their_phones_in_the_evening_rather_than_at_night(plans):
    hours = Counter(plan.second // 3600 for plan in plans)

    assert sum(hours[hour] for hour in range(18, 22)) > 5 * sum(hours[hour] for hour in range(1, 5))


def test_without_a_compiler_there_are_still_other_bugs():
    bugs = make_bugs({})
    plans = make_plans(make_population(50, seed=3), bugs, count=40, days=7, seed=3)

    assert len(plans) == 40
    assert all(bug.kind is not CrashKind.NATIVE_CRASH for bug in bugs)


def test_a_fleet_without_consent_has_no_plans(bugs):
    assert make_plans([], bugs, count=10, days=7, seed=1) == []
