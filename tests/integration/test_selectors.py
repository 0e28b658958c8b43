"""What a viewer gets to see: filters, orders, pages, counts, and never another program's rows."""

import uuid
from dataclasses import replace
from datetime import timedelta

import msgspec
import pytest
import zstandard
from django.conf import settings
from django.core.exceptions import ObjectDoesNotExist, PermissionDenied

from crashes.models import Report, ReportContent, TriageEvent
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
    make_issues,
    make_missing_debug_file,
    make_program,
    make_receipt,
    make_report,
    make_tallies,
    make_tally,
    make_user,
    make_variant,
    make_viewer,
)
from uxp_diag.api.pagination import encode_cursor
from uxp_diag.api.problem import Problem
from uxp_diag.roles import Role

pytestmark = pytest.mark.django_db
TODAY = NOW.date()


@pytest.fixture
def program():
    return make_program()


@pytest.fixture
def viewer(program):
    return make_viewer(program)


def signatures(viewer, text, **more):
    page = list_issues(viewer=viewer, query=parse(text), today=TODAY, **more)
    return [row.issue.signature for row in page.items]


def test_every_key_about_an_issue_narrows_the_list(program):
    person = make_user(Role.TRIAGER, programs=[program], username="mika")
    viewer = replace(make_viewer(program), user_id=person.pk)
    wanted = make_issue(
        program, signature="wanted", assignee=person, regressed_at=NOW, device_count=200,
        report_count=900, first_seen_at=NOW - timedelta(days=3), last_seen_at=NOW,
    )  # fmt: skip
    make_tally(wanted, version_name="1.4.2", mcc="262")
    make_done_report(wanted, named_frames=2)
    TriageEvent.objects.create(issue=wanted, kind="comment", by_name="mika", at=NOW)
    long_ago = NOW - timedelta(days=60)
    other = make_issue(program, signature="other", first_seen_at=long_ago, last_seen_at=long_ago)
    make_tally(other, version_name="1.3", mcc="244")
    make_done_report(other, named_frames=0)

    for text in (
        "is:regressed", "!first_seen:>7d", "first_seen:<7d", "last_seen:>=2026-11-20",
        "last_seen:2026-11-01..2026-11-20", "devices:>100", "devices:>100 devices:<=200",
        "reports:900", "reports:500..1000", "has:symbols", "has:comments", "has:assignee",
        "assigned:me", "assigned:mika", "assigned:m*", "!assigned:none", "version:1.4*",
        "mcc:262", "region:262", "!version:1.3",
    ):  # fmt: skip
        query = parse(text, asked_at=NOW)
        page = list_issues(viewer=viewer, query=query, today=TODAY)
        assert [row.issue.signature for row in page.items] == ["wanted"], text
        reports = list_reports(viewer=viewer, query=query)
        is_of_reports = "version" in text or ":262" in text
        assert is_of_reports or [row.issue_id for row in reports.items] == [wanted.pk], text
    for text in ("is:regressed is:muted", "reports:1 reports:900"):
        assert wanted.pk in {
            row.issue.id for row in list_issues(viewer=viewer, query=parse(text), today=TODAY).items
        }
    nobody = list_issues(viewer=make_viewer(program), query=parse("assigned:me"), today=TODAY)
    assert not nobody.items


def all_pages(viewer, **more):
    page = list_issues(viewer=viewer, query=parse(""), today=TODAY, **more)
    rows = list(page.items)
    while page.next_cursor:
        page = list_issues(
            viewer=viewer, query=parse(""), today=TODAY, cursor=page.next_cursor, **more
        )
        rows += page.items
    return [row.issue.id for row in rows]


# Filters --------------------------------------------------------------------------------------


def test_every_key_of_the_query_narrows_the_list(program, viewer):
    wanted = make_issue(
        program, signature="ANR in Sync.await", kind="anr", package="com.a", state="muted"
    )
    make_tally(wanted, model="Nokia X30", os_build="V2.1")
    make_issue(program, signature="other", package="com.b")

    for text in (
        "is:muted",
        "kind:anr",
        "package:COM.A",
        'model:"nokia x30"',
        "os_build:V2.*",
        "signature:*sync*",
        "await",
        "!is:open",
        "!other",
        "sync anr",
        "ANR*await",
    ):
        assert signatures(viewer, text) == ["ANR in Sync.await"], text


def test_values_of_one_key_are_alternatives(program, viewer):
    make_issue(program, signature="one", kind="anr")
    make_issue(program, signature="two", kind="wtf")
    make_issue(program, signature="three", kind="error")

    assert sorted(signatures(viewer, "kind:anr kind:wtf")) == ["one", "two"]


def test_letters_that_mean_something_to_the_database_are_plain_text(program, viewer):
    make_issue(program, signature=r"100%_a\b")
    make_issue(program, signature="100xyza/b")

    assert signatures(viewer, r"signature:100%_a\\b") == [r"100%_a\b"]
    assert signatures(viewer, '"%_"') == [r"100%_a\b"]


def test_a_model_that_an_issue_never_met_can_be_excluded(program, viewer):
    met = make_issue(program, signature="met")
    make_tally(met, model="Nokia X30")
    make_issue(program, signature="unmet")

    assert signatures(viewer, '!model:"Nokia X30"') == ["unmet"]


# Orders and pages -----------------------------------------------------------------------------


@pytest.mark.parametrize("sort", ["last_seen", "first_seen", "reports", "devices"])
def test_pages_hold_every_issue_once_in_any_order(program, viewer, sort):
    made = [*make_issues(program, 7), make_issue(program, report_count=9, device_count=4)]

    found = all_pages(viewer, sort=sort, size=3)

    assert sorted(found) == sorted(issue.pk for issue in made)


def test_an_issue_that_arrives_while_somebody_pages_shifts_nothing(program, viewer):
    made = [issue.pk for issue in make_issues(program, 6)]
    first = list_issues(viewer=viewer, query=parse(""), today=TODAY, size=3)

    make_issue(program, last_seen_at=NOW + timedelta(minutes=1))
    second = list_issues(
        viewer=viewer, query=parse(""), today=TODAY, size=3, cursor=first.next_cursor
    )

    assert [row.issue.id for row in (*first.items, *second.items)] == made
    assert second.next_cursor is None


@pytest.mark.parametrize(
    "cursor",
    [
        "x",
        encode_cursor([]),
        encode_cursor(["last_seen", "yesterday", 1]),
        encode_cursor(["last_seen", "2026-11-20T00:00:00", 1]),
        encode_cursor(["last_seen", NOW, -1]),
        encode_cursor(["last_seen", NOW, 2**63]),
        encode_cursor(["reports", 5, 1]),
    ],
)
def test_a_strange_cursor_is_a_bad_request(viewer, cursor):
    with pytest.raises(Problem) as caught:
        signatures(viewer, "", cursor=cursor)

    assert caught.value.code == "bad_cursor"


def test_an_unknown_order_is_a_bad_request(viewer):
    with pytest.raises(Problem):
        signatures(viewer, "", sort="colour")


# Rows -----------------------------------------------------------------------------------------


def test_a_row_has_the_days_of_a_fortnight_and_its_top_models(program, viewer):
    issue = make_issue(program)
    make_tallies(issue, [(TODAY, 2), (TODAY - timedelta(days=13), 5), (TODAY - timedelta(14), 9)])
    for number, model in enumerate(["A", "B", "C", "D"]):
        make_tally(issue, model=model, reports=10 + number)

    (row,) = list_issues(viewer=viewer, query=parse(""), today=TODAY).items

    assert (row.days[0], row.days[-1], len(row.days)) == (5, 48, 14)
    assert (row.models, row.more_models) == (("D", "C", "B"), 2)


def test_the_models_of_a_quiet_issue_are_those_of_all_time(program, viewer):
    issue = make_issue(program)
    make_tally(issue, model="Nokia 2.4", day=TODAY - timedelta(days=90))

    (row,) = list_issues(viewer=viewer, query=parse(""), today=TODAY).items

    assert row.models == ("Nokia 2.4",)
    assert not any(row.days)


@pytest.mark.parametrize("count", [1, 12])
def test_a_list_costs_two_queries_whatever_it_holds(
    program, viewer, count, django_assert_num_queries
):
    for issue in make_issues(program, count):
        make_tally(issue)

    with django_assert_num_queries(2):
        list_issues(viewer=viewer, query=parse(""), today=TODAY)


# Facets, breakdowns, days ---------------------------------------------------------------------


def test_a_facet_counts_issues_and_is_not_narrowed_by_its_own_key(program, viewer):
    first, second = make_issue(program, kind="anr"), make_issue(program, kind="wtf")
    make_tally(first, model="A")
    make_tally(first, model="A", os_build="V9")
    make_tally(second, model="B")

    facets = {
        facet.key: [(item.value, item.issues, item.is_chosen) for item in facet.values]
        for facet in issue_facets(viewer=viewer, query=parse("model:a"))
    }

    assert facets["model"] == [("A", 1, True), ("B", 1, False)]
    assert facets["kind"] == [("anr", 1, False)]
    assert facets["os_build"] == [("V3.420", 1, False), ("V9", 1, False)]
    assert facets["package"] == [("com.example.app", 1, False)]


def test_states_are_counted_beside_the_one_asked_for(program, viewer):
    make_issue(program)
    make_issue(program, state="muted")
    make_issue(program, state="muted", kind="anr")

    counts = count_issue_states(viewer=viewer, query=parse("is:open kind:java_crash"))

    assert counts == {"open": 1, "muted": 1, "resolved": 0}


def test_a_breakdown_has_shares_of_the_whole_and_a_rest(program, viewer):
    issue = make_issue(program)
    for number in range(12):
        make_tally(issue, model=f"M{number:02}", reports=2 if number else 78)

    model, build, version, country = issue_breakdowns(viewer=viewer, issue_id=issue.pk)

    assert (model.shares[0].value, model.shares[0].fraction) == ("M00", 0.78)
    assert (len(model.shares), model.others, model.values) == (10, 4, 12)
    assert [part.shares[0].reports for part in (build, version, country)] == [100, 100, 100]


def test_days_without_reports_are_zero(program, viewer):
    issue = make_issue(program)
    make_tallies(issue, [(TODAY, 3), (TODAY - timedelta(days=2), 1)])

    days = issue_days(viewer=viewer, issue_id=issue.pk, today=TODAY, days=3)

    assert [day.reports for day in days] == [1, 0, 3]


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
    store.put(key, b"large" * 1000)
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
