"""What a phone would write of a made-up crash is read back: formats without such a test elsewhere.

Tombstones, Java stacks, thread dumps of ART, minidumps and microdumps have theirs beside their
other tests.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from crashes.formats.exit_info import STORE_SCHEMA
from crashes.formats.protobuf_wire import encode
from crashes.formats.registry import parse_payload, sniff
from crashes.formats.tombstone_writer import write_text
from crashes.stack import Crash, CrashKind, Frame, PayloadFormat
from tests.unit.formats.core_writer import CoreModule, CoreThread, WrittenCore
from tests.unit.formats.core_writer import write as write_core
from tests.unit.formats.test_java_stacktrace import chains
from tests.unit.formats.test_java_stacktrace import printed as printed_chain
from tests.unit.formats.tombstone_cases import crashes

FEW = settings(max_examples=int(os.environ.get("UXP_TEST_EXAMPLES", "12")))
"""Enough for a run of the suite; a change of a parser is worth some hundred."""

symbols = st.from_regex(
    r"_{0,2}[a-z][a-z0-9_]{1,20}(?:\.cfi_jt|\.cfi|\.isra\.0|\.llvm\.[0-9]{5,19}|\$[0-9a-f]{8})?",
    fullmatch=True,
).filter(lambda name: not name.startswith(("panic", "die", "bug")))
packages = st.from_regex(r"[a-z]{2,5}(?:\.[a-zA-Z_][a-z0-9_]{1,8}){1,3}", fullmatch=True)
processes = st.builds("{}{}".format, packages, st.sampled_from(["", ":remote", ":p0"]))
fingerprints = st.builds(
    "{}/{}_00WW/{}:{}/{}/00WW_1:user/release-keys".format,
    st.sampled_from(["Nokia", "google", "samsung"]), st.sampled_from(["Heron", "a52q"]),
    st.sampled_from(["HRN", "a52q"]), st.integers(4, 16), st.sampled_from(["UP1A.231005", "KOT49H"]),
)  # fmt: skip
ids = st.integers(1, 2**22)


def read(payload_format: PayloadFormat, payload: bytes | str) -> Crash:
    """The crash, by a format that its content tells."""
    data = payload.encode() if isinstance(payload, str) else payload
    assert sniff(data) is payload_format
    return parse_payload(payload_format, data)


# --- Kernel logs -------------------------------------------------------------------------------

STAMPS = {
    "plain": "[%12.6f] ",
    "syslog": "<4>[%12.6f] ",
    "caller": "[%12.6f][  T{pid}] ",
    "processor": "[%12.6f][    C3] ",
    "mediatek": "[%12.6f] (3)[{pid}:{comm}]",
    "mediatek_panic": "[%12.6f] -(3)[{pid}:{comm}]",
    "samsung": "<4>[%12.6f]  [3: {comm}:  {pid}] ",
    "huawei": "<6>[%12.6fs][pid:{pid},cpu3,{comm}]",
    "motorola": "<6>[%12.6f,3] ",
    "unisoc": "[%12.6f] c3 ",
    "unisoc_task": "[%12.6f] c3 T{pid} ",
    "xiaomi": "<4>[%12.6f] [{comm}, {pid}] ",
    "logcat": "11-20 10:11:12.000     0     0 W         : [%12.6f] ",
}


@FEW
@given(
    st.lists(st.tuples(symbols, st.integers(0, 0xFFF), st.sampled_from([None, "wlan", "msm_drm"])),
             min_size=1, max_size=6),
    st.tuples(ids, st.sampled_from(["kworker/3:1", "surfaceflinger", "Binder:1_2", "swapper/0"])),
    st.integers(0, 0xFFF),
    st.sampled_from(sorted(STAMPS)),
    st.booleans(),
)  # fmt: skip
def test_a_kernel_oops(calls, task, address, stamp, is_new):
    pid, comm = task
    form = STAMPS[stamp].format(pid=pid, comm=comm)
    place = _place(*calls[0])
    traced = [f" {_place(*call)}" for call in calls]
    if not is_new:
        traced = [f"[<ffffff80084a1234>]{line}" for line in traced]
    lines = [
        f"Unable to handle kernel NULL pointer dereference at virtual address {address:016x}",
        "Internal error: Oops: 96000005 [#1] PREEMPT SMP",
        "Modules linked in: wlan(OE) msm_drm(O)",
        f"CPU: 3 PID: {pid} Comm: {comm} Tainted: G        W  OE     5.15.148-android13-8 #1",
        "Hardware name: Heron (DT)",
        f"pc : {place}" if is_new else f"PC is at {place}",
        "lr : caller+0x10/0x20" if is_new else "LR is at caller+0x10/0x20",
        "Call trace:",
        *traced,
        "---[ end trace 0000000000000000 ]---",
    ]
    text = "".join(form % (100 + at / 1000) + line + "\n" for at, line in enumerate(lines))

    crash = parse_payload(PayloadFormat.KERNEL_LOG, text.encode())

    assert stamp == "logcat" or sniff(text.encode()) is PayloadFormat.KERNEL_LOG
    assert (crash.kind, crash.process, crash.fault_addr) == (CrashKind.KERNEL_PANIC, comm, address)
    assert (crash.pid, crash.details["kernel_version"]) == (pid, "5.15.148-android13-8")
    assert [
        (frame.raw_function, frame.function_offset, frame.module)
        for frame in crash.threads[0].frames
    ] == calls


def _place(function: str, offset: int, module: str | None) -> str:
    return f"{function}+{offset:#x}/0x1000" + (f" [{module}]" if module else "")


# --- Thread dumps of Dalvik --------------------------------------------------------------------

dalvik_names = st.from_regex(r"[A-Za-z][\w #:.-]{0,14}[a-z0-9]", fullmatch=True)
dalvik_states = st.sampled_from(["MONITOR", "NATIVE", "WAIT", "TIMED_WAIT", "SUSPENDED", "VMWAIT"])
dalvik_calls = st.lists(
    st.one_of(
        st.builds("at com.example.{}.run({}.java:{})".format, st.sampled_from("ABC"),
                  st.sampled_from("ABC"), st.integers(1, 9999)),
        st.builds("#{:02d}  pc {:08x}  /system/lib/libc.so (__ioctl+8)".format,
                  st.integers(0, 3), st.integers(0, 2**31)),
        st.just("at dalvik.system.NativeStart.main(Native Method)"),
    ),
    min_size=1, max_size=4,
)  # fmt: skip


@FEW
@given(
    st.lists(st.tuples(dalvik_names, dalvik_states, dalvik_calls), min_size=1, max_size=4), ids,
    processes, st.sampled_from(["\n", "\r\n"]), st.sampled_from(["", " "]),
)  # fmt: skip
def test_a_thread_dump_of_dalvik(threads, pid, process, ending, lead):
    lines = ["", f"{lead}----- pid {pid} at 2012-05-02 16:43:41 -----", f"Cmd line: {process}", "",
             "DALVIK THREADS:", "(mutexes: tll=0 tsl=0 tscl=0 ghl=0)", ""]  # fmt: skip
    for at, (name, state, calls) in enumerate(threads):
        lines += [
            f'"{name}" daemon prio=5 tid={at + 1} {state}',
            '  | group="main" sCount=1 dsCount=0 obj=0x40a7e460 self=0x12810',
            f"  | sysTid={pid + at} nice=0 sched=0/0 cgrp=default handle=1074082952",
            *(f"  {call}" for call in calls),
            "",
        ]
    crash = read(PayloadFormat.ANR_TRACES, ending.join([*lines, f"----- end {pid} -----", ""]))

    assert (crash.kind, crash.process, crash.pid, crash.tid) == (CrashKind.ANR, process, pid, pid)
    assert [
        (thread.name, thread.state, thread.tid, thread.runtime_tid, len(thread.frames))
        for thread in crash.threads
    ] == [
        (name, state, pid + at, at + 1, len(calls))
        for at, (name, state, calls) in enumerate(threads)
    ]
    assert crash.threads[0].crashing


# --- DropBox -----------------------------------------------------------------------------------

versions = st.from_regex(r"[0-9]{1,3}\.[0-9]{1,3}(?: \(beta [a-z]\)|-rc1|)", fullmatch=True)


@st.composite
def headers(draw: st.DrawFn) -> dict[str, Any]:
    process = draw(processes)
    return {
        "process": process,
        "package": process.partition(":")[0],
        "pid": draw(ids),
        "uid": draw(st.sampled_from([1000, 10_123, 1_010_123, 99_001])),
        "version_code": draw(st.integers(1, 2**31)),
        "version_name": draw(st.none() | versions),
        "fingerprint": draw(fingerprints),
        "foreground": draw(st.booleans()),
        "dropped": draw(st.none() | st.integers(0, 99)),
    }


def header_text(said: Mapping[str, Any]) -> str:
    version = f" ({said['version_name']})" if said["version_name"] else ""
    lines = [
        f"Process: {said['process']}",
        f"PID: {said['pid']}",
        f"UID: {said['uid']}",
        "Flags: 0x38e8be46",
        f"Package: {said['package']} v{said['version_code']}{version}",
        f"Foreground: {'Yes' if said['foreground'] else 'No'}",
        f"Build: {said['fingerprint']}",
    ]
    if said["dropped"] is not None:
        lines.append(f"Dropped-Count: {said['dropped']}")
    return "\n".join([*lines, "", ""])


def check_header(crash: Crash, said: Mapping[str, Any]) -> None:
    assert (crash.process, crash.package, crash.pid) == (
        said["process"], said["package"], said["pid"],
    )  # fmt: skip
    assert (crash.version_code, crash.version_name) == (said["version_code"], said["version_name"])
    assert crash.build_fingerprint == said["fingerprint"]
    assert crash.details["foreground"] is said["foreground"]
    assert crash.details.get("dropped_count") == said["dropped"]


@FEW
@given(headers(), chains(), st.booleans())
def test_an_entry_of_dropbox_with_a_java_crash(said, chain, has_log):
    log = "\n\n11-20 10:11:12.951  9120  9121 E AndroidRuntime: something else\n" if has_log else ""
    payload = header_text(said) + printed_chain(chain, "\t") + log

    crash = read(PayloadFormat.DROPBOX, payload)

    check_header(crash, said)
    assert list(crash.exceptions) == chain
    assert crash.kind is CrashKind.JAVA_CRASH


@FEW
@given(headers(), crashes())
def test_an_entry_of_dropbox_with_a_native_crash(said, dump):
    dump = replace(dump, pid=said["pid"], process=said["process"], package=said["package"],
                   build_fingerprint=said["fingerprint"])  # fmt: skip

    crash = read(PayloadFormat.DROPBOX, header_text(said) + write_text(dump))

    check_header(crash, said)
    assert crash.threads == dump.threads
    assert (crash.signal, crash.fault_addr, crash.abort_message) == (
        dump.signal, dump.fault_addr, dump.abort_message,
    )  # fmt: skip


# --- JSON --------------------------------------------------------------------------------------


@FEW
@given(headers(), chains(), st.sampled_from(["\t", "    "]), st.booleans())
def test_a_report_of_acra(said, chain, tab, has_text_code):
    report = {
        "REPORT_ID": "6a6ad2b0-0000-4000-8000-000000000000",
        "PACKAGE_NAME": said["package"],
        "APP_VERSION_CODE": str(said["version_code"]) if has_text_code else said["version_code"],
        "APP_VERSION_NAME": said["version_name"] or "N/A",
        "ANDROID_VERSION": "14",
        "BUILD": {"FINGERPRINT": said["fingerprint"]},
        "STACK_TRACE": printed_chain(chain, tab) + "\n",
    }

    crash = read(PayloadFormat.ACRA_JSON, json.dumps(report, indent=2 if has_text_code else None))

    assert list(crash.exceptions) == chain
    assert (crash.package, crash.version_code, crash.version_name, crash.build_fingerprint) == (
        said["package"], said["version_code"], said["version_name"], said["fingerprint"],
    )  # fmt: skip


@FEW
@given(headers(), chains().filter(lambda chain: all(one.depth == 0 for one in chain)))
def test_an_event_of_sentry(said, chain):
    """An event has causes first, each with its oldest call first."""
    event = {
        "event_id": "9ec79c33ec9942ab8353589fcb2e04dc",
        "platform": "java",
        "level": "fatal",
        "release": f"{said['package']}@{said['version_name'] or '1'}+{said['version_code']}",
        "exception": {
            "values": [
                {
                    "type": one.type.rpartition(".")[2],
                    "module": one.type.rpartition(".")[0],
                    "value": one.message,
                    "mechanism": {"type": "UncaughtExceptionHandler", "handled": False},
                    "stacktrace": {"frames": [_sentry_frame(frame) for frame in one.frames[::-1]]},
                }
                for one in reversed(chain)
            ]
        },
    }

    crash = read(PayloadFormat.SENTRY_EVENT, json.dumps(event))

    assert (crash.package, crash.version_code) == (said["package"], said["version_code"])
    assert [
        (one.type, one.message, [(f.function, f.file, f.line) for f in one.frames])
        for one in crash.exceptions
    ] == [
        (one.type, one.message, [(f.function, f.file, f.line) for f in one.frames]) for one in chain
    ]


def _sentry_frame(frame: Frame) -> dict[str, Any]:
    owner, _, method = (frame.function or "").rpartition(".")
    return {"function": method, "module": owner, "filename": frame.file, "lineno": frame.line,
            "native": frame.native_method}  # fmt: skip


# --- Exits and cores ---------------------------------------------------------------------------

exits = st.fixed_dictionaries(
    {
        "pid": ids, "process": processes, "reason": st.integers(0, 16),
        "timestamp": st.integers(1_600_000_000_000, 1_900_000_000_000),
        "status": st.integers(0, 31), "importance": st.sampled_from([100, 400]),
        "description": st.text(st.characters(exclude_categories=["C"]), min_size=1, max_size=60),
    }
)  # fmt: skip


@FEW
@given(st.lists(exits, min_size=1, max_size=5, unique_by=lambda one: one["timestamp"]), packages)
def test_what_android_keeps_of_exits(some, package):
    users = [{"uid": 10_123, "exits": some}]
    store = {"updated_at": 1_900_000_000_000, "packages": [{"name": package, "users": users}]}

    crash = read(PayloadFormat.EXIT_INFO, encode(store, STORE_SCHEMA))

    newest = max(some, key=lambda one: one["timestamp"])
    assert (crash.pid, crash.process, crash.package) == (newest["pid"], newest["process"], package)
    assert crash.details["exit_count"] == len(some)
    assert newest["description"].strip() in {(crash.reason or "").strip(), "null", "UNKNOWN", ""}


@FEW
@given(
    st.lists(st.tuples(ids, st.integers(0x1000, 0x8FFF), st.integers(0, 2**32 - 1)), min_size=1, max_size=4,
             unique_by=lambda thread: thread[0]),
    st.sampled_from(["arm", "arm64", "x86", "x86_64", "riscv64"]),
    st.sampled_from([(11, 1), (11, 2), (7, 2), (8, 1), (4, 1), (6, -6), (5, 1)]),
    st.tuples(st.integers(0, 2**32 - 1), processes, st.binary(min_size=1, max_size=20)),
)  # fmt: skip
def test_a_core(some, abi, signal, more):
    address, process, build_id = more
    pc, sp = {"x86": ("eip", "esp"), "x86_64": ("rip", "rsp")}.get(abi, ("pc", "sp"))
    core = WrittenCore(
        abi=abi,
        threads=[CoreThread(tid, {pc: at, sp: place}) for tid, at, place in some],
        modules=[CoreModule("/system/lib/liba.so", 0x1000, 0x8000, b"\1" + build_id)],
        pid=some[0][0], name=process[-15:], arguments=f"{process} --more", signal=signal,
        address=address, sender=(some[0][0], 10_123) if signal[1] < 0 else None,
    )  # fmt: skip

    crash = read(PayloadFormat.CORE, write_core(core))

    assert (crash.process, crash.pid, crash.abi) == (process, some[0][0], abi)
    assert crash.signal_number == signal[0]
    assert crash.fault_addr == (None if signal[1] < 0 else address)
    assert [(thread.tid, thread.frames[0].address) for thread in crash.threads] == [
        (tid, at - 0x1000) for tid, at, _ in some
    ]
    assert {thread.frames[0].build_id for thread in crash.threads} == {"01" + build_id.hex()}
