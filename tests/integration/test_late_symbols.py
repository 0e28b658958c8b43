"""Debug files that arrive after the crashes that need them: names, issues and counts afterwards."""

import uuid
from datetime import timedelta

import pytest
from django.db import transaction

from crashes.models import (
    BuildSeen,
    DebugFile,
    Issue,
    IssueRedirect,
    MissingDebugFile,
    Report,
    StackVariant,
    TriageEvent,
    WaitingReport,
)
from crashes.selectors.debug_files import list_debug_files
from crashes.selectors.issues import get_issue
from crashes.services import regrouping
from crashes.services.issue_moves import absorb_issue
from crashes.services.regrouping import list_awaited, regroup_waiting
from tests.factories import make_device, make_issue, make_program, make_report, make_viewer
from tests.integration.late_symbols import (
    LATER,
    LOAD,
    MAIN,
    NOW,
    OTHER_BUILD,
    PARSE,
    add,
    assert_counts_add_up,
    breakpad,
    crash_of,
    frames_of,
    regroup,
    send,
    tombstone,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def program():
    return make_program()


def test_a_late_debug_file_names_the_report_and_its_issue(program):
    report = send(program, tombstone(PARSE, LOAD, MAIN))
    before = Issue.objects.get()
    assert "camera::parse" not in before.signature

    debug_file = add(program, breakpad())
    regroup()

    after = Issue.objects.get()
    assert frames_of(program, report) == ["camera::parse()", "camera::load()", "camera::main()"]
    assert (after.pk, after.report_count) == (before.pk, 1)
    assert "camera::parse" in after.signature
    assert not WaitingReport.objects.filter(report=report).exists()
    assert not MissingDebugFile.objects.exists()
    assert StackVariant.objects.count() == 1
    (row,) = list_debug_files(viewer=make_viewer(program)).items
    assert (row.id, row.regrouped_reports, row.is_regrouping) == (debug_file.pk, 1, False)
    assert_counts_add_up()


def test_a_second_pass_changes_nothing(program):
    send(program, tombstone(PARSE))
    debug_file = add(program, breakpad())
    regroup()
    before = list(Issue.objects.values())

    DebugFile.objects.update(regroup_at=NOW)
    regroup()

    assert list(Issue.objects.values()) == before
    debug_file.refresh_from_db()
    assert debug_file.regrouped_reports == 1


def test_crashes_that_looked_alike_fall_apart_and_the_old_id_leads_to_most(program):
    device = make_device(program)
    for address in (PARSE, PARSE, LOAD):
        send(program, tombstone(address), device=device)
    old = Issue.objects.get()
    assert old.report_count == 3

    add(program, breakpad())
    regroup()

    names = dict(Issue.objects.values_list("signature", "report_count"))
    assert sorted(names.values()) == [1, 2]
    led_to = get_issue(viewer=make_viewer(program), issue_id=old.pk)
    assert (led_to.report_count, led_to.device_count) == (2, 1)
    assert "parse" in led_to.signature
    assert_counts_add_up()


def test_reports_of_other_builds_stay_where_they_are(program):
    send(program, tombstone(PARSE))
    other = send(program, tombstone(PARSE, build_id=OTHER_BUILD))
    old = Issue.objects.get()

    add(program, breakpad())
    regroup()

    assert Issue.objects.count() == 2
    other.refresh_from_db()
    assert other.issue_id == old.pk
    assert "parse" not in Issue.objects.get(pk=old.pk).signature
    assert_counts_add_up()

    add(program, breakpad(OTHER_BUILD))
    regroup()

    assert Issue.objects.get().report_count == 2
    assert IssueRedirect.objects.count() == 1
    assert_counts_add_up()


def test_a_crash_that_is_known_with_names_joins_its_issue(program):
    add(program, breakpad(OTHER_BUILD))
    known = send(program, tombstone(PARSE, LOAD, build_id=OTHER_BUILD), at="2026-11-19T10:00:00Z")
    report = send(program, tombstone(PARSE, LOAD))
    assert Issue.objects.count() == 2
    TriageEvent.objects.create(issue_id=report.issue_id, kind="comment", by_name="a", at=NOW)

    add(program, breakpad())
    regroup()

    issue = Issue.objects.get()
    assert (issue.pk, issue.report_count) == (known.issue_id, 2)
    assert get_issue(viewer=make_viewer(program), issue_id=report.issue_id).id == known.issue_id
    assert TriageEvent.objects.get().issue_id == known.issue_id
    assert_counts_add_up()


def test_lines_are_worth_waiting_for_when_there_are_names(program):
    bare = add(program, breakpad(lines=False))
    DebugFile.objects.filter(pk=bare.pk).update(quality=DebugFile.Quality.NAMES)
    report = send(program, tombstone(PARSE))
    assert frames_of(program, report) == ["camera::parse()"]

    regroup()
    assert WaitingReport.objects.get().quality == DebugFile.Quality.NAMES
    add(program, breakpad())
    regroup()

    assert crash_of(program, report).threads[0].frames[0].line == 0x10
    assert not WaitingReport.objects.exists()


def test_reports_that_were_only_counted_go_along(program, settings):
    settings.SIGNATURE_REPORTS_PER_DAY = 1
    device = make_device(program)
    for _ in range(3):
        send(program, tombstone(PARSE), device=device)
    send(program, tombstone(LOAD))
    assert Report.objects.filter(is_counted_only=True).count() == 2

    add(program, breakpad())
    regroup()

    assert sorted(Issue.objects.values_list("report_count", flat=True)) == [1, 3]
    assert_counts_add_up()


def test_evidence_goes_where_its_report_goes(program):
    """The first three crashes look alike without names; each was written down in two ways."""
    device = make_device(program)
    first = f"Process: /vendor/bin/camera\nPID: 1\nFlags: 0x1\n\n{tombstone(PARSE)}"
    second = f"Process: /vendor/bin/camera\nPID: 1\nFlags: 0x1\n\n{tombstone(LOAD)}"
    for text, at in ((first, "2026-11-20T10:00:00Z"), (second, "2026-11-20T11:00:00Z")):
        evidence = send(program, text, device=device, at=at, payload_format="dropbox")
        lead = send(program, text.partition("\n\n")[2], device=device, at=at)
        evidence.refresh_from_db()
        assert evidence.evidence_of_id == lead.pk
    assert_counts_add_up()

    add(program, breakpad())
    regroup()

    assert Issue.objects.count() == 2
    for evidence in Report.objects.exclude(evidence_of=None).select_related("evidence_of"):
        assert evidence.evidence_of is not None
        assert evidence.issue_id == evidence.evidence_of.issue_id
        assert evidence.variant_id == evidence.evidence_of.variant_id
        assert frames_of(program, evidence) == frames_of(program, evidence.evidence_of)
    assert_counts_add_up()


def test_many_reports_move_in_batches_and_survive_a_stop(program, monkeypatch):
    monkeypatch.setattr(regrouping, "BATCH", 2)
    for number in range(5):
        send(program, tombstone(PARSE if number % 2 else LOAD), device=make_device(program))
    add(program, breakpad())

    (debug_file_id,) = list_awaited(now=LATER, limit=10)
    assert regroup_waiting(debug_file_id, now=LATER)
    assert Report.objects.filter(variant__isnull=True).count() == 0
    assert_counts_add_up()
    regroup()

    assert sorted(Issue.objects.values_list("report_count", flat=True)) == [2, 3]
    assert_counts_add_up()


def test_a_report_that_cannot_be_stored_is_tried_again_and_harms_nobody(program, monkeypatch):
    send(program, tombstone(PARSE))
    debug_file = add(program, breakpad())

    def broken(_):
        raise RuntimeError("a bug of ours")

    monkeypatch.setattr("crashes.services.regrouping.settle_moves", broken)
    regroup_waiting(debug_file.pk, now=LATER)
    assert "parse" not in Issue.objects.get().signature
    assert_counts_add_up()
    monkeypatch.undo()
    regroup(now=LATER + timedelta(minutes=1))

    assert "parse" in Issue.objects.get().signature
    assert_counts_add_up()


def test_a_report_under_another_workers_lease_is_left_alone(program):
    report = send(program, tombstone(PARSE))
    debug_file = add(program, breakpad())
    Report.objects.update(lease_id=uuid.uuid4(), leased_until=LATER + timedelta(seconds=20))

    assert not regroup_waiting(debug_file.pk, now=LATER)

    assert WaitingReport.objects.filter(report=report).exists()
    assert list_awaited(now=LATER, limit=1) == []
    regroup(now=LATER + timedelta(minutes=1))
    assert "parse" in Issue.objects.get().signature


def test_a_report_stored_after_the_file_was_looked_through_rings_again(program, monkeypatch):
    debug_file = add(program, breakpad())
    regroup()
    monkeypatch.setattr(
        "crashes.services.symbols.StoreFinder.symcache_for", lambda *_: None
    )  # it looked before the file was ready
    report = send(program, tombstone(PARSE))
    monkeypatch.undo()

    assert list_awaited(now=LATER, limit=1) == [debug_file.pk]
    regroup()

    assert frames_of(program, report) == ["camera::parse()"]


# --- Issues that are resolved ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("occurred", "state", "events"),
    [("2026-11-20T10:00:00Z", "resolved", []), ("2026-11-20T13:00:00Z", "open", ["regressed"])],
)
def test_a_resolved_issue_that_late_symbols_lead_to_is_judged_anew(
    program, occurred, state, events
):
    add(program, breakpad(OTHER_BUILD))
    known = send(program, tombstone(PARSE, LOAD, build_id=OTHER_BUILD), at="2026-11-19T10:00:00Z")
    Issue.objects.filter(pk=known.issue_id).update(
        state="resolved", resolution="now", resolved_at=NOW
    )
    send(program, tombstone(PARSE, LOAD), at=occurred)

    add(program, breakpad())
    regroup()

    issue = Issue.objects.get()
    assert (issue.pk, issue.state) == (known.issue_id, state)
    assert list(TriageEvent.objects.values_list("kind", flat=True)) == events


@pytest.mark.parametrize(
    ("build", "state"), [("V3.410", "resolved"), ("V3.430", "open"), ("V3.440", "open")]
)
def test_a_resolved_issue_that_absorbs_another_is_judged_by_its_reports(program, build, state):
    kept, gone = make_issue(program), make_issue(program)
    for name, day in (("V3.410", 1), ("V3.430", 2), ("V3.440", 3)):
        BuildSeen.objects.create(
            program_id=program.pk, model="Nokia G42 5G", os_build=name,
            first_seen_at=NOW - timedelta(days=9 - day),
        )  # fmt: skip
    make_report(program, issue=gone, model="Nokia G42 5G", os_build=build)
    Issue.objects.filter(pk=kept.pk).update(
        state="resolved", resolution="build", resolved_in_build="V3.430", resolved_at=NOW
    )

    with transaction.atomic():
        absorb_issue(kept_id=kept.pk, gone_id=gone.pk, now=NOW)

    kept.refresh_from_db()
    assert kept.state == state
    assert kept.regressed_in == ("" if state == "resolved" else build)
