"""Deciding about grouping over the API and on pages: shapes, roles, programs, and forms."""

import re

import pytest
from django.test import Client

from crashes.models import GroupingDecision, Issue, Report, StackVariant, VariantLikeness
from crashes.selectors.grouping import get_grouping_receipts
from tests.factories import PASSWORD, make_api_token, make_program, make_user
from tests.integration.test_decisions import Fleet
from uxp_diag.roles import Role, Scope

pytestmark = pytest.mark.django_db


@pytest.fixture
def fleet():
    return Fleet()


@pytest.fixture
def post(fleet):
    token = make_api_token(fleet.program, Scope.READ, Scope.TRIAGE)

    def send(path, body=None):
        return Client().post(
            f"/api/v1/{path}",
            body or {},
            content_type="application/json",
            headers={"Authorization": f"Bearer {token}"},
        )

    return send


def client_of(role, program):
    client = Client(enforce_csrf_checks=False)
    client.login(username=make_user(role, programs=[program]).username, password=PASSWORD)
    return client


def test_merge_and_undo_over_the_api(fleet, post):
    kept, one, two = (fleet.send(name) for name in "abc")

    answer = post(f"issues/{kept.pk}/merge/", {"issue_ids": [one.pk, str(two.pk)]})
    undone = post(f"decisions/{answer.json()['results'][0]['id']}/undo/")

    assert answer.status_code == 200
    assert [row["other_id"] for row in answer.json()["results"]] == [str(one.pk), str(two.pk)]
    assert undone.json()["undone_by"] is not None
    assert Issue.objects.get(pk=kept.pk).report_count == 2
    again = post(f"decisions/{answer.json()['results'][0]['id']}/undo/")
    assert (again.status_code, again.json()["code"]) == (409, "impossible_decision")


def test_several_are_merged_or_none(fleet, post):
    kept, one, two = (fleet.send(name) for name in "abc")
    post(f"issues/{kept.pk}/apart/", {"issue_id": two.pk})

    answer = post(f"issues/{kept.pk}/merge/", {"issue_ids": [one.pk, two.pk]})

    assert answer.status_code == 409
    assert Issue.objects.filter(merged_into=None).count() == 3


@pytest.mark.parametrize("how", ["query", "fingerprints", "report_ids"])
def test_a_split_says_what_it_means_in_one_of_three_ways(fleet, post, how):
    issue = fleet.send("a")
    fleet.send("a1", phone=1)
    report = Report.objects.select_related("variant").latest("pk")
    selection = {
        "query": "model:*X30",
        "fingerprints": [f"v2:{StackVariant.objects.latest('pk').exact_key}"],
        "report_ids": [str(report.report_id)],
    }[how]

    answer = post(f"issues/{issue.pk}/split/", {how: selection})

    report.refresh_from_db()
    assert answer.status_code == 201
    assert answer.json()["other_id"] == str(report.issue_id) != str(issue.pk)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 400),
        ({"query": "is:open"}, 400),
        ({"query": "model:x", "report_ids": []}, 409),
        ({"fingerprints": ["v2:00"]}, 404),
        ({"report_ids": ["00000000-0000-4000-8000-000000000000"]}, 404),
        ({"report_ids": ["x"]}, 400),
    ],
)
def test_what_is_no_split_is_said(fleet, post, body, status):
    issue = fleet.send("a")

    assert post(f"issues/{issue.pk}/split/", body).status_code == status


def test_a_report_is_moved(fleet, post):
    fleet.send("a", count=2)
    report, target = Report.objects.latest("pk"), fleet.send("b")

    answer = post(f"reports/{report.report_id}/move/", {"issue_id": target.pk})

    report.refresh_from_db()
    assert (answer.status_code, report.issue_id) == (201, target.pk)


def test_everything_of_another_program_is_not_there(fleet, post):
    mine, other = fleet.send("a"), Fleet()
    theirs = other.send("a")
    other.send("b")
    report = Report.objects.filter(issue=theirs)[0]
    decision = other.merge(theirs, Issue.objects.latest("pk"))

    for path, body in {
        f"issues/{mine.pk}/merge/": {"issue_ids": [theirs.pk]},
        f"issues/{theirs.pk}/merge/": {"issue_ids": [mine.pk]},
        f"issues/{theirs.pk}/split/": {"query": "model:x"},
        f"issues/{mine.pk}/split/": {"report_ids": [str(report.report_id)]},
        f"issues/{mine.pk}/apart/": {"issue_id": theirs.pk},
        f"issues/{theirs.pk}/apart/": {"issue_id": mine.pk},
        f"reports/{report.report_id}/move/": {"issue_id": mine.pk},
        f"decisions/{decision.pk}/undo/": {},
    }.items():
        assert post(path, body).status_code == 404, path
    mine_report = Report.objects.filter(issue=mine)[0]
    moved = post(f"reports/{mine_report.report_id}/move/", {"issue_id": theirs.pk})
    assert moved.status_code == 404


@pytest.mark.parametrize("scope", [Scope.READ, Scope.ADMIN, Scope.SYMBOLS])
def test_only_triage_decides(fleet, scope):
    issue, other = fleet.send("a"), fleet.send("b")
    token = make_api_token(fleet.program, scope)

    answer = Client().post(
        f"/api/v1/issues/{issue.pk}/merge/",
        {"issue_ids": [other.pk]},
        content_type="application/json",
        headers={"Authorization": f"Bearer {token}"},
    )

    assert answer.status_code == 403


# Pages ----------------------------------------------------------------------------------------


def test_the_forms_of_the_page_merge_split_and_undo(fleet):
    kept, gone = fleet.send("a"), fleet.send("b", phone=1)
    browser = client_of(Role.TRIAGER, fleet.program)

    merged = browser.post(f"/issues/{kept.pk}/merge/", {"issue_id": f"#{gone.pk}"}, follow=True)
    split = browser.post(f"/issues/{kept.pk}/split/", {"query": "model:*X30"}, follow=True)
    new = Issue.objects.latest("pk")

    assert f"Issue {gone.pk} is part of issue {kept.pk} now" in merged.content.decode()
    assert split.redirect_chain[-1][0] == f"/issues/{new.pk}/"
    assert browser.get(f"/issues/{gone.pk}/").context["issue"].id == kept.pk
    page = browser.get(f"/issues/{kept.pk}/").content.decode()
    undo = re.findall(r'action="(/decisions/\d+/undo/)"', page)
    assert len(undo) == 2
    refused = browser.post(undo[1], follow=True)
    assert "builds on it" in refused.content.decode()
    for action in undo:
        browser.post(action)
    assert Issue.objects.get(pk=gone.pk).report_count == 1


@pytest.mark.parametrize(("what", "moved"), [("reports", 1), ("stacks", 2)])
def test_chosen_reports_or_their_stacks_are_split_by_a_form_without_script(fleet, what, moved):
    issue = fleet.send("a", count=2)
    fleet.send("a1", count=2)
    chosen = Report.objects.latest("pk")
    browser = client_of(Role.TRIAGER, fleet.program)

    page = browser.get(f"/issues/{issue.pk}/").content.decode()
    form = {"what": what, "report": [str(chosen.report_id)]}
    answer = browser.post(f"/issues/{issue.pk}/split/", form, follow=True)
    new = Issue.objects.latest("pk")
    fleet.send("a1")

    assert re.findall(r'form="split-chosen"\s+name="report"\s+value="([^"]+)"', page).count(
        str(chosen.report_id)
    )
    assert answer.redirect_chain[-1][0] == f"/issues/{new.pk}/"
    assert Report.objects.filter(issue=new).count() == moved + (what == "stacks")
    browser.post(f"/decisions/{GroupingDecision.objects.get().pk}/undo/")
    assert Report.objects.filter(issue=issue).count() == 5


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ({"what": "reports"}, "no report of the issue is meant"),
        ({"what": "stacks"}, "no report of the issue is meant"),
        ({"what": "reports", "report": "x"}, "Choose reports of the list"),
    ],
)
def test_choosing_nothing_splits_nothing_and_says_so(fleet, form, said):
    issue = fleet.send("a", count=2)
    browser = client_of(Role.TRIAGER, fleet.program)

    answer = browser.post(f"/issues/{issue.pk}/split/", form, follow=True)

    assert said in answer.content.decode()
    assert not GroupingDecision.objects.exists()


def test_a_viewer_sees_no_boxes_and_reports_of_other_issues_are_not_found(fleet):
    issue, other = fleet.send("a", count=2), fleet.send("b")
    foreign = Report.objects.get(issue=other)
    form = {"what": "reports", "report": str(foreign.report_id)}

    page = client_of(Role.VIEWER, fleet.program).get(f"/issues/{issue.pk}/").content.decode()
    answer = client_of(Role.TRIAGER, fleet.program).post(f"/issues/{issue.pk}/split/", form)

    assert "split-chosen" not in page
    assert answer.status_code == 404


def test_similar_issues_are_shown_with_what_they_share_and_merged_by_a_click(fleet):
    one = fleet.send("a")
    two = fleet.send("x")
    first, second = (StackVariant.objects.get(issue=issue) for issue in (one, two))
    second.content = {**first.content, "signature": "like it"}
    second.save()
    VariantLikeness.objects.create(variant=second, other=first, score=0.55, is_strong=True)
    browser = client_of(Role.TRIAGER, fleet.program)

    page = browser.get(f"/issues/{one.pk}/").content.decode()
    assert "most likely the same" in page
    assert "frames in common" in page
    browser.post(f"/issues/{one.pk}/apart/", {"issue_id": two.pk})

    assert "most likely the same" not in browser.get(f"/issues/{one.pk}/").content.decode()


def test_why_here_shows_score_frames_mechanism_and_next_best(fleet):
    issue = fleet.send("a")
    fleet.send("a1")
    report = Report.objects.latest("pk")
    browser = client_of(Role.VIEWER, fleet.program)

    page = browser.get(f"/reports/{report.report_id}/").content.decode()

    assert report.issue_id == issue.pk
    assert "frames aligned with the nearest stack" in page
    assert "com.example.a.A.run0" in page
    receipt = get_grouping_receipts(report.report_id)[0]["receipt"]
    assert receipt["mechanism"] == "v2"
    assert receipt["aligned"][0][2].startswith("com.example.a")
    assert receipt["score"] >= receipt["threshold"]


@pytest.mark.parametrize("role", [Role.VIEWER, Role.PRIVACY_OFFICER, Role.DEVELOPER_PARTNER])
def test_others_see_no_forms_and_may_not_post_them(fleet, role):
    issue, other = fleet.send("a"), fleet.send("b")
    browser = client_of(role, fleet.program)

    page = browser.get(f"/issues/{issue.pk}/")

    assert "/merge/" not in page.content.decode()
    posted = browser.post(f"/issues/{issue.pk}/merge/", {"issue_id": other.pk})
    assert posted.status_code == 403


def test_a_form_without_its_token_is_refused(fleet):
    issue = fleet.send("a")
    browser = Client(enforce_csrf_checks=True)
    user = make_user(Role.TRIAGER, programs=[fleet.program])
    browser.force_login(user)

    assert browser.post(f"/issues/{issue.pk}/merge/", {"issue_id": "1"}).status_code == 403


def test_the_pages_of_another_program_decide_nothing(fleet):
    issue = fleet.send("a")
    browser = client_of(Role.TRIAGER, make_program())

    for path in (f"/issues/{issue.pk}/merge/", f"/issues/{issue.pk}/split/"):
        assert browser.post(path, {"issue_id": issue.pk, "query": "model:x"}).status_code == 404
