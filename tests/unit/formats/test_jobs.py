"""What leaves the sandbox is what the parser found."""

from dataclasses import replace

import msgspec
import pytest

from crashes.formats import jobs
from crashes.formats.registry import parse_payload
from crashes.stack import Crash, CrashKind, Frame, PayloadFormat, Thread, to_json
from tests.unit.formats.fixtures import goldens

FORMATS = {
    "anr": PayloadFormat.ANR_TRACES,
    "dropbox": PayloadFormat.DROPBOX,
    "java": PayloadFormat.JAVA_STACKTRACE,
    "kernel": PayloadFormat.KERNEL_LOG,
    "logcat": PayloadFormat.LOGCAT,
    "tombstones": PayloadFormat.TOMBSTONE_TEXT,
}
CASES = [(golden, kind) for folder, kind in FORMATS.items() for golden in goldens(folder)]


def through(answer: msgspec.Raw) -> Crash:
    return msgspec.msgpack.decode(msgspec.msgpack.encode(answer), type=Crash)


@pytest.mark.parametrize(("golden", "kind"), CASES, ids=str)
def test_a_crash_arrives_as_it_was_parsed(golden, kind):
    crash = through(jobs.crash_job(kind.value, golden.payload))

    assert to_json(crash) == to_json(parse_payload(kind, golden.payload))


def test_numbers_beyond_64_bits_are_left_out_and_all_else_stays(monkeypatch):
    huge = 2**64
    frames = (Frame(0, "f", address=huge), Frame(1, "g", address=huge - 1, line=-(2**63) - 1))
    thread = Thread("main", crashing=True, frames=frames, registers={"x0": huge, "x1": 7})
    crash = Crash(
        CrashKind.NATIVE_CRASH,
        fault_addr=huge,
        abort_message="0x10000000000000000 is no address",
        threads=(thread,),
        details={"sizes": [1, huge], "is_odd": True},
    )
    monkeypatch.setattr(jobs, "parse_payload", lambda *_: crash)

    arrived = through(jobs.crash_job(PayloadFormat.TOMBSTONE_TEXT.value, b""))

    kept = (replace(frames[0], address=None), replace(frames[1], line=None))
    assert arrived == replace(
        crash,
        fault_addr=None,
        threads=(replace(thread, frames=kept, registers={"x1": 7}),),
        details={"sizes": [1, None], "is_odd": True},
    )


def reading(kind: PayloadFormat, payload: bytes) -> jobs.Reading:
    answer = jobs.read_job(kind.value, payload)
    return msgspec.msgpack.decode(msgspec.msgpack.encode(answer), type=jobs.Reading)


def test_what_is_parsed_is_what_may_be_kept():
    payload = b"java.lang.IllegalStateException: imei 490154203237518\n\tat a.B.c(B.java:7)\n"

    read = reading(PayloadFormat.JAVA_STACKTRACE, payload)

    assert read.clean == payload.replace(b"490154203237518", b"<imei>")
    assert read.crash == parse_payload(PayloadFormat.JAVA_STACKTRACE, read.clean)
    assert read.refusal is None


def test_a_payload_that_nothing_has_to_leave_does_not_come_back():
    golden, kind = CASES[-1]

    read = reading(kind, golden.payload)

    assert read.clean == jobs.clean_job(kind.value, golden.payload)


def test_a_parser_that_refuses_leaves_the_clean_payload():
    read = reading(PayloadFormat.TOMBSTONE_TEXT, b"no tombstone of 490154203237518, imei")

    assert read.clean == b"no tombstone of <imei>, imei"
    assert read.crash is None
    assert read.refusal is not None
    assert read.refusal[0] == "not_a_tombstone"
