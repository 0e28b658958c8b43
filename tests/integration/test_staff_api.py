"""The staff API: shapes of the contract, scopes, programs, and errors that say what is wrong."""

import uuid

import pytest
from django.test import Client
from django.utils import timezone

from crashes.stack import to_json
from devices.services.access import issue_api_token
from tests.factories import (
    NOW,
    PASSWORD,
    make_api_token,
    make_content,
    make_crash,
    make_done_report,
    make_issue,
    make_issues,
    make_missing_debug_file,
    make_program,
    make_report,
    make_tally,
    make_user,
    make_variant,
)
from uxp_diag.roles import Role, Scope

pytestmark = pytest.mark.django_db


@pytest.fixture
def program():
    return make_program()


@pytest.fixture
def get(program):
    """GET a path below `/api/v1/` with a token that may read."""
    token = make_api_token(program, Scope.READ)

    def fetch(path, **parameters):
        return Client().get(
            f"/api/v1/{path}", parameters, headers={"Authorization": f"Bearer {token}"}
        )

    return fetch


# Debug files ----------------------------------------------------------------------------------


def test_missing_debug_files_are_ranked_by_the_reports_they_would_unblock(program, get):
    make_missing_debug_file(program, build_id="aa" * 20, reports=2)
    make_missing_debug_file(
        program, build_id="bb" * 20, reports=7, module="libfoo.so", arch="arm64"
    )
    make_missing_debug_file(make_program(), build_id="cc" * 20, reports=9)

    document = get("debug-files/missing/").json()
    first = get("debug-files/missing/", limit=1).json()

    assert [row["build_id"][:2] for row in document["results"]] == ["bb", "aa"]
    assert document["results"][0] == {
        "build_id": "bb" * 20, "arch": "arm64", "module": "libfoo.so", "reports": 7,
        "last_seen_at": NOW.isoformat().replace("+00:00", "Z"),
    }  # fmt: skip
    assert document["count"] == first["count"] == 2
    assert len(first["results"]) == 1


@pytest.mark.parametrize(
    ("scope", "status"), [(Scope.READ, 200), (Scope.SYMBOLS, 200), (Scope.TRIAGE, 403)]
)
def test_missing_debug_files_are_for_readers_and_build_servers(program, scope, status):
    headers = {"Authorization": f"Bearer {make_api_token(program, scope)}"}

    answer = Client().get("/api/v1/debug-files/missing/", headers=headers)

    assert answer.status_code == status


@pytest.mark.parametrize("limit", ["0", "201", "-1", "x", "\u0662", "0000000011000000"])
def test_a_page_has_a_limit(get, limit):
    answer = get("issues/", limit=limit)

    assert (answer.status_code, answer.json()["code"]) == (400, "bad_limit")


# Reports --------------------------------------------------------------------------------------


def test_a_report_that_is_done_has_its_crash_its_issue_and_the_reason(program, get):
    issue = make_issue(program, signature="IllegalStateException at Main.run")
    crash = make_crash(process="com.example.app")
    variant = make_variant(issue, exact_key="cd" * 32)
    report = make_done_report(issue, crash=crash, variant=variant)

    document = get(f"reports/{report.report_id}/").json()

    assert document["report_id"] == str(report.report_id)
    assert (document["state"], document["issue_id"]) == ("done", str(issue.pk))
    assert document["signature"] == "IllegalStateException at Main.run"
    assert document["fingerprint"] == "v1:" + "cd" * 32
    assert document["received_at"] == NOW.isoformat().replace("+00:00", "Z")
    assert document["crash"] == to_json(crash)
    assert document["grouping"]["mechanism"] == "v1"
    assert document["grouping"]["score"] is None
    assert document["grouping"]["explanation"]
    assert document["failure"] is None


@pytest.mark.parametrize(("state", "shown"), [("received", "received"), ("leased", "processing")])
def test_a_report_that_waits_has_nothing_yet(program, get, state, shown):
    report = make_report(program, state=state)

    document = get(f"reports/{report.report_id}/").json()

    assert document["state"] == shown
    for name in ("issue_id", "signature", "fingerprint", "crash", "grouping", "failure"):
        assert document[name] is None, name


def test_a_report_in_quarantine_says_why(program, get):
    report = make_report(
        program, state="quarantined", failure_code="not_a_tombstone", failure_detail="line 3"
    )
    make_content(report)

    document = get(f"reports/{report.report_id}/").json()

    assert document["state"] == "quarantined"
    assert document["failure"] == {"code": "not_a_tombstone", "detail": "line 3"}


def test_reports_are_found_by_query_and_in_pages(program, get):
    issue = make_issue(program, signature="Crash in Camera.open")
    for _ in range(3):
        make_done_report(issue)
    make_report(program)

    first = get("reports/", q="camera", limit=2).json()
    second = get("reports/", q="camera", limit=2, cursor=first["next_cursor"]).json()

    found = [row["report_id"] for row in (*first["results"], *second["results"])]
    assert (len(found), len(set(found)), second["next_cursor"]) == (3, 3, None)
    assert {row["signature"] for row in first["results"]} == {"Crash in Camera.open"}


# Issues ---------------------------------------------------------------------------------------


def test_an_issue_has_counts_breakdowns_days_and_samples(program, get):
    issue = make_issue(program, report_count=3, device_count=2)
    make_tally(issue, reports=2)
    make_tally(issue, model="Nokia X30", mcc="", reports=1)
    report = make_done_report(issue)

    document = get(f"issues/{issue.pk}/").json()

    assert document["id"] == str(issue.pk)
    assert (document["report_count"], document["device_count"]) == (3, 2)
    assert document["breakdowns"]["models"] == [
        {"value": "Nokia G42 5G", "reports": 2},
        {"value": "Nokia X30", "reports": 1},
    ]
    assert {"value": None, "reports": 1} in document["breakdowns"]["countries"]
    assert len(document["days"]) == 30
    assert document["sample_report_ids"] == [str(report.report_id)]


def test_issues_are_filtered_sorted_and_paged(program, get):
    make_issues(program, 3, kind="anr")
    make_issue(program, kind="wtf")
    most = make_issue(program, kind="anr", report_count=99)

    first = get("issues/", q="is:open kind:anr", sort="reports", limit=2).json()
    second = get(
        "issues/", q="is:open kind:anr", sort="reports", limit=2, cursor=first["next_cursor"]
    ).json()

    assert first["results"][0]["id"] == str(most.pk)
    assert len({row["id"] for row in (*first["results"], *second["results"])}) == 4
    assert len(first["results"][0]["days"]) == 14


# Errors ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["issues/", "reports/"])
def test_a_bad_query_is_answered_with_its_place_and_a_suggestion(get, path):
    response = get(path, q="is:open modle:x")

    assert response.status_code == 400
    assert response.headers["Content-Type"] == "application/problem+json"
    problem = response.json()
    assert problem["code"] == "bad_query"
    assert "character 9" in problem["detail"]
    assert "`model:`" in problem["detail"]
    assert (problem["retry"], problem["status"]) == (False, 400)


@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        ({"cursor": "x"}, "bad_cursor"),
        ({"sort": "colour"}, "bad_sort"),
        ({"limit": "0"}, "bad_limit"),
        ({"limit": "9" * 500}, "bad_limit"),
        ({"limit": "²"}, "bad_limit"),
        ({"q": "a\0b"}, "bad_query"),
        ({"q": '"'}, "bad_query"),
    ],
)
def test_what_makes_no_sense_is_a_bad_request(get, parameters, code):
    response = get("issues/", **parameters)

    assert (response.status_code, response.json()["code"]) == (400, code)


@pytest.mark.parametrize(
    "path", ["issues/999999/", f"issues/{2**70}/", f"reports/{uuid.UUID(int=7)}/"]
)
def test_what_is_not_there_is_not_found(get, path):
    response = get(path)

    assert (response.status_code, response.json()["code"]) == (404, "not_found")


def test_another_programs_rows_look_like_absent_ones(get):
    other = make_program()
    issue = make_issue(other)
    report = make_done_report(issue)

    for path in (f"issues/{issue.pk}/", f"reports/{report.report_id}/"):
        theirs, absent = get(path).json(), get("issues/999999/").json()
        assert {**theirs, "ref": ""} == {**absent, "ref": ""}
    assert get("issues/").json()["results"] == []
    assert get("reports/").json()["results"] == []


@pytest.mark.parametrize("path", ["issues/", "issues/1/", "reports/"])
def test_reading_needs_a_credential_with_the_scope(program, path):
    token = make_api_token(program, Scope.SYMBOLS)

    nobody = Client().get(f"/api/v1/{path}")
    stranger = Client().get(f"/api/v1/{path}", headers={"Authorization": f"Bearer {token}"})

    assert (nobody.status_code, nobody.json()["code"]) == (401, "not_authenticated")
    assert (stranger.status_code, stranger.json()["code"]) == (403, "not_allowed")


def test_an_address_below_the_api_that_leads_nowhere_is_a_problem_too():
    response = Client().get("/api/v1/nothing/")

    assert (response.status_code, response.json()["code"]) == (404, "not_found")


# Sessions and raw payloads --------------------------------------------------------------------


def test_a_session_may_read_what_its_role_may(program):
    client = Client()
    client.login(username=make_user(Role.VIEWER, programs=[program]).username, password=PASSWORD)

    assert client.get("/api/v1/issues/").status_code == 200


def test_raw_payloads_are_for_sessions_with_the_scope_only(program):
    report = make_report(program)
    make_content(report, raw=b"<b>bytes</b>")
    path = f"/api/v1/reports/{report.report_id}/raw/"
    triager, viewer = Client(), Client()
    triager.force_login(make_user(Role.TRIAGER, programs=[program]))
    viewer.force_login(make_user(Role.VIEWER, programs=[program]))
    token = make_api_token(program, *(Scope.READ, Scope.ADMIN, Scope.PRIVACY))

    response = triager.get(path)

    assert response.getvalue() == b"<b>bytes</b>"
    assert response.headers["Content-Type"] == "application/octet-stream"
    assert response.headers["Content-Disposition"].startswith("attachment")
    assert "sandbox" in response.headers["Content-Security-Policy"]
    assert viewer.get(path).status_code == 403
    assert Client().get(path, headers={"Authorization": f"Bearer {token}"}).status_code == 403


def test_the_token_of_somebody_who_left_opens_nothing(program):
    user = make_user(Role.VIEWER, programs=[program])
    token = issue_api_token(program, label="script", scopes=["read"], now=timezone.now(), user=user)
    headers = {"Authorization": f"Bearer {token}"}

    before = Client().get("/api/v1/issues/", headers=headers).status_code
    user.is_active = False
    user.save()
    after = Client().get("/api/v1/issues/", headers=headers).status_code

    assert (before, after) == (200, 401)
