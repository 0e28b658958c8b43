"""Java stack traces: real ones of a JVM, Android's forms, damaged ones, and made-up ones."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crashes.formats import java_stacktrace
from crashes.formats.errors import MalformedPayload
from crashes.formats.exception_chain import MAX_EXCEPTIONS
from crashes.stack import CauseLink, Crash, CrashKind, ExceptionInfo, Frame, FrameStatus
from tests.unit.formats.fixtures import Golden, goldens
from tests.unit.formats.mutations import mutated
from tests.unit.formats.outline import frame_line, frame_lines, outline

FIXTURES = goldens("java")


def parse(text: str) -> Crash:
    return java_stacktrace.parse(text.encode())


@pytest.mark.parametrize("golden", FIXTURES, ids=str)
def test_a_fixture_has_its_golden_answer(golden: Golden):
    assert outline(java_stacktrace.parse(golden.payload)) == golden.expected


def test_the_outermost_exception_gives_the_crashing_thread_its_frames():
    crash = parse("java.lang.Error: x\n\tat a.B.c(B.java:1)\nCaused by: d.E\n\tat f.G.h(G.java:2)")

    assert crash.kind is CrashKind.JAVA_CRASH
    assert (crash.exception_type, crash.exception_message) == ("java.lang.Error", "x")
    assert crash.crashing_thread is not None
    assert crash.crashing_thread.frames == crash.exceptions[0].frames
    assert [item.link for item in crash.exceptions] == [CauseLink.OUTERMOST, CauseLink.CAUSED_BY]


@pytest.mark.parametrize(
    ("call", "function", "file", "line", "native"),
    [
        ("a.B.c(B.java:12)", "a.B.c", "B.java", 12, False),
        ("a.B.c(B.java)", "a.B.c", "B.java", None, False),
        ("a.B.c(B.java:~33)", "a.B.c", "B.java", 33, False),
        ("a.B.c(Native Method)", "a.B.c", None, None, True),
        ("a.B.c(Native method)", "a.B.c", None, None, True),
        ("java.lang.reflect.Method.invoke(Method.java:-2)", "java.lang.reflect.Method.invoke",
         "Method.java", None, True),
        ("a.B.c(Unknown Source)", "a.B.c", None, None, False),
        ("a.B.c(Unknown Source:7)", "a.B.c", None, 7, False),
        ("a.B.c(unavailable:-1)", "a.B.c", None, None, False),
        ("a.B.c(SourceFile:12)", "a.B.c", "SourceFile", 12, False),
        ("a.B.c()", "a.B.c", None, None, False),
        ("a.B.c(:4)", "a.B.c", None, 4, False),
        ("a.B.<init>(B.kt:4) ~[classes.dex:na]", "a.B.<init>", "B.kt", 4, False),
        ("a.B.two words(B.kt:4)", "a.B.two words", "B.kt", 4, False),
        ("a.B$$Lambda$1/0x0001.run(Unknown Source)", "a.B$$Lambda$1/0x0001.run", None, None, False),
        ("app//a.B.c(B.java:1)", "a.B.c", "B.java", 1, False),
        ("java.base@17.0.1/a.B.c(B.java:1)", "a.B.c", "B.java", 1, False),
        ("app//mod@1.2/a.B.c(B.java:1)", "a.B.c", "B.java", 1, False),
    ],
)  # fmt: skip
def test_a_call_is_read(call: str, function: str, file: str, line: int, native: bool):
    frame = parse(f"java.lang.Error\n\tat {call}").threads[0].frames[0]

    assert (frame.function, frame.file, frame.line) == (function, file, line)
    assert frame.native_method is native
    assert frame.status is FrameStatus.JAVA


def test_a_module_prefix_stays_in_the_raw_name():
    frame = parse("java.lang.Error\n\tat java.base/a.B.c(B.java:1)").threads[0].frames[0]

    assert (frame.function, frame.raw_function) == ("a.B.c", "java.base/a.B.c")


@pytest.mark.parametrize(
    "line",
    [
        "at least one (or two)",
        "at line 3 column 5 path $.a",
        "at the end.",
        "at a.b",
        "at ",
        "at (",
    ],
)
def test_prose_that_begins_with_at_is_no_frame(line: str):
    crash = parse(f"java.lang.Error: first\n{line}\n\tat a.B.c(B.java:1)")

    assert crash.exception_message == f"first\n{line}"


def test_the_trace_ends_at_the_first_line_that_is_none_of_it():
    crash = parse(
        "a.B: x\n\tat c.D.e(D.java:1)\nsomething else\nCaused by: f.G\n\tat h.I.j(I.java)"
    )

    assert len(crash.exceptions) == 1


def test_empty_lines_inside_a_trace_are_passed_over():
    crash = parse("a.Bc: x\n\n\tat c.D.e(D.java:1)\n\n\tat c.D.f(D.java:2)\n\nCaused by: f.G\n")

    assert len(crash.threads[0].frames) == 2
    assert [item.type for item in crash.exceptions] == ["a.Bc", "f.G"]


def test_a_cause_without_frames_does_not_swallow_the_next_trace():
    crash = parse(
        "a.Bc\n\tat c.D.e(D.java:1)\nCaused by: f.Gh: why\n\na.Bc\n\tat x.Y.z(Y.java:1)\n"
    )

    assert crash.exceptions[1] == ExceptionInfo("f.Gh", "why", CauseLink.CAUSED_BY)


def test_a_trace_that_lost_its_head_keeps_its_frames():
    crash = parse(
        "\tat a.B.c(B.java:1)\n\tat a.B.d(B.java:2)\nCaused by: e.Fg: x\n\tat h.I.j(I.java:3)"
    )

    assert crash.exception_type is None
    assert frame_lines(crash.threads[0].frames) == ["a.B.c(B.java:1)", "a.B.d(B.java:2)"]
    assert [item.type for item in crash.exceptions] == ["e.Fg"]


def test_an_announced_exception_needs_no_frames():
    crash = parse("FATAL EXCEPTION: pool-2\nProcess: a.b, PID: 7\nobfuscated: gone")

    assert (crash.process, crash.pid, crash.threads[0].name) == ("a.b", 7, "pool-2")
    assert (crash.exception_type, crash.exception_message) == ("obfuscated", "gone")


def test_the_report_of_a_crash_service_is_read():
    crash = parse("Fatal Exception: a: gone\n       at b.c(SourceFile:1)\n")

    assert (crash.exception_type, len(crash.threads[0].frames)) == ("a", 1)


def test_a_dump_of_xcrash_keeps_its_header():
    crash = parse(
        "*** ***\nTombstone maker: 'xCrash 2.4.6'\nCrash type: 'java'\n"
        "Crash time: '2019-10-12T03:56:12.345+0800'\nApp ID: 'a.b'\nApp version: '1.2'\n"
        "API level: '29'\nRooted: 'No'\nABI: 'arm64'\nBuild fingerprint: 'x/y/z:10/A/1:user/k'\n"
        "pid: 5, tid: 6, name: worker 1  >>> a.b:remote <<<\n\njava stacktrace:\n"
        "java.lang.RuntimeException: test\n\tat a.b.C.d(C.java:1)\n\n--------- tail end of log\n"
    )

    assert (crash.process, crash.package, crash.version_name) == ("a.b:remote", "a.b", "1.2")
    assert (crash.pid, crash.tid, crash.threads[0].name) == (5, 6, "worker 1")
    assert crash.details["api_level"] == 29
    assert crash.details["rooted"] is False
    assert crash.exception_type == "java.lang.RuntimeException"


def test_the_middle_of_a_deep_recursion_is_left_out_and_said_so():
    calls = "".join(f"\n\tat a.B.c(B.java:{line})" for line in range(1, 1025))

    crash = parse(f"java.lang.StackOverflowError{calls}")

    frames = crash.threads[0].frames
    assert len(frames) == 512
    assert (frames[383].index, frames[384].index) == (383, 896)
    assert (frames[383].line, frames[384].line, frames[511].line) == (384, 897, 1024)
    assert crash.details["frames_omitted"] == 512


def test_an_endless_chain_is_cut_and_said_so():
    causes = "".join(f"\nCaused by: a.B: {number}\n\tat a.B.c(B.java:1)" for number in range(100))

    crash = parse(f"java.lang.Error{causes}")

    assert len(crash.exceptions) == MAX_EXCEPTIONS
    assert crash.exceptions[-1].message == str(MAX_EXCEPTIONS - 2)
    assert len(crash.exceptions[-1].frames) == 1
    assert crash.details["exceptions_omitted"] == 101 - MAX_EXCEPTIONS


@pytest.mark.parametrize(
    "payload",
    [b"", b"\n\n", b"\xff\xfe\x00", b"nothing here, really", b"word", b"{}", b"a: b\nc: d\n"],
)
def test_a_payload_without_a_trace_is_refused_with_a_code(payload: bytes):
    with pytest.raises(MalformedPayload) as refusal:
        java_stacktrace.parse(payload)

    assert refusal.value.code == "not_a_java_stacktrace"


@pytest.mark.parametrize(
    "text",
    [
        "\tat " + "a." * 200_000,
        "java.lang.Error\n\tat " + "a" * 400_000 + "(",
        "java.lang.Error: " + "(" * 400_000,
        "java.lang.Error\n" + "\tat a.B.c(" * 40_000,
        "\n".join(["Caused by: " + "a." * 100] * 3_000),
        "java.lang.Error\n" + "\n" * 300_000 + "x",
        "\n".join(['Exception in thread "' + '" ' * 3_000] * 100),
        "01-01 " * 60_000,
        "\n".join(["E/" + " " * 60_000 + ":"] * 30),
    ],
)
def test_adversarial_text_ends_soon(text: str):
    with suppress(MalformedPayload):
        parse(text)


@given(st.binary(max_size=300))
def test_arbitrary_bytes_raise_nothing_else(payload: bytes):
    try:
        java_stacktrace.parse(payload)
    except MalformedPayload:
        return


@given(mutated([golden.payload for golden in FIXTURES]))
def test_damaged_fixtures_raise_nothing_else(payload: bytes):
    try:
        crash = java_stacktrace.parse(payload)
    except MalformedPayload:
        return
    assert crash.threads[0].crashing


names = st.from_regex(r"[A-Z][a-z$0-9]{1,6}", fullmatch=True)
types = st.builds("com.example.{}Exception".format, names)
message_lines = st.from_regex(r"[A-Za-z0-9 (),=\[\]'\"-]{0,20}[a-z]", fullmatch=True).filter(
    lambda line: not line.lstrip().startswith("at ")
)
messages = st.none() | st.lists(message_lines, min_size=1, max_size=3).map("\n".join)
frames = st.builds(
    lambda name, line, native: Frame(
        index=0,
        function=f"com.example.{name}.run",
        file=None if native else f"{name}.kt",
        line=None if native else line,
        status=FrameStatus.JAVA,
        native_method=native,
    ),
    names,
    st.integers(1, 99_999),
    st.booleans(),
)


@st.composite
def chains(draw: st.DrawFn) -> list[ExceptionInfo]:
    """A chain as a JVM could print it: nesting grows by one at a suppressed exception."""
    chain: list[ExceptionInfo] = []
    for position in range(draw(st.integers(1, 6))):
        link = CauseLink.OUTERMOST
        depth = 0
        if position:
            link = draw(st.sampled_from([CauseLink.CAUSED_BY, CauseLink.SUPPRESSED]))
            depth = draw(st.integers(0, chain[-1].depth))
            depth += link is CauseLink.SUPPRESSED
        stack = draw(st.lists(frames, min_size=1, max_size=4))
        numbered = [
            Frame(
                index=index, function=frame.function, file=frame.file, line=frame.line,
                status=frame.status, native_method=frame.native_method,
            )
            for index, frame in enumerate(stack)
        ]  # fmt: skip
        omitted = draw(st.integers(0, 30)) if position else 0
        chain.append(
            ExceptionInfo(draw(types), draw(messages), link, tuple(numbered), omitted, depth)
        )
    return chain


_WORDS = {CauseLink.CAUSED_BY: "Caused by: ", CauseLink.SUPPRESSED: "Suppressed: "}


def printed(chain: list[ExceptionInfo], tab: str) -> str:
    lines = []
    for item in chain:
        indent = tab * item.depth
        message = "" if item.message is None else f": {item.message}"
        lines.append(f"{indent}{_WORDS.get(item.link, '')}{item.type}{message}")
        lines.extend(f"{indent}{tab}at {frame_line(frame)}" for frame in item.frames)
        if item.frames_omitted:
            lines.append(f"{indent}{tab}... {item.frames_omitted} more")
    return "\n".join(lines)


@given(chains(), st.sampled_from(["\t", "  ", "    "]))
def test_a_printed_chain_is_read_back(chain: list[ExceptionInfo], tab: str):
    crash = parse(printed(chain, tab))

    assert list(crash.exceptions) == chain


@given(chains())
def test_a_chain_printed_to_the_log_is_read_back(chain: list[ExceptionInfo]):
    prefix = "11-20 10:11:12.951  9120  9121 E AndroidRuntime: "
    text = "\n".join(prefix + line for line in printed(chain, "\t").split("\n"))

    crash = parse(f"{prefix}FATAL EXCEPTION: main\n{text}")

    assert list(crash.exceptions) == chain
    assert (crash.pid, crash.tid) == (9120, 9121)


def test_a_stack_of_google_plays_console():
    crash = parse(
        "Exception java.lang.NullPointerException: Attempt to invoke\n"
        "  at com.example.A.b (A.java:12)\n"
        "  at java.lang.reflect.Method.invoke (Native Method)\n"
        "Caused by java.io.IOException: x\n"
        "  at com.example.B.<init> (B.java:1)\n"
    )

    assert [
        (one.type, one.message, [(frame.function, frame.line) for frame in one.frames])
        for one in crash.exceptions
    ] == [
        (
            "java.lang.NullPointerException", "Attempt to invoke",
            [("com.example.A.b", 12), ("java.lang.reflect.Method.invoke", None)],
        ),
        ("java.io.IOException", "x", [("com.example.B.<init>", 1)]),
    ]  # fmt: skip
