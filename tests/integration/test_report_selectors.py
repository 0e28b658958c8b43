"""Queries about reports, raw payloads and debug files, and that others' rows do not exist."""

import uuid
from datetime import timedelta

import msgspec
import pytest
import zstandard
from django.conf import settings
from django.core.exceptions import ObjectDoesNotExist, PermissionDenied

from crashes.models import Report, ReportContent
from crashes.models.report import NO_DEVICE
from crashes.selectors.debug_files import (
    count_missing_debug_files,
    list_debug_files,
    list_missing_debug_files,
)
from crashes.selectors.issues import (
    count_issue_states,
    get_issue,
    issue_breakdowns,
    issue_days,
    issue_facets,
    list_issue_reports,
    list_issues,
)
from crashes.selectors.reports import (
    get_latest_report,
    get_report,
    get_report_content,
    list_reports,
    open_raw_payload,
)
from crashes.stack import to_json
from crashes.storage import BlobStore
from crashes.triage.query import parse
from tests.factories import (
    NOW,
    make_content,
    make_crash,
    make_debug_file,
    make_done_report,
    make_issue,
    make_missing_debug_file,
    make_program,
    make_receipt,
    make_report,
    make_tally,
    make_variant,
    make_viewer,
)
from uxp_diag.roles import Role

pytestmark = pytest.mark.django_db

TODAY = NOW.date()


@pytest.fixture
def program():
    return make_program()


@pytest.fixture
def viewer(program):
    return make_viewer(program)


# Reports --------------------------------------------------------------------------------------


def test_a_report_tells_its_issue_and_fingerprint(program, viewer):
    issue = make_issue(program)
    variant = make_variant(issue, exact_key="ab" * 32)
    report = make_done_report(issue, variant=variant)

    found = get_report(viewer=viewer, report_id=report.report_id)

    assert (found.issue_id, found.signature) == (issue.pk, issue.signature)
    assert (found.fingerprint, found.state) == ("v1:" + "ab" * 32, "done")


@pytest.mark.parametrize(
    ("state", "shown"),
    [("received", "received"), ("leased", "processing"), ("quarantined", "quarantined")],
)
def test_the_lease_of_a_worker_is_called_processing(program, viewer, state, shown):
    report = make_report(program, state=state)

    assert get_report(viewer=viewer, report_id=report.report_id).state == shown


def test_of_reports_with_the_same_id_the_newest_is_meant(program, viewer):
    shared_id = uuid.uuid4()
    make_report(program, report_id=shared_id)
    newest = make_report(program, report_id=shared_id, received_at=NOW + timedelta(hours=1))

    assert get_report(viewer=viewer, report_id=shared_id).pk == newest.pk


def test_a_report_without_enrollment_has_no_device(program, viewer):
    report = make_report(program, device_id=NO_DEVICE)

    assert get_report(viewer=viewer, report_id=report.report_id).device_id is None


def test_the_content_is_the_crash_that_was_stored(program, viewer):
    crash = make_crash(abort_message="x")
    report = make_done_report(make_issue(program), crash=crash)

    content = get_report_content(viewer=viewer, report_pk=report.pk)

    assert content is not None
    assert (content.crash, content.grouping) == (crash, make_receipt())
    assert get_report_content(viewer=viewer, report_pk=make_report(program).pk) is None


def test_the_latest_report_of_an_issue_is_the_latest_that_is_done(program, viewer):
    issue = make_issue(program)
    done = make_done_report(issue)
    make_report(program, issue=issue, state=Report.State.LEASED, occurred_at=NOW + timedelta(1))

    latest = get_latest_report(viewer=viewer, issue_id=issue.pk)
    assert latest is not None
    assert latest.pk == done.pk
    assert get_latest_report(viewer=viewer, issue_id=make_issue(program).pk) is None


def test_reports_are_listed_by_the_same_language(program, viewer):
    issue = make_issue(program, signature="Crash in Camera.open", state="muted")
    wanted = make_done_report(issue, model="Nokia X30")
    make_report(program)

    for text in ("is:muted", "camera", 'model:"Nokia X30"', "signature:*open"):
        page = list_reports(viewer=viewer, query=parse(text))
        assert [row.pk for row in page.items] == [wanted.pk], text
    assert len(list_reports(viewer=viewer, query=parse("!camera")).items) == 1
    assert len(list_reports(viewer=viewer, query=parse("")).items) == 2


def test_the_reports_of_an_issue_come_in_pages(program, viewer):
    issue = make_issue(program)
    made = [
        make_report(program, issue=issue, occurred_at=NOW - timedelta(minutes=number)).pk
        for number in range(5)
    ]
    first = list_issue_reports(viewer=viewer, issue_id=issue.pk, size=3)
    second = list_issue_reports(viewer=viewer, issue_id=issue.pk, size=3, cursor=first.next_cursor)

    assert [row.pk for row in (*first.items, *second.items)] == made


# Raw payloads ---------------------------------------------------------------------------------


@pytest.mark.parametrize("role", [Role.VIEWER, Role.ADMIN, Role.RELEASE_MANAGER])
def test_raw_payloads_are_not_for_everybody(program, role):
    report = make_report(program)
    make_content(report, raw=b"secret")

    with pytest.raises(PermissionDenied):
        open_raw_payload(viewer=make_viewer(program, role=role), report_pk=report.pk)


def test_a_raw_payload_is_read_from_the_row_or_from_its_blob(program):
    viewer = make_viewer(program, role=Role.TRIAGER)
    inline, apart = make_report(program), make_report(program)
    make_content(inline, raw=b"small")
    store = BlobStore(settings.BLOB_DIR)
    key = store.new_key("payloads")
    store.put(key, [zstandard.compress(b"large" * 1000)])
    make_content(apart, raw_blob=key, raw_bytes=5000)

    with open_raw_payload(viewer=viewer, report_pk=inline.pk).stream as stream:
        assert stream.read(100) == b"small"
    with open_raw_payload(viewer=viewer, report_pk=apart.pk).stream as stream:
        assert stream.read(7) == b"largela"


def test_a_blob_that_is_gone_is_not_there(program):
    report = make_report(program)
    make_content(report, raw_blob="payloads/00/gone")

    with pytest.raises(ObjectDoesNotExist):
        open_raw_payload(viewer=make_viewer(program, role=Role.TRIAGER), report_pk=report.pk)


def test_a_payload_that_unpacks_to_much_is_read_as_far_as_wanted(program):
    report = make_report(program)
    make_content(report)
    content = report.content
    content.raw = zstandard.compress(b"0" * 10_000_000)
    content.save()

    viewer = make_viewer(program, role=Role.TRIAGER)
    with open_raw_payload(viewer=viewer, report_pk=report.pk).stream as stream:
        assert stream.read(10) == b"0" * 10


def test_a_report_from_before_there_were_documents_is_read_like_any_other(program):
    report = make_done_report(make_issue(program), crash=None)
    ReportContent.objects.filter(pk=report.pk).update(
        document=None,
        envelope={"boot_id": "b"},
        crash=zstandard.compress(msgspec.json.encode(to_json(make_crash(process="old")))),
        grouping=make_receipt(),
    )

    content = get_report_content(viewer=make_viewer(program), report_pk=report.pk)

    assert content is not None
    assert content.crash == make_crash(process="old")
    assert (content.envelope, content.grouping) == ({"boot_id": "b"}, make_receipt())


# Debug files ----------------------------------------------------------------------------------


def test_debug_files_are_found_by_name_and_by_the_start_of_their_build_id(program, viewer):
    wanted = make_debug_file(program, name="libcamera.so", build_id="abcd" * 10)
    make_debug_file(program, name="libother.so", build_id="ffff" * 10)

    for text in ("camera", "ABCD", " abcda "):
        rows = list_debug_files(viewer=viewer, text=text).items
        assert [row.id for row in rows] == [wanted.pk], text
    assert len(list_debug_files(viewer=viewer, text="\0").items) == 2


def test_missing_build_ids_are_ranked_by_reports(program, viewer):
    make_missing_debug_file(program, reports=2)
    make_missing_debug_file(program, reports=30)

    found = list_missing_debug_files(viewer=viewer)

    assert [row.reports for row in found] == [30, 2]
    assert count_missing_debug_files(viewer=viewer) == 2


# Other programs -------------------------------------------------------------------------------


def test_another_programs_rows_do_not_exist(program, viewer):
    issue = make_issue(program)
    make_tally(issue)
    report = make_done_report(issue)
    make_debug_file(program)
    make_missing_debug_file(program)
    stranger = make_viewer(make_program(), role=Role.TRIAGER)
    everything = parse("")

    with pytest.raises(ObjectDoesNotExist):
        get_issue(viewer=stranger, issue_id=issue.pk)
    with pytest.raises(ObjectDoesNotExist):
        get_report(viewer=stranger, report_id=report.report_id)
    with pytest.raises(ObjectDoesNotExist):
        open_raw_payload(viewer=stranger, report_pk=report.pk)
    assert get_report_content(viewer=stranger, report_pk=report.pk) is None
    assert get_latest_report(viewer=stranger, issue_id=issue.pk) is None
    assert not list_issues(viewer=stranger, query=everything, today=TODAY).items
    assert not list_reports(viewer=stranger, query=everything).items
    assert not list_issue_reports(viewer=stranger, issue_id=issue.pk).items
    assert not any(count_issue_states(viewer=stranger, query=everything).values())
    assert not any(facet.values for facet in issue_facets(viewer=stranger, query=everything))
    assert not any(part.shares for part in issue_breakdowns(viewer=stranger, issue_id=issue.pk))
    days = issue_days(viewer=stranger, issue_id=issue.pk, today=TODAY)
    assert not any(day.reports for day in days)
    assert not list_debug_files(viewer=stranger).items
    assert not list_missing_debug_files(viewer=stranger)
    assert get_issue(viewer=viewer, issue_id=issue.pk).id == issue.pk
