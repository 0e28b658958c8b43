"""Who is let in under which load, and what makes two reports repeats of one crash."""

import json

import pytest

from crashes.intake.admission import admits_reports, crash_key

NEW = 0


@pytest.mark.parametrize(
    ("load", "repeats", "is_let_in"),
    [
        (0.0, [NEW], True),
        (0.0, [1], True),
        (1.0, [1], True),
        (1.99, [5], True),
        (2.0, [NEW], True),
        (2.0, [1], False),
        (2.0, [9], False),
        (2.0, [10], True),
        (2.0, [11], False),
        (2.0, [20], True),
        (4.0, [NEW], True),
        (4.0, [3], False),
        (4.0, [3, 7, NEW], True),
        (4.0, [3, 7, 25], False),
        (4.0, [13, 10], True),
        (4.0, [10, 13], True),
        (4.0, [11, 20], False),
        (4.0, [], True),
    ],
)
def test_load_and_what_is_known_decide(load, repeats, is_let_in):
    assert admits_reports(load, repeats) is is_let_in


JAVA = b"""java.lang.IllegalStateException: round 1
\tat com.example.Main.step(Main.kt:7)
\tat com.example.Main.run(Main.kt:10)
"""
NATIVE = b"""*** *** *** *** *** *** *** *** *** *** *** *** *** *** *** ***
Build fingerprint: 'nokia/x/y:14/1:user/release-keys'
Timestamp: 2026-11-20 12:00:00.123+0000
signal 11 (SIGSEGV), code 1 (SEGV_MAPERR), fault addr 0x0000000000000010
    x0  0000000000000001  x1  0000000000000002

backtrace:
      #00 pc 000000000004f1a0  /vendor/lib64/libcamera.so (Isp::step()+16) (BuildId: aa)
      #01 pc 000000000004f2b0  /vendor/lib64/libcamera.so (Isp::run()+32) (BuildId: aa)
"""
ACRA = json.dumps({"REPORT_ID": "1", "STACK_TRACE": JAVA.decode()}).encode()
SENTRY = json.dumps(
    {
        "event_id": "a" * 32,
        "exception": {
            "values": [
                {
                    "type": "IllegalStateException",
                    "value": "round 1",
                    "stacktrace": {"frames": [{"module": "com.example.Main", "function": "step"}]},
                }
            ]
        },
    }
).encode()


def key_of(payload, *, program_id=1, kind="java_crash", place="com.example"):
    return crash_key(program_id=program_id, kind=kind, place=place, payload=payload)


@pytest.mark.parametrize(
    ("payload", "old", "new"),
    [
        (JAVA, b"round 1", b"round 2"),
        (NATIVE, b"0x0000000000000010", b"0x0000000000000018"),
        (NATIVE, b"12:00:00", b"13:00:00"),
        (NATIVE, b"0000000000000001", b"00000000deadbeef"),
        (ACRA, b"round 1", b"round 2"),
        (SENTRY, b"round 1", b"round 2"),
        (SENTRY, b"a" * 32, b"b" * 32),
    ],
)
def test_messages_registers_and_times_make_no_new_crash(payload, old, new):
    assert key_of(payload) == key_of(payload.replace(old, new)) is not None


@pytest.mark.parametrize(
    ("payload", "old", "new"),
    [
        (JAVA, b"IllegalState", b"IllegalArgument"),
        (JAVA, b"step", b"stop"),
        (JAVA, b"Main.kt:10", b"Main.kt:11"),
        (NATIVE, b"Isp::step", b"Isp::stop"),
        (NATIVE, b"4f2b0", b"4f2b4"),
        (ACRA, b"Main.step", b"Main.stop"),
        (SENTRY, b'"step"', b'"stop"'),
        (SENTRY, b"IllegalState", b"IllegalArgument"),
    ],
)
def test_classes_and_frames_do(payload, old, new):
    assert old in payload

    assert key_of(payload) != key_of(payload.replace(old, new))


@pytest.mark.parametrize("more", [{"program_id": 2}, {"kind": "anr"}, {"place": "com.other"}])
def test_programs_kinds_and_processes_are_told_apart(more):
    assert key_of(JAVA) != key_of(JAVA, **more)


@pytest.mark.parametrize("payload", [b"", b"MDMP\x93\xa7\0\0", b"no frame", b"x" * 20_000 + JAVA])
def test_what_shows_no_frames_has_no_key(payload):
    assert key_of(payload) is None
