"""Tombstones as protobuf: both shapes, what zeros mean, and damage."""

import gzip
import json

import pytest

from crashes.formats import tombstone_text
from crashes.formats.errors import MalformedPayload
from crashes.formats.protobuf_wire import Message, encode
from crashes.formats.tombstone_proto import parse
from crashes.formats.tombstone_schema import TOMBSTONE
from crashes.formats.tombstone_writer import write_proto
from crashes.stack import FrameStatus, from_json, to_json
from tests.unit.formats.fixtures import DATA

FRAME: Message = {
    "rel_pc": 0x1000,
    "pc": 0x7000001000,
    "function_name": "f(int)",
    "function_offset": 4,
    "file_name": "/system/lib64/liba.so",
    "build_id": "AA01",
}
THREAD: Message = {"id": 7, "name": "worker", "current_backtrace": [FRAME]}
MINIMAL: Message = {
    "arch": 1,
    "build_fingerprint": "a/b/c:14/X/1:user/release-keys",
    "pid": 7,
    "tid": 7,
    "command_line": ["com.example"],
    "signal_info": {"number": 11, "name": "SIGSEGV", "code": 1, "code_name": "SEGV_MAPERR"},
    "threads": [{"key": 7, "value": THREAD}],
}


def crash_of(**changes):
    return parse(encode({**MINIMAL, **changes}, TOMBSTONE))


def code_of(payload):
    with pytest.raises(MalformedPayload) as caught:
        parse(payload)
    return caught.value.code


@pytest.fixture
def text_crash():
    return tombstone_text.parse((DATA / "tombstones" / "android14_arm64_gwp_asan.txt").read_bytes())


def test_a_crash_is_read_with_its_thread_and_frame():
    crash = crash_of()

    assert (crash.process, crash.package, crash.abi) == ("com.example", "com.example", "arm64")
    assert (crash.signal, crash.signal_code) == ("SIGSEGV", "SEGV_MAPERR")
    (thread,) = crash.threads
    assert (thread.name, thread.tid, thread.crashing) == ("worker", 7, True)
    (frame,) = thread.frames
    assert (frame.function, frame.function_offset, frame.address) == ("f(int)", 4, 0x1000)
    assert (frame.build_id, frame.status) == ("aa01", FrameStatus.MISSING_DEBUG_FILE)
    assert from_json(json.loads(json.dumps(to_json(crash)))) == crash


def test_the_bytes_of_a_small_tombstone_are_read():
    payload = bytes.fromhex(
        "0801"  # arm64
        "1201 61"  # fingerprint
        "2807 3007"  # pid, tid
        "4a01 78"  # command line
        "5207 0806 12 03 414254"  # signal 6, ABT
        "8201 0c 0807 12 08 0807 22 04 0810 1020"  # thread 7 with one frame
    )

    crash = parse(payload)

    assert (crash.abi, crash.build_fingerprint, crash.process) == ("arm64", "a", "x")
    assert (crash.signal_number, crash.signal) == (6, "ABT")
    assert [frame.address for frame in crash.threads[0].frames] == [0x10]


@pytest.mark.parametrize("dropped_count", [0, 3])
def test_the_wrapper_tells_how_many_were_dropped(text_crash, dropped_count):
    bare = write_proto(text_crash)
    wrapped = write_proto(text_crash, with_headers=True, dropped_count=dropped_count)

    details = dict(parse(wrapped).details)

    assert details.pop("dropped_count", 0) == dropped_count
    assert details == parse(bare).details


def test_gzip_is_unpacked(text_crash):
    payload = write_proto(text_crash)

    assert parse(gzip.compress(payload)) == parse(payload)
    assert code_of(gzip.compress(payload)[:-20]) == "truncated_gzip"


@pytest.mark.parametrize(
    ("number", "abi"),
    [(0, "arm"), (1, "arm64"), (2, "x86"), (3, "x86_64"), (4, "riscv64"), (9, None)],
)
def test_every_architecture_has_a_name(number, abi):
    assert crash_of(arch=number).abi == abi


def test_zeros_of_older_androids_are_unknown():
    details = crash_of(guest_arch=0, page_size=0, process_uptime=0).details

    assert not details.keys() & {"guest_architecture", "page_size_bytes", "uptime_s"}
    assert "guest_architecture" not in crash_of(guest_arch=5).details
    assert crash_of(guest_arch=1).details["guest_architecture"] == "arm64"


def test_a_fault_at_zero_is_not_a_fault_nowhere():
    signal = {"number": 11, "name": "SIGSEGV"}

    assert crash_of(signal_info=signal).fault_addr is None
    assert crash_of(signal_info={**signal, "has_fault_address": True}).fault_addr == 0


def test_the_crashed_thread_is_first_and_the_others_follow_by_id():
    entries = [{"key": tid, "value": {"id": tid}} for tid in (9, 3, 7, 5)]

    crash = crash_of(threads=entries)

    assert [(thread.tid, thread.crashing) for thread in crash.threads] == [
        (7, True),
        (3, False),
        (5, False),
        (9, False),
    ]


def test_a_dump_without_its_crashed_thread_keeps_the_others():
    crash = crash_of(tid=99)

    assert crash.crashing_thread is None
    assert [thread.tid for thread in crash.threads] == [7]


def test_a_sender_causes_and_app_details_are_kept():
    crash = crash_of(
        signal_info={"number": 6, "has_sender": True, "sender_pid": 9, "sender_uid": 1000},
        causes=[{"human_readable": "null pointer dereference"}],
        crash_details=[{"name": b"stage\xff", "data": b"load\0ing"}],
    )

    assert crash.reason == "null pointer dereference"
    assert crash.details["sender"] == {"pid": 9, "uid": 1000}
    assert crash.details["crash_details"] == [{"name": "stage\ufffd", "data": "loading"}]


def test_a_memory_error_has_its_heap_stacks():
    heap = {
        "address": 0x7B00,
        "size": 24,
        "deallocation_tid": 8,
        "deallocation_backtrace": [FRAME],
        "allocation_tid": 7,
        "allocation_backtrace": [FRAME],
    }
    error = {"tool": 1, "type": 1, "heap": heap}

    details = crash_of(causes=[{"human_readable": "[Scudo]", "memory_error": error}]).details

    assert details["memory_errors"] == [
        {"tool": "Scudo", "type": "use_after_free", "address": "0x7b00", "size": 24}
    ]
    assert [(stack["role"], stack["tid"]) for stack in details["heap_stacks"]] == [
        ("deallocated", 8),
        ("allocated", 7),
    ]


def test_private_parts_are_counted_or_left_out():
    memory = {"register_name": "x0", "memory": b"secret"}
    crash = crash_of(
        threads=[{"key": 7, "value": {**THREAD, "memory_dump": [memory]}}],
        log_buffers=[{"name": "main", "logs": [{"message": "secret"}]}],
        open_fds=[{"fd": 3, "path": "/data/secret"}, {"fd": 4}],
    )

    assert crash.details["open_fds"] == 2
    assert "secret" not in json.dumps(to_json(crash))


def test_executable_files_are_modules():
    def mapping(name, **more):
        return {"begin_address": 0x1000, "end_address": 0x2000, "mapping_name": name, **more}

    crash = crash_of(
        memory_mappings=[
            mapping("/system/lib64/liba.so", execute=True, offset=0x3000),
            mapping("/system/lib64/liba.so", read=True),
            mapping("[anon:code]", execute=True),
            mapping("/memfd:jit-cache (deleted)", execute=True),
            mapping("/dev/ashmem/dalvik-jit-code-cache", execute=True),
        ]
    )

    (module,) = crash.modules
    assert (module.path, module.start_addr, module.map_offset) == (
        "/system/lib64/liba.so",
        0x1000,
        0x3000,
    )
    assert module.build_id == "aa01"  # the backtrace knows it
    assert crash.details["memory_mappings"] == 5


def test_no_text_holds_nul():
    crash = crash_of(
        abort_message="a\0b",
        command_line=["com\0.example"],
        threads=[{"key": 7, "value": {**THREAD, "name": "w\0"}}],
    )

    assert "\\u0000" not in json.dumps(to_json(crash))


def test_deep_stacks_and_many_threads_are_bounded():
    threads = [{"key": tid, "value": {"id": tid}} for tid in range(8, 700)]
    deep = {"key": 7, "value": {**THREAD, "current_backtrace": [FRAME] * 1000}}

    crash = crash_of(threads=[deep, *threads])

    assert len(crash.threads) == 512
    assert [frame.index for frame in crash.threads[0].frames] == [*range(384), *range(872, 1000)]
    assert crash.details["frames_omitted"] == 1000 - 512
    assert crash.details["threads_omitted"] == 693 - 512


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"random text",
        b"\n\nrandom text that begins with empty lines",
        b"*** *** ***\nBuild fingerprint: 'x'",
        b"{}",
        bytes.fromhex("0801"),
        bytes.fromhex("0a00"),
        bytes.fromhex("0a02 0801"),
        b"MDMP\x93\xa7\0\0",
    ],
)
def test_other_payloads_are_no_tombstones(payload):
    assert code_of(payload) == "not_a_tombstone"


def test_bytes_behind_the_message_are_damage():
    payload = encode(MINIMAL, TOMBSTONE)

    assert code_of(payload + b"\0\0\0") == "malformed_protobuf"
    assert code_of(payload + b"\x12") == "truncated_protobuf"


def test_newline_conversion_is_found(text_crash):
    payload = write_proto(text_crash)

    assert code_of(payload.replace(b"\n", b"\r\n")) in {"malformed_protobuf", "truncated_protobuf"}
    assert code_of(payload.decode("utf-8", "replace").encode() + b"\x12") in {
        "malformed_protobuf",
        "truncated_protobuf",
    }
