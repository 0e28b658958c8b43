"""What people decide about issues: merging, splitting, moving, and taking it back, exactly."""

import json
import os
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection, transaction
from django.db.models import F
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from crashes.grouping.engine import Grouper
from crashes.grouping.records import prepare_record
from crashes.intake.report import decode_report, payload_bytes
from crashes.management.benchmarks.stacks import make_stack
from crashes.models import (
    GroupingDecision,
    Issue,
    IssueDevice,
    IssueTally,
    Report,
    ReportPin,
    StackVariant,
    TriageEvent,
)
from crashes.selectors.issues import get_issue, list_issues
from crashes.services.acceptance import Upload, accept_reports
from crashes.services.counting import Sighting, count_sightings
from crashes.services.decisions import (
    ImpossibleDecision,
    Selection,
    keep_apart,
    merge_issues,
    move_report,
    split_issue,
    undo_decision,
)
from crashes.services.grouping import Occurrence, Placer
from crashes.services.processing import lease_reports, process_reports
from crashes.triage.query import BadQuery, parse
from tests.factories import make_device, make_program, make_viewer
from uxp_diag.roles import Role

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
START = datetime(2026, 11, 20, 1, 0, tzinfo=UTC)
EXAMPLES = int(os.environ.get("UXP_TEST_DECISION_EXAMPLES", "6"))
MANY = int(os.environ.get("UXP_TEST_DECISION_REPORTS", "1000"))
"""Long runs are for whoever changes decisions; the suite plays a few."""

MODELS = ("Nokia G42 5G", "Nokia X30", "Nokia C32")

pytestmark = pytest.mark.django_db


class Fleet:
    """Reports of one program, one after the other, each a minute after the one before."""

    def __init__(self):
        self.program = make_program()
        self.devices = [make_device(self.program, model=model) for model in MODELS]
        self.by = make_viewer(self.program, role=Role.TRIAGER)
        self.minute = 0

    def send(self, stack, *, phone=0, build="V3.420", count=1):
        """Reports with a stack of this name; the issue of the last."""
        for _ in range(count):
            self.accept(stack, phone=phone, build=build)
            process_reports(lease_reports(limit=50, now=NOW), now=NOW)
        return Report.objects.latest("pk").issue

    def accept(self, stack, *, phone=0, build="V3.420"):
        """A report that waits for a worker."""
        self.minute += 1
        device = self.devices[phone]
        document = {
            "report_id": str(uuid.uuid4()),
            "occurred_at": (START + timedelta(minutes=self.minute)).isoformat(),
            "kind": "java_crash",
            "software": {"os_build": build},
            "app": {"package": f"com.example.{stack[0]}", "version_name": "1"},
            "payload": {"format": "java_stacktrace", "text": java(stack)},
        }
        report = decode_report(json.dumps(document).encode())
        payload = payload_bytes(report.payload)
        upload = Upload(self.program.pk, device.pk, device.model, report, payload, NOW)
        accept_reports([upload])

    def merge(self, kept, gone):
        return merge_issues(kept_id=kept.pk, gone_id=gone.pk, by=self.by, now=NOW)

    def split(self, issue, **selection):
        return split_issue(issue_id=issue.pk, selection=Selection(**selection), by=self.by, now=NOW)

    def undo(self, decision):
        return undo_decision(decision.pk, by=self.by, now=NOW)


def java(stack):
    """A stack of its own for every name; names of one letter more are alike: `a`, `a1`, `a2`."""
    place, variant = stack[0], stack[1:]
    middle = f"step{variant}" if variant else "step"
    own = [f"{place.upper()}.run{number}" for number in range(6)]
    own[3] = f"{place.upper()}.{middle}"
    return "java.lang.IllegalStateException: gone\n" + "".join(
        f"\tat com.example.{place}.{name}({place.upper()}.java:{number + 1})\n"
        for number, name in enumerate(own)
    )


@pytest.fixture
def fleet():
    return Fleet()


def everything():
    """All that undoing has to bring back, apart from the record of it."""
    return {
        "issues": [
            {name: value for name, value in row.items() if name != "leads_on"}
            for row in Issue.objects.filter(report_count__gt=0).order_by("pk").values()
        ],
        "devices": sorted(
            IssueDevice.objects.values_list(
                "issue_id", "device_id", "first_seen_at", "day", "day_reports"
            )
        ),
        "tallies": sorted(
            IssueTally.objects.values_list(
                "issue_id", "day", "model", "os_build", "version_name", "mcc", "reports"
            )
        ),
        "reports": list(Report.objects.order_by("pk").values_list("pk", "issue_id", "variant_id")),
        "homes": list(StackVariant.objects.order_by("pk").values_list("pk", "issue_id")),
    }


def assert_counts_add_up():
    for issue in Issue.objects.all():
        rows = Report.objects.filter(issue=issue)
        devices = set(rows.values_list("device_id", flat=True))
        known = IssueDevice.objects.filter(issue=issue).values_list("device_id", flat=True)
        tallies = IssueTally.objects.filter(issue=issue).values_list("reports", flat=True)
        assert issue.report_count == rows.count() == sum(tallies)
        assert set(known) == devices
        assert issue.device_count == len(devices)
        if issue.merged_into_id is not None:
            assert not rows.exists()
        elif rows.exists():
            seen = sorted(rows.values_list("occurred_at", flat=True))
            assert (issue.first_seen_at, issue.last_seen_at) == (seen[0], seen[-1])


def issues_of(fleet):
    return {
        row.issue.id: row.issue.report_count
        for row in list_issues(viewer=fleet.by, query=parse(""), today=NOW.date()).items
    }


# Merging --------------------------------------------------------------------------------------


def test_a_merge_moves_everything_and_is_a_rule_for_what_comes(fleet):
    kept, gone = fleet.send("a", count=2), fleet.send("b", phone=1)

    decision = fleet.merge(kept, gone)

    assert issues_of(fleet) == {kept.pk: 3}
    assert get_issue(viewer=fleet.by, issue_id=gone.pk).id == kept.pk
    assert get_issue(viewer=fleet.by, issue_id=kept.pk).device_count == 2
    assert fleet.send("b").pk == kept.pk
    assert fleet.send("b1").pk == kept.pk  # not the same stack, but one like it
    assert decision.reports == 1
    assert_counts_add_up()


def test_undoing_a_merge_gives_back_what_came_meanwhile(fleet):
    kept, gone = fleet.send("a"), fleet.send("b", phone=1)
    decision = fleet.merge(kept, gone)
    fleet.send("b1", phone=2)
    fleet.send("a")

    fleet.undo(decision)

    assert issues_of(fleet) == {kept.pk: 2, gone.pk: 2}
    assert fleet.send("b").pk == gone.pk
    assert_counts_add_up()


def test_undoing_brings_back_names_states_people_and_counts(fleet):
    kept, gone = fleet.send("a", count=3), fleet.send("b", phone=1, count=2)
    Issue.objects.filter(pk=kept.pk).update(state="muted")
    before = everything()

    decision = fleet.merge(kept, gone)
    assert Issue.objects.get(pk=kept.pk).state == "open"
    fleet.undo(decision)

    assert everything() == before
    kinds = TriageEvent.objects.filter(issue=gone).order_by("pk").values_list("kind", "by_name")
    assert list(kinds) == [("merged", "triager"), ("undone", "triager")]


def test_counts_whose_reports_are_gone_move_there_and_back(fleet):
    kept, gone = fleet.send("a"), fleet.send("b", count=2)
    Report.objects.filter(issue=gone).order_by("pk")[0].delete()
    before = everything()

    decision = fleet.merge(kept, gone)
    assert issues_of(fleet) == {kept.pk: 3}
    fleet.undo(decision)

    assert everything()["tallies"] == before["tallies"]
    assert issues_of(fleet) == {kept.pk: 1, gone.pk: 2}


def test_merging_ignores_order(fleet):
    issues = [fleet.send(name) for name in "abc"]
    program = fleet.program
    places = []
    for first, second in (((0, 1), (0, 2)), ((0, 2), (0, 1)), ((1, 2), (0, 1))):
        made = [fleet.merge(issues[first[0]], issues[first[1]])]
        made.append(fleet.merge(issues[second[0]], issues[second[1]]))
        places.append(set(Report.objects.filter(program_id=program.pk).values_list("issue_id")))
        for decision in made:  # the order of undoing does not matter either
            fleet.undo(decision)
        assert len(issues_of(fleet)) == 3

    assert places == [{(issues[0].pk,)}] * 3
    assert_counts_add_up()


@pytest.mark.parametrize("other", ["itself", "merged", "strange"])
def test_what_cannot_be_merged(fleet, other):
    one, two = fleet.send("a"), fleet.send("b")
    if other == "itself":
        two = one
    elif other == "merged":
        fleet.merge(one, two)
    else:
        two = Fleet().send("b")

    with pytest.raises(ImpossibleDecision):
        fleet.merge(one, two)


# Splitting ------------------------------------------------------------------------------------


def test_a_split_by_query_takes_what_is_there_and_what_comes(fleet):
    issue = fleet.send("a", count=2)
    fleet.send("a", phone=1)

    decision = fleet.split(issue, query='model:"nokia x*"')

    assert issues_of(fleet) == {issue.pk: 2, decision.other_id: 1}
    assert fleet.send("a", phone=1).pk == decision.other_id
    assert fleet.send("a1", phone=1).pk == decision.other_id
    assert fleet.send("a1").pk == issue.pk
    assert_counts_add_up()


def test_a_split_by_stack_takes_what_joins_that_stack(fleet):
    issue = fleet.send("a")
    assert fleet.send("a1").pk == issue.pk
    variant = Report.objects.latest("pk").variant_id

    decision = fleet.split(issue, variant_ids=[variant])

    assert fleet.send("a1").pk == decision.other_id
    assert fleet.send("a").pk == issue.pk
    assert fleet.send("a11").pk in (issue.pk, decision.other_id)
    assert_counts_add_up()


def test_a_split_by_reports_takes_only_these(fleet):
    issue = fleet.send("a", count=2)
    chosen = Report.objects.latest("pk")

    decision = fleet.split(issue, report_pks=[chosen.pk])

    chosen.refresh_from_db()
    assert chosen.issue_id == decision.other_id
    assert fleet.send("a").pk == issue.pk
    assert_counts_add_up()


def test_a_split_is_respected_by_every_merge_until_it_is_undone(fleet):
    issue, third = fleet.send("a"), fleet.send("b")
    fleet.send("a", phone=1)
    split = fleet.split(issue, query="model:*X30")
    new = Issue.objects.get(pk=split.other_id)
    fleet.merge(third, issue)

    for kept, gone in ((new, third), (third, new)):
        with pytest.raises(ImpossibleDecision, match="apart"):
            fleet.merge(kept, gone)


def test_what_is_split_from_a_split_inherits_its_distance(fleet):
    issue = fleet.send("a")
    fleet.send("a", phone=1)
    fleet.send("a", phone=2)
    first = fleet.split(issue, query="!model:*G42*")
    second = fleet.split(first.other, query="model:*C32")

    with pytest.raises(ImpossibleDecision, match="apart"):
        fleet.merge(issue, second.other)
    with pytest.raises(ImpossibleDecision, match="builds on it"):
        fleet.undo(first)

    fleet.undo(second)
    fleet.undo(first)
    assert issues_of(fleet) == {issue.pk: 3}


def test_undoing_a_split_is_exact_and_its_id_leads_back(fleet):
    issue = fleet.send("a", count=2)
    fleet.send("a1", phone=1, build="V4.1")
    before = everything()

    split = fleet.split(issue, query="os_build:V4*")
    fleet.undo(split)

    assert everything() == before
    assert get_issue(viewer=fleet.by, issue_id=split.other_id).id == issue.pk
    assert fleet.send("a1", phone=1, build="V4.1").pk == issue.pk
    with pytest.raises(ImpossibleDecision, match="already"):
        fleet.undo(split)


def test_a_merge_that_a_split_builds_on_is_undone_after_it(fleet):
    kept, gone = fleet.send("a"), fleet.send("b")
    fleet.send("b", phone=1)
    merge = fleet.merge(kept, gone)
    split = fleet.split(kept, query="model:*X30")

    with pytest.raises(ImpossibleDecision, match="builds on it"):
        fleet.undo(merge)

    fleet.undo(split)
    fleet.undo(merge)
    assert issues_of(fleet) == {kept.pk: 1, gone.pk: 2}


@pytest.mark.parametrize("query", ["model:*", "model:none", "is:open", "", "model:"])
def test_what_is_no_split(fleet, query):
    issue = fleet.send("a")

    with pytest.raises((ImpossibleDecision, BadQuery)):
        fleet.split(issue, query=query)
    assert not GroupingDecision.objects.exists()


# Moving and keeping apart ---------------------------------------------------------------------


def test_a_report_that_was_moved_stays_there_through_later_decisions(fleet):
    one, two, three = (fleet.send(name) for name in "abc")
    fleet.send("a")
    report = Report.objects.latest("pk")

    moved = move_report(report_pk=report.pk, issue_id=two.pk, by=fleet.by, now=NOW)
    merge = fleet.merge(three, one)

    report.refresh_from_db()
    assert report.issue_id == two.pk
    assert fleet.send("a").pk == three.pk
    fleet.undo(moved)
    report.refresh_from_db()
    assert report.issue_id == three.pk
    fleet.undo(merge)
    report.refresh_from_db()
    assert report.issue_id == one.pk
    assert_counts_add_up()


def test_undoing_a_move_is_exact(fleet):
    fleet.send("a", count=2)
    target = fleet.send("b", phone=1)
    report = Report.objects.earliest("pk")
    before = everything()

    fleet.undo(move_report(report_pk=report.pk, issue_id=target.pk, by=fleet.by, now=NOW))

    assert everything() == before


def test_issues_that_are_not_the_same_are_not_merged(fleet):
    one, two = fleet.send("a"), fleet.send("b")
    decision = keep_apart(issue_id=one.pk, other_id=two.pk, by=fleet.by, now=NOW)

    with pytest.raises(ImpossibleDecision, match="apart"):
        fleet.merge(one, two)
    fleet.undo(decision)
    fleet.merge(one, two)


# Many and at once -----------------------------------------------------------------------------


def make_many(fleet, stack, count):
    """An issue of so many reports, each of a phone of its own, in many cells."""
    issue = fleet.send(stack)
    first = Report.objects.latest("pk")
    rows = [
        Report(
            program_id=first.program_id,
            device_id=uuid.uuid4(),
            report_id=uuid.uuid4(),
            state=Report.State.DONE,
            kind=first.kind,
            package=first.package,
            received_at=NOW,
            occurred_at=START + timedelta(minutes=number % 5_000, hours=1),
            model=MODELS[number % 3],
            os_build=f"V3.{number % 50}",
            issue=issue,
            variant_id=first.variant_id,
        )
        for number in range(count)
    ]
    Report.objects.bulk_create(rows)
    count_sightings([Sighting.of(row) for row in rows], stored_per_day=10, now=NOW)
    issue.refresh_from_db()
    return issue


def test_many_reports_go_there_and_back_in_few_queries(fleet, capsys):
    kept = fleet.send("b")
    gone = make_many(fleet, "a", MANY)
    before = everything()

    if MANY >= 10_000:  # a long run is for the time that it takes; capturing queries takes some
        began = time.perf_counter()
        decision = fleet.merge(kept, gone)
        merged = time.perf_counter()
        fleet.undo(decision)
        undone = time.perf_counter()
        with capsys.disabled():
            print(  # noqa: T201
                f"\n{MANY} reports: merged in {merged - began:.2f} s, undone in {undone - merged:.2f} s"
            )
        assert everything() == before
    with CaptureQueriesContext(connection) as merging:
        decision = fleet.merge(kept, gone)
    with CaptureQueriesContext(connection) as undoing:
        fleet.undo(decision)

    assert everything() == before
    assert len(merging) < 60 + MANY / 50
    assert len(undoing) < 60 + MANY / 50


def test_new_stacks_of_a_batch_share_their_questions():
    now, shared = NOW, Occurrence(1, "java_crash", "com.example", "V3", NOW)

    def ask(numbers, changed):
        items = [prepare_record(make_stack(number, changed=changed)) for number in numbers]
        with transaction.atomic(), CaptureQueriesContext(connection) as queries:
            placer = Placer((item, shared) for item in items)
            homes = [placer.place(item, shared, now=now).issue_id for item in items]
            placer.flush()
        selects = [one for one in queries if one["sql"].startswith("SELECT")]
        return homes, len([one for one in selects if "advisory" not in one["sql"]])

    known, _ = ask(range(30), 0)
    one, few = ask([0], 3)
    many, some = ask(range(1, 30), 3)

    assert (one + many) == known  # each joins the issue of the stack it is like
    assert few <= 6  # known? still new? how common, who, how do they look, how common are theirs
    assert some <= 12  # stacks of the batch itself make some terms less rare than they were
    assert ask(range(30), 0) == (known, 1)


def test_a_batch_groups_like_one_after_the_other():
    shared = Occurrence(1, "java_crash", "com.example", "V3", NOW)
    items = [prepare_record(make_stack(number % 9, changed=number % 5)) for number in range(45)]

    def place_in(size):
        with transaction.atomic():
            homes = []
            for start in range(0, len(items), size):
                batch = items[start : start + size]
                placer = Placer((item, shared) for item in batch)
                homes += [placer.place(item, shared, now=NOW).issue_id for item in batch]
                placer.flush()
            transaction.set_rollback(True)
        names = {home: number for number, home in enumerate(dict.fromkeys(homes))}
        return [names[home] for home in homes]

    grouper = Grouper()
    assigned = [grouper.assign(str(number), item).group for number, item in enumerate(items)]
    names = {group: number for number, group in enumerate(dict.fromkeys(assigned))}

    assert place_in(45) == place_in(1) == place_in(7)
    assert place_in(45) == [names[group] for group in assigned]


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif("connection.vendor != 'postgresql'", reason="SQLite writes one at a time")
def test_workers_place_while_people_decide_and_nothing_is_lost_or_doubled():
    fleet = Fleet()
    kept, gone = fleet.send("a"), fleet.send("b", phone=1)
    stacks = ["b", "b1", "a", "d", "d1", "d", "b", "a1"] * 3
    for number, stack in enumerate(stacks):
        fleet.accept(stack, phone=number % 3)
    rows = lease_reports(limit=100, now=NOW)
    parts = [rows[place::2] for place in range(2)]

    def work(part):
        try:
            for start in range(0, len(part), 3):
                process_reports(part[start : start + 3], now=NOW)
        finally:
            connection.close()

    def decide():
        try:
            for _ in range(4):
                fleet.undo(fleet.merge(kept, gone))
            fleet.merge(kept, gone)
        finally:
            connection.close()

    with ThreadPoolExecutor(3) as pool:
        jobs = [pool.submit(work, part) for part in parts] + [pool.submit(decide)]
        for job in jobs:
            job.result()

    done = Report.objects.filter(state=Report.State.DONE)
    assert done.count() == len(stacks) + 2
    assert not done.filter(issue=gone).exists()
    homes = StackVariant.objects.filter(scope="managed/com.example.d").values("issue_id")
    assert homes.distinct().count() == 1  # two workers with one new crash make one issue
    assert_counts_add_up()


# Any sequence ---------------------------------------------------------------------------------

_STEPS = st.lists(
    st.tuples(
        st.sampled_from(["send", "send", "merge", "split", "stack", "move", "undo"]),
        st.integers(0, 5),
        st.integers(0, 5),
    ),
    min_size=4,
    max_size=14,
)


@settings(
    max_examples=EXAMPLES,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.generate],  # a step is a whole pipeline: shrinking takes minutes
)
@given(steps=_STEPS)
def test_no_sequence_rejoins_a_split_pair_and_undoing_all_leaves_no_trace(steps):
    with transaction.atomic():
        _play(steps)
        transaction.set_rollback(True)


def _play(steps):
    fleet = Fleet()
    for name in ("a", "a1", "b", "c"):
        fleet.send(name, phone=ord(name[0]) % 3)
    standing: list[GroupingDecision] = []
    pairs: dict[int, tuple[set[int], set[int]]] = {}
    for what, one, two in steps:
        try:
            decision = _step(fleet, what, one, two, standing)
        except ImpossibleDecision:
            continue
        if decision is not None:
            standing.append(decision)
        if what in ("split", "stack") and decision is not None:
            left = Report.objects.filter(issue_id=decision.issue_id).values_list("pk", flat=True)
            right = Report.objects.filter(issue_id=decision.other_id).values_list("pk", flat=True)
            pairs[decision.pk] = (set(left), set(right))
        _assert_apart(pairs, standing)
        assert_counts_add_up()
    for decision in reversed(standing):
        fleet.undo(decision)
    assert_counts_add_up()
    homes = Report.objects.filter(variant__issue__merged_into=None)
    assert not homes.exclude(issue=F("variant__issue")).exists()


def _step(fleet, what, one, two, standing):
    issues = list(Issue.objects.filter(report_count__gt=0).order_by("pk"))
    issue, other = issues[one % len(issues)], issues[two % len(issues)]
    if what == "send":
        fleet.send(("a", "a1", "b", "b1", "c", "c1")[one], phone=two % 3)
        return None
    if what == "merge":
        return fleet.merge(issue, other)
    if what == "split":
        return fleet.split(issue, query=f'model:"{MODELS[two % 3]}"')
    if what == "stack":
        return fleet.split(issue, variant_ids=[issue_variant(issue, two)])
    if what == "move":
        report = Report.objects.filter(issue=issue).order_by("pk")[0]
        return move_report(report_pk=report.pk, issue_id=other.pk, by=fleet.by, now=NOW)
    if standing:
        fleet.undo(standing[one % len(standing)])
        standing.pop(one % len(standing))
    return None


def issue_variant(issue, number):
    variants = sorted(set(Report.objects.filter(issue=issue).values_list("variant_id", flat=True)))
    return variants[number % len(variants)]


def _assert_apart(pairs, standing):
    """Reports that a standing split parted share no issue, but for those somebody moved later."""
    moved = ReportPin.objects.filter(decision__kind="move", decision__undone_at=None)
    free = set(moved.values_list("report_id", flat=True))
    places = dict(Report.objects.values_list("pk", "issue_id"))
    for decision in standing:
        if decision.pk in pairs:
            left, right = pairs[decision.pk]
            here = {places[pk] for pk in left - free}
            assert not here & {places[pk] for pk in right - free}
