"""Parsed crashes with their original names."""

from crashes.stack import (
    Crash,
    CrashKind,
    ExceptionInfo,
    Frame,
    FrameStatus,
    LockWait,
    Thread,
    from_json,
    to_json,
)
from crashes.symbolication.retrace.crash import map_ids_of
from crashes.symbolication.retrace.retracer import Retracer
from tests.conftest import ROOT

COMPILER = ROOT / "tests/data/retrace/compiler.mapping.txt"
LINES = ROOT / "tests/data/retrace/lines.mapping.txt"


def java(function: str, line: int | None = None, **more: object) -> Frame:
    return Frame(0, function, line=line, status=FrameStatus.JAVA, **{"file": "SourceFile", **more})  # type: ignore[arg-type]


def crash(*frames: Frame, exception: str = "java.lang.Error") -> Crash:
    return Crash(
        CrashKind.JAVA_CRASH,
        exception_type=exception,
        exceptions=(ExceptionInfo(exception, "message", frames=frames),),
        threads=(Thread("main", crashing=True, frames=frames),),
    )


def functions(frames: tuple[Frame, ...]) -> list[tuple[str | None, str | None, int | None, bool]]:
    return [(frame.function, frame.file, frame.line, frame.inlined) for frame in frames]


def test_inlined_calls_stand_before_the_one_that_held_them() -> None:
    retraced = Retracer(LINES).retrace_crash(crash(java("a.a.a", 4), java("java.lang.Thread.run")))

    (exception,) = retraced.exceptions
    assert functions(exception.frames) == [
        ("org.example.camera.Lens.focus", "Optics.kt", 51, True),
        ("org.example.camera.Shutter.prepare", "Shutter.java", 33, True),
        ("org.example.camera.Shutter.press", "Shutter.java", 23, False),
        ("java.lang.Thread.run", "SourceFile", None, False),
    ]
    assert [frame.index for frame in exception.frames] == [0, 1, 2, 3]
    assert [frame.raw_function for frame in exception.frames] == ["a.a.a"] * 3 + [None]
    assert [frame.status for frame in exception.frames] == [
        *[FrameStatus.DEOBFUSCATED] * 3, FrameStatus.JAVA,
    ]  # fmt: skip
    assert retraced.threads[0].frames == exception.frames


def test_exceptions_get_their_names_and_decide_about_frames_below() -> None:
    frame = java("b.a.a", 2)
    retracer = Retracer(COMPILER)

    removed = retracer.retrace_crash(crash(frame, exception="java.lang.NullPointerException"))
    kept = retracer.retrace_crash(crash(frame, exception="b.c"))

    assert [len(removed.exceptions[0].frames), len(kept.exceptions[0].frames)] == [1, 2]
    assert [len(removed.threads[0].frames), len(kept.threads[0].frames)] == [1, 2]
    assert kept.exception_type == kept.exceptions[0].type == "org.example.mail.Letter"
    assert kept.exceptions[0].message == "message"


def test_frames_of_the_compiler_go_and_outlines_lead_to_their_callers() -> None:
    retraced = Retracer(COMPILER).retrace_crash(
        crash(java("b.d.run", 1), java("b.d.run", 2), java("b.b.a", 2), java("b.a.b", 8))
    )

    assert functions(retraced.exceptions[0].frames) == [
        ("org.example.mail.Outbox.lambda$open$0", "Outbox.java", 31, False),
        ("org.example.mail.Log.note", "Log.java", 4, True),
        ("org.example.mail.Outbox.flush", "Outbox.java", 72, False),
    ]
    assert retraced.details["retrace"] == {
        "map_id": None, "retraced_frames": 4, "ambiguous_frames": 0, "dropped_frames": 4,
    }  # fmt: skip


def test_of_several_readings_the_first_is_taken_and_counted() -> None:
    readings = Retracer(ROOT / "tests/data/retrace/readings.mapping.txt")

    retraced = readings.retrace_crash(crash(java("q.a", 3)))

    assert functions(retraced.exceptions[0].frames)[0][0] == "org.example.radio.Tuner.scan"
    assert retraced.details["retrace"]["ambiguous_frames"] == 2  # type: ignore[index,call-overload]


def test_other_threads_are_below_no_exception_and_wait_for_named_locks() -> None:
    waiting = Thread("w", frames=(java("b.a.a", 2),), blocked_on=LockWait("0x1", "b.c"))
    whole = Crash(
        CrashKind.ANR, exception_type="java.lang.NullPointerException", threads=(waiting,)
    )

    (thread,) = Retracer(COMPILER).retrace_crash(whole).threads

    assert len(thread.frames) == 2
    assert thread.blocked_on == LockWait("0x1", "org.example.mail.Letter")


def test_what_is_not_managed_or_not_mapped_stays_as_it_is() -> None:
    frames = (
        Frame(0, "a.a.a", address=0x10, status=FrameStatus.MISSING_DEBUG_FILE),
        Frame(1, None, status=FrameStatus.JAVA),
        Frame(2, "(Coroutine boundary)", status=FrameStatus.JAVA),
        Frame(3, "z.z.z", file="Z.kt", line=3, status=FrameStatus.JAVA),
    )

    assert Retracer(LINES).retrace_crash(crash(*frames)).exceptions[0].frames == frames


def test_a_native_method_keeps_having_no_file() -> None:
    retraced = Retracer(LINES).retrace_crash(crash(java("a.d.run", native_method=True, file=None)))

    (frame,) = retraced.exceptions[0].frames
    assert (frame.function, frame.file, frame.native_method) == (
        "org.example.camera.Shutter$Timer$1.run", None, True,
    )  # fmt: skip


def test_a_retraced_crash_has_a_json_form() -> None:
    retraced = Retracer(LINES).retrace_crash(crash(java("a.a.a", 4)))

    assert from_json(to_json(retraced)) == retraced


def test_frames_say_which_mapping_they_need() -> None:
    needed = crash(
        java("a.a.a", 4, file="r8-map-id-1f0c2ab"),
        java("a.a.b", 4, file="r8-map-id-1f0c2ab"),
        java("b.b.b", 4, file="r8-map-id-0"),
        java("z.z.z", 4),
    )

    assert map_ids_of(needed) == ("1f0c2ab", "0")
