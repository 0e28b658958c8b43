"""Events of Sentry's SDKs: managed, native, hung, mixed, and anything else that is JSON."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crashes.formats import sentry_event
from crashes.formats.errors import MalformedPayload
from crashes.formats.registry import PayloadFormat, parse_payload
from crashes.stack import (
    CauseLink,
    CrashKind,
    FrameStatus,
    LockWait,
    from_json,
    to_json,
)

BUILD_ID = "b6e152175af903374359bca0ff3feb735f6bb0db"
DEBUG_ID = "1752e1b6-f95a-3703-4359-bca0ff3feb73"


def java_frame(module, function, line, **more):
    return {"module": module, "function": function, "lineno": line, "filename": "F.java"} | more


def java_event(**more):
    """Thrown: RuntimeException, caused by IllegalStateException; frames oldest first."""
    return {
        "platform": "java",
        "timestamp": "2026-11-23T17:32:59.092Z",
        "release": "com.example.camera@7.2.0+72000",
        "tags": {"build.fingerprint": "vendor/ph7/ph7:15/AP3A/1:user/release-keys", "mood": "bad"},
        "contexts": {
            "app": {"app_identifier": "com.example.camera"},
            "device": {"model": "PH-7", "name": "Ann's phone", "archs": ["arm64-v8a"]},
        },
        "user": {"email": "ann@example.org"},
        "breadcrumbs": [{"message": "dialed 112"}],
        "exception": {
            "values": [
                {
                    "type": "IllegalStateException",
                    "module": "java.lang",
                    "value": "not attached",
                    "stacktrace": {"frames": [java_frame("com.example.A", "run", 5)]},
                },
                {
                    "type": "RuntimeException",
                    "module": "java.lang",
                    "value": "cannot start",
                    "thread_id": 2,
                    "mechanism": {"type": "UncaughtExceptionHandler", "handled": False},
                    "stacktrace": {
                        "frames": [
                            java_frame("android.os.Looper", "loop", 223),
                            java_frame("com.example.Main", "open", 17, vars={"pin": "1234"}),
                        ]
                    },
                },
            ]
        },
        "threads": {"values": [{"id": 1, "name": "other"}, {"id": 2, "name": "main"}]},
        "debug_meta": {"images": [{"type": "proguard", "uuid": "12345678-1234-4234-8234-123456789ABC"}]},
    } | more  # fmt: skip


def native_event(**stacktrace):
    frames = [
        {"instruction_addr": "0x55c005", "package": "./app", "function": "main"},
        {"instruction_addr": "0x55c010", "function": "crash", "symbol_addr": "0x55c000"},
    ]
    return {
        "platform": "native",
        "exception": {
            "values": [
                {
                    "type": "SIGSEGV",
                    "value": "Segfault",
                    "mechanism": {
                        "type": "signalhandler",
                        "handled": False,
                        "meta": {
                            "signal": {"number": 11, "name": "SIGSEGV", "code_name": "SEGV_MAPERR"}
                        },
                    },
                    "stacktrace": {"frames": frames, "registers": {"rip": "0x55c010"}, **stacktrace},
                }
            ]
        },
        "debug_meta": {
            "images": [
                {"type": "elf", "code_file": "/app/bin", "image_addr": "0x55a000",
                 "image_size": 0x3000, "code_id": BUILD_ID.upper(), "debug_id": DEBUG_ID},
                {"type": "elf", "code_file": "/lib/x.so", "image_addr": 0x600000,
                 "code_id": "", "debug_id": "00000000-0000-0000-0000-000000000000"},
            ]
        },
    }  # fmt: skip


def parse(event):
    return sentry_event.parse(json.dumps(event).encode())


def test_a_java_event_is_a_java_crash():
    crash = parse(java_event())

    assert crash.kind is CrashKind.JAVA_CRASH
    assert (crash.process, crash.package) == ("com.example.camera", "com.example.camera")
    assert (crash.version_name, crash.version_code) == ("7.2.0", 72000)
    assert crash.build_fingerprint == "vendor/ph7/ph7:15/AP3A/1:user/release-keys"
    assert (crash.exception_type, crash.exception_message) == (
        "java.lang.RuntimeException",
        "cannot start",
    )
    assert [(item.type, item.link) for item in crash.exceptions] == [
        ("java.lang.RuntimeException", CauseLink.OUTERMOST),
        ("java.lang.IllegalStateException", CauseLink.CAUSED_BY),
    ]
    assert crash.details["mapping_ids"] == ["12345678-1234-4234-8234-123456789abc"]
    assert (crash.details["handled"], crash.abi) == (False, "arm64")


def test_frames_of_the_thrown_exception_are_those_of_its_thread_innermost_first():
    crash = parse(java_event())

    first, other = crash.threads
    assert (first.name, first.tid, first.crashing) == ("main", 2, True)
    assert [(frame.function, frame.line) for frame in first.frames] == [
        ("com.example.Main.open", 17),
        ("android.os.Looper.loop", 223),
    ]
    assert {frame.status for frame in first.frames} == {FrameStatus.JAVA}
    assert (other.name, other.crashing) == ("other", False)


def test_nothing_about_a_person_is_read():
    text = json.dumps(to_json(parse(java_event())))

    for secret in ("ann@", "Ann's", "112", "1234,", '"1234"', "mood"):
        assert secret not in text


def test_a_native_event_has_addresses_inside_modules():
    crash = parse(native_event())

    assert crash.kind is CrashKind.NATIVE_CRASH
    assert (crash.signal, crash.signal_number, crash.signal_code) == ("SIGSEGV", 11, "SEGV_MAPERR")
    assert (crash.exceptions, crash.exception_type, crash.abi) == ((), None, "x86_64")
    crashed, caller = crash.threads[0].frames
    assert (crashed.module, crashed.build_id, crashed.address) == ("/app/bin", BUILD_ID, 0x2010)
    assert (crashed.function, crashed.function_offset) == ("crash", 0x10)
    assert crashed.status is FrameStatus.MISSING_DEBUG_FILE
    assert caller.address == 0x2004  # moved back into the call
    assert crash.threads[0].registers == {"rip": 0x55C010}
    assert [(module.path, module.build_id, module.debug_id) for module in crash.modules] == [
        ("/app/bin", BUILD_ID, DEBUG_ID),
        ("/lib/x.so", None, None),
    ]


@pytest.mark.parametrize(
    ("adjustment", "addresses"),
    [("none", [0x2010, 0x2005]), ("all", [0x200F, 0x2004]), ("auto", [0x2010, 0x2004])],
)
def test_the_sdk_may_have_adjusted_addresses(adjustment, addresses):
    crash = parse(native_event(instruction_addr_adjustment=adjustment))

    assert [frame.address for frame in crash.threads[0].frames] == addresses


def test_without_a_build_id_frames_go_by_the_debug_id():
    event = native_event()
    del event["debug_meta"]["images"][0]["code_id"]

    frame = parse(event).threads[0].frames[0]

    assert frame.build_id == DEBUG_ID


def test_an_address_outside_all_images_stays_absolute():
    event = native_event()
    event["debug_meta"] = None

    frame = parse(event).threads[0].frames[0]

    assert (frame.address, frame.build_id, frame.module) == (0x55C010, None, None)
    assert frame.status is FrameStatus.UNKNOWN_ADDRESS


def with_mechanism(event, **mechanism):
    event["exception"]["values"][-1]["mechanism"] = mechanism
    return event


@pytest.mark.parametrize(
    ("event", "kind"),
    [
        (java_event(), "java_crash"),
        (with_mechanism(java_event()), "java_crash"),
        (with_mechanism(java_event(), type="generic", handled=True), "error"),
        (with_mechanism(java_event(), type="ANR", handled=False), "anr"),
        (with_mechanism(java_event(), type="AppExitInfo"), "anr"),
        (with_mechanism(native_event(), type="AppHang", handled=True), "anr"),
        (native_event(), "native_crash"),
        (native_event() | {"platform": "other"}, "native_crash"),
        (native_event() | {"platform": "python"}, "error"),
        ({"platform": "native", "level": "fatal"}, "native_crash"),
        ({"platform": "native", "level": "info", "message": "x"}, "error"),
        ({"platform": "java", "message": "x"}, "error"),
        ({"exception": [{"type": "TypeError"}], "platform": "python"}, "error"),
        ({"exception": {"type": "Error"}, "platform": "java"}, "java_crash"),
        ({}, "error"),
    ],
    ids=range(15),
)
def test_an_event_has_the_kind_of_what_happened(event, kind):
    assert parse(event).kind == kind


def test_a_hang_speaks_by_its_thread_and_sentence():
    event = with_mechanism(java_event(), type="ANR", handled=False)
    event["threads"]["values"][1]["held_locks"] = {
        "0x1": {"type": 8, "address": "0x1", "package_name": "a.b", "class_name": "C", "thread_id": 1},
        "0x2": {"type": 1, "address": "0x2"},
    }  # fmt: skip

    crash = parse(event)

    assert (crash.reason, crash.exceptions, crash.exception_type) == ("cannot start", (), None)
    assert crash.threads[0].blocked_on == LockWait("0x1", "a.b.C", 1)
    assert crash.threads[0].held_locks == ("0x2",)


@pytest.mark.parametrize(
    "event",
    [
        {"message": "hello"},
        {"message": {"formatted": "hello", "message": "h%s"}},
        {"logentry": {"message": "hello"}},
    ],
    ids=range(3),
)
def test_a_message_is_the_reason(event):
    assert parse(event).reason == "hello"


def test_a_message_may_bring_the_stack_of_its_thread():
    frames = [java_frame("a.B", "c", 1)]
    event = {"message": "x", "threads": [{"id": 1}, {"id": 2, "stacktrace": {"frames": frames}}]}

    crash = parse(event)

    assert sentry_event.has_stack(event)
    assert crash.crashing_thread is not None
    assert (crash.crashing_thread.tid, crash.crashing_thread.frames[0].function) == (2, "a.B.c")


def test_a_suppressed_exception_is_marked():
    event = java_event()
    event["exception"]["values"][0]["mechanism"] = {"type": "suppressed"}

    assert parse(event).exceptions[1].link is CauseLink.SUPPRESSED


@pytest.mark.parametrize(
    ("release", "expected"),
    [
        ("a.b@1.2.3+45", ("a.b", "1.2.3", 45)),
        ("a.b@1.2.3", ("a.b", "1.2.3", None)),
        ("a.b@1.2+beta", ("a.b", "1.2", None)),
        ("1.2.3", (None, "1.2.3", None)),
        ("a@b@c", (None, None, None)),
        (7, (None, None, None)),
    ],
)
def test_a_release_names_package_version_and_code(release, expected):
    found = sentry_event.release_of({"release": release})

    assert (found.package, found.version_name, found.version_code) == expected


def test_a_long_stack_keeps_both_ends():
    event = java_event()
    frames = [java_frame("a.B", f"f{number}", number) for number in range(2000)]
    event["exception"]["values"][-1]["stacktrace"]["frames"] = frames

    crash = parse(event)

    kept = crash.threads[0].frames
    assert (len(kept), kept[0].function, kept[-1].function) == (512, "a.B.f1999", "a.B.f0")
    assert crash.details["frames_omitted"] == 1488


def test_an_event_in_an_envelope_is_the_same_event():
    body = json.dumps(java_event(), indent=1).encode()
    header = json.dumps({"type": "event", "length": len(body)}).encode()
    packed = b"{}\n" + header + b"\n" + body + b'\n{"type":"attachment","length":3}\nlog\n'

    assert parse_payload(PayloadFormat.SENTRY_EVENT, packed) == sentry_event.parse(body)


@pytest.mark.parametrize("payload", [b"", b"[]", b"{", b"{}\n{}\n{", b"\xff" * 9, b"[" * 99_999])
def test_what_is_no_object_is_refused(payload):
    with pytest.raises(MalformedPayload):
        sentry_event.parse(payload)


scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
anything = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip


def loosely(template):
    """The template with any part replaced by anything."""
    if isinstance(template, dict):
        members = {name: loosely(value) for name, value in template.items()}
        return anything | st.fixed_dictionaries({}, optional=members)
    if isinstance(template, list):
        return anything | st.tuples(*map(loosely, template)).map(list)
    return anything | st.just(template)


@given(loosely(java_event()) | loosely(native_event()))
def test_any_json_is_a_crash_or_refused(event):
    payload = json.dumps(event).encode()
    try:
        crash = sentry_event.parse(payload)
    except MalformedPayload:
        assert not isinstance(event, dict)
        return
    assert from_json(json.loads(json.dumps(to_json(crash)))) == crash


@given(st.binary(max_size=200))
def test_any_bytes_are_a_crash_or_refused(payload):
    try:
        sentry_event.parse(payload)
    except MalformedPayload:
        return
