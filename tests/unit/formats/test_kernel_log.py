"""Kernel logs become crashes: fixtures of every kind, and the rules one by one."""

from typing import Any

import pytest

from crashes.formats.errors import MalformedPayload
from crashes.formats.kernel_log import parse
from crashes.formats.kernel_log.console import in_order, read_console
from crashes.formats.kernel_log.own_frame import before_dispatch, plain_name, waiting_caller
from crashes.formats.kernel_log.report import tidy
from crashes.formats.kernel_log.rust_path import rust_path
from crashes.formats.kernel_log.stack_lines import StackLine, calls, stopped_at
from crashes.formats.registry import sniff
from crashes.stack import Crash, CrashKind, Frame, FrameStatus, PayloadFormat, from_json, to_json
from tests.unit.formats.fixtures import Golden, goldens


def frame_text(frame: Frame) -> str:
    module = f" [{frame.module}]" if frame.module else ""
    return f"{frame.function}+{frame.function_offset:#x}{module}"


def outline(crash: Crash, details: list[str]) -> dict[str, Any]:
    frames = [frame_text(frame) for frame in crash.threads[0].frames] if crash.threads else None
    return {
        "kind": crash.kind,
        "reason": crash.reason,
        "process": crash.process,
        "pid": crash.pid,
        "abi": crash.abi,
        "fault_addr": crash.fault_addr,
        "frames": frames,
        "details": {name: crash.details.get(name) for name in details},
    }


def console(*texts: str) -> bytes:
    return "\n".join(f"[   10.00000{at}] {text}" for at, text in enumerate(texts)).encode()


@pytest.mark.parametrize("golden", goldens("kernel"), ids=str)
def test_a_log_is_read_as_its_answer_says(golden: Golden):
    crash = parse(golden.payload)

    assert outline(crash, list(golden.expected["details"])) == golden.expected


@pytest.mark.parametrize("golden", goldens("kernel"), ids=str)
def test_a_log_is_recognized_and_survives_its_json_form(golden: Golden):
    crash = parse(golden.payload)

    assert sniff(golden.payload) is PayloadFormat.KERNEL_LOG
    assert from_json(to_json(crash)) == crash


def test_a_text_without_stamp_and_report_is_no_kernel_log():
    with pytest.raises(MalformedPayload) as caught:
        parse(b"once upon a time\nthere was a phone\n")

    assert caught.value.code == "not_a_kernel_log"


def test_a_log_without_report_and_reason_is_a_restart_of_unknown_cause():
    crash = parse(console("usb: online", "batt: full"))

    assert (crash.kind, crash.reason, crash.threads) == (CrashKind.REBOOT, None, ())


@pytest.mark.parametrize(
    ("line", "text", "caller", "cpu", "name"),
    [
        ("<6>[  123.456789][ T1234] usb: on", "usb: on", "T1234", None, None),
        ("[  123.456789][    C0] usb: on", "usb: on", "C0", None, None),
        ("[12.3] c0 123 (kworker/0:1) usb: on", "usb: on", "console", 0, "kworker/0:1"),
        ("<4>[   1.5] -(7)[123:init]usb: on", "usb: on", "console", 7, "init"),
        ("[   1.5] [3:  kworker/3:1:  123] usb: on", "usb: on", "console", 3, "kworker/3:1"),
        ("kern  :warn  : [  1.500000] usb: on", "usb: on", "console", None, None),
        ("Jun  1 12:00:00 phone kernel: [  1.500000] usb: on", "usb: on", "console", None, None),
        ("** 12 printk messages dropped ** [ 1.5]  f+0x1/0x2", " f+0x1/0x2", "console", None, None),
        ("<6>usb: on", "usb: on", "", None, None),
        ("usb: on", "usb: on", "", None, None),
    ],
)
def test_a_prefix_is_taken_off(
    line: str, text: str, caller: str, cpu: int | None, name: str | None
):
    read = read_console(line)

    assert (read.text, read.caller, read.cpu, read.name) == (text, caller, cpu, name)


def test_parts_of_a_dump_are_put_in_order_and_other_dumps_left_out():
    lines = ["Oops#1 Part1", "c", "Oops#1 Part3", "a", "Oops#2 Part1", "x", "Oops#1 Part2", "b"]

    dump = in_order(lines)

    assert (dump.lines, dump.name, dump.parts) == (["a", "b", "c"], "Oops#1", 3)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[<ffffffff82d4e304>] __memset+0x24/0x30", StackLine("__memset", 0x24, 0x30)),
        (" ? lock+0x1/0x2", StackLine("lock", 1, 2, sure=False)),
        (" f+0x1/0x2 [wlan]", StackLine("f", 1, 2, module="wlan")),
        (
            " f+0x1/0x2 [wlan aabbccdd00112233]",
            StackLine("f", 1, 2, module="wlan", build_id="aabbccdd00112233"),
        ),
        (" f+0x1/0x2 mm/slab.c:12", StackLine("f", 1, 2, file="mm/slab.c", line=12)),
        (" f mm/slab.c:12 [inline]", StackLine("f", file="mm/slab.c", line=12, inlined=True)),
        (" <IRQ>  [<ffffffff82d4e304>] f+0x1/0x2", StackLine("f", 1, 2)),
        (" f.isra.0+0x1/0x2 (P)", StackLine("f.isra.0", 1, 2)),
    ],
)
def test_a_line_of_a_trace_is_one_call(text: str, expected: StackLine):
    assert list(calls(text)) == [expected]


@pytest.mark.parametrize(
    ("text", "callee"),
    [
        ("[<80de0078>] (f) from [<80de0574>] (g+0x28/0x2c)", StackLine("f")),
        (
            "[<80de0078>] (f+0x1/0x2 [wlan]) from [<80de0574>] (g+0x28/0x2c)",
            StackLine("f", 1, 2, module="wlan"),
        ),
        (" f from g+0x28/0x2c", StackLine("f")),
    ],
)
def test_a_line_of_an_arm_trace_is_two_calls(text: str, callee: StackLine):
    assert list(calls(text)) == [callee, StackLine("g", 0x28, 0x2C)]


@pytest.mark.parametrize(
    "text",
    [
        " #0:  (&mutex){+.+.}, at: [<0000000027c8872d>] f+0x21b/0x450",
        "r10:8336a068 r9:00000000 r8:83369b00",
        "Code: 910003fd f9000bf3",
        "nonsense +0x12/0x34",
    ],
)
def test_other_lines_are_no_calls(text: str):
    assert list(calls(text)) == []


@pytest.mark.parametrize(
    "text",
    [
        "RIP: 0010:[<ffffffff82d4e304>]  [<ffffffff82d4e304>] f+0x24/0x30",
        "RIP: 0010:f+0x24/0x30",
        "EIP: f+0x24/0x30",
        "EIP is at f+0x24/0x30",
        "IP: [<ffffffff82d4e304>] f+0x24/0x30",
        "IP: f+0x24/0x30",
        "pc : f+0x24/0x30",
        "PC is at f+0x24/0x30",
        "epc : f+0x24/0x30",
        "NIP [c000000000123456] f+0x24/0x30",
    ],
)
def test_registers_name_where_the_processor_stopped(text: str):
    assert stopped_at(text) == StackLine("f", 0x24, 0x30)


def test_the_program_counter_of_a_program_is_not_the_kernels():
    assert stopped_at("RIP: 0033:f+0x24/0x30") is None


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["spin", "snd_write", "vfs_write", "sys_write"], "snd_write"),
        (["spin", "timer_create", "do_syscall_64"], "timer_create"),
        (["spin", "smp_call_function_many", "f"], "smp_call_function"),
        (["spin", "f"], None),
        ([], None),
    ],
)
def test_a_stuck_processor_is_known_by_what_was_called(names: list[str], expected: str | None):
    assert before_dispatch(names) == expected


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["__schedule", "synchronize_net", "f"], "synchronize_rcu"),
        (["__schedule", "mutex_lock", "rtnl_lock", "f"], "rtnl_lock"),
        (["__schedule", "schedule_timeout", "down_read", "f"], "f"),
        (["schedule"], None),
    ],
)
def test_a_hung_task_is_known_by_who_waits(names: list[str], expected: str | None):
    assert waiting_caller(names) == expected


@pytest.mark.parametrize(
    "name", ["SyS_ioctl", "SYSC_ioctl", "__sys_ioctl", "__se_sys_ioctl", "ksys_ioctl"]
)
def test_wrappers_of_a_system_call_have_one_name(name: str):
    assert plain_name(name) == "ioctl"


@pytest.mark.parametrize(
    ("title", "expected"),
    [
        ("kernel panic: at ffffff80081234ab on CPU#3", "kernel panic: at ADDR on CPU"),
        ("panic: failed(-5) to start 6", "panic: failed(-NUM) to start NUM"),
        ("BUG in foo.c:12:3  fu+0x12/0x30\tnow", "BUG in foo.c:LINE fu now"),
        ("x" * 500, "x" * 120),
    ],
)
def test_a_title_names_no_address_number_or_line(title: str, expected: str):
    assert tidy(title) == expected


@pytest.mark.parametrize(
    ("symbol", "expected"),
    [
        ("_RNvCs1234_7mycrate3foo", "mycrate::foo"),
        ("_RNvMs_NtCs1_4core3fmtNtB4_9Formatter3pad", "<core::fmt::Formatter>::pad"),
        ("_RNCNvC7mycrate3foo0", "mycrate::foo::{closure#0}"),
        ("_RINvC7mycrate3fooReE", "mycrate::foo"),
        ("_RNvXC7mycrateNtB2_3FooNtB2_3Bar3baz", "<mycrate::Foo as mycrate::Bar>::baz"),
        ("printk", None),
        ("_R", None),
        ("_RNvB_3foo", None),
        ("_RNvC99mycrate3foo", None),
    ],
)
def test_a_rust_symbol_becomes_its_path(symbol: str, expected: str | None):
    assert rust_path(symbol) == expected


def test_a_report_holds_only_the_lines_of_its_own_task():
    crash = parse(
        b"[ 1.0][  T1] WARNING: CPU: 0 PID: 1 at a/b.c:3 mine+0x1/0x2\n"
        b"[ 1.0][  T2] WARNING: CPU: 1 PID: 2 at a/b.c:3 other+0x1/0x2\n"
        b"[ 1.0][  T2] Call trace:\n[ 1.0][  T2]  other+0x1/0x2\n"
        b"[ 1.0][  T1] Call trace:\n[ 1.0][  T1]  mine+0x1/0x2\n"
    )

    assert crash.reason == "WARNING in mine"
    assert [frame.function for frame in crash.threads[0].frames] == ["mine"]
    assert crash.details["later_reports"] == 1


def test_calls_a_symbolizer_found_are_inlined_frames_with_their_lines():
    crash = parse(
        b"WARNING: CPU: 0 PID: 6 at mm/a.c:3 f+0x1/0x2 mm/a.c:3\nCall trace:\n"
        b" g mm/b.c:4 [inline]\n h+0x3/0x8 mm/b.c:9\n"
    )

    inlined, holder = crash.threads[0].frames
    assert (inlined.function, inlined.inlined, inlined.line) == ("g", True, 4)
    assert (holder.function, holder.inlined, holder.file) == ("h", False, "mm/b.c")
    assert crash.reason == "WARNING in h"


def test_a_module_with_a_build_id_can_be_symbolicated():
    crash = parse(
        console("kernel BUG at a.c:1!", "Call trace:", " f+0x1/0x2 [wlan aabbccdd00112233]")
    )

    (frame,) = crash.threads[0].frames
    assert (frame.module, frame.build_id) == ("wlan", "aabbccdd00112233")
    assert frame.status is FrameStatus.MISSING_DEBUG_FILE


def test_a_warning_is_no_panic_unless_the_kernel_panics_of_it():
    lines = ("WARNING: CPU: 0 PID: 1 at a/b.c:3 f+0x1/0x2", "Call trace:", " f+0x1/0x2")

    survived = parse(console(*lines))
    panicked = parse(console(*lines, "Kernel panic - not syncing: panic_on_warn set"))

    assert survived.kind is CrashKind.ERROR
    assert panicked.kind is CrashKind.KERNEL_PANIC


def test_very_deep_stacks_keep_their_ends():
    crash = parse(
        console("kernel BUG at a.c:1!", "Call trace:", *(f" f{at}+0x1/0x2" for at in range(900)))
    )

    frames = crash.threads[0].frames
    assert (len(frames), frames[-1].function, frames[-1].index) == (512, "f899", 899)
    assert crash.details["frames_omitted"] == 388
