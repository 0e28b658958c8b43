"""What is remembered of retraced stacks, and how much of it."""

from dataclasses import replace

import pytest

from crashes.services.retrace_memo import RetraceMemo, filled, key_of, skeleton_of
from crashes.stack import (
    Crash,
    CrashKind,
    ExceptionInfo,
    Frame,
    FrameStatus,
    LockWait,
    Thread,
    to_json,
)
from crashes.symbolication.retrace.retracer import Retracer

MAPPING = b"""# compiler: R8
some.Main -> a:
    1:3:int some.Util.check(int):20:22 -> x
    1:3:void run():7 -> x
some.Problem -> b:
some.Lock -> c:
"""
FRAMES = (
    Frame(index=0, function="a.x", file="SourceFile", line=2, status=FrameStatus.JAVA),
    Frame(index=1, function="java.lang.Thread.run", line=9, status=FrameStatus.JAVA),
)
CRASH = Crash(
    kind=CrashKind.JAVA_CRASH,
    process="com.example",
    pid=7,
    timestamp="2026-11-20",
    exception_type="b",
    exception_message="account 12",
    threads=(
        Thread(name="main", tid=7, crashing=True, state="Runnable", frames=FRAMES),
        Thread(name="pool", tid=8, blocked_on=LockWait("0x1", "c", held_by_tid=7)),
    ),
    exceptions=(ExceptionInfo("b", "account 12", frames=FRAMES), ExceptionInfo("b", depth=1)),
    details={"kept": 1},
)


def key(crash, sha256="0" * 64):
    return key_of(skeleton_of(crash), mapping_sha256=sha256)[0]


def test_by_way_of_the_skeleton_a_crash_gets_the_same_names():
    retracer = Retracer(MAPPING)

    directly = retracer.retrace_crash(CRASH)
    by_skeleton = filled(CRASH, retracer.retrace_crash(skeleton_of(CRASH)))

    assert by_skeleton == directly
    assert by_skeleton.exceptions[0].type == "some.Problem"
    assert by_skeleton.threads[1].blocked_on == LockWait("0x1", "some.Lock", held_by_tid=7)


def test_the_same_stack_of_another_phone_is_the_same():
    other = replace(CRASH, pid=99, timestamp="2027-01-01", exception_message="account 13")
    other = replace(other, threads=tuple(replace(it, tid=1, name="x") for it in other.threads))

    assert key(other) == key(CRASH)


@pytest.mark.parametrize(
    "other",
    [
        replace(CRASH, exception_type="c"),
        replace(CRASH, threads=CRASH.threads[:1]),
        replace(CRASH, exceptions=CRASH.exceptions[:1]),
        replace(CRASH, threads=(replace(CRASH.threads[0], frames=FRAMES[:1]), CRASH.threads[1])),
        replace(CRASH, threads=(replace(CRASH.threads[0], crashing=False), CRASH.threads[1])),
    ],
)
def test_another_stack_is_another(other):
    assert key(other) != key(CRASH)


def test_another_mapping_is_another():
    assert key(CRASH, "1" * 64) != key(CRASH, "2" * 64)


def test_the_longest_unused_goes_when_the_budget_is_used_up():
    document = to_json(skeleton_of(CRASH))
    memo = RetraceMemo(max_bytes=20_000)
    for number in range(100):
        memo.put(bytes([number]), document)
        memo.get(b"\0")

    assert memo.size_bytes <= 20_000
    assert 5 < len(memo) < 100
    assert memo.get(b"\0") == skeleton_of(CRASH)
    assert memo.get(b"\1") is None
    assert memo.get(bytes([99])) is not None


def test_a_giant_is_not_remembered():
    memo = RetraceMemo(max_bytes=1_000)

    memo.put(b"giant", to_json(skeleton_of(CRASH)))

    assert (len(memo), memo.size_bytes) == (0, 0)


def test_what_is_remembered_twice_counts_once():
    memo = RetraceMemo(max_bytes=1 << 20)
    memo.put(b"a", {"kind": "java_crash"})
    once = memo.size_bytes
    memo.put(b"a", {"kind": "java_crash"})

    assert (len(memo), memo.size_bytes) == (1, once)
