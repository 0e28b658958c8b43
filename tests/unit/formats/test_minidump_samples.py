"""Real minidumps are read and walked as Breakpad reads and walks them, frame by frame."""

from typing import Any

import pytest

from crashes.formats import minidump
from crashes.formats.errors import MalformedPayload
from crashes.formats.registry import PayloadFormat, parse_payload, sniff
from crashes.stack import FrameTrust, from_json, to_json
from tests.unit.formats.fixtures import Sample, samples
from tests.unit.formats.stackwalks import (
    StackWalk,
    base_name,
    module_row,
    stackwalks,
    unnamed_threads,
)

WITH_SYMBOLS = {"linux_null_read_av.dmp", "linux_overflow.dmp"}
"""Their published walks used symbols; tests/unit/symbolication/test_unwind_samples.py has them."""


@pytest.mark.parametrize("sample", samples("minidump"))
def test_a_sample_is_read_as_the_manifest_says(sample: Sample):
    expected: dict[str, Any] = dict(sample.expect)
    if expected.get("must_reject"):
        with pytest.raises(MalformedPayload):
            parse_payload(PayloadFormat.MINIDUMP, sample.payload)
        return
    crash = parse_payload(PayloadFormat.MINIDUMP, sample.payload)

    frames = crash.threads[0].frames[: len(expected["top_frames"])]
    lines = [f"{base_name(frame.module or '')}+{frame.address:#x}" for frame in frames]
    assert lines == expected.pop("top_frames")
    assert len(crash.modules) == expected.pop("modules")
    assert crash.fault_addr == int(expected.pop("crash_address"), 16)
    assert {key: crash.details[key] for key in expected} == expected


@pytest.mark.parametrize("walk", stackwalks())
def test_a_walk_without_symbols_is_the_published_one(walk: StackWalk):
    crash = minidump.parse(walk.payload)

    assert crash.details["crash_reason"] == walk.reason
    assert (crash.fault_addr, crash.details["os"]) == (walk.fault_addr, walk.os)
    assert crash.details["crashing_thread"] == walk.crashing_thread
    assert sorted(map(module_row, crash.modules)) == sorted(walk.modules)
    if str(walk) not in WITH_SYMBOLS:
        assert unnamed_threads(crash) == list(walk.threads.values())


@pytest.mark.parametrize("walk", stackwalks())
def test_a_crash_survives_json(walk: StackWalk):
    crash = minidump.parse(walk.payload)

    assert from_json(to_json(crash)) == crash
    assert sniff(walk.payload) is PayloadFormat.MINIDUMP


@pytest.mark.parametrize("walk", stackwalks("thread_name_list.dmp"))
def test_every_frame_tells_how_it_was_found(walk: StackWalk):
    crash = minidump.parse(walk.payload)

    for thread in crash.threads:
        trusts = [frame.trust for frame in thread.frames]
        assert trusts[0] is FrameTrust.CONTEXT
        assert set(trusts[1:]) <= {FrameTrust.FRAME_POINTER, FrameTrust.SCAN}


@pytest.mark.parametrize("walk", stackwalks("minidump_crashpad_annotation.dmp"))
def test_nothing_personal_is_taken_over(walk: StackWalk):
    crash = minidump.parse(walk.payload)

    assert set(crash.details) <= {
        "os", "os_version", "cpu", "crash_reason", "crashing_thread", "main_module", "uid",
        "requested_dump", "threads_omitted",
    }  # fmt: skip
