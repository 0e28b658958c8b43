"""Another mechanism takes over: what was proposed comes true, and people's decisions stay."""

import io
import json
from collections import defaultdict
from dataclasses import replace
from hashlib import sha256
from importlib import import_module
from types import SimpleNamespace
from typing import Any

import pytest
from django.apps import apps
from django.core.management import CommandError, call_command
from django.urls import reverse

from crashes.grouping import mechanisms
from crashes.grouping.mechanisms import v2
from crashes.models import (
    GroupingProposal,
    Issue,
    IssueDevice,
    IssueRedirect,
    IssueTally,
    ProgramMechanism,
    ProposedReport,
    ProposedStack,
    Report,
    ReportContent,
    StackVariant,
    TermCount,
    TriageEvent,
    VariantTerm,
)
from crashes.selectors.contents import document_of
from crashes.selectors.replaying import replay
from crashes.services import processing, proposed_stacks
from crashes.services.decisions import keep_apart, move_report
from crashes.services.digesting import digest
from crashes.services.forgetting import Forgotten, forget_reports
from crashes.services.mechanisms import mechanisms_of, switch_mechanism
from crashes.services.processing import lease_reports, process_reports
from crashes.services.proposing import write_proposal
from crashes.services.switch_moves import move_batch
from crashes.services.switching import ImpossibleSwitch, start_applying
from tests.factories import make_program
from tests.integration.pages.reading import client_for
from tests.integration.test_decisions import NOW, START, Fleet
from uxp_diag.roles import Role

pytestmark = pytest.mark.django_db


def mechanism(name, *, key, joins):
    """A whole mechanism made of v2: its own keys over what `key` keeps, joining or not."""

    def prepare(crash, *, package):
        item = v2.prepare(crash, package=package)
        text = "\n".join((name, item.scope, *key(item)))
        return replace(item, mechanism=name, exact_key=sha256(text.encode()).hexdigest())

    def best_match(item, candidates, stats):
        return v2.best_match(item, candidates if joins else [], stats)

    return SimpleNamespace(
        NAME=name, THRESHOLD=v2.THRESHOLD, LINK=v2.LINK, prepare=prepare,
        index_terms=v2.index_terms, score=v2.score, best_match=best_match,
    )  # fmt: skip


@pytest.fixture(autouse=True)
def registered(monkeypatch):
    """Three mechanisms beside v2: one parts what is alike, one joins more, one does both."""
    for one in (
        mechanism("strict", key=lambda item: item.tokens, joins=False),
        mechanism("loose", key=lambda item: (item.exception_type,), joins=True),
        mechanism("mixed", key=lambda item: (item.tokens[3][-5:],), joins=False),
    ):
        monkeypatch.setitem(mechanisms.MECHANISMS, one.NAME, one)


@pytest.fixture
def across(monkeypatch):
    """A mechanism that looks across packages, so that whole issues join: by the step alone."""

    def prepare(crash, *, package):
        item = v2.prepare(crash, package=package)
        text = f"across {item.tokens[3].rpartition('.')[2]}"
        key = sha256(text.encode()).hexdigest()
        return replace(item, mechanism="across", scope="all", exact_key=key)

    one = mechanism("across", key=lambda item: item.tokens, joins=False)
    one.prepare = prepare
    monkeypatch.setitem(mechanisms.MECHANISMS, "across", one)


@pytest.fixture
def fleet():
    return Fleet()


def propose(fleet, name):
    return write_proposal(fleet.program.pk, mechanism=name, since=START, by_name="Ada", now=NOW)


def apply(fleet, name, *, limit=2):
    proposal = propose(fleet, name)
    start_applying(proposal.pk, by=fleet.by, now=NOW)
    while move_batch(proposal.pk, limit=limit, now=NOW):
        pass
    proposal.refresh_from_db()
    assert proposal.state == "applied"
    check_sums()
    return proposal


def shadow(fleet, name):
    """The groups as sets of reports."""
    groups = defaultdict(set)
    for one in replay(fleet.program.pk, mechanism=name, since=START):
        groups[one.group].add(one.report_pk)
    return {frozenset(group) for group in groups.values()}


def issues():
    groups = defaultdict(set)
    for pk, issue_id in Report.objects.values_list("pk", "issue_id"):
        groups[issue_id].add(pk)
    return {frozenset(group) for group in groups.values()}


def check_sums():
    """Counters say what the reports say, and the index what the stacks say."""
    for issue in Issue.objects.all():
        reports = Report.objects.filter(issue=issue)
        assert issue.report_count == reports.count()
        assert issue.device_count == reports.values("device_id").distinct().count()
        assert issue.device_count == IssueDevice.objects.filter(issue=issue).count()
        tallies = IssueTally.objects.filter(issue=issue).values_list("reports", flat=True)
        assert sum(tallies) == issue.report_count
        if issue.report_count:
            assert issue.first_seen_at == reports.earliest("occurred_at").occurred_at
            assert issue.last_seen_at == reports.latest("occurred_at").occurred_at
    totals = TermCount.objects.filter(term=TermCount.TOTAL).values_list("variants", flat=True)
    assert sum(totals) == StackVariant.objects.count()
    counted = TermCount.objects.exclude(term=TermCount.TOTAL).values_list("variants", flat=True)
    assert sum(counted) == VariantTerm.objects.count()


def send_all(fleet, names="a b a1 c a2 b1 a b2 c1 a1 d d2 e1"):
    """One report of each, all in one batch."""
    for number, name in enumerate(names.split()):
        fleet.accept(name, phone=number % 3)
    process_reports(lease_reports(limit=50, now=NOW), now=NOW)


@pytest.mark.parametrize("name", ["strict", "loose", "mixed", "across", "v2"])
def test_what_is_applied_is_what_the_shadow_said(fleet, across, name):
    send_all(fleet)
    expected = shadow(fleet, name)

    proposal = apply(fleet, name)

    assert issues() == expected
    assert proposal.groups == len(expected)
    assert set(Report.objects.values_list("variant__mechanism", flat=True)) == {name}
    assert not ProposedReport.objects.exists()
    assert not ProposedStack.objects.exists()


def test_new_reports_go_on_where_the_shadow_would(fleet):
    send_all(fleet)
    apply(fleet, "loose")

    send_all(fleet, "a3 f b f1 a c3")

    assert issues() == shadow(fleet, "loose")


@pytest.mark.parametrize("name", ["strict", "across", "mixed"])
def test_the_old_mechanism_applied_again_brings_its_groups_back(fleet, across, name):
    send_all(fleet)
    before = issues()
    apply(fleet, name)
    assert issues() != before
    send_all(fleet, "a f")

    apply(fleet, "v2")

    assert issues() == shadow(fleet, "v2")
    assert ProgramMechanism.objects.get().mechanism == "v2"


def test_links_to_issues_that_were_joined_lead_on(fleet, across):
    one, other = fleet.send("a", count=2), fleet.send("b")

    apply(fleet, "across")

    assert IssueRedirect.objects.get(old_id=other.pk).issue_id == one.pk
    answer = client_for(Role.VIEWER, fleet.program).get(reverse("issue_detail", args=[other.pk]))
    assert answer.status_code == 200
    assert answer.context["issue"].id == one.pk
    assert "across" in TriageEvent.objects.get(issue=one).text


def test_what_a_mechanism_parts_stands_as_the_issue_did(fleet):
    issue = fleet.send("a", count=2)
    fleet.send("a1")
    Issue.objects.filter(pk=issue.pk).update(
        state="resolved", resolution="build", resolved_in_build="V3.430", resolved_at=NOW
    )

    apply(fleet, "strict")

    parted = Issue.objects.exclude(pk=issue.pk).get()
    assert (parted.state, parted.resolution) == ("resolved", "build")
    assert (parted.resolved_in_build, parted.resolved_at) == ("V3.430", NOW)


def test_an_open_issue_leaves_nothing_of_a_mute_where_it_goes(fleet, across):
    one = fleet.send("a", count=2)
    fleet.send("b")
    Issue.objects.filter(pk=one.pk).update(state="muted", muted_until_count=50)

    apply(fleet, "across")

    kept = Issue.objects.get()
    assert (kept.pk, kept.state, kept.muted_until_count) == (one.pk, "open", None)


def test_merges_hold_and_can_be_undone_afterwards(fleet):
    kept, gone = fleet.send("a"), fleet.send("b")
    fleet.send("a1")
    fleet.send("b1")
    decision = fleet.merge(kept, gone)

    apply(fleet, "strict")
    fleet.send("b")

    of_b = set(Report.objects.filter(package="com.example.b").values_list("issue_id", flat=True))
    assert of_b == {kept.pk}, "what was merged stays there, also what comes"
    fleet.undo(decision)
    check_sums()
    of_b = set(Report.objects.filter(package="com.example.b").values_list("issue_id", flat=True))
    assert of_b == {gone.pk}


@pytest.mark.parametrize("how", ["query", "stacks", "reports"])
def test_splits_hold(fleet, how):
    issue = fleet.send("a", count=2)
    fleet.send("a", phone=1)
    fleet.send("a1", phone=1)
    meant = list(Report.objects.filter(model="Nokia X30").order_by("pk"))
    selections: dict[str, dict[str, Any]] = {
        "query": {"query": 'model:"Nokia X30"'},
        "stacks": {"variant_ids": [meant[1].variant_id]},
        "reports": {"report_pks": [meant[0].pk]},
    }
    decision = fleet.split(issue, **selections[how])
    before = issues()

    apply(fleet, "loose")
    assert issues() == before
    apply(fleet, "v2")
    assert issues() == before
    fleet.undo(decision)
    check_sums()


def test_a_moved_report_stays_where_somebody_put_it(fleet):
    fleet.send("a", count=2)
    other = fleet.send("b")
    report = Report.objects.earliest("pk")
    move_report(report_pk=report.pk, issue_id=other.pk, by=fleet.by, now=NOW)

    apply(fleet, "strict")

    report.refresh_from_db()
    assert report.issue_id == other.pk


def test_issues_that_are_kept_apart_do_not_join(fleet, across):
    one, other = fleet.send("a", count=2), fleet.send("b")
    third = fleet.send("c")
    keep_apart(issue_id=one.pk, other_id=other.pk, by=fleet.by, now=NOW)

    apply(fleet, "across")

    assert Report.objects.get(package="com.example.b").issue_id == other.pk
    assert not Issue.objects.filter(pk=third.pk).exists()


def test_reports_that_came_after_the_replay_are_grouped_on_the_way(fleet):
    send_all(fleet)
    proposal = propose(fleet, "strict")
    send_all(fleet, "a x x1 a2 x")
    start_applying(proposal.pk, by=fleet.by, now=NOW)
    move_batch(proposal.pk, limit=3, now=NOW)
    send_all(fleet, "a7 x1")  # grouped by the new mechanism at once

    while move_batch(proposal.pk, limit=3, now=NOW):
        pass

    check_sums()
    assert issues() == shadow(fleet, "strict")


def test_a_report_that_was_digested_before_the_switch_is_prepared_again(fleet, monkeypatch):
    send_all(fleet, "a")
    proposal = propose(fleet, "strict")
    really = digest

    def digest_slowly(loaded, *, now, parsed):
        digested = really(loaded, now=now, parsed=parsed)
        start_applying(proposal.pk, by=fleet.by, now=NOW)  # while the report is on its way
        return digested

    monkeypatch.setattr(processing, "digest", digest_slowly)
    fleet.send("a1")

    assert Report.objects.filter(variant__mechanism="strict").get().package == "com.example.a"


def test_only_a_ready_proposal_is_applied(fleet):
    send_all(fleet, "a a1")
    proposal = propose(fleet, "strict")
    start_applying(proposal.pk, by=fleet.by, now=NOW)

    with pytest.raises(ImpossibleSwitch):
        start_applying(proposal.pk, by=fleet.by, now=NOW)
    second = propose(fleet, "loose")
    with pytest.raises(ImpossibleSwitch):
        start_applying(second.pk, by=fleet.by, now=NOW)
    assert GroupingProposal.objects.count() == 2


def test_the_receipt_says_why_a_report_is_where_it_is_now(fleet):
    fleet.send("a")
    fleet.send("a1")
    fleet.send("a1")
    apply(fleet, "strict")

    receipts = [
        document_of(content).grouping or {}
        for content in ReportContent.objects.order_by("report_id")
    ]
    assert [one["mechanism"] for one in receipts] == ["strict"] * 3
    assert [one["matched"] for one in receipts] == ["new", "new", "exact"]


def test_the_commands_write_a_proposal_and_apply_it(fleet):
    issue = fleet.send("a", count=2)
    fleet.send("a1")
    out = io.StringIO()

    call_command(
        "replay_grouping", mechanism="strict", program=fleet.program.pk, days=365, write=True,
        by="Ada", stdout=out,
    )  # fmt: skip
    *changes, summary = [json.loads(line) for line in out.getvalue().splitlines()]
    call_command("apply_grouping", str(summary["proposal"]), by="Ada", stdout=out)

    (parted,) = changes
    assert (parted["issue_id"], parted["reports"]) == (issue.pk, 1)
    assert parted["signature"]
    assert parted["new_signature"]
    done = json.loads(out.getvalue().splitlines()[-1])
    assert done == {"proposal": summary["proposal"], "mechanism": "strict", "moved": 3, "left": 0}
    assert GroupingProposal.objects.get().applied_by_name == "Ada"
    with pytest.raises(CommandError):
        call_command("apply_grouping", str(summary["proposal"]), by="Ada")
    with pytest.raises(CommandError):
        call_command("apply_grouping", "999999", by="Ada")


def test_the_page_shows_a_proposal_and_applies_it(fleet):
    issue = fleet.send("a", count=2)
    fleet.send("a1")
    proposal = propose(fleet, "strict")
    client = client_for(Role.TRIAGER, fleet.program)

    before = client.get(reverse("grouping"))
    answer = client.post(reverse("grouping_apply", args=[proposal.pk]))
    moving = client.get(reverse("grouping"))
    call_command("work", once=True)
    after = client.get(reverse("grouping"))

    assert reverse("issue_detail", args=[issue.pk]) in before.text
    assert "1 would split" in before.text
    assert answer.url == reverse("grouping")
    assert "3 to go" in moving.text
    assert "3 reports moved" in after.text
    assert issues() == shadow(fleet, "strict")


def test_who_may_not_triage_applies_nothing(fleet):
    fleet.send("a")
    proposal = propose(fleet, "strict")
    url = reverse("grouping_apply", args=[proposal.pk])

    assert client_for(Role.VIEWER, fleet.program).post(url).status_code == 403
    assert client_for(Role.TRIAGER, Fleet().program).post(url).status_code == 404
    assert GroupingProposal.objects.get().state == "ready"


def test_programs_with_stacks_of_v1_keep_it_when_v2_comes(fleet):
    fleet.send("a")
    StackVariant.objects.update(mechanism="v1")
    chosen, empty = make_program(), make_program()
    StackVariant.objects.create(
        program_id=chosen.pk, mechanism="v1", scope="s", exact_key="k",
        issue=Issue.objects.get(), content={}, decision={}, created_at=NOW,
    )  # fmt: skip
    switch_mechanism(chosen.pk, "loose", by_name="Ada", now=NOW)

    import_module("crashes.migrations.0024_keep_mechanism_v1").keep(apps, None)

    found = mechanisms_of([fleet.program.pk, chosen.pk, empty.pk])
    assert found[fleet.program.pk].NAME == "v1"
    assert found[chosen.pk].NAME == "loose"
    assert found[empty.pk].NAME == mechanisms.CURRENT


def test_a_proposal_forgets_reports_that_are_erased(fleet):
    send_all(fleet, "a b a")
    first, lonely, last = Report.objects.order_by("pk")
    proposal = propose(fleet, "strict")

    forget_reports(Report.objects.filter(pk__in=[first.pk, lonely.pk]), forgotten=Forgotten())

    assert list(ProposedReport.objects.values_list("report_pk", "opened_by")) == [
        (last.pk, first.pk)
    ]
    assert ProposedStack.objects.get().opened_by == first.pk  # of the last report as well
    start_applying(proposal.pk, by=fleet.by, now=NOW)
    while move_batch(proposal.pk, limit=2, now=NOW):
        pass
    last.refresh_from_db()
    assert last.variant is not None
    assert last.variant.mechanism == "strict"


def test_stacks_are_written_before_the_switch_in_steps_and_once(fleet, monkeypatch):
    send_all(fleet)
    monkeypatch.setattr(proposed_stacks, "STAGED", 3)
    proposal = propose(fleet, "strict")
    stacks = ProposedStack.objects.count()

    assert proposed_stacks.stage_stacks(proposal.pk, now=NOW) == stacks
    assert proposed_stacks.stage_stacks(proposal.pk, now=NOW) == 0
    assert StackVariant.objects.filter(mechanism="strict").count() == stacks
    fleet.send("a")
    assert Report.objects.filter(variant__mechanism=mechanisms.CURRENT).latest("pk").pk == (
        Report.objects.latest("pk").pk
    )

    expected = shadow(fleet, "strict")
    start_applying(proposal.pk, by=fleet.by, now=NOW)
    while move_batch(proposal.pk, limit=5, now=NOW):
        pass
    assert issues() == expected
    check_sums()
