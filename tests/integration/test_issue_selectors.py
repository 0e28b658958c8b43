"""Queries about issues: filters, orders, pages, rows, facets and days."""

from dataclasses import replace
from datetime import timedelta

import pytest

from crashes.models import TriageEvent
from crashes.selectors.issues import (
    count_issue_states,
    issue_breakdowns,
    issue_days,
    issue_facets,
    list_issues,
)
from crashes.selectors.reports import (
    list_reports,
)
from crashes.triage.query import parse
from tests.factories import (
    NOW,
    make_done_report,
    make_issue,
    make_issues,
    make_program,
    make_tallies,
    make_tally,
    make_user,
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
