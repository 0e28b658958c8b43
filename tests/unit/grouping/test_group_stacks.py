"""The command groups a file without a database."""

import gzip
import json
import tracemalloc
from collections import Counter
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from tests.conftest import skip_or_fail

SLICE = 900


def record(number, *functions, corpus="own", app="com.example"):
    frames = [{"f": name, "p": "Feed.java"} for name in functions]
    return {"id": f"r{number}", "corpus": corpus, "app": app, "exc": "a.Broken", "frames": frames}


def grouped(folder, records, name="x.jsonl"):
    source, target = folder / name, folder / "y.jsonl"
    text = "".join(json.dumps(line) + "\n" for line in records)
    opener = gzip.open if name.endswith(".gz") else open
    with opener(source, "wt", encoding="utf-8") as file:
        file.write(text)
    call_command("group_stacks", input=str(source), output=str(target))
    return [json.loads(line) for line in target.read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize("name", ["x.jsonl", "x.jsonl.gz"])
def test_every_record_gets_a_group_a_score_and_its_likes(tmp_path, name):
    records = [record(1, "a.Feed.load"), record(2, "a.Feed.load"), record(3, "b.Disk.read")]

    answers = grouped(tmp_path, records, name)

    assert [answer["id"] for answer in answers] == ["r1", "r2", "r3"]
    assert [answer["group"] for answer in answers] == ["r1", "r1", "r3"]
    assert answers[1]["ranked"] == ["r1"]
    assert answers[1]["score"] > answers[0]["score"]


def test_labels_are_ignored(tmp_path):
    records = [record(1, "a.Feed.load"), record(2, "a.Feed.load")]
    labeled = [{**line, "group": line["id"]} for line in records]

    assert grouped(tmp_path, labeled) == grouped(tmp_path, records)


def test_another_corpus_or_app_is_another_stream(tmp_path):
    records = [
        record(1, "a.Feed.load"),
        record(2, "a.Feed.load", corpus="other"),
        record(3, "a.Feed.load", app="com.other"),
    ]

    assert len({answer["group"] for answer in grouped(tmp_path, records)}) == 3


@pytest.mark.parametrize("line", ["{", "[]", '{"id": "x"}', "7"])
def test_a_bad_line_is_named_by_its_number(tmp_path, line):
    source = tmp_path / "x.jsonl"
    source.write_text(json.dumps(record(1, "a.B.c")) + "\n" + line + "\n", encoding="utf-8")

    with pytest.raises(CommandError, match="line 2"):
        call_command("group_stacks", input=str(source), output=str(tmp_path / "y.jsonl"))


ODD: dict[str, dict[str, Any]] = {
    "no frames": {"frames": []},
    "frames are missing": {"frames": None},
    "unknown frames": {"frames": [{"f": "??", "m": "libgame.so"}, {"f": "??"}, {"f": None}, {}]},
    "deep recursion": {"frames": [{"f": f"eat_{at % 7}", "p": "a/b.c"} for at in range(1000)]},
    "other scripts": {"frames": [{"f": "\u05d2.\u4e2d\u6587.\U0001f680", "p": "\u4e2d.java"}]},
    "half a pair": {
        "frames": [{"f": "a.\ud800.b", "p": "A.java"}],
        "msg": "\udfff",
        "exc": "\ud800",
    },
    "odd values": {"frames": [{"f": 7, "m": 8, "p": 9, "l": "x", "o": {}, "i": "y"}], "msg": 5},
    "long names": {"frames": [{"f": "ns::" + "<" * 5000 + "f(" * 5000}], "msg": "m" * 100_000},
    "causes": {"frames": [{"f": "a.B.c", "p": "B.java"}], "causes": [{"exc": "x.Y"}, {}]},
    "a class and no file": {"frames": [{"f": "a.B.c"}], "exc": "java.lang.IllegalStateException"},
    "kernel": {"app": "linux", "frames": [{"f": "__arm64_sys_read+0x1c/0x30"}], "exc": ""},
    "no type": {"exc": None, "frames": [{"f": "f"}]},
}


def test_odd_records_get_a_group_each_and_repeats_of_them_the_same(tmp_path):
    records = [{**record(name, "a.B.c"), "id": name, **parts} for name, parts in ODD.items()]
    again = [{**line, "id": f"{line['id']} again"} for line in records]

    answers = {answer["id"]: answer["group"] for answer in grouped(tmp_path, [*records, *again])}

    assert len(answers) == 2 * len(ODD)
    assert all(answers[name] == answers[f"{name} again"] for name in ODD)


def test_answers_wait_on_disk_and_not_in_memory(tmp_path):
    records = [record(number, f"a.B.c{number % 5}") for number in range(4000)]
    source = tmp_path / "x.jsonl"
    source.write_text("".join(json.dumps(line) + "\n" for line in records), encoding="utf-8")
    call_command("group_stacks", input=str(source), output=str(tmp_path / "warm.jsonl"))

    tracemalloc.start()
    call_command("group_stacks", input=str(source), output=str(tmp_path / "y.jsonl"))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert len((tmp_path / "y.jsonl").read_text(encoding="utf-8").splitlines()) == 4000
    assert peak < 2_000_000  # with their decisions the answers would be 5.8 MB


def test_a_missing_file_is_a_clear_error(tmp_path):
    with pytest.raises(CommandError, match="No such file"):
        call_command("group_stacks", input=str(tmp_path / "none.jsonl"), output="-")


def test_labeled_crashes_of_seven_sources_are_grouped_well(tmp_path, shared_dir):
    stacks = shared_dir / "grouping" / "dev.jsonl.gz"
    if not stacks.is_file():
        skip_or_fail("shared stacks: grouping/dev.jsonl.gz not found")
    corpora = slices(stacks)

    scores = {}
    for corpus, records in corpora.items():
        answers = grouped(tmp_path, records)
        scores[corpus] = b_cubed(
            [answer["group"] for answer in answers], [line["group"] for line in records]
        )

    assert sum(scores.values()) / len(scores) >= 0.86
    assert min(scores.values()) >= 0.70


def slices(path):
    """The earliest crashes of every corpus, in order of time."""
    corpora: dict[str, list] = {}
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            crash = json.loads(line)
            corpora.setdefault(crash["corpus"], []).append(crash)
    for records in corpora.values():
        records.sort(key=lambda crash: (crash["ts"], crash["id"]))
        del records[SLICE // len(corpora) :]
    return corpora


def b_cubed(found, true):
    """B-cubed F1 of two groupings."""
    sizes, sizes_true = Counter(found), Counter(true)
    both = Counter(zip(found, true, strict=True))
    precision = sum(n * n / sizes[group] for (group, _), n in both.items()) / len(found)
    recall = sum(n * n / sizes_true[label] for (_, label), n in both.items()) / len(found)
    return 2 * precision * recall / (precision + recall)
