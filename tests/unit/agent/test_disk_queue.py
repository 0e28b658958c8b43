"""What the queue keeps, what it throws away and in which order, and what it remembers of that."""

import hashlib
import json
import os
import uuid

import pytest

from crashes.management.agent.backoff import FullJitter
from crashes.management.agent.disk_queue import (
    PRECIOUS,
    AttachedFile,
    DiskQueue,
    QueueLimits,
    rank_of,
)


class Clock:
    now = 1_800_000_000.0

    def __call__(self):
        self.now += 0.01
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def queue_of(tmp_path, clock):
    def make(**limits):
        return DiskQueue(tmp_path / "queue", clock=clock, limits=QueueLimits(**limits))

    return make


def report(kind="java_crash", package="com.example", **more):
    return {"report_id": str(uuid.uuid4()), "kind": kind, "app": {"package": package}} | more


def losses(folder):
    return json.loads((folder / "queue" / "losses.json").read_bytes())["counts"]


def kinds(queue):
    return [queue.read(entry)["kind"] for entry in queue.entries()]


def test_what_was_queued_is_there_for_the_next_process(queue_of):
    documents = [report(process=f"p{number}") for number in range(3)]
    for document in documents:
        assert queue_of().add(document)

    queue = queue_of()

    assert [queue.read(entry) for entry in queue.entries()] == documents


def test_the_least_worth_goes_first_and_in_it_the_oldest(queue_of, tmp_path):
    queue = queue_of(entries=4)
    for kind in ("wtf", "java_crash", "strict_mode", "low_memory_kill", "anr", "anr", "anr"):
        assert queue.add(report(kind))

    assert kinds(queue) == ["java_crash", "anr", "anr", "anr"]
    assert losses(tmp_path) == {"queue_full": 3}


def test_what_is_worth_least_of_all_is_itself_refused(queue_of, tmp_path):
    queue = queue_of(entries=2)
    for _ in range(2):
        queue.add(report("anr"))

    assert not queue.add(report("strict_mode"))
    assert kinds(queue) == ["anr", "anr"]
    assert losses(tmp_path) == {"queue_full": 1}


def test_what_ends_the_whole_system_is_never_thrown_away_for_room(queue_of):
    queue = queue_of(entries=3)
    for kind in ("kernel_panic", "watchdog"):
        queue.add(report(kind, package=""))
    queue.add(report("native_crash", package=""))

    assert not queue.add(report("kernel_panic", package=""))
    assert not queue.add(report("java_crash"))
    assert kinds(queue) == ["kernel_panic", "watchdog", "native_crash"]


def test_an_apps_native_crash_is_worth_less_than_the_systems():
    assert rank_of(report("native_crash")) < rank_of(report("native_crash", package="")) == PRECIOUS


def test_the_limit_of_bytes_counts_attachments(queue_of):
    queue = queue_of(size_bytes=10_000)
    content = b"x" * 6_000
    file = AttachedFile(hashlib.sha256(content).hexdigest(), content)

    assert queue.add(report("anr"), [file])
    assert queue.add(report("java_crash"), [file])

    assert kinds(queue) == ["java_crash"]
    assert not queue.add(report(), [AttachedFile("a" * 64, b"x" * 10_001)])
    assert kinds(queue) == ["java_crash"]


def test_what_is_two_weeks_old_goes(queue_of, clock, tmp_path):
    queue = queue_of()
    queue.add(report("anr"))
    clock.now += 13 * 86_400
    queue.add(report())
    clock.now += 86_400
    queue.drop_old()

    assert kinds(queue) == ["java_crash"]
    assert losses(tmp_path) == {"too_old": 1}


def test_a_damaged_file_is_counted_and_gone(queue_of, tmp_path):
    queue = queue_of()
    queue.add(report())
    (entry,) = queue.entries()
    entry.path.write_bytes(b'{"report": {"rep')

    assert queue.read(entry) is None
    assert queue.entries() == []
    assert losses(tmp_path) == {"storage_error": 1}


def test_losses_that_a_lost_report_would_have_told_are_told_by_another(queue_of, tmp_path):
    queue = queue_of()
    queue.lose("queue_full", count=5)
    queue.add(report())
    (entry,) = queue.entries()
    queue.bind_losses(entry)
    bound = queue.read(entry)["discarded"]

    queue.bury(entry)

    assert bound == {"queue_full": 5}
    assert losses(tmp_path) == {"queue_full": 5}


def test_an_end_between_binding_and_noting_it_tells_nothing_twice(queue_of, tmp_path, monkeypatch):
    queue = queue_of()
    queue.lose("queue_full", count=5)
    queue.add(report())
    queue.add(report())
    first, second = queue.entries()
    with monkeypatch.context() as death:
        death.setattr(queue, "_keep_losses", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            queue.bind_losses(first)

    again = queue_of()
    again.bind_losses(first)
    again.bind_losses(second)

    assert again.read(first)["discarded"] == {"queue_full": 5}
    assert "discarded" not in again.read(second)


def test_files_without_a_report_are_removed_after_an_hour(queue_of, clock, tmp_path):
    folder = tmp_path / "queue" / "attachments" / str(uuid.uuid4())
    folder.mkdir(parents=True)
    (folder / "file").write_bytes(b"x")
    os.utime(folder, (clock.now - 7200, clock.now - 7200))

    queue_of()

    assert not folder.exists()


def test_the_folder_is_its_owners_only(queue_of, tmp_path):
    queue_of()

    assert (tmp_path / "queue").stat().st_mode & 0o077 == 0


def test_a_pause_is_random_up_to_a_doubling_limit():
    highest, lowest = (
        FullJitter(uniform=lambda _, high: high),
        FullJitter(uniform=lambda low, _: low),
    )

    assert [highest.pause_seconds(failures) for failures in (1, 2, 3, 40)] == [30, 60, 120, 21_600]
    assert lowest.pause_seconds(3) == 0
    assert lowest.pause_seconds(1, at_least=100) == 100
    assert lowest.pause_seconds(1, at_least=1e9) == 21_600
