"""Pieces of the system log: every form of prefix, and the first crash of several."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crashes.formats import logcat
from crashes.formats.errors import MalformedPayload
from crashes.formats.logcat_lines import LogLine, messages, read_line, read_log
from crashes.stack import Crash, CrashKind
from tests.unit.formats.fixtures import Golden, goldens
from tests.unit.formats.mutations import mutated
from tests.unit.formats.outline import outline

FIXTURES = goldens("logcat")
FATAL = "11-20 10:11:12.951  9120  9120 E AndroidRuntime: "


def parse(text: str) -> Crash:
    return logcat.parse(text.encode())


@pytest.mark.parametrize("golden", FIXTURES, ids=str)
def test_a_fixture_has_its_golden_answer(golden: Golden):
    assert outline(logcat.parse(golden.payload)) == golden.expected


@pytest.mark.parametrize(
    ("line", "read"),
    [
        ("04-25 09:55:47.799  3064  3082 E Tag: m", LogLine("m", "Tag", "E", 3064, 3082, "04-25 09:55:47.799")),
        ("\t04-25 09:55:47.799  3064  3082 E Tag     : m", LogLine("m", "Tag", "E", 3064, 3082, "04-25 09:55:47.799")),
        ("2026-04-25 09:55:47.799123 +0100  1  2 E Tag: \tm: n", LogLine("\tm: n", "Tag", "E", 1, 2, "2026-04-25 09:55:47.799123 +0100")),
        ("10-26 19:26:24.749 10159 1 2 E a.crl: m", LogLine("m", "a.crl", "E", 1, 2, "10-26 19:26:24.749")),
        ("10-26 19:26:24.749 u0_a1 1 2 E Tag: m", LogLine("m", "Tag", "E", 1, 2, "10-26 19:26:24.749")),
        ("1763633473.120  1  2 E Tag: m", LogLine("m", "Tag", "E", 1, 2, "1763633473.120")),
        ("04-25 09:55:47.799 E/Tag(  12): m", LogLine("m", "Tag", "E", 12, None, "04-25 09:55:47.799")),
        ("E/Tag(  12): m", LogLine("m", "Tag", "E", 12)),
        ("E/Tag     : m", LogLine("m", "Tag", "E")),
        ("E(  12) m", LogLine("m", None, "E", 12)),
        ("E(  12:   13) m", LogLine("m", None, "E", 12, 13)),
        ("2019-05-01 10:00:00.000 1-2/com.example E/Tag: m", LogLine("m", "Tag", "E", 1, 2, "2019-05-01 10:00:00.000")),
        ("2023-05-01 10:00:00.000  1-2  Tag    com.example   E  m", LogLine("m", "Tag", "E", 1, 2, "2023-05-01 10:00:00.000")),
        ("04-25 09:55:47.799  3064  3082 E Tag:", LogLine("", "Tag", "E", 3064, 3082, "04-25 09:55:47.799")),
        ("java.lang.Error: E/x", None),
        ("\tat a.B.c(B.java:1)", None),
        ("", None),
    ],
)  # fmt: skip
def test_a_prefix_is_read(line: str, read: LogLine | None):
    assert read_line(line) == read


def test_lines_without_a_prefix_stay_as_they_are():
    lines = ["E/Tag(1): a", "plain", "", "E/Tag(1): b"]

    assert messages(lines) == ["a", "plain", "", "b"]
    assert messages(["plain"]) == ["plain"]


def test_the_long_form_ends_at_an_empty_line():
    log = read_log(["[ 11-20 10:11:12.100  1: 2 F/libc     ]", "one", "two", "", "stray"])

    assert [(line.message, line.tag, line.pid) for line in log] == [
        ("one", "libc", 1),
        ("two", "libc", 1),
    ]


def test_the_first_fatal_crash_counts():
    crash = parse(
        "11-20 10:11:11.000  1  1 W System.err: java.lang.Error: not fatal\n"
        "11-20 10:11:11.000  1  1 W System.err: \tat a.B.c(B.java:1)\n"
        f"{FATAL}FATAL EXCEPTION: main\n{FATAL}java.lang.Error: fatal\n{FATAL}\tat d.E.f(E.java:1)\n"
        f"{FATAL}FATAL EXCEPTION: other\n{FATAL}java.lang.Error: second\n{FATAL}\tat g.H.i(H.java:1)\n"
    )

    assert (crash.exception_message, crash.threads[0].name) == ("fatal", "main")
    assert len(crash.threads[0].frames) == 1


def test_a_stack_that_is_not_fatal_counts_when_nothing_else_is_there():
    crash = parse(
        "W/System.err( 5): java.lang.Error: not fatal\nW/System.err( 5): \tat a.B.c(B.java:1)\n"
    )

    assert (crash.exception_message, crash.pid) == ("not fatal", 5)


def test_the_oldest_form_of_an_anr_is_read():
    crash = parse(
        "04-25 17:17:08.445   312   366 E ActivityManager: ANR (application not responding) in process: com.example.old\n"
        "04-25 17:17:08.445   312   366 E ActivityManager: Reason: keyDispatchingTimedOut\n"
    )

    assert (crash.kind, crash.process) == (CrashKind.ANR, "com.example.old")
    assert crash.details["reason_kind"] == "input"


def test_a_text_without_prefixes_is_read_as_what_it_is():
    assert parse("java.lang.Error\n\tat a.B.c(B.java:1)").kind is CrashKind.JAVA_CRASH
    assert parse('"main" prio=5 tid=1 Native\n  | sysTid=7\n').kind is CrashKind.ANR


@pytest.mark.parametrize("text", ["", "E/Tag(1): quiet\n", "prose\n" * 10])
def test_a_log_without_a_crash_is_refused(text: str):
    with pytest.raises(MalformedPayload) as refusal:
        parse(text)

    assert refusal.value.code == "no_crash_in_log"


@pytest.mark.parametrize(
    "text",
    [
        "E/T(1): *** *** ***\n" * 20_000,
        "E/T(1): FATAL EXCEPTION: x\n" * 20_000,
        "E/T(1): ANR in \n" * 20_000,
        "E/T(1): Fatal signal 1 (" + "A" * 60_000,
        "E/T(1): " + "Fatal signal 1 (A), code 1 " * 2_000,
        "E/" + "(" * 60_000,
        "01-01 00:00:00.000 " + "1 " * 30_000,
        "E/T(1): \tat a.B.c(B.java:1)\n" * 20_000,
        "".join(f"E/T({number}): a.B: x\n" for number in range(20_000)),
    ],
)
def test_adversarial_text_ends_soon(text: str):
    with suppress(MalformedPayload):
        parse(text)


@given(st.binary(max_size=200))
def test_arbitrary_bytes_raise_nothing_else(tail: bytes):
    for head in (b"", FATAL.encode(), b"E/T(1): *** *** ***\nE/T(1): "):
        with suppress(MalformedPayload):
            logcat.parse(head + tail)


@given(mutated([golden.payload for golden in FIXTURES]))
def test_damaged_fixtures_raise_nothing_else(payload: bytes):
    with suppress(MalformedPayload):
        logcat.parse(payload)


def test_the_tag_behind_the_message_is_no_part_of_it():
    lines = ["FATAL EXCEPTION: main", "java.lang.Error: y", "\tat com.example.B.c(B.java:1)"]
    payload = "".join(f"E( 4515) {line}  (AndroidRuntime)\n" for line in lines).encode()

    crash = logcat.parse(payload)

    assert (crash.pid, crash.exception_message, crash.threads[0].name) == (4515, "y", "main")
    assert crash.threads[0].frames[0].line == 1


def log_of(tag: str, *messages: str) -> bytes:
    prefix = f"02-13 11:43:44.123  1000  1500  1600 W {tag}: "
    return "".join(f"{prefix}{message}\n" for message in messages).encode()


def test_a_watchdogs_stacks_stand_below_its_sentence():
    crash = logcat.parse(
        log_of(
            "Watchdog",
            "*** WATCHDOG KILLING SYSTEM PROCESS: Blocked in handler on main thread (main)",
            "other annotated stack trace:",
            "    at com.android.server.B.c(B.java:2)",
            "main annotated stack trace:",
            "    at com.android.server.A.b(A.java:1)",
            "    - waiting to lock <0x01> (a java.lang.Object)",
            "*** GOODBYE!",
        )
    )

    assert [
        (thread.name, thread.crashing, [frame.line for frame in thread.frames])
        for thread in crash.threads
    ] == [("main", True, [1]), ("other", False, [2])]


@pytest.mark.parametrize("words", ["; ~duration=12 ms: ", ": "])
def test_a_violation_of_strict_mode_in_the_log(words: str):
    crash = logcat.parse(
        log_of(
            "StrictMode",
            f"StrictMode policy violation{words}android.os.strictmode.DiskReadViolation",
            "\tat com.example.A.b(A.java:1)",
        )
    )

    assert (crash.kind, crash.exception_type, crash.pid) == (
        CrashKind.STRICT_MODE, "android.os.strictmode.DiskReadViolation", 1500,
    )  # fmt: skip
    assert crash.details.get("duration_ms") == (12 if "dur" in words else None)
    assert len(crash.threads[0].frames) == 1


def test_a_terrible_failure_is_no_crash():
    crash = logcat.parse(
        log_of("Foo", "android.util.Log$TerribleFailure: x", "\tat a.b.C.d(C.java:1)")
    )

    assert (crash.kind, crash.exception_message) == (CrashKind.WTF, "x")


@pytest.mark.parametrize(
    ("tag", "message", "kind", "facts"),
    [
        ("am_crash", "[4711,0,com.example.app,94848,java.lang.Error,a, b,A.java,12,0]",
         CrashKind.JAVA_CRASH, (4711, "java.lang.Error", "a, b", None)),
        ("am_crash", "[4711,0,com.example.app,94848,java.lang.Error,NULL,A.java,12]",
         CrashKind.JAVA_CRASH, (4711, "java.lang.Error", None, None)),
        ("am_crash", "[4711,0,com.example.app,94848,Native crash,Segmentation fault,unknown,0]",
         CrashKind.NATIVE_CRASH, (4711, None, None, "Segmentation fault")),
        ("am_anr", "[0,4711,com.example.app,94848,Input dispatching timed out (x, y)]",
         CrashKind.ANR, (4711, None, None, "Input dispatching timed out (x, y)")),
        ("am_wtf", "[0,4711,com.example.app,-1,Foo,it is, so]",
         CrashKind.WTF, (4711, None, None, "it is, so")),
    ],
)  # fmt: skip
def test_what_only_the_event_log_tells(tag: str, message: str, kind: CrashKind, facts: object):
    crash = logcat.parse(log_of(f"{tag:8}", message))

    assert (crash.kind, crash.process) == (kind, "com.example.app")
    assert (crash.pid, crash.exception_type, crash.exception_message, crash.reason) == facts
