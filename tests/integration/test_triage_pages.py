"""The forms of triage: what they change, what they refuse, who may send them."""

import csv
import io
import json
import uuid

import pytest
from django.test import Client

from crashes.models import Issue, TriageEvent
from tests.factories import PASSWORD, make_issue, make_issues, make_program, make_user
from uxp_diag.roles import Role

pytestmark = pytest.mark.django_db


@pytest.fixture
def program():
    return make_program()


def client_of(role, program, **options):
    client = Client(**options)
    client.login(username=make_user(role, programs=[program]).username, password=PASSWORD)
    return client


@pytest.fixture
def client(program):
    return client_of(Role.TRIAGER, program)


def states(*issues):
    return [Issue.objects.get(pk=issue.pk).state for issue in issues]


def test_a_form_leads_back_to_the_page_and_htmx_gets_the_bar(program, client):
    issue = make_issue(program)

    plain = client.post(f"/issues/{issue.pk}/act/", {"action": "mute", "days": "7", "more": "5"})
    swapped = client.post(
        f"/issues/{issue.pk}/act/", {"action": "reopen"}, headers={"HX-Request": "true"}
    )

    assert plain.headers["Location"] == f"/issues/{issue.pk}/"
    text = swapped.content.decode()
    assert 'id="triage"' in text
    assert 'hx-swap-oob="true"' in text
    assert "<html" not in text
    issue.refresh_from_db()
    assert (issue.state, issue.muted_until_count) == ("open", None)


@pytest.mark.parametrize(
    ("form", "words"),
    [
        ({"action": "mute", "more": "many"}, "a number of reports is a number above 0"),
        ({"action": "mute", "daily": "0"}, "a number of reports is a number above 0"),
        ({"action": "resolve", "where": "build", "build": " "}, "name the OS build"),
        ({"action": "reopen"}, "the issue is open already"),
    ],
)
def test_what_makes_no_sense_is_said(program, client, form, words):
    issue = make_issue(program)

    page = client.post(f"/issues/{issue.pk}/act/", form, follow=True)

    assert words in page.content.decode()
    assert states(issue) == ["open"]


@pytest.mark.parametrize("form", [{}, {"action": "erase"}, {"action": "assign", "user": "nobody"}])
def test_what_no_form_of_ours_sends_is_a_bad_request(program, client, form):
    issue = make_issue(program)

    assert client.post(f"/issues/{issue.pk}/act/", form).status_code == 400


def test_a_comment_is_shown_as_text(program, client):
    issue = make_issue(program)

    page = client.post(
        f"/issues/{issue.pk}/comment/", {"text": "<script>alert(1)</script>\nline"}, follow=True
    )

    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page.content.decode()
    assert client.post(f"/issues/{issue.pk}/comment/", {"text": " "}).status_code == 302
    assert TriageEvent.objects.count() == 1


def test_many_are_counted_first_and_changed_by_the_second_form(program, client):
    issues = make_issues(program, 3)
    form = {"action": "resolve", "q": "is:open", "all": "1"}

    preview = client.post("/issues/bulk/", form)
    before = states(*issues)
    stale = client.post("/issues/bulk/", {**form, "expected": "2"})
    done = client.post("/issues/bulk/", {**form, "expected": "3", "where": "now"})
    page = client.get(done.headers["Location"])

    assert "Resolve 3 issues" in preview.content.decode()
    assert (before, stale.status_code) == (["open"] * 3, 200)
    assert states(*issues) == ["resolved"] * 3
    action_id = TriageEvent.objects.order_by("pk")[0].action_id
    assert f"/actions/{action_id}/undo/" in page.content.decode()
    client.post(f"/actions/{action_id}/undo/", {"q": "is:open"})
    assert states(*issues) == ["open"] * 3


def test_nothing_chosen_is_said(program, client):
    make_issue(program)

    page = client.post("/issues/bulk/", {"action": "mute", "q": "is:open"}, follow=True)

    assert "No issue was chosen." in page.content.decode()


def test_another_programs_issues_are_not_there(program, client):
    mine, theirs = make_issue(program), make_issue(make_program())
    paths = {
        f"/issues/{theirs.pk}/act/": {"action": "mute"},
        f"/issues/{theirs.pk}/comment/": {"text": "x"},
        "/issues/bulk/": {"action": "mute", "issue": [mine.pk, theirs.pk], "expected": "2"},
    }

    answers = [client.post(path, form).status_code for path, form in paths.items()]

    assert answers == [404, 404, 404]
    assert client.post(f"/actions/{uuid.uuid4()}/undo/").status_code == 400
    assert states(mine, theirs) == ["open", "open"]


@pytest.mark.parametrize("role", [Role.VIEWER, Role.PRIVACY_OFFICER, Role.DEVELOPER_PARTNER])
def test_others_see_no_forms_and_may_not_send_them(program, role):
    issue = make_issue(program)
    other = client_of(role, program)

    for path in (f"/issues/{issue.pk}/act/", f"/issues/{issue.pk}/comment/", "/issues/bulk/"):
        assert other.post(path, {"action": "mute", "text": "x"}).status_code == 403
    if role is not Role.DEVELOPER_PARTNER:
        assert "/act/" not in other.get(f"/issues/{issue.pk}/").content.decode()
        assert "/issues/bulk/" not in other.get("/").content.decode()


def test_forms_need_their_token(program):
    issue = make_issue(program)
    strict = client_of(Role.TRIAGER, program, enforce_csrf_checks=True)

    for path in (f"/issues/{issue.pk}/act/", "/issues/bulk/"):
        assert strict.post(path, {"action": "mute"}).status_code == 403
    assert states(issue) == ["open"]


def test_a_list_is_a_file_without_formulas(program, client):
    make_issue(program, signature='=HYPERLINK("x"), "y"', package="-com.a", report_count=7)
    make_issue(program, signature="other", state="muted")
    make_issue(make_program(), signature="not ours")

    table = client.get("/issues/export.csv?q=is:open")
    rows = list(csv.DictReader(io.StringIO(b"".join(table.streaming_content).decode())))
    document = client.get("/issues/export.json?q=")
    items = json.loads(b"".join(document.streaming_content))

    assert [(row["signature"], row["package"], row["reports"]) for row in rows] == [
        ('\'=HYPERLINK("x"), "y"', "'-com.a", "7")
    ]
    assert {item["signature"] for item in items} == {'=HYPERLINK("x"), "y"', "other"}
    assert "sandbox" in table["Content-Security-Policy"]
    assert client.get("/issues/export.csv?q=nokey:").status_code == 400
    assert b"".join(client.get("/issues/export.json?q=zzz").streaming_content) == b"[]\n"
