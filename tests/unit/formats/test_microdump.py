"""Microdumps become crashes, in every prefix and however much of them the log has lost."""

import struct
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crashes.formats.errors import MalformedPayload
from crashes.formats.microdump import parse
from crashes.formats.registry import parse_payload, sniff
from crashes.stack import Crash, CrashKind, FrameTrust, PayloadFormat, from_json, to_json
from tests.unit.formats.fixtures import Sample, samples
from tests.unit.formats.microdump_writer import WrittenMicrodump, write
from tests.unit.formats.mutations import mutated

STACK_START = 0x7F00000000
MODULE_START = 0x5500000000
BUILD_ID = bytes(range(1, 17))
GUID = struct.pack(">IHH8s", *struct.unpack("<IHH8s", BUILD_ID)).hex().upper()
CALL_BYTES = {"arm": 2, "arm64": 4}


def arm64_context(pc: int, lr: int, fp: int, sp: int) -> bytes:
    numbers = [0] * 29 + [fp, lr, sp, pc]
    return struct.pack("<Q33Q", 0x400000, *numbers).ljust(796, b"\0")


def records(*, stack: bytes = b"\0" * 256, pc: int = MODULE_START + 0x1000) -> list[str]:
    """The lines of a dump of one thread in one module, on arm64."""
    context = arm64_context(pc, MODULE_START + 0x1800, STACK_START + 0x20, STACK_START)
    chunks = [
        f"S {STACK_START + at:016X} {stack[at : at + 64].hex().upper()}"
        for at in range(0, len(stack), 64)
    ]
    return [
        "-----BEGIN BREAKPAD MICRODUMP-----",
        "V WebView:120.0.1",
        "O A arm64 08 aarch64 example/phone/phone:14/UP1A/1:user/release-keys",
        "P renderer",
        "R 0000000B SIGSEGV 0000000000000010",
        "G OpenGL ES 3.2|Example|GPU",
        f"S 0 {STACK_START:016X} {STACK_START:016X} {len(stack):016X}",
        *chunks,
        f"C {context.hex().upper()}",
        f"M {MODULE_START:016X} 0000000000000000 0000000000010000 {GUID}0 libexample.so",
        "-----END BREAKPAD MICRODUMP-----",
    ]


def text(lines: list[str], prefix: str = "F/google-breakpad(4711): ") -> bytes:
    return "\n".join(prefix + line for line in lines).encode()


def linked_stack() -> bytes:
    """A stack with one frame record: saved frame pointer and return address."""
    record = struct.pack("<QQ", STACK_START + 0x60, MODULE_START + 0x2004)
    outermost = struct.pack("<QQ", 0, 0)
    return (b"\0" * 0x20 + record).ljust(0x60, b"\0") + outermost.ljust(64, b"\0")


def test_a_dump_tells_what_crashed_where():
    crash = parse(text(records(stack=linked_stack())))

    assert (crash.kind, crash.pid, crash.abi) == (CrashKind.NATIVE_CRASH, 4711, "arm64")
    assert (crash.signal, crash.signal_number, crash.fault_addr) == ("SIGSEGV", 11, 16)
    assert crash.build_fingerprint == "example/phone/phone:14/UP1A/1:user/release-keys"
    assert crash.details == {
        "os": "Android",
        "os_version": "example/phone/phone:14/UP1A/1:user/release-keys",
        "cpu": "arm64",
        "cpu_count": 8,
        "machine": "aarch64",
        "product": "WebView:120.0.1",
        "process_type": "renderer",
        "gpu": "OpenGL ES 3.2|Example|GPU",
        "crash_reason": "SIGSEGV",
        "crashing_thread": 0,
        "main_module": f"libexample.so {GUID}0",
    }


def test_a_module_has_the_build_id_that_its_debug_id_is_made_of():
    (module,) = parse(text(records())).modules

    assert module.build_id == BUILD_ID.hex()
    assert module.debug_id == "04030201-0605-0807-090a-0b0c0d0e0f10"
    assert (module.start_addr, module.end_addr) == (MODULE_START, MODULE_START + 0x10000)


def test_frames_are_found_by_registers_and_frame_pointers():
    crash = parse(text(records(stack=linked_stack())))

    (thread,) = crash.threads
    assert [(frame.address, frame.trust) for frame in thread.frames] == [
        (0x1000, FrameTrust.CONTEXT),
        (0x1800, FrameTrust.FRAME_POINTER),
        (0x2004, FrameTrust.FRAME_POINTER),
    ]
    assert {frame.module for frame in thread.frames} == {"libexample.so"}
    assert thread.registers["pc"] == MODULE_START + 0x1000


@pytest.mark.parametrize(
    "prefix",
    [
        "",
        "F/google-breakpad(4711): ",
        "02-25 07:59:17.030 F/google-breakpad(16162): ",
        "02-25 07:59:17.030 16162 16170 F google-breakpad: ",
        "[0225/075917:FATAL] google-breakpad(12): ",
    ],
)
def test_any_prefix_of_a_log_is_taken_off(prefix: str):
    payload = text(records(stack=linked_stack()), prefix)

    assert len(parse(payload).threads[0].frames) == 3
    assert sniff(payload) in {PayloadFormat.MICRODUMP, PayloadFormat.LOGCAT}


def test_lines_of_other_processes_are_not_taken():
    mine, others = records(), records(pc=MODULE_START + 0x4000)
    lines = [f"F/google-breakpad(1): {line}" for line in mine]
    lines[1:1] = [f"F/google-breakpad(2): {line}" for line in others[:-1]]

    crash = parse("\n".join(lines).encode())

    assert (crash.pid, crash.threads[0].frames[0].address) == (1, 0x1000)
    assert crash.details["dumps"] == 2


def test_the_first_dump_with_registers_is_read():
    cut = [line for line in records() if not line.startswith(("C ", "S "))][:-1]

    crash = parse(text(cut) + b"\n" + text(records(pc=MODULE_START + 0x4000)))

    assert crash.threads[0].frames[0].address == 0x4000


def test_a_dump_without_registers_still_tells_its_modules():
    crash = parse(text([line for line in records() if not line.startswith(("C ", "-----END"))]))

    assert (crash.threads[0].frames, len(crash.modules)) == ((), 1)
    assert crash.details["incomplete"] is True


def test_lost_lines_of_the_stack_are_counted():
    lines = records(stack=b"\1" * 256)
    lines.remove(next(line for line in lines if line.startswith(f"S {STACK_START + 64:016X}")))

    assert parse(text(lines)).details["stack_bytes_missing"] == 64


def test_a_processor_without_a_walker_gives_its_innermost_frame():
    context = struct.pack("<II32Q48xQ", 0, 0, *range(32), MODULE_START + 0x30).ljust(600, b"\0")
    lines = [line for line in records() if not line.startswith(("C ", "O "))]
    lines[1:1] = ["O L mips 02 mips 4.4.0", f"C {context.hex()}"]

    (thread,) = parse(text(lines)).threads

    assert [frame.address for frame in thread.frames] == [0x30]
    assert (thread.registers["sp"], thread.registers["ra"]) == (29, 31)


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        (b"", "not_a_microdump"),
        (b"-----END BREAKPAD MICRODUMP-----", "not_a_microdump"),
        (b"-----BEGIN BREAKPAD MICRODUMP-----\nO A arm 02 armv7l x", "truncated_microdump"),
    ],
)
def test_a_text_without_a_dump_is_refused(payload: bytes, code: str):
    with pytest.raises(MalformedPayload) as caught:
        parse(payload)

    assert caught.value.code == code


def test_a_crash_survives_its_json_form():
    crash = parse(text(records(stack=linked_stack())))

    assert from_json(to_json(crash)) == crash


@pytest.mark.parametrize("sample", samples("microdump"))
def test_a_sample_is_read_as_the_manifest_says(sample: Sample):
    expected = sample.expect

    crash = parse_payload(PayloadFormat.MICRODUMP, sample.payload)

    for name in ("os", "os_version", "cpu", "crashing_thread"):
        assert crash.details[name] == expected[name]
    assert (crash.fault_addr or 0) == int(expected["crash_address"], 16)
    assert crash.details["main_module"] == expected["first_module"]
    assert len(crash.modules) == expected["modules"]
    assert top_frames(crash) == expected["top_frames"]
    assert sniff(sample.payload) is PayloadFormat.MICRODUMP


def top_frames(crash: Crash) -> list[str]:
    """The first three as Breakpad prints them: of a caller, the call before its return address."""
    back = CALL_BYTES[crash.abi or ""]
    frames = [
        replace(frame, address=(frame.address or 0) - (back if frame.index else 0))
        for frame in crash.threads[0].frames[:3]
    ]
    return [f"{frame.module}+{frame.address:#x}" for frame in frames]


def outcome_of(payload: bytes) -> Crash | str:
    """The crash, or the code of the refusal."""
    try:
        return parse(payload)
    except MalformedPayload as problem:
        return problem.code


@given(payload=st.binary(max_size=1024))
def test_any_bytes_behind_a_beginning_are_a_crash_or_malformed(payload: bytes):
    outcome = outcome_of(b"-----BEGIN BREAKPAD MICRODUMP-----\n" + payload)

    assert isinstance(outcome, Crash) or outcome == "truncated_microdump"


@settings(max_examples=200)
@given(payload=mutated([text(records(stack=linked_stack())), text(records(), "")]))
def test_a_damaged_dump_is_a_crash_or_malformed(payload: bytes):
    outcome = outcome_of(payload)

    assert isinstance(outcome, Crash) or outcome in {"not_a_microdump", "truncated_microdump"}


# --- Round trips -------------------------------------------------------------------------------

_addresses = st.integers(0x1000, 2**47)
_paths = st.from_regex(r"lib[a-z_0-9]{1,20}\.so", fullmatch=True)
_registers = {
    "x86_64": ("rip", "rsp", "rbp", "rax", "r15"),
    "arm64": ("pc", "sp", "x0", "x28", "x29"),
}


@st.composite
def written_dumps(draw: st.DrawFn) -> WrittenMicrodump:
    cpu = draw(st.sampled_from(sorted(_registers)))
    starts = sorted(draw(st.sets(st.integers(1, 1000), max_size=5)))
    return WrittenMicrodump(
        cpu=cpu,
        registers={name: draw(_addresses) for name in _registers[cpu]},
        stack_start=draw(_addresses) & ~7,
        stack=draw(st.binary(max_size=1000)),
        modules=tuple(
            (draw(_paths), at << 20, 0x10000, draw(st.binary(min_size=16, max_size=16)))
            for at in starts
        ),
        fault_addr=draw(_addresses),
    )


@settings(max_examples=60)
@given(written_dumps(), st.sampled_from(["", "F/google-breakpad(4711): "]))
def test_what_is_written_is_read_again(dump: WrittenMicrodump, prefix: str):
    crash = parse(write(dump, prefix=prefix).encode())

    thread = crash.threads[0]
    assert (crash.abi, crash.pid) == (dump.cpu, 4711 if prefix else None)
    assert (crash.signal, crash.signal_number) == (dump.signal, dump.signal_number)
    assert crash.fault_addr == dump.fault_addr
    assert crash.build_fingerprint == dump.version
    assert thread.registers.items() >= dump.registers.items()
    assert [
        (module.path, module.start_addr, module.end_addr, module.build_id)
        for module in crash.modules
    ] == [
        (path, start, start + size, build_id.hex() if any(build_id) else None)
        for path, start, size, build_id in dump.modules
    ]
    assert thread.frames[0].trust is FrameTrust.CONTEXT
    assert "stack_bytes_missing" not in crash.details


def test_a_library_is_no_package():
    crash = parse(b"-----BEGIN BREAKPAD MICRODUMP-----\nO A arm 08 armv7l 1\nR 0000000B SIGSEGV 10\n"
                  b"S 0 1000 1000 10\nS 1000 00000000\nC 00000000\n"
                  b"M 40000000 0 1000 0102030405060708090A0B0C0D0E0F100 libchrome.so\n"
                  b"-----END BREAKPAD MICRODUMP-----\n")  # fmt: skip

    assert (crash.process, crash.package) == ("libchrome.so", None)
