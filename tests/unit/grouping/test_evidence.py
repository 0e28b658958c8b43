"""Type, stack, own frames and extras of a crash."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crashes.grouping import evidence, reasons
from crashes.stack import Crash, CrashKind
from tests.unit.grouping.builders import anr, java_chain, java_crash, kernel_crash, native_crash

LIBC = "/apex/com.android.runtime/lib64/bionic/libc.so"
CAMERA = "/vendor/lib64/libcamera.so"
GAME = "/data/app/~~a==/com.example-b==/lib/arm64/libgame.so"


def own(crash):
    return [token.text for token in evidence.gather(crash).own]


@pytest.mark.parametrize(
    ("subject", "reason"),
    [
        ("Input dispatching timed out (com.example/.Main is not responding)", "input"),
        (
            "Input dispatching timed out (Application does not have a focused window)",
            "no_focused_window",
        ),
        ("Broadcast of Intent { act=android.intent.action.BOOT_COMPLETED }", "broadcast"),
        ("executing service com.example/.SyncService", "service"),
        (
            "Context.startForegroundService() did not then call Service.startForeground()",
            "foreground_service",
        ),
        ("ContentProvider not responding", "provider"),
        ("keyDispatchingTimedOut", "input"),
        ("No response to onStartJob", "job"),
        ("", "unknown"),
    ],
)
def test_the_subject_of_an_anr_tells_which_deadline_was_missed(subject, reason):
    assert reasons.anr_reason(subject) == reason


@pytest.mark.parametrize(
    ("sentence", "fault"),
    [
        (
            "Unable to handle kernel NULL pointer dereference at virtual address 00000000",
            "Unable to handle kernel NULL pointer dereference",
        ),
        ("Kernel panic - not syncing: Fatal exception in interrupt", "Fatal exception"),
        (
            "Kernel panic - not syncing: Attempted to kill init! exitcode=0x0000000b",
            "Attempted to kill init!",
        ),
        ("BUG: KASAN: slab-out-of-bounds in p9_poll+0x1/0x20", "BUG: KASAN: slab-out-of-bounds"),
        ("INFO: task kworker/0:1:12 blocked for more than 120 seconds.", "task hung"),
        ("watchdog: BUG: soft lockup - CPU#2 stuck for 22s! [surfaceflinger:612]", "soft lockup"),
        ("rcu: INFO: rcu_preempt self-detected stall on CPU", "rcu stall"),
    ],
)
def test_a_kernel_sentence_is_reduced_to_the_sort_of_fault(sentence, fault):
    assert reasons.kernel_fault(sentence) == fault


def test_an_app_owns_its_own_frames_only():
    crash = java_crash(
        "java.util.ArrayList.get", "com.example.Feed.row", "android.view.View.layout"
    )

    assert own(crash) == ["com.example.Feed.row"]


def test_an_app_without_own_frames_answers_for_the_platform():
    crash = native_crash(("abort", LIBC), ("android::Camera::open()", CAMERA))

    assert own(crash) == ["android::Camera::open"]


def test_the_platform_is_foreign_to_an_app_with_own_frames():
    crash = native_crash(("android::Camera::open()", CAMERA), ("game::start()", GAME))

    assert own(crash) == ["game::start"]


def test_a_system_process_owns_the_platform():
    functions = ("android.os.Handler.dispatchMessage", "com.android.server.am.Users.start")

    assert own(java_crash(*functions, package="system_server")) == [
        "com.android.server.am.Users.start"
    ]


@pytest.mark.parametrize(
    "program",
    ["system_server", "/system/bin/surfaceflinger", "/vendor/bin/hw/rild", "com.android.systemui"],
)
def test_programs_of_the_image_are_platform(program):
    assert evidence.is_platform(Crash(kind=CrashKind.NATIVE_CRASH, process=program))


@pytest.mark.parametrize("program", ["com.example", "com.androidy.app", "org.example:remote", ""])
def test_other_programs_are_not(program):
    assert not evidence.is_platform(Crash(kind=CrashKind.NATIVE_CRASH, process=program))


def test_a_wrapper_without_own_frames_lets_its_cause_speak():
    crash = java_chain(
        ("java.lang.RuntimeException", ("android.app.ActivityThread.performLaunchActivity",)),
        ("java.lang.NullPointerException", ("com.example.Settings.onResume",)),
    )

    found = evidence.gather(crash)

    assert found.type == "java.lang.NullPointerException"
    assert [token.text for token in found.own] == ["com.example.Settings.onResume"]
    assert any("wraps" in note for note in found.notes)


def test_a_speaking_wrapper_is_told_apart_by_its_root_cause():
    crash = java_chain(
        ("com.example.LoadFailed", ("com.example.Feed.load",)),
        ("java.io.IOException", ("java.io.File.open", "com.example.Disk.read")),
    )

    assert own(crash) == [
        "com.example.Feed.load",
        "cause java.io.IOException",
        "cause at com.example.Disk.read",
    ]


def test_a_cause_that_only_carries_a_stack_does_not_count():
    outermost = ("java.lang.IllegalStateException", ("com.example.Player.resume",))
    marker = ("android.app.StackTrace", ("com.example.Player.enqueue",))

    assert own(java_chain(outermost, marker)) == own(java_chain(outermost))


def test_a_holder_without_own_frames_is_named_by_its_thread():
    found = evidence.gather(anr("com.example.Main.wait", holder=("java.net.Socket.read",)))

    assert found.culprit.phrase == "lock held by Thread"
    assert found.culprit.key == ""


def survived(*functions, **details):
    return replace(
        kernel_crash(*functions, reason="WARNING in tun_get_user"),
        kind=CrashKind.ERROR,
        details={"source": "kernel", **details},
    )


def test_a_fault_that_the_kernel_survived_is_kernel_code():
    crash = survived("__warn", "tun_get_user", "vfs_write", "do_syscall_64")

    found = evidence.gather(crash)

    assert found.type == "WARNING"
    assert own(crash) == ["tun_get_user", "vfs_write"]
    assert evidence.is_platform(crash)


def test_own_code_of_the_kernel_begins_where_its_report_lays_the_blame():
    crash = survived("skb_put", "skb_helper", "tun_get_user", "vfs_write", frame="tun_get_user")

    assert own(crash) == ["tun_get_user", "vfs_write"]
    assert [token.in_app for token in evidence.mark_frames(crash.threads[0].frames, crash)] == [
        False,
        False,
        True,
        True,
    ]


def test_a_kernel_report_without_a_trace_stands_for_the_function_it_blames():
    assert own(survived(frame="tun_get_user.isra.0")) == ["tun_get_user"]


def test_blame_for_a_function_that_is_not_in_the_trace_changes_nothing():
    assert own(survived("tun_get_user", frame="elsewhere")) == ["tun_get_user"]


def killed(**facts):
    return Crash(kind=CrashKind.LOW_MEMORY_KILL, **facts)


@pytest.mark.parametrize(
    ("crash", "kind_type", "victim"),
    [
        (killed(process="com.example"), "Low memory kill", "com.example"),
        (
            killed(process="com.example", details={"oom_score_adj": 900}),
            "Low memory kill (cached)",
            "com.example",
        ),
        (
            killed(package="com.example", details={"importance": "foreground"}),
            "Low memory kill (foreground)",
            "com.example",
        ),
        (
            killed(process="system_server", reason="Low on memory -- rild native 4kB"),
            "Low memory kill (native)",
            "rild",
        ),
    ],
)
def test_a_kill_for_memory_stands_for_process_and_state(crash, kind_type, victim):
    found = evidence.gather(crash)

    assert (found.type, found.victim) == (kind_type, victim)
    assert len(found.own) == 1


def test_an_error_without_a_stack_stands_for_its_text():
    one = Crash(kind=CrashKind.ERROR, reason="sync of 12 rows failed")
    same = Crash(kind=CrashKind.ERROR, reason="sync of 7 rows failed")
    other = Crash(kind=CrashKind.ERROR, reason="disk is full")

    assert own(one) == own(same) != own(other)
    assert "rows" not in str(evidence.gather(one))


def test_the_kernel_owns_everything_but_reports_and_entry():
    crash = kernel_crash("dump_stack", "kasan_report.cold.7", "p9_poll_mux", "kthread")

    assert own(crash) == ["p9_poll_mux"]


def test_an_unknown_symbol_is_never_own():
    assert own(native_crash((None, GAME), ("abort", LIBC))) == []


def test_a_crash_without_threads_has_no_tokens():
    assert evidence.gather(Crash(kind=CrashKind.REBOOT)).tokens == ()


def test_message_words_hide_the_words():
    words = reasons.message_words("Cannot find user bob@example.org at 0xdeadbeef")

    assert all(isinstance(word, int) for word in words)
    assert words == reasons.message_words("user find cannot at 0x12 eve@example.org")


@given(st.text(max_size=300))
def test_any_message_gives_sorted_unique_32_bit_words(message):
    words = reasons.message_words(message)

    assert list(words) == sorted(set(words))
    assert all(0 <= word < 2**32 for word in words)
