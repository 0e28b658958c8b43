"""Resolving, muting, assigning and undoing, and reports that bring issues back."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from crashes.models import BuildSeen, Issue, TriageEvent, VersionSeen
from crashes.services.issues import (
    Assign,
    Mute,
    NothingToUndo,
    Reopen,
    Resolve,
    act_on_issue,
    act_on_issues,
    undo_action,
)
from crashes.services.processing import lease_reports, process_reports
from crashes.services.standings import end_mutes
from crashes.triage.transitions import ImpossibleTransition, Resolution, Target
from tests.factories import (
    make_issue,
    make_issues,
    make_program,
    make_tally,
    make_user,
    make_viewer,
)
from tests.integration.test_decisions import NOW, START, Fleet
from uxp_diag.roles import Role

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)


@pytest.fixture
def fleet():
    return Fleet()


def resolve_in(fleet, issue, resolution, *, now=START, **named):
    action = Resolve(Target(resolution, **named))
    return act_on_issue(issue.pk, action, by=fleet.by, now=now)


def build_seen(fleet, build, at, *, model="Nokia G42 5G"):
    seen = {"program_id": fleet.program.pk, "model": model, "os_build": build}
    BuildSeen.objects.update_or_create(**seen, defaults={"first_seen_at": at})


def kinds(issue):
    events = TriageEvent.objects.filter(issue=issue).order_by("pk")
    return list(events.values_list("kind", flat=True))


def test_a_report_from_the_fixed_build_or_a_later_one_reopens_as_regressed(fleet):
    issue = fleet.send("a", build="V3.420")
    build_seen(fleet, "V3.420", NOW - 9 * DAY)
    build_seen(fleet, "V3.430", NOW - DAY)
    resolve_in(fleet, issue, Resolution.BUILD, build="V3.430")

    older = fleet.send("a", build="V3.420")
    later = fleet.send("a", build="V3.440")

    assert (older.pk, older.state) == (issue.pk, "resolved")
    assert (later.state, later.regressed_in, later.regressed_at) == ("open", "V3.440", NOW)
    event = TriageEvent.objects.get(issue=issue, kind="regressed")
    assert (event.by_name, event.text) == (
        "",
        "seen again in V3.440; it was resolved in build V3.430",
    )


def test_older_and_later_reports_of_one_batch_reopen_once(fleet):
    issue = fleet.send("a", build="V3.420")
    build_seen(fleet, "V3.420", NOW - 9 * DAY)
    resolve_in(fleet, issue, Resolution.BUILD, build="V3.430")
    for build in ("V3.420", "V3.430", "V3.430"):
        fleet.accept("a", build=build)

    process_reports(lease_reports(limit=50, now=NOW), now=NOW)

    issue.refresh_from_db()
    assert (issue.state, issue.report_count) == ("open", 4)
    assert kinds(issue) == ["resolved", "regressed"]


def test_what_happened_before_resolving_now_shows_nothing(fleet):
    issue = fleet.send("a")
    resolve_in(fleet, issue, Resolution.NOW, now=START + timedelta(minutes=2, seconds=30))

    assert fleet.send("a").state == "resolved"
    assert fleet.send("a").state == "open"


def test_the_next_release_of_software_without_versions_is_a_new_build(fleet):
    issue = fleet.send("a", build="V3.420")
    build_seen(fleet, "V3.420", NOW - 9 * DAY)
    resolve_in(fleet, issue, Resolution.NEXT_RELEASE)

    assert fleet.send("a", build="V3.420").state == "resolved"
    assert fleet.send("a", build="V3.430").regressed_in == "V3.430"


def test_versions_are_written_down_and_order_the_next_release(fleet):
    program = fleet.program
    issue = make_issue(program)
    for code, name in ((1402, "1.4.2"), (1410, "1.4.10")):
        VersionSeen.objects.create(
            program_id=program.pk, package=issue.package, version_code=code,
            version_name=name, first_seen_at=NOW,
        )  # fmt: skip

    resolve_in(fleet, issue, Resolution.NEXT_RELEASE)
    issue.refresh_from_db()
    following = issue.resolved_in_version_code
    resolve_in(fleet, issue, Resolution.VERSION, version="1.4.10")
    issue.refresh_from_db()

    assert (following, issue.resolved_in_version_code) == (1411, 1410)


def test_builds_keep_the_moment_of_their_first_report(fleet):
    fleet.send("a", build="V3.420")
    build_seen(fleet, "V3.420", NOW - DAY)
    fleet.send("b", build="V3.420")
    fleet.send("b", build="V3.430", phone=1)

    rows = BuildSeen.objects.order_by("pk").values_list("model", "os_build", "first_seen_at")
    assert list(rows) == [
        ("Nokia G42 5G", "V3.420", NOW - DAY),
        ("Nokia X30", "V3.430", NOW),
    ]


def test_a_mute_ends_when_its_count_is_exceeded(fleet):
    issue = fleet.send("a")
    act_on_issue(issue.pk, Mute(more=2), by=fleet.by, now=NOW)

    states = [fleet.send("a").state for _ in range(3)]

    assert states == ["muted", "muted", "open"]
    assert kinds(issue) == ["muted", "unmuted"]


def test_a_sweep_ends_mutes_by_time_and_by_daily_reports():
    program = make_program()
    by = make_viewer(program, role=Role.TRIAGER)
    timed, dense, quiet, good = make_issues(program, 4)
    act_on_issue(timed.pk, Mute(until=NOW + DAY), by=by, now=NOW)
    act_on_issue(dense.pk, Mute(daily=10), by=by, now=NOW)
    act_on_issue(quiet.pk, Mute(daily=11), by=by, now=NOW)
    act_on_issue(good.pk, Mute(), by=by, now=NOW)
    for issue in (dense, quiet):
        make_tally(issue, reports=6)
        make_tally(issue, reports=5, model="Nokia X30")
        make_tally(issue, reports=900, day=(NOW - 3 * DAY).date())

    first, second = end_mutes(now=NOW), end_mutes(now=NOW + DAY)

    states = [Issue.objects.get(pk=one.pk).state for one in (timed, dense, quiet, good)]
    assert (first, second) == (1, 1)
    assert states == ["open", "open", "muted", "muted"]


def test_open_issues_cost_no_further_query(fleet):
    fleet.send("a")
    fleet.accept("a")
    rows = lease_reports(limit=50, now=NOW)

    with CaptureQueriesContext(
        connection,
    ) as captured:
        process_reports(rows, now=NOW)

    about = [query["sql"] for query in captured if "triageevent" in query["sql"]]
    builds = [query["sql"] for query in captured if "buildseen" in query["sql"]]
    assert (len(about), len(builds)) == (0, 1)


# Undoing --------------------------------------------------------------------------------------


def test_undoing_puts_back_state_and_person():
    program = make_program()
    by, person = make_viewer(program), make_user(Role.TRIAGER, programs=[program])
    issue = make_issue(program, regressed_at=NOW, regressed_in="V3.430")

    assigned = act_on_issue(issue.pk, Assign(person.pk, person.username), by=by, now=NOW)
    resolved = act_on_issue(issue.pk, Resolve(Target()), by=by, now=NOW)
    undo_action(resolved.action_id, by=by, now=NOW)
    undo_action(assigned.action_id, by=by, now=NOW)

    issue.refresh_from_db()
    assert (issue.state, issue.regressed_in, issue.resolution) == ("open", "V3.430", "")
    assert (issue.regressed_at, issue.assignee_id, issue.resolved_at) == (NOW, None, None)
    with pytest.raises(NothingToUndo):
        undo_action(resolved.action_id, by=by, now=NOW)


def test_undoing_many_leaves_what_somebody_changed_since():
    program = make_program()
    by = make_viewer(program)
    issues = make_issues(program, 3)
    done = act_on_issues([issue.pk for issue in issues], Resolve(Target()), by=by, now=NOW)
    act_on_issue(issues[1].pk, Reopen(), by=by, now=NOW)
    act_on_issue(issues[1].pk, Mute(), by=by, now=NOW)

    undone = undo_action(done.action_id, by=by, now=NOW)

    assert (done.changed, undone.changed, undone.skipped) == (3, 2, 1)
    assert [Issue.objects.get(pk=one.pk).state for one in issues] == ["open", "muted", "open"]


def test_another_program_cannot_undo():
    program = make_program()
    issue = make_issue(program)
    done = act_on_issue(issue.pk, Resolve(Target()), by=make_viewer(program), now=NOW)

    with pytest.raises(NothingToUndo):
        undo_action(done.action_id, by=make_viewer(make_program()), now=NOW)


def test_one_impossible_move_is_refused_and_among_many_skipped():
    program = make_program()
    by = make_viewer(program)
    closed, opened = make_issue(program, state="resolved"), make_issue(program)

    with pytest.raises(ImpossibleTransition):
        act_on_issue(closed.pk, Mute(), by=by, now=NOW)
    done = act_on_issues([closed.pk, opened.pk], Mute(), by=by, now=NOW)

    assert (done.changed, done.skipped) == (1, 1)
    assert kinds(closed) == []


def test_a_split_takes_along_what_the_state_waits_for(fleet):
    issue = fleet.send("a", build="V3.420")
    fleet.send("a", phone=1, build="V3.420")
    build_seen(fleet, "V3.420", NOW - 9 * DAY, model="Nokia X30")
    resolve_in(fleet, issue, Resolution.BUILD, build="V3.430")

    decision = fleet.split(issue, query='model:"Nokia X30"')
    back = fleet.send("a", phone=1, build="V3.430")

    assert back.pk == decision.other_id
    assert (back.state, back.regressed_in) == ("open", "V3.430")
    issue.refresh_from_db()
    assert issue.state == "resolved"
