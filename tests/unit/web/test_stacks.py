"""Stacks as people read them: what is in view, what is folded, and what a frame says of itself."""

import pytest

from crashes.stack import Crash, CrashKind, ExceptionInfo, Frame, FrameStatus, Thread
from crashes.web.stacks import lay_out, split_qualified, stack_of

APP = "com.example.shop"


def java(*functions):
    return tuple(
        Frame(index, function=name, status=FrameStatus.JAVA) for index, name in enumerate(functions)
    )


def crash_of(frames, **fields):
    thread = Thread(name="main", crashing=True, frames=frames)
    return Crash(**{"kind": CrashKind.JAVA_CRASH, "package": APP, "threads": (thread,), **fields})


def shape(stack):
    """Per run: how many lines, and whether they are folded."""
    return [(len(run.lines), run.is_folded) for run in stack.runs]


def native(**fields):
    return Frame(0, **{"module": "/data/app/x/libgame.so", "address": 16, **fields})


def test_own_frames_are_open_and_runs_of_the_platform_fold():
    frames = java(
        f"{APP}.Cart.refresh",
        f"{APP}.Cart.onResume",
        "android.app.A.a",
        "android.app.B.b",
        "android.app.C.c",
        f"{APP}.Main.run",
    )

    stack = stack_of(frames, crash_of(frames))

    assert shape(stack) == [(1, False), (1, False), (3, True), (1, False)]
    assert stack.runs[2].label == "3 platform frames"
    assert [line.is_own for run in stack.runs for line in run.lines] == [1, 1, 0, 0, 0, 1]


def test_the_innermost_frame_is_in_view_whoever_it_belongs_to():
    frames = java(*(f"java.util.List.step{number}" for number in range(5)), f"{APP}.Main.run")

    assert shape(stack_of(frames, crash_of(frames))) == [(1, False), (4, True), (1, False)]


def test_two_platform_frames_are_not_worth_folding():
    frames = java(f"{APP}.A.a", "android.app.A.a", "android.app.B.b", f"{APP}.B.b")

    assert not any(run.is_folded for run in stack_of(frames, crash_of(frames)).runs)


def test_a_runaway_recursion_is_cut_but_not_lost():
    frames = java(*[f"{APP}.Tree.walk"] * 500)

    stack = stack_of(frames, crash_of(frames))

    assert shape(stack) == [(1, False), (60, False), (439, True)]
    assert stack.frames == 500


@pytest.mark.parametrize(
    ("frame", "mark", "words"),
    [
        (
            native(build_id="ab12", status=FrameStatus.MISSING_DEBUG_FILE),
            "no debug file",
            "Upload the debug file of libgame.so with build id ab12.",
        ),
        (native(status=FrameStatus.NO_BUILD_ID), "no build id", "no build id for libgame.so"),
        (native(module="[anon:scudo]", status=FrameStatus.NO_BUILD_ID), "no file", "no symbols"),
        (native(module=None, status=FrameStatus.UNKNOWN_ADDRESS), "no module", "went astray"),
        (native(status=FrameStatus.UNKNOWN_ADDRESS), "unknown address", "no function at this"),
        (
            native(function="tick", build_id="ab12", status=FrameStatus.MISSING_DEBUG_FILE),
            "as printed",
            "ab12",
        ),
        (native(function="tick", status=FrameStatus.SYMBOLICATED), "", ""),
        (native(function="tick", status=FrameStatus.NO_BUILD_ID), "", ""),
    ],
)
def test_a_frame_says_why_it_has_no_name_and_what_would_give_it_one(frame, mark, words):
    (run,) = stack_of((frame,), crash_of((frame,), kind=CrashKind.NATIVE_CRASH)).runs

    assert run.lines[0].mark == mark
    assert words in run.lines[0].why


def test_a_reason_is_spelled_out_once():
    frames = (native(), native(), native(module="/other.so"))

    stack = stack_of(frames, crash_of(frames, kind=CrashKind.NATIVE_CRASH))

    lines = [line for run in stack.runs for line in run.lines]
    assert [line.is_spelled_out for line in lines] == [True, False, True]


def test_wanted_debug_files_are_counted_over_everything_shown():
    missing = native(build_id="ab12", status=FrameStatus.MISSING_DEBUG_FILE)
    frames = (missing, missing, native())

    view = lay_out(crash_of(frames, kind=CrashKind.NATIVE_CRASH), with_other_threads=False)

    assert [(item.module, item.build_id, item.frames) for item in view.wanted] == [
        ("libgame.so", "ab12", 2)
    ]
    assert view.nameless == 2


def test_a_stack_that_the_exception_shows_is_not_shown_twice():
    frames = java(f"{APP}.Main.run")
    chain = (ExceptionInfo("java.lang.Error", frames=frames),)

    assert lay_out(crash_of(frames, exceptions=chain), with_other_threads=True).main_stack is None
    assert lay_out(crash_of(frames), with_other_threads=True).main_stack is not None


def test_a_crash_without_threads_is_laid_out_empty():
    view = lay_out(Crash(kind=CrashKind.REBOOT), with_other_threads=True)

    assert (view.main, view.main_stack, view.exceptions, view.others) == (None, None, (), ())


def test_registers_have_the_width_of_the_processor():
    thread = Thread(crashing=True, registers={"x0": 255})
    crash = Crash(kind=CrashKind.NATIVE_CRASH, abi="arm64", threads=(thread,))

    assert lay_out(crash, with_other_threads=False).registers == (("x0", "00000000000000ff"),)


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("com.example.Cart.refresh", ("com.example.", "Cart.refresh")),
        ("Cart.refresh", ("", "Cart.refresh")),
        ("refresh", ("", "refresh")),
        ("void a.b c.d.e", ("", "void a.b c.d.e")),
    ],
)
def test_the_package_of_a_method_is_told_apart(name, parts):
    assert split_qualified(name, kept=2) == parts
