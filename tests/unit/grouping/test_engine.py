"""A stream of crashes becomes groups, online and deterministically."""

import json
from pathlib import Path

import pytest

from crashes.grouping.engine import Grouper
from crashes.grouping.mechanisms import v2, v2_score
from crashes.grouping.records import MalformedRecord, prepare_record, to_crash
from crashes.stack import CrashKind
from tests.unit.grouping.builders import java_crash

DATA = Path(__file__).parents[2] / "data" / "grouping"
TOGETHER = json.loads((DATA / "together.json").read_text(encoding="utf-8"))
APART = json.loads((DATA / "apart.json").read_text(encoding="utf-8"))


def group_all(records):
    grouper = Grouper()
    given = [grouper.assign(record["id"], prepare_record(record)) for record in records]
    return [grouper.root_of(assignment.group) for assignment in given], given


def records_of(case):
    shared = {"corpus": "own", "app": case["app"]}
    return [
        {**shared, **record, "id": f"{case['name']} {number}"}
        for number, record in enumerate(case["crashes"])
    ]


@pytest.mark.parametrize("case", TOGETHER, ids=[case["name"] for case in TOGETHER])
def test_one_cause_falls_together(case):
    groups, _ = group_all(records_of(case))

    assert len(set(groups)) == 1


@pytest.mark.parametrize("case", APART, ids=[case["name"] for case in APART])
def test_different_causes_stay_apart(case):
    groups, _ = group_all(records_of(case))

    assert len(set(groups)) == len(case["crashes"])


@pytest.mark.parametrize("case", TOGETHER, ids=[case["name"] for case in TOGETHER])
def test_one_cause_falls_together_in_any_order(case):
    groups, _ = group_all(list(reversed(records_of(case))))

    assert len(set(groups)) == 1


def item(*functions):
    return v2.prepare(java_crash(*functions), package=None)


def test_a_group_carries_the_id_of_the_crash_that_opened_it():
    grouper = Grouper()

    first = grouper.assign("a", item("com.example.A.run", "com.example.B.run"))
    again = grouper.assign("b", item("com.example.A.run", "com.example.B.run"))

    assert (first.group, again.group) == ("a", "a")
    assert (first.score, first.ranked) == (-1.0, ())
    assert again.ranked == ("a",)
    assert again.score == pytest.approx(1.0 - v2_score.BRIEF / 2)


def test_a_crash_between_two_groups_links_them_to_the_older():
    grouper = Grouper()
    left, right = ("com.example.A.a", "com.example.A.b"), ("com.example.X.x", "com.example.X.y")
    first = grouper.assign("1", item(*left, "com.example.M.m"))
    second = grouper.assign("2", item("com.example.N.n", *right))
    assert first.group != second.group

    grouper._link(second.group, [first.group])

    assert grouper.root_of("2") == "1"
    assert grouper.root_of("1") == "1"
    assert grouper.assign("3", item("com.example.N.n", *right)).group == "1"


def test_the_same_stream_gives_the_same_groups():
    records = [record for case in (*TOGETHER, *APART) for record in records_of(case)]

    assert group_all(records) == group_all(records)


def test_other_programs_are_never_joined():
    grouper = Grouper()
    crash = java_crash("com.example.A.run")
    one = grouper.assign("1", v2.prepare(crash, package="com.one"))
    two = grouper.assign("2", v2.prepare(crash, package="com.two"))

    assert one.group != two.group


@pytest.mark.parametrize(
    ("record", "kind"),
    [
        ({"app": "linux", "exc": "WARNING", "frames": []}, CrashKind.KERNEL_PANIC),
        ({"app": "x", "exc": "E", "frames": [{"f": "a.B.c", "p": "B.java"}]}, CrashKind.JAVA_CRASH),
        ({"app": "x", "exc": "SIGSEGV", "frames": [{"f": "f"}]}, CrashKind.NATIVE_CRASH),
    ],
)
def test_a_record_becomes_a_crash_of_the_kind_its_frames_show(record, kind):
    assert to_crash(record).kind is kind


def test_a_record_keeps_its_frames_and_causes():
    record = {
        "app": "x",
        "exc": "a.Outer",
        "msg": "m",
        "frames": [{"f": "a.B.c", "p": "B.java", "l": 7}, {"f": "??", "m": "lib.so", "o": "0x1f"}],
        "causes": [{"exc": "a.Inner", "frames": [{"f": "a.D.e", "p": "D.java"}]}],
    }

    crash = to_crash(record)

    assert [link.type for link in crash.exceptions] == ["a.Outer", "a.Inner"]
    assert crash.threads[0].frames[1].function is None
    assert crash.threads[0].frames[1].address == 0x1F


@pytest.mark.parametrize(
    "record", [{}, {"corpus": "c"}, {"corpus": "c", "exc": "E", "frames": [1]}]
)
def test_a_malformed_record_raises_only_its_own_error(record):
    with pytest.raises(MalformedRecord):
        prepare_record(record)
