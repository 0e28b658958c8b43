"""The benchmarks as a set: names, rounds, ratios, the table and the JSON. Nothing is timed."""

import itertools
import json
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from crashes.management.benchmarks.catalog import BENCHMARKS
from crashes.management.benchmarks.runner import run_all, run_one
from crashes.management.benchmarks.table import as_document, as_table, number
from crashes.management.benchmarks.terms import (
    OURS,
    Benchmark,
    Contest,
    Outcome,
    Row,
    Terms,
    Unavailable,
)

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


@pytest.fixture
def terms(tmp_path):
    (tmp_path / "run").mkdir()
    return Terms(folder=tmp_path / "run", cache=tmp_path)


def said(lines):
    return lines.append


def contest_of(sides, rows=(), missing=None, *, name="speed", closed=None):
    @contextmanager
    def prepare(terms):
        yield Contest(sides, rows, missing or {})
        if closed is not None:
            closed.append(terms.folder)

    return Benchmark(name, "a test", prepare)


def test_names_are_unique_and_can_be_typed():
    names = [benchmark.name for benchmark in BENCHMARKS]

    assert len(set(names)) == len(names)
    assert all(name.replace("-", "").isalnum() and name == name.lower() for name in names)
    assert all(benchmark.about for benchmark in BENCHMARKS)


def test_sides_take_turns_and_the_order_changes_every_round(terms):
    calls: list[str] = []

    def side(name):
        def measure():
            calls.append(name)
            return {"rate": 1.0}

        return measure

    sides = {OURS: side(OURS), "peer": side("peer")}

    run_one(contest_of(sides), terms, say=said([]))

    assert calls == [OURS, "peer", "peer", OURS, OURS, "peer"]


def test_a_row_is_the_median_of_each_side(terms):
    ours, theirs = iter([5.0, 40.0, 10.0]), iter([2.0, 1.0, 100.0])
    sides = {OURS: lambda: {"rate": next(ours)}, "peer": lambda: {"rate": next(theirs)}}
    row = Row("rate", "rate", "1/s", peer="peer")

    outcome = run_one(contest_of(sides, [row]), terms, say=said([]))

    assert (outcome.ours(row), outcome.theirs(row), outcome.ratio(row)) == (10.0, 2.0, 5.0)


@pytest.mark.parametrize(("less_is_better", "ratio"), [(False, 0.5), (True, 2.0)])
def test_a_ratio_says_how_many_times_better_ours_is(less_is_better, ratio):
    row = Row("cost", "cost", "ms", peer="peer", less_is_better=less_is_better)
    outcome = Outcome("speed", [row], {OURS: {"cost": [2.0]}, "peer": {"cost": [4.0]}})

    assert outcome.ratio(row) == ratio


def test_a_side_that_cannot_run_leaves_the_others_alone(terms):
    def absent():
        raise Unavailable("not installed")

    row = Row("rate", "rate", "1/s", peer="peer")

    outcome = run_one(
        contest_of({OURS: lambda: {"rate": 1.0}, "peer": absent}, [row]), terms, say=said([])
    )

    assert outcome.samples[OURS]["rate"] == [1.0] * 3
    assert outcome.ratio(row) is None
    assert "no peer (not installed)" in as_table([outcome])


def test_a_benchmark_that_cannot_run_is_skipped_by_name(terms):
    @contextmanager
    def prepare(terms):
        if terms.folder.is_dir():
            raise Unavailable("no server")
        yield Contest({}, ())

    (outcome,) = run_all([Benchmark("far", "a test", prepare)], terms, say=said([]))

    assert outcome.skipped == "no server"
    assert "skipped: no server" in as_table([outcome])


def test_the_folder_of_a_benchmark_is_its_own_and_goes_away(terms):
    folders: list[Path] = []

    run_one(contest_of({OURS: dict}, closed=folders), terms, say=said([]))

    assert [folder.parent for folder in folders] == [terms.folder]
    assert not any(folder.exists() for folder in folders)


def test_the_table_is_aligned():
    rows = [Row("a", "a", "1/s", peer="peer", note="x"), Row("longer", "b", "ms", target=3.0)]
    samples = {OURS: {"a": [1234.5], "b": [0.5]}, "peer": {"a": [2.0]}}

    head, rule, first, second = as_table([Outcome("speed", rows, samples)]).splitlines()

    ends = [at for at, (left, right) in enumerate(itertools.pairwise(rule)) if left + right == "- "]
    assert head.split() == ["benchmark", "ours", "peer", "ratio", "unit", "note"]
    assert first.split()[2:5] == ["1,234", "2.00", "617x"]
    assert "target >= 3.00" in second
    assert all(line[end + 1 : end + 3].strip() == "" for line in (head, first) for end in ends)


def test_the_document_holds_every_sample_and_is_json():
    row = Row("rate", "rate", "1/s", peer="peer", target=2.0, note="n")
    outcome = Outcome("speed", [row], {OURS: {"rate": [1.0, 3.0, 2.0]}}, {"peer": "absent"})

    document = json.loads(json.dumps(as_document([outcome], now=NOW, is_quick=True)))

    assert document["schema"] == 1
    assert document["date"] == "2026-11-20T12:00:00+00:00"
    assert set(document["machine"]) == {
        "cores", "load_average", "architecture", "system", "python", "implementation",
    }  # fmt: skip
    (found,) = document["benchmarks"]
    assert found["samples"] == {OURS: {"rate": [1.0, 3.0, 2.0]}}
    assert found["missing"] == {"peer": "absent"}
    (line,) = found["rows"]
    assert (line["ours"], line["theirs"], line["ratio"], line["target"]) == (2.0, None, None, 2.0)


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "-"), (123456.7, "123,457"), (12.34, "12.3"), (1.234, "1.23"), (0.01234, "0.0123")],
)
def test_numbers_have_three_digits_that_count(value, text):
    assert number(value) == text
