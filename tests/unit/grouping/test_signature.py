"""Signatures read well, hold no accident, and are equal for equal own tops."""

import pytest

from crashes.grouping.mechanisms import v1
from crashes.stack import Crash, CrashKind, Thread
from tests.unit.grouping.builders import (
    anr,
    java_chain,
    java_crash,
    java_frames,
    kernel_crash,
    native_crash,
)

LIBC = "/apex/com.android.runtime/lib64/bionic/libc.so"
CAMERA = "/vendor/lib64/libcamera.so"
GAME = "/data/app/~~a==/com.example-b==/lib/arm64/libgame.so"

CASES = [
    (
        java_crash(
            "com.example.ui.SettingsFragment.onResume", raised="java.lang.NullPointerException"
        ),
        "NullPointerException at SettingsFragment.onResume",
    ),
    (
        java_crash("com.example.Feed.lambda$load$3", raised="com.example.Feed$Broken"),
        "Broken at Feed.load",
    ),
    (
        java_chain(
            ("java.lang.RuntimeException", ("android.app.ActivityThread.performLaunchActivity",)),
            ("java.lang.NullPointerException", ("com.example.Main.onCreate",)),
            message="Unable to start activity for bob@example.org",
        ),
        "NullPointerException at Main.onCreate",
    ),
    (java_crash(raised="java.lang.OutOfMemoryError"), "OutOfMemoryError"),
    (
        native_crash(("memcpy", LIBC), ("ns::Pipeline<int>::process(Buffer*)", CAMERA)),
        "SIGSEGV in libcamera.so: Pipeline::process",
    ),
    (native_crash((None, GAME)), "SIGSEGV in libgame.so"),
    (native_crash(("abort", LIBC), signal="SIGABRT"), "SIGABRT in libc.so: abort"),
    (native_crash(), "SIGSEGV"),
    (
        anr("java.lang.Object.wait", "com.example.Main$2.run", holder=("com.example.Sync.write",)),
        "ANR (input) in Main$.run, lock held at Sync.write",
    ),
    (
        anr("com.example.Main.run", holder=("java.net.Socket.read",)),
        "ANR (input) in Main.run, lock held by Thread",
    ),
    (
        anr("android.os.MessageQueue.nativePollOnce", reason="Broadcast of Intent { … }"),
        "ANR (broadcast) in MessageQueue.nativePollOnce",
    ),
    (
        kernel_crash(
            "p9_poll_workfn+0x1c/0x80",
            reason="Unable to handle kernel paging request at virtual address ffffff80",
        ),
        "Unable to handle kernel paging request in p9_poll_workfn",
    ),
    (
        Crash(
            kind=CrashKind.WATCHDOG,
            process="system_server",
            reason="Blocked in monitor com.android.server.Power on foreground thread (android.fg)",
            threads=(
                Thread(crashing=True, frames=java_frames("com.android.server.Power.monitor")),
            ),
        ),
        "Watchdog (monitor) in Power.monitor",
    ),
    (
        Crash(kind=CrashKind.LOW_MEMORY_KILL, process="com.example"),
        "Low memory kill of com.example",
    ),
]


@pytest.mark.parametrize(("crash", "signature"), CASES, ids=[case[1] for case in CASES])
def test_a_signature_says_what_happened_in_which_function(crash, signature):
    assert v1.prepare(crash, package=None).signature == signature


def test_the_free_text_of_an_error_never_becomes_a_signature():
    crash = Crash(kind=CrashKind.ERROR, package="com.example", reason="bob@example.org failed")

    assert v1.prepare(crash, package=None).signature == "error"


def test_equal_own_tops_give_equal_signatures():
    one = java_crash("java.util.ArrayList.get", "com.example.Feed.row", "com.example.Feed.draw")
    other = java_crash("com.example.Feed.row", "com.example.Main.run")

    assert v1.prepare(one, package=None).signature == v1.prepare(other, package=None).signature


def test_an_endless_name_is_cut():
    crash = java_crash("com.example." + "x" * 400)

    assert len(v1.prepare(crash, package=None).signature) == 200
