"""The shared samples: real dumps of many Androids, with answers made by others."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from crashes.formats import tombstone_proto, tombstone_text
from crashes.formats.errors import MalformedPayload
from crashes.formats.tombstone_writer import write_proto, write_text
from crashes.stack import Crash, Frame
from tests.unit.formats.fixtures import Sample, samples

PARSERS: dict[str, Callable[[bytes], Crash]] = {
    "tombstone-text": tombstone_text.parse,
    "tombstone-logcat": tombstone_text.parse,
    "tombstone-proto": tombstone_proto.parse,
}
DIRECT = (
    "build_fingerprint",
    "abi",
    "timestamp",
    "process",
    "pid",
    "tid",
    "signal",
    "signal_number",
)
IN_DETAILS = (
    "app_id",
    "app_version",
    "crash_type",
    "crash_time",
    "device_model",
    "api_level",
    "os_version",
    "memory_mappings",
    "open_fds",
    "uptime_s",
)


def parse(sample: Sample) -> Crash:
    return PARSERS[sample.kind](sample.payload)


def has_shape(frame: Frame, expected: dict[str, Any]) -> bool:
    file = frame.module or ""
    if frame.map_offset:
        file += f" (offset {frame.map_offset:#x})"
    function = f"{frame.raw_function}+{frame.function_offset}" if frame.function else None
    shape = (frame.address, file, function)
    return shape == (int(expected["pc"], 16), expected["file"], expected["function"])


@pytest.mark.parametrize("sample", samples(*PARSERS))
def test_a_sample_gives_the_answer_of_the_manifest(sample):
    expect = sample.expect
    if expect.get("must_reject"):
        with pytest.raises(MalformedPayload):
            parse(sample)
        return

    crash = parse(sample)

    assert {name: getattr(crash, name) for name in DIRECT if name in expect} == {
        name: expect[name] for name in DIRECT if name in expect
    }
    assert {name: crash.details.get(name) for name in IN_DETAILS if name in expect} == {
        name: expect[name] for name in IN_DETAILS if name in expect
    }
    assert crash.signal_code == expect.get("code", crash.signal_code)
    assert crash.reason == expect.get("cause")
    assert crash.threads[0].crashing
    assert crash.threads[0].name == expect.get("thread")
    assert len(crash.threads) == expect.get("threads", len(crash.threads))
    fault_addr = expect["fault_addr"]
    assert crash.fault_addr == (None if fault_addr == "--------" else int(fault_addr, 16))
    frames = crash.threads[0].frames[: len(expect["top_frames"])]
    assert all(map(has_shape, frames, expect["top_frames"]))


@pytest.mark.parametrize("sample", samples(*PARSERS))
def test_a_sample_survives_being_written(sample):
    if sample.expect.get("must_reject"):
        return
    crash = parse(sample)

    for again in (
        tombstone_text.parse(write_text(crash).encode()),
        tombstone_proto.parse(write_proto(crash)),
    ):
        assert again.threads[0].frames == crash.threads[0].frames
        assert len(again.threads) == len(crash.threads)
        assert again.modules == crash.modules
        assert again.signal == crash.signal
        assert again.details.get("memory_mappings") == crash.details.get("memory_mappings")


@pytest.fixture
def tombstones(shared_dir: Path) -> Path:
    return shared_dir / "samples" / "symbolication" / "tombstones"


def test_every_protobuf_of_the_symbolication_samples_is_read(tombstones):
    files = sorted([*tombstones.glob("*.pb"), *tombstones.glob("*.pb.gz")])
    assert files

    for file in files:
        crash = tombstone_proto.parse(file.read_bytes())
        thread = crash.crashing_thread
        assert thread is not None, file.name
        assert thread.frames, file.name
        assert crash.signal, file.name
        assert crash.modules, file.name


def test_java_frames_of_a_dump_have_the_names_that_others_found(tombstones):
    for file in sorted(tombstones.glob("*_java_frames.json.gz")):
        dump = file.with_name(file.name.replace("_java_frames.json.gz", ".pb.gz"))
        if not dump.exists():
            continue
        expected = json.loads(gzip.decompress(file.read_bytes()))
        threads = {
            thread.tid: thread for thread in tombstone_proto.parse(dump.read_bytes()).threads
        }
        for tid, frames in expected.items():
            found = {frame.function for frame in threads[int(tid)].frames}
            wanted = {f"{frame['module']}.{frame['function']}" for frame in frames}
            assert wanted <= found, f"{dump.name}, thread {tid}"


def test_files_of_other_kinds_are_refused(tombstones):
    for file in sorted([*tombstones.glob("*.json.gz"), *tombstones.glob("*_raw.txt")]):
        for parser in (tombstone_text.parse, tombstone_proto.parse):
            with pytest.raises(MalformedPayload) as caught:
                parser(file.read_bytes())
            assert caught.value.code == "not_a_tombstone"
