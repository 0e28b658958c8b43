"""Every sample payload of the shared manifest is read as the manifest says."""

from collections.abc import Callable
from typing import Any

import pytest

from crashes.formats.errors import MalformedPayload
from crashes.formats.registry import PayloadFormat, parse_payload, sniff
from crashes.stack import CauseLink, Crash, Frame, FrameStatus
from tests.unit.formats.fixtures import Sample, samples
from tests.unit.formats.outline import frame_line

FORMATS = {
    "java-crash": PayloadFormat.JAVA_STACKTRACE,
    "logcat": PayloadFormat.LOGCAT,
    "anr-trace": PayloadFormat.ANR_TRACES,
    "dropbox": PayloadFormat.DROPBOX,
    "tombstone-text": PayloadFormat.TOMBSTONE_TEXT,
    "tombstone-logcat": PayloadFormat.TOMBSTONE_TEXT,
    "tombstone-proto": PayloadFormat.TOMBSTONE_PROTO,
}


def java_frames(crash: Crash) -> list[str]:
    """ART writes `Native method` and Dalvik `Native Method`; a frame only knows that it is one."""
    frames = crash.threads[0].frames
    return [frame_line(frame).lower() for frame in frames if frame.status is FrameStatus.JAVA]


def native_name(frame: Frame) -> str | None:
    if frame.function is None:
        return None
    return (
        frame.function
        if frame.function_offset is None
        else f"{frame.function}+{frame.function_offset}"
    )


def native_frame(frame: Frame) -> dict[str, Any]:
    offset = "" if frame.map_offset is None else f" (offset {frame.map_offset:#x})"
    return {"pc": frame.address, "file": f"{frame.module}{offset}", "function": native_name(frame)}


def check_top_frames(crash: Crash, expected: list[Any]) -> None:
    if isinstance(expected[0], str):
        assert java_frames(crash)[: len(expected)] == [line.lower() for line in expected]
        return
    found = [native_frame(frame) for frame in crash.threads[0].frames[: len(expected)]]
    assert found == [{**frame, "pc": int(frame["pc"], 16)} for frame in expected]


def check_blocked_on(crash: Crash, expected: dict[str, Any]) -> None:
    wait = crash.threads[0].blocked_on
    assert wait is not None
    assert (wait.lock, wait.lock_class) == (expected["lock"], expected["class"])
    assert (wait.held_by_tid, wait.holder) == (expected["held_by_tid"], expected["holder"])


def check_deadlock(crash: Crash, expected: dict[str, Any]) -> None:
    deadlock = crash.details["deadlock"]
    assert isinstance(deadlock, dict)
    assert {key: deadlock[key] for key in expected} == expected


def check_fault_addr(crash: Crash, expected: str) -> None:
    assert crash.fault_addr == (None if expected.strip("-") == "" else int(expected, 16))


def check_cause(crash: Crash, expected: str) -> None:
    assert crash.details["causes"] == [expected]


def check_is_caused(crash: Crash, expected: object) -> None:
    assert any(item.link is CauseLink.CAUSED_BY for item in crash.exceptions) == expected


READ: dict[str, Callable[[Crash], object]] = {
    "process": lambda crash: crash.process,
    "package": lambda crash: crash.package,
    "pid": lambda crash: crash.pid,
    "tid": lambda crash: crash.tid,
    "abi": lambda crash: crash.abi,
    "timestamp": lambda crash: crash.timestamp,
    "build_fingerprint": lambda crash: crash.build_fingerprint,
    "version_code": lambda crash: crash.version_code,
    "version_name": lambda crash: crash.version_name,
    "exception": lambda crash: crash.exception_type,
    "message": lambda crash: crash.exception_message,
    "chain": lambda crash: [item.type for item in crash.exceptions],
    "frames": lambda crash: len(crash.threads[0].frames),
    "crashes": lambda crash: len(crash.exceptions),
    "signal": lambda crash: crash.signal,
    "signal_number": lambda crash: crash.signal_number,
    "code": lambda crash: crash.signal_code,
    "abort_message": lambda crash: crash.abort_message,
    "thread": lambda crash: crash.threads[0].name,
    "main_state": lambda crash: crash.threads[0].state,
    "thread_headers": lambda crash: len(crash.threads),
    "threads": lambda crash: len(crash.threads),
}
CHECK: dict[str, Callable[[Crash, Any], None]] = {
    "top_frames": check_top_frames,
    "blocked_on": check_blocked_on,
    "deadlock": check_deadlock,
    "fault_addr": check_fault_addr,
    "cause": check_cause,
    "caused_by": check_is_caused,
}
SAID_IN_PROSE = {"note", "clock_note", "group", "reason", "must_reject"}


def check_tag(crash: Crash, expected: object) -> None:
    """The tag of a stored body is not in it; the kind is what it stands for."""
    assert crash.details.get("tag") in (None, expected)
    assert str(expected).endswith("crash") == (crash.kind.value == "java_crash")


def check(crash: Crash, key: str, expected: Any) -> None:
    if key in CHECK:
        CHECK[key](crash, expected)
    elif key == "tag":
        check_tag(crash, expected)
    elif key in READ:
        assert READ[key](crash) == expected, key
    else:
        assert crash.details[key] == expected, key


@pytest.mark.parametrize("sample", samples(*FORMATS))
def test_a_sample_is_read_as_the_manifest_says(sample: Sample):
    if sample.expect.get("must_reject"):
        with pytest.raises(MalformedPayload):
            parse_payload(FORMATS[sample.kind], sample.payload)
        return
    crash = parse_payload(FORMATS[sample.kind], sample.payload)

    for key in sample.expect.keys() - SAID_IN_PROSE:
        check(crash, key, sample.expect[key])


@pytest.mark.parametrize("sample", samples(*FORMATS))
def test_a_sample_read_by_its_content_is_the_same_crash(sample: Sample):
    found = sniff(sample.payload)

    assert found is not None
    if not sample.expect.get("must_reject"):
        by_name = parse_payload(FORMATS[sample.kind], sample.payload)
        by_content = parse_payload(found, sample.payload)
        assert (by_content.kind, by_content.threads) == (by_name.kind, by_name.threads)
