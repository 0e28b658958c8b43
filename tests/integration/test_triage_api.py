"""Triage over the API: shapes, refusals, programs, roles, many at once, and undoing."""

import uuid

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from crashes.models import Issue, TriageEvent
from tests.factories import make_api_token, make_issue, make_issues, make_program, make_user
from uxp_diag.roles import Role, Scope

pytestmark = pytest.mark.django_db


@pytest.fixture
def program():
    return make_program()


@pytest.fixture
def post(program):
    token = make_api_token(program, Scope.READ, Scope.TRIAGE)

    def send(path, body=None, *, token=token):
        return Client().post(
            f"/api/v1/{path}",
            body or {},
            content_type="application/json",
            headers={"Authorization": f"Bearer {token}"},
        )

    return send


def states(*issues):
    return [Issue.objects.get(pk=issue.pk).state for issue in issues]


def test_an_issue_is_resolved_in_a_build_reopened_and_the_first_undone(program, post):
    issue = make_issue(program)

    resolved = post(f"issues/{issue.pk}/resolve/", {"in_build": "V3.430"}).json()
    reopened = post(f"issues/{issue.pk}/reopen/").json()
    conflict = post(f"actions/{resolved['action_id']}/undo/")
    undone = post(f"actions/{reopened['action_id']}/undo/").json()

    assert (resolved["state"], resolved["resolution"]) == ("resolved", "build")
    assert resolved["resolved_in_build"] == "V3.430"
    assert (reopened["state"], reopened["resolved_in_build"]) == ("open", None)
    assert (conflict.status_code, conflict.json()["code"]) == (409, "nothing_to_undo")
    assert undone == {
        "action_id": reopened["action_id"], "matching": 1, "changed": 1, "skipped": 0,
    }  # fmt: skip
    assert states(issue) == ["resolved"]


@pytest.mark.parametrize(
    ("body", "resolution"),
    [
        ({}, "now"),
        ({"in_next_release": True}, "next_release"),
        ({"in_version": "1.4.2", "in_version_code": 1402}, "version"),
    ],
)
def test_the_ways_to_resolve(program, post, body, resolution):
    issue = make_issue(program)

    assert post(f"issues/{issue.pk}/resolve/", body).json()["resolution"] == resolution


@pytest.mark.parametrize(
    ("path", "body", "code"),
    [
        ("resolve", {"in_build": "a", "in_version": "b"}, "invalid_input"),
        ("resolve", {"in_version_code": 5}, "invalid_input"),
        ("resolve", {"in_build": "a" * 101}, "invalid_input"),
        ("mute", {"until": "tomorrow"}, "invalid_input"),
        ("mute", {"more_reports": 0}, "invalid_input"),
        ("mute", {"until": "2001-01-01T00:00:00Z"}, "impossible_transition"),
        ("reopen", {}, "impossible_transition"),
        ("assign", {}, "invalid_input"),
        ("assign", {"user": "nobody-here"}, "invalid_input"),
        ("comment", {"text": " "}, "invalid_input"),
    ],
)
def test_what_cannot_be_done_is_said(program, post, path, body, code):
    issue = make_issue(program)

    answer = post(f"issues/{issue.pk}/{path}/", body)

    assert answer.json()["code"] == code
    assert states(issue) == ["open"]


def test_an_issue_is_given_to_members_only(program, post):
    issue = make_issue(program)
    member = make_user(Role.TRIAGER, programs=[program])
    stranger = make_user(Role.TRIAGER, programs=[make_program()])
    partner = make_user(Role.DEVELOPER_PARTNER, programs=[program])

    given = post(f"issues/{issue.pk}/assign/", {"user": member.username})
    refused = [
        post(f"issues/{issue.pk}/assign/", {"user": user.username}).status_code
        for user in (stranger, partner)
    ]
    taken = post(f"issues/{issue.pk}/assign/", {"user": None})

    assert given.json()["assignee"] == member.username
    assert refused == [400, 400]
    assert taken.json()["assignee"] is None


def test_a_comment_is_in_the_activity(program, post):
    issue = make_issue(program)
    post(f"issues/{issue.pk}/mute/", {"more_reports": 5})

    answer = post(f"issues/{issue.pk}/comment/", {"text": "<b>seen</b> in the lab"})

    token = make_api_token(program, Scope.READ)
    rows = Client().get(
        f"/api/v1/issues/{issue.pk}/activity/", headers={"Authorization": f"Bearer {token}"}
    )
    assert (answer.status_code, answer.json()["text"]) == (201, "<b>seen</b> in the lab")
    assert [row["kind"] for row in rows.json()["results"]] == ["comment", "muted"]
    assert rows.json()["results"][1]["text"] == "until more than 6 reports"


# Many -----------------------------------------------------------------------------------------


def test_all_that_match_are_counted_resolved_and_undone(program, post):
    native = make_issues(program, 3, kind="native_crash")
    other = make_issue(program, kind="anr")
    make_issues(make_program(), 2, kind="native_crash")
    body = {"action": "resolve", "q": "kind:native_crash is:open", "resolve": {}}

    preview = post("issues/bulk/", {**body, "preview": True}).json()
    untouched = states(*native)
    done = post("issues/bulk/", {**body, "expected": preview["matching"]}).json()
    after = states(*native, other)
    undone = post(f"actions/{done['action_id']}/undo/").json()

    assert preview == {"action_id": None, "matching": 3, "changed": 0, "skipped": 0}
    assert untouched == ["open"] * 3
    assert (done["changed"], after) == (3, ["resolved"] * 3 + ["open"])
    assert (undone["changed"], states(*native)) == (3, ["open"] * 3)
    assert TriageEvent.objects.filter(kind="undone").count() == 3


def test_many_by_number_skip_what_is_impossible(program, post):
    issues = [make_issue(program, state=state) for state in ("open", "resolved", "muted")]

    done = post("issues/bulk/", {"action": "mute", "ids": [issue.pk for issue in issues]}).json()

    assert (done["matching"], done["changed"], done["skipped"]) == (3, 1, 2)
    assert states(*issues) == ["muted", "resolved", "muted"]


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"action": "resolve"}, 400, "invalid_input"),
        ({"action": "resolve", "q": "", "ids": []}, 400, "invalid_input"),
        ({"action": "erase", "q": ""}, 400, "invalid_input"),
        ({"action": "assign", "q": ""}, 400, "invalid_input"),
        ({"action": "resolve", "q": "modle:x"}, 400, "bad_query"),
        ({"action": "resolve", "q": "", "expected": 7}, 409, "count_changed"),
    ],
)
def test_a_bulk_that_makes_no_sense_does_nothing(program, post, body, status, code):
    issue = make_issue(program)

    answer = post("issues/bulk/", body)

    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert states(issue) == ["open"]


def test_too_many_are_refused(program, post, monkeypatch):
    monkeypatch.setattr("crashes.api.triage.MOST_ISSUES", 2)
    make_issues(program, 3)

    assert post("issues/bulk/", {"action": "mute", "q": ""}).json()["code"] == "too_many_issues"


def test_many_cost_few_queries(program, post):
    make_issues(program, 40)
    post("issues/bulk/", {"action": "mute", "q": "", "preview": True})

    with CaptureQueriesContext(connection) as captured:
        done = post("issues/bulk/", {"action": "resolve", "q": "", "resolve": {}}).json()

    statements = [query for query in captured if "UPDATE" not in query["sql"]]
    assert done["changed"] == 40
    assert len(statements) <= 12


# Who may --------------------------------------------------------------------------------------


def test_everything_of_another_program_is_not_there(program, post):
    mine, theirs = make_issue(program), make_issue(make_program())
    foreign = make_api_token(
        program.__class__.objects.get(pk=theirs.program_id), Scope.READ, Scope.TRIAGE
    )
    action = post(f"issues/{theirs.pk}/mute/", token=foreign).json()["action_id"]
    absent = post("issues/999999999/mute/").json()

    for path, body in {
        f"issues/{theirs.pk}/resolve/": {},
        f"issues/{theirs.pk}/reopen/": {},
        f"issues/{theirs.pk}/mute/": {},
        f"issues/{theirs.pk}/assign/": {"user": None},
        f"issues/{theirs.pk}/comment/": {"text": "x"},
        "issues/bulk/": {"action": "mute", "ids": [mine.pk, theirs.pk]},
        f"actions/{action}/undo/": {},
        f"actions/{uuid.uuid4()}/undo/": {},
    }.items():
        answer = post(path, body)
        assert answer.status_code == 404, path
        assert {**answer.json(), "ref": ""} == {**absent, "ref": ""}, path
    assert states(mine, theirs) == ["open", "muted"]


@pytest.mark.parametrize("scope", [Scope.READ, Scope.ADMIN, Scope.SYMBOLS, Scope.PRIVACY])
def test_only_triage_changes_issues(program, post, scope):
    issue = make_issue(program)
    token = make_api_token(program, scope)

    for path in (f"issues/{issue.pk}/resolve/", "issues/bulk/", f"actions/{uuid.uuid4()}/undo/"):
        assert post(path, token=token).status_code == 403
    assert states(issue) == ["open"]
