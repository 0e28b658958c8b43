"""Proposals of another grouping mechanism over the API: list, look, apply, take back."""

import pytest
from django.core.management import call_command
from django.test import Client
from django.urls import reverse

from crashes.models import GroupingProposal, ProposedReport
from tests.factories import make_api_token
from tests.integration.pages.reading import client_for
from tests.integration.test_decisions import Fleet
from tests.integration.test_grouping_proposals import issues, propose, registered, shadow
from uxp_diag.roles import Role, Scope

__all__ = ["registered"]

pytestmark = pytest.mark.django_db


@pytest.fixture
def fleet():
    return Fleet()


def ask(fleet, method, path="", *scopes):
    token = make_api_token(fleet.program, *(scopes or (Scope.TRIAGE,)))
    url = f"/api/v1/grouping-proposals/{path}"
    return getattr(Client(), method)(url, headers={"Authorization": f"Bearer {token}"})


def test_a_proposal_is_listed_shown_and_applied(fleet):
    issue = fleet.send("a", count=2)
    fleet.send("a1")
    proposal = propose(fleet, "strict")
    expected = shadow(fleet, "strict")

    (listed,) = ask(fleet, "get").json()["results"]
    shown = ask(fleet, "get", f"{proposal.pk}/").json()
    applied = ask(fleet, "post", f"{proposal.pk}/apply/")
    again = ask(fleet, "post", f"{proposal.pk}/apply/")
    call_command("work", once=True)
    done = ask(fleet, "get", f"{proposal.pk}/").json()

    assert (listed["id"], listed["state"], listed["splits"]) == (str(proposal.pk), "ready", 1)
    assert (listed["mechanism"], listed["created_by"]) == ("strict", "Ada")
    (change,) = shown["changes"]
    assert (change["change"], change["issue_id"], change["reports"]) == ("split", str(issue.pk), 1)
    assert change["new_signature"]
    assert change["into_id"] is None
    assert (applied.status_code, applied.json()["to_move"]) == (202, 3)
    assert (again.status_code, again.json()["code"]) == (409, "impossible_switch")
    assert (done["state"], done["moved"], done["to_move"]) == ("applied", 3, 0)
    assert issues() == expected


@pytest.mark.parametrize("way", ["api", "page"])
def test_a_proposal_that_nobody_applied_is_taken_back(fleet, way):
    fleet.send("a")
    before = issues()
    proposal = propose(fleet, "strict")

    if way == "api":
        answer = ask(fleet, "delete", f"{proposal.pk}/")
        assert answer.status_code == 204
    else:
        client = client_for(Role.TRIAGER, fleet.program)
        answer = client.post(reverse("grouping_discard", args=[proposal.pk]), follow=True)
        assert "nothing has changed" in answer.text

    assert not GroupingProposal.objects.exists()
    assert not ProposedReport.objects.exists()
    assert issues() == before


def test_what_is_applied_is_not_taken_back_this_way(fleet):
    fleet.send("a")
    proposal = propose(fleet, "strict")
    ask(fleet, "post", f"{proposal.pk}/apply/")

    answer = ask(fleet, "delete", f"{proposal.pk}/")

    assert (answer.status_code, answer.json()["code"]) == (409, "impossible_switch")
    assert "proposal of v2" in answer.json()["detail"]


def test_proposals_need_the_scope_and_the_program(fleet):
    fleet.send("a")
    proposal = propose(fleet, "strict")
    paths = [("get", ""), ("get", f"{proposal.pk}/"), ("post", f"{proposal.pk}/apply/"),
             ("delete", f"{proposal.pk}/")]  # fmt: skip

    assert {ask(fleet, *way, Scope.READ).status_code for way in paths} == {403}
    assert {ask(Fleet(), *way).status_code for way in paths[1:]} == {404}
    assert ask(Fleet(), "get").json()["results"] == []
    assert GroupingProposal.objects.get().state == "ready"
