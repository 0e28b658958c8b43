"""Replays in shadow: what a second, real mechanism would change, and that nothing is changed."""

import io
import json
from dataclasses import replace
from types import SimpleNamespace

import pytest
from django.core.management import CommandError, call_command

from crashes.grouping import mechanisms
from crashes.grouping.mechanisms import v2
from crashes.models import Report
from crashes.selectors.replaying import list_changes, replay
from tests.integration.test_decisions import START, Fleet, everything

pytestmark = pytest.mark.django_db


@pytest.fixture
def strict(monkeypatch):
    """A mechanism that knows equal stacks only: everything alike falls apart."""

    def best_match(item, candidates, stats):
        return v2.best_match(item, [], stats)

    names = ("prepare", "index_terms", "score", "THRESHOLD", "LINK")
    parts = {name: getattr(v2, name) for name in names}
    other = SimpleNamespace(**parts, NAME="strict", best_match=best_match)
    registered = dict(mechanisms.MECHANISMS) | {"strict": other}
    for module in ("selectors.replaying", "management.commands.replay_grouping"):
        monkeypatch.setattr(f"crashes.{module}.MECHANISMS", registered)


def run(fleet, mechanism):
    out = io.StringIO()
    call_command(
        "replay_grouping", mechanism=mechanism, program=fleet.program.pk, days=365, stdout=out
    )
    return [json.loads(line) for line in out.getvalue().splitlines()]


def test_the_frozen_mechanism_replays_to_what_is_there():
    fleet = Fleet()
    for name in ("a", "a1", "b", "a", "b1", "c"):
        fleet.send(name)
    before = everything()

    (summary,) = run(fleet, "v2")

    assert summary == {
        "change": "summary", "mechanism": "v2",
        "reports": 6, "groups": 3, "joins": 0, "splits": 0,
    }  # fmt: skip
    assert everything() == before


def test_another_mechanism_says_what_it_would_part(strict):
    fleet = Fleet()
    issue = fleet.send("a", count=2)
    fleet.send("a1")
    fleet.send("b")

    *changes, summary = run(fleet, "strict")

    first = Report.objects.order_by("pk")[2].pk
    expected = {"change": "split", "issue_id": issue.pk, "first_report": first, "reports": 1}
    assert changes == [expected]
    assert (summary["groups"], summary["splits"]) == (3, 1)


def test_what_people_merged_is_no_change():
    fleet = Fleet()
    kept, gone = fleet.send("a"), fleet.send("b")
    fleet.merge(kept, gone)

    replayed = list(replay(fleet.program.pk, mechanism="v2", since=START))
    changes = list_changes(replayed)
    as_one = list_changes([replace(one, group="1") for one in replayed])

    assert {one.home_id for one in replayed} == {kept.pk, gone.pk}
    assert (changes.joins, changes.partings) == ((), ())
    assert (as_one.joins, as_one.partings) == ((), ())


@pytest.mark.parametrize("options", [{"mechanism": "v0"}, {"days": 0}, {"days": 366}])
def test_what_cannot_be_replayed_is_said(options):
    with pytest.raises(CommandError):
        call_command("replay_grouping", **options)
