"""Blocked threads are told apart by who made them wait."""

from dataclasses import replace

import pytest

from crashes.grouping import evidence
from crashes.grouping.engine import Grouper
from crashes.grouping.mechanisms import v2
from crashes.stack import Crash, CrashKind, LockWait, Thread
from tests.unit.grouping.builders import java_frames

MAIN = ("com.example.Prefs.get", "com.example.Feed.row", "com.example.Feed.draw")
CALL = (
    "android.os.BinderProxy.transactNative",
    "android.os.BinderProxy.transact",
    "android.media.IAudio$Stub$Proxy.start",
    "com.example.Feed.play",
)
SERVING = (
    "com.android.server.audio.Focus.await",
    "com.android.server.audio.AudioService.start",
    "android.media.IAudio$Stub.onTransact",
    "android.os.Binder.execTransact",
)


def thread(tid, *functions, waits_for=None, process=None, name=None):
    lock = LockWait(f"0x0{tid}", held_by_tid=waits_for) if waits_for else None
    return Thread(
        name=name or f"Thread-{tid}",
        tid=1000 + tid,
        runtime_tid=tid,
        frames=java_frames(*functions),
        blocked_on=lock,
        process=process,
    )


def anr(main, *others):
    return Crash(
        kind=CrashKind.ANR,
        package="com.example",
        reason="Input dispatching timed out (5000ms)",
        threads=(replace(main, crashing=True), *others),
    )


def culprit(crash):
    return evidence.gather(crash).culprit


def groups(*crashes):
    grouper = Grouper()
    found = [
        grouper.assign(str(number), v2.prepare(crash, package=None))
        for number, crash in enumerate(crashes)
    ]
    return [grouper.root_of(assignment.group) for assignment in found]


def held_by(*holder, tid=9):
    return anr(thread(1, *MAIN, waits_for=tid), thread(tid, *holder))


def serving(*functions, tid=5, process="system_server"):
    return thread(tid, *functions, process=process)


def test_the_holder_of_the_lock_is_the_culprit():
    found = culprit(held_by("java.net.Socket.read", "com.example.Sync.write"))

    assert found.phrase == "lock held at Sync.write"
    assert found.token.text == "lock held at com.example.Sync.write"


def test_the_last_of_a_chain_of_holders_is_the_culprit():
    crash = anr(
        thread(1, *MAIN, waits_for=9),
        thread(9, "com.example.Sync.write", waits_for=7),
        thread(7, "com.example.Disk.flush"),
    )

    assert culprit(crash).phrase == "lock held at Disk.flush"


def test_in_a_circle_the_nearest_holder_is_the_culprit():
    crash = anr(thread(1, *MAIN, waits_for=9), thread(9, "com.example.Sync.write", waits_for=1))

    assert culprit(crash).phrase == "lock held at Sync.write"


def test_the_thread_that_serves_a_binder_call_is_the_culprit():
    found = culprit(anr(thread(1, *CALL), serving(*SERVING)))

    assert found.phrase == "binder peer at Focus.await"


def test_a_holder_that_waits_for_another_process_passes_the_blame_on():
    crash = anr(thread(1, *MAIN, waits_for=9), thread(9, *CALL), serving(*SERVING))

    assert culprit(crash).phrase == "binder peer at Focus.await"


@pytest.mark.parametrize(
    "others",
    [
        (),
        (serving(*SERVING), serving(*SERVING, tid=6)),
        (serving(*SERVING, process=None),),
        (serving("com.android.server.Other.x", "android.media.IAudio$Stub.onTransact"),),
        (serving("com.android.server.A.start", "android.media.IVideo$Stub.onTransact"),),
    ],
    ids=["no dump", "two may serve", "same process", "other method", "other interface"],
)
def test_nobody_is_blamed_for_a_call_that_is_not_surely_his(others):
    assert culprit(anr(thread(1, *CALL), *others)).key == ""


def test_the_signature_names_the_culprit():
    crash = anr(thread(1, *CALL), serving(*SERVING))

    signature = v2.prepare(crash, package=None).signature

    assert signature == "ANR (input) in Feed.play, binder peer at Focus.await"


APART = {
    "two holders": (held_by("com.example.Sync.write"), held_by("com.example.Disk.flush")),
    "one top frame, two callers": (
        held_by("com.example.Db.query", "com.example.Sync.run"),
        held_by("com.example.Db.query", "com.example.Search.run"),
    ),
    "two binder peers": (
        anr(thread(1, *CALL), serving(*SERVING)),
        anr(thread(1, *CALL), serving("com.android.server.audio.Hal.open", *SERVING[1:])),
    ),
    "a lock and a call": (
        held_by("com.example.Sync.write"),
        anr(thread(1, *MAIN, waits_for=9), thread(9, *CALL), serving(*SERVING)),
    ),
    "two ends of a chain": (
        anr(
            thread(1, *MAIN, waits_for=9),
            thread(9, "com.example.Sync.write", waits_for=7),
            thread(7, "com.example.Disk.flush"),
        ),
        anr(
            thread(1, *MAIN, waits_for=9),
            thread(9, "com.example.Sync.write", waits_for=7),
            thread(7, "com.example.Net.read"),
        ),
    ),
}


@pytest.mark.parametrize("pair", APART.values(), ids=APART.keys())
def test_equal_waits_for_different_culprits_stay_apart(pair):
    assert len(set(groups(*pair))) == 2


TOGETHER = {
    "another thread number": (
        held_by("com.example.Sync.write"),
        held_by("com.example.Sync.write", tid=12),
    ),
    "another holder below the same work": (
        held_by("java.net.Socket.read", "com.example.Sync.write"),
        held_by("java.net.Socket.poll", "com.example.Sync.write"),
    ),
    "the peer is not in the dump": (
        anr(thread(1, *CALL, *MAIN), serving(*SERVING)),
        anr(thread(1, *CALL, *MAIN)),
    ),
    "another binder thread": (
        anr(thread(1, *CALL), serving(*SERVING)),
        anr(thread(1, *CALL), serving(*SERVING, tid=31)),
    ),
}


@pytest.mark.parametrize("pair", TOGETHER.values(), ids=TOGETHER.keys())
def test_equal_waits_for_one_culprit_fall_together(pair):
    assert len(set(groups(*pair))) == 1
