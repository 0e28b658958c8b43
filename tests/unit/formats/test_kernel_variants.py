"""One oops in every vendor's spelling, and every way in which phones' kernels say that they end."""

import pytest

from crashes.formats.kernel_log import parse
from crashes.formats.kernel_log.console import read_console
from crashes.formats.registry import sniff
from crashes.stack import CrashKind, PayloadFormat

NULL = """Unable to handle kernel NULL pointer dereference at virtual address 0000000000000010
Mem abort info:
  ESR = 0x96000006
Internal error: Oops: 96000006 [#1] PREEMPT SMP"""
TAIL = """CPU: 3 PID: 1234 Comm: kworker/3:1 Tainted: G        W  OE      5.10.107-android12-9 #1
Hardware name: Qualcomm Technologies, Inc. Blair QRD (DT)
pstate: 60400005 (nZCv daif +PAN -UAO -TCO BTYPE=--)
pc : foo_write+0x34/0x120 [foo]
lr : foo_work+0x80/0x1c0 [foo]
sp : ffffffc012345678
x29: ffffffc012345678 x28: 0000000000000000
Call trace:
 foo_write+0x34/0x120 [foo]
 foo_work+0x80/0x1c0 [foo]
 process_one_work+0x1b8/0x400
 worker_thread+0x23c/0x5f8
 kthread+0x158/0x1b8
Code: b9400000 d503201f
---[ end trace 1234567890 ]---
Kernel panic - not syncing: Oops: Fatal exception"""
FRAMES = ["foo_write", "foo_work", "process_one_work", "worker_thread", "kthread"]


def log(text, prefix="[  123.456{:03}] "):
    return "\n".join(prefix.format(at) + line for at, line in enumerate(text.split("\n"))).encode()


@pytest.mark.parametrize(
    "prefix",
    [
        pytest.param("", id="none"),
        pytest.param("[  123.456{:03}] ", id="printk"),
        pytest.param("<0>[  123.456{:03}][ T1234] ", id="level and caller"),
        pytest.param("<0>[  123.456{:03}][T1234@C3] ", id="caller and processor"),
        pytest.param("[  123.456{:03}] c3   1234 ", id="Unisoc"),
        pytest.param("<0>[  123.456{:03}] -(3)[1234:kworker/3:1]", id="MediaTek, interrupts off"),
        pytest.param("<0>[  123.456{:03}]  (3)[1234:kworker/3:1]", id="MediaTek, interrupts on"),
        pytest.param("[  123.456{:03}] <0>.(3)[1234:kworker/3:1]", id="MediaTek, loader"),
        pytest.param("<0>[  123.456{:03}]  [3:    kworker/3:1: 1234] ", id="Samsung"),
        pytest.param("[  123.456{:03}] I[3:    kworker/3:1: 1234] ", id="Samsung with a level"),
        pytest.param("<0>[  123.456{:03}s][pid:1234,cpu3,kworker/3:1]", id="Huawei"),
        pytest.param(
            "[  123.456{:03}s][2021:03:01 12:01:02][pid:1234,cpu3,kworker/3:1]", id="Huawei, dated"
        ),
        pytest.param("[  123.456{:03}] [0x1234][12:01:02.123] ", id="Xiaomi"),
        pytest.param("[Tue Nov 24 17:34:{:02} 2026] ", id="dmesg -T"),
        pytest.param("2026-11-24T17:34:{:02},123456+01:00 ", id="dmesg --time-format iso"),
        pytest.param("kern  :emerg : [  123.456{:03}] ", id="dmesg -x"),
    ],
)
def test_an_oops_is_the_same_in_every_spelling(prefix):
    payload = log(f"{NULL}\n{TAIL}", prefix)

    crash = parse(payload)

    thread = crash.crashing_thread
    assert thread is not None
    assert crash.reason == "BUG: unable to handle kernel NULL pointer dereference in foo_write"
    assert [frame.function for frame in thread.frames][:5] == FRAMES
    assert (thread.name, thread.tid) == ("kworker/3:1", 1234)
    assert crash.details.get("incomplete") is None
    assert sniff(payload) is PayloadFormat.KERNEL_LOG


@pytest.mark.parametrize(
    ("head", "title"),
    [
        (
            "Unable to handle kernel write to read-only memory at virtual address ffffffd012345678",
            "BUG: unable to handle kernel write to read-only memory in foo_write",
        ),
        (
            "Unable to handle kernel execute from non-executable memory at virtual address 00000010",
            "BUG: unable to handle kernel execute from non-executable memory in foo_write",
        ),
        (
            "Unable to handle kernel read from unreadable memory at virtual address 00000010",
            "BUG: unable to handle kernel read from unreadable memory in foo_write",
        ),
        (
            "Unable to handle kernel execution of user memory at virtual address 0000000000001000",
            "BUG: unable to handle kernel execution of user memory in foo_write",
        ),
        (
            "Unable to handle kernel access to user memory outside uaccess routines at "
            "virtual address 0000000000001000",
            "BUG: unable to handle kernel access to user memory in foo_write",
        ),
        ("SError Interrupt on CPU3, code 0x00000000be000411 -- SError", "SError in foo_write"),
        (
            "Bad mode in Error handler detected on CPU3, code 0xbf000002 -- SError",
            "Bad mode: Error in foo_write",
        ),
        (
            "CFI failure at foo_work+0x80/0x1c0 [foo] (target: bar_cb+0x0/0x10; "
            "expected type: 0x12345678)\nInternal error: Oops - CFI: 00000000f2008228 [#1] SMP",
            "CFI failure in foo_work",
        ),
        (
            "Internal error: UBSAN: array index out of bounds: 00000000f2005512 [#1] PREEMPT SMP",
            "UBSAN: array index out of bounds in foo_write",
        ),
        ("Unhandled fault at 0xffffff8012345678\nMem abort info:", "Unhandled fault in foo_write"),
        (
            "Internal error: synchronous external abort: 96000410 [#1] PREEMPT SMP",
            "Internal error in foo_write",
        ),
    ],
)
def test_an_oops_has_the_name_of_what_was_wrong(head, title):
    crash = parse(log(f"{head}\n{TAIL}"))

    assert (crash.kind, crash.reason) == (CrashKind.KERNEL_PANIC, title)
    assert crash.details.get("incomplete") is None


def test_a_stall_that_another_processor_saw_has_the_stalled_function():
    crash = parse(
        log("""rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:
rcu: \t3-...0: (1 GPs behind) idle=1de/1/0x4000000000000000 softirq=1234/1235 fqs=2624
\t(detected by 0, t=5252 jiffies, g=12345, q=123)
Task dump for CPU 3:
task:kworker/3:1     state:R  running task     stack:    0 pid: 1234 ppid:     2 flags:0x0000000a
Call trace:
 __switch_to+0x110/0x1a0
 foo_write+0x34/0x120 [foo]
 foo_work+0x80/0x1c0 [foo]
 process_one_work+0x1b8/0x400""")
    )

    assert crash.reason == "INFO: rcu detected stall in foo_work"


def test_a_modem_that_remoteproc_restarted_is_an_error_of_that_subsystem():
    crash = parse(
        log("""qcom_q6v5_pas 4080000.remoteproc-mss: fatal error received: lte_ml1.c:2345:Assert
remoteproc remoteproc0: crash detected in 4080000.remoteproc-mss: type fatal error
remoteproc remoteproc0: recovering 4080000.remoteproc-mss""")
    )

    assert (crash.kind, crash.reason) == (CrashKind.ERROR, "subsystem restart: mss")


@pytest.mark.parametrize(
    "text",
    [
        "[<c0123456>] (foo_write) from [<c0123400>] (foo_work+0x80/0x1c0)",
        "[00000010] *pgd=00000000",
        "[drm:foo] *ERROR* nothing",
        "c0123456: e5901000",
        "-----------[ cut here ]------------",
        "Detected VIPT I-cache on CPU1",
        "[12:01] is no time of day",
    ],
)
def test_a_text_that_looks_like_a_prefix_is_left_alone(text):
    assert read_console(f"[  123.456789] {text}").text == text
