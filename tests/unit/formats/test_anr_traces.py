"""Thread dumps: Android's forms old and new, locks in circles, damage, and made-up dumps."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crashes.formats import anr_traces
from crashes.formats.anr_reason import reason_kind
from crashes.formats.errors import MalformedPayload
from crashes.stack import Crash, CrashKind, Frame, FrameStatus, LockWait, Thread
from tests.unit.formats.fixtures import Golden, goldens
from tests.unit.formats.mutations import mutated
from tests.unit.formats.outline import frame_line, outline

FIXTURES = goldens("anr")


def parse(text: str) -> Crash:
    return anr_traces.parse(text.encode())


@pytest.mark.parametrize("golden", FIXTURES, ids=str)
def test_a_fixture_has_its_golden_answer(golden: Golden):
    assert outline(anr_traces.parse(golden.payload)) == golden.expected


def test_the_main_thread_is_the_one_whose_id_is_the_process_id():
    crash = parse(
        "----- pid 7 at 2026-01-01 00:00:00 -----\nCmd line: a.b\n"
        '"main" prio=5 tid=3 Waiting\n  | sysTid=9\n\n"renamed" prio=5 tid=1 Native\n  | sysTid=7\n'
    )

    assert crash.kind is CrashKind.ANR
    assert [thread.name for thread in crash.threads] == ["renamed", "main"]
    assert [thread.crashing for thread in crash.threads] == [True, False]


@pytest.mark.parametrize("head", ["", "DALVIK THREADS (2):\n", "\ufeff\r\n\r\n", " \x00\n"])
def test_a_dump_that_lost_its_head_is_read(head: str):
    crash = parse(
        head
        + '"Binder:1_1" prio=5 tid=2 Native\n\n"main" prio=5 tid=1 Native\n  at a.B.c(B.java:1)'
    )

    assert crash.threads[0].name == "main"
    assert crash.pid is None


def test_a_process_dumped_twice_is_one_process():
    crash = parse(
        '----- pid 7 at T1 -----\nCmd line: a.b\n"main" prio=5 tid=1 Native\n  | sysTid=7\n'
        '----- end 7 -----\n----- pid 7 at T2 -----\nCmd line: a.b\n"a.b" sysTid=7\n    #00 pc 0012  /x.so\n'
    )

    assert crash.details["processes"] == 1
    assert [thread.process for thread in crash.threads] == [None, None]
    assert crash.timestamp == "T1"


def test_managed_and_native_frames_are_numbered_together():
    frames = (
        parse(
            '"main" prio=5 tid=1 Native\n  native: #00 pc 0000000000001234  /x/libc.so (f+8) (BuildId: 0aff)\n'
            "  native: #01 pc 00000074298e15d8  ???\n  at a.B.c(Native method)\n"
        )
        .threads[0]
        .frames
    )

    assert [frame.index for frame in frames] == [0, 1, 2]
    assert [frame.status for frame in frames] == [
        FrameStatus.MISSING_DEBUG_FILE, FrameStatus.UNKNOWN_ADDRESS, FrameStatus.JAVA,
    ]  # fmt: skip
    assert (frames[0].module, frames[0].address, frames[0].function) == ("/x/libc.so", 0x1234, "f")
    assert (frames[0].build_id, frames[0].function_offset) == ("0aff", 8)


@pytest.mark.parametrize(
    ("line", "wait"),
    [
        ("<0x1> (a a.B) held by thread 5", LockWait("0x1", "a.B", 5, None)),
        (
            "<0x1> (a a.B) held by threadid=9 (Thread-1)",
            LockWait("0x1", "a.B", 9, "Thread-1 (tid 9)"),
        ),
        ("<0x1> (a a.B) held by tid=9 (T (x))", LockWait("0x1", "a.B", 9, "T (x) (tid 9)")),
        ("<@addr=0x1> (a a.B<c.D>)", LockWait("@addr=0x1", "a.B<c.D>", None, None)),
        ("an unknown object", LockWait("unknown", None, None, None)),
        ("<0x1>", LockWait("0x1", None, None, None)),
    ],
)
def test_a_wait_for_a_lock_is_read(line: str, wait: LockWait):
    thread = parse(
        f'"main" prio=5 tid=1 Blocked\n  at a.B.c(B.java)\n  - waiting to lock {line}'
    ).threads[0]

    assert thread.blocked_on == wait


def test_the_holder_of_a_lock_is_named():
    crash = parse(
        '"main" prio=5 tid=1 Blocked\n  at android.os.X.y(X.java)\n  - waiting to lock <0x1> (a c.D) held by thread 5\n\n'
        '"worker" prio=5 tid=5 Sleeping\n  at java.lang.Thread.sleep(Native method)\n  at e.F.g(F.kt:3)\n'
    )

    assert crash.threads[0].blocked_on == LockWait("0x1", "c.D", 5, "worker (tid 5)")
    assert crash.details["holder_first_app_frame"] == "e.F.g(F.kt:3)"
    assert "first_app_frame" not in crash.details
    assert "deadlock" not in crash.details


def test_a_monitor_that_a_thread_waits_on_is_not_held():
    thread = parse(
        '"main" prio=5 tid=1 Waiting\n  - waiting on <0x1> (a a.B)\n  - locked <0x1> (a a.B)\n  - locked <0x2> (a a.B)'
    ).threads[0]

    assert thread.held_locks == ("0x2",)


def test_a_circle_of_three_is_found_by_who_holds_what():
    def blocked(tid: int, wants: int, holds: int) -> str:
        return (
            f'"t{tid}" prio=5 tid={tid} Blocked\n  at a.B.c(B.java)\n'
            f"  - waiting to lock <0x{wants}> (a a.B)\n  - locked <0x{holds}> (a a.B)\n\n"
        )

    crash = parse(blocked(4, 1, 9) + blocked(3, 2, 1) + blocked(5, 3, 2) + blocked(6, 1, 3))

    assert crash.details["deadlock"] == {
        "process": None,
        "cycle": ["t3 (tid 3)", "t5 (tid 5)", "t6 (tid 6)"],
    }


def binder_process(pid: int, *, servers: int = 1) -> str:
    serving = "".join(
        f'"s{number}" prio=5 tid={20 + number} Blocked\n  at com.x.Impl.answer(Impl.java:1)\n'
        "  - waiting to lock <0x1> (a a.B) held by thread 2\n  at com.x.IFoo$Stub.onTransact(IFoo.java:9)\n\n"
        for number in range(servers)
    )
    return (
        f"----- pid {pid} at T -----\nCmd line: com.p{pid}\n{serving}"
        '"caller" prio=5 tid=2 Native\n  at android.os.BinderProxy.transactNative(Native method)\n'
        "  at android.os.BinderProxy.transact(BinderProxy.java:5)\n"
        "  at com.x.IFoo$Stub$Proxy.answer(IFoo.java:3)\n\n"
    )


def test_a_circle_through_binder_is_found_across_processes():
    crash = parse(binder_process(7) + binder_process(8))

    assert crash.details["deadlock"] == {
        "across_processes": ["com.p7", "com.p8"],
        "cycle": [
            ["com.p7", "s0 (tid 20)"], ["com.p7", "caller (tid 2)"],
            ["com.p8", "s0 (tid 20)"], ["com.p8", "caller (tid 2)"],
        ],
    }  # fmt: skip


def test_a_binder_call_that_two_threads_may_serve_is_no_proof():
    assert "deadlock" not in parse(binder_process(7) + binder_process(8, servers=2)).details


@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        ("Input dispatching timed out (service window is not responding)", "input"),
        ("Timed out while trying to bind", "job"),
        ("required notification not provided", "job"),
        ("Process ProcessRecord{1a2b com.example/u0a1} failed to complete startup", "startup"),
        ("keyDispatchingTimedOut", "input"),
        ("Broadcast of Intent { act=a.B cmp=c/.JobServiceReceiver }", "broadcast"),
        ("executing service com.example/.Sync, waited 20s", "service"),
        ("Context.startForegroundService() did not then call Service.startForeground(): X", "foreground_service"),
        ("A foreground service of type dataSync did not stop within its timeout: X", "foreground_service"),
        ("ContentProvider not responding", "provider"),
        ("No response to onStartJob", "job"),
        ("No response to onStopJob", "job"),
        ("required notification not provided for UIJ", "job"),
        ("something new", None),
    ],
)  # fmt: skip
def test_the_reason_tells_which_promise_was_broken(reason: str, kind: str | None):
    assert reason_kind(reason) == kind


def test_a_dump_in_the_log_is_read():
    prefix = "01-08 16:01:15.000  1482  1521 I art     : "
    text = '"main" prio=5 tid=1 Native\n  | sysTid=7\n  at a.B.c(B.java:1)'

    crash = parse("\n".join(prefix + line for line in text.split("\n")))

    assert crash.threads[0].tid == 7
    assert len(crash.threads[0].frames) == 1


def test_more_threads_than_the_limit_are_counted():
    crash = parse(
        "".join(f'"t{number}" prio=5 tid={number} Native\n\n' for number in range(1, 601))
    )

    assert len(crash.threads) == 512
    assert crash.details["threads_omitted"] == 88


def test_more_frames_than_the_limit_are_counted():
    crash = parse('"main" prio=5 tid=1 Runnable\n' + "  at a.B.c(B.java:1)\n" * 1000)

    assert len(crash.threads[0].frames) == 512
    assert crash.details["frames_omitted"] == 488


@pytest.mark.parametrize(
    "payload", [b"", b"----- pid 1 at T -----\nCmd line: a\n", b'"main"', b"\xff" * 50]
)
def test_a_text_without_threads_is_refused(payload: bytes):
    with pytest.raises(MalformedPayload) as refusal:
        anr_traces.parse(payload)

    assert refusal.value.code == "no_threads"


@pytest.mark.parametrize(
    "text",
    [
        '"' * 60_000 + "\n" + '" tid=' * 60_000,
        '"main" tid=1 X\n' + "- waiting to lock <0x1> (a " + ") held by thread 1 (" * 20_000,
        '"main" tid=1 X\n' + "- locked <" * 40_000,
        '"main" tid=1 X\n' + "| sysTid= " * 40_000,
        '"a" tid=1 X\n' * 60_000,
        "----- pid 1 at x -----\n" * 30_000,
        "".join(f"----- pid {number} at x -----\n" for number in range(20_000)),
        "-----" * 60_000,
        '"main" tid=1 X\n' + "#00 pc 00 /a (" + "(" * 60_000,
        '"main" tid=1 X\n' + ("at " + "a." * 30_000 + "(x:\n") * 10,
    ],
)
def test_adversarial_text_ends_soon(text: str):
    with suppress(MalformedPayload):
        parse(text)


@given(st.binary(max_size=300))
def test_arbitrary_bytes_raise_nothing_else(payload: bytes):
    with suppress(MalformedPayload):
        anr_traces.parse(b'"main" prio=5 tid=1 Native\n' + payload)


@given(mutated([golden.payload for golden in FIXTURES]))
def test_damaged_fixtures_raise_nothing_else(payload: bytes):
    try:
        crash = anr_traces.parse(payload)
    except MalformedPayload:
        return
    assert sum(thread.crashing for thread in crash.threads) <= 1


names = st.from_regex(r"[A-Za-z][\w :#-]{0,12}", fullmatch=True).map(str.strip)
managed = st.builds(
    lambda name, line: Frame(
        0, f"com.example.{name}.run", file=f"{name}.kt", line=line, status=FrameStatus.JAVA
    ),
    st.from_regex(r"[A-Z][a-z]{1,6}", fullmatch=True),
    st.integers(1, 9_999),
)
native = st.builds(
    lambda address, name, offset: Frame(
        0, f"{name}(int, char*)", f"{name}(int, char*)", module=f"/system/lib64/lib{name}.so", address=address,
        build_id="0123abcd", status=FrameStatus.MISSING_DEBUG_FILE, function_offset=offset,
    ),
    st.integers(0, 2**40),
    st.from_regex(r"[a-z]{1,6}", fullmatch=True),
    st.integers(0, 9_999),
)  # fmt: skip


@st.composite
def threads(draw: st.DrawFn, runtime_tid: int) -> Thread:
    drawn = draw(st.lists(native, max_size=3)) + draw(st.lists(managed, max_size=4))
    frames = tuple(
        Frame(
            at, one.function, one.raw_function, one.file, one.line, one.module, one.build_id,
            one.address, status=one.status, function_offset=one.function_offset,
        )
        for at, one in enumerate(drawn)
    )  # fmt: skip
    return Thread(
        name=draw(names),
        tid=700 + runtime_tid,
        crashing=runtime_tid == 1,
        state=draw(st.sampled_from(["Native", "Blocked", "TimedWaiting", "MONITOR"])),
        frames=frames,
        runtime_tid=runtime_tid,
        held_locks=tuple(draw(st.lists(st.sampled_from(["0x0a", "0x0b"]), unique=True))),
    )


@st.composite
def dumps(draw: st.DrawFn) -> Crash:
    stacks = tuple(draw(threads(number)) for number in range(1, draw(st.integers(1, 5)) + 1))
    return Crash(
        CrashKind.ANR,
        process=f"com.example.{draw(st.sampled_from(['a', 'b:c']))}",
        pid=701,
        timestamp="2026-11-20 10:11:13.465960343+0100",
        abi="arm64",
        threads=stacks,
    )


def printed_frame(frame: Frame) -> str:
    if frame.status is FrameStatus.JAVA:
        return f"  at {frame_line(frame)}"
    return (
        f"  native: #{frame.index:02d} pc {frame.address:016x}  {frame.module} "
        f"({frame.function}+{frame.function_offset}) (BuildId: {frame.build_id})"
    )


def printed(crash: Crash) -> str:
    lines = [f"----- pid {crash.pid} at {crash.timestamp} -----", f"Cmd line: {crash.process}"]
    lines += [f"ABI: '{crash.abi}'", f"DALVIK THREADS ({len(crash.threads)}):"]
    for thread in reversed(crash.threads):
        lines.append(f'"{thread.name}" prio=5 tid={thread.runtime_tid} {thread.state}')
        lines.append(f"  | sysTid={thread.tid} nice=0")
        lines += [printed_frame(frame) for frame in thread.frames]
        lines += [f"  - locked <{lock}> (a java.lang.Object)" for lock in thread.held_locks]
        lines.append("")
    return "\n".join([*lines, f"----- end {crash.pid} -----"])


@given(dumps(), st.sampled_from(["\n", "\r\n"]))
def test_a_printed_dump_is_read_back(dump: Crash, ending: str):
    crash = parse(printed(dump).replace("\n", ending))

    assert (crash.process, crash.pid, crash.abi) == (dump.process, dump.pid, dump.abi)
    assert crash.timestamp == dump.timestamp
    assert crash.threads[0] == dump.threads[0]
    assert crash.threads[1:] == tuple(reversed(dump.threads[1:]))
