"""Java stacks that came on one line."""

import json

import pytest

from crashes.formats import acra_json
from crashes.formats.registry import parse_payload, sniff
from crashes.stack import PayloadFormat

LINES = [
    "java.lang.IllegalStateException: gone at noon: twice",
    "\tat com.example.Foo.bar(Foo.java:12)",
    "\tat com.example.Foo$Inner.<init>(Unknown Source:3)",
    "\tat java.lang.reflect.Method.invoke(Native Method)",
    "Caused by: java.io.IOException: at last",
    "\tat com.example.Disk.read(Disk.kt:-2)",
    "\t... 3 more",
]
PLAIN = "\n".join(LINES)


@pytest.mark.parametrize(
    "text",
    [
        " ".join(line.strip() for line in LINES),
        "  ".join(LINES),
        PLAIN.replace("\n", "").replace("Caused by", " Caused by"),
        PLAIN.replace("\n", "\\n").replace("\t", "\\t"),
        PLAIN.replace("\n", "\\r\\n").replace("\t", "    "),
        json.dumps(PLAIN),
        json.dumps(PLAIN + "\n").replace("$", "\\u0024").replace("\\u0024", "$"),
        "noise of a collector: 17\n" + " ".join(line.strip() for line in LINES),
    ],
)
def test_one_line_reads_as_the_lines_do(text: str):
    expected = parse_payload(PayloadFormat.JAVA_STACKTRACE, PLAIN.encode())
    assert len(expected.exceptions) == 2

    assert sniff(text.encode()) is PayloadFormat.JAVA_STACKTRACE
    assert parse_payload(PayloadFormat.JAVA_STACKTRACE, text.encode()) == expected


def test_what_android_says_above_it_is_kept():
    text = "FATAL EXCEPTION: bg pool 1 Process: com.example.app, PID: 4711 " + " ".join(
        line.strip() for line in LINES
    )

    crash = parse_payload(PayloadFormat.JAVA_STACKTRACE, text.encode())

    assert (crash.process, crash.pid, crash.threads[0].name) == (
        "com.example.app", 4711, "bg pool 1",
    )  # fmt: skip
    assert crash.exception_message == "gone at noon: twice"
    assert len(crash.threads[0].frames) == 3


def test_an_acra_report_may_hold_one():
    report = {"STACK_TRACE": PLAIN.replace("\n", "\\n").replace("\t", "\\t"), "REPORT_ID": "1"}

    crash = acra_json.parse(json.dumps(report).encode())

    assert [frame.line for frame in crash.threads[0].frames] == [12, 3, None]


def test_its_end_may_be_cut():
    text = "java.lang.Error: x at com.example.Foo.bar(Foo.java:12) at com.example.Fo"

    crash = parse_payload(PayloadFormat.JAVA_STACKTRACE, text.encode())

    assert [frame.function for frame in crash.threads[0].frames] == ["com.example.Foo.bar"]


@pytest.mark.parametrize(
    "message",
    [
        "while at com.example.Foo.bar(Foo.java:12) we failed",
        "at com.example.Foo.bar(Foo.java:12) and then at com.example.Foo.baz(Foo.java:13)",
    ],
)
def test_words_around_a_call_leave_a_message_whole(message: str):
    crash = parse_payload(PayloadFormat.JAVA_STACKTRACE, f"java.lang.Error: {message}".encode())

    assert crash.exception_message == message
    assert crash.threads[0].frames == ()


def test_prose_and_json_are_no_stacks():
    assert sniff(b"We looked at com.example.Foo.bar(Foo.java:12) and it was fine") is None
    assert sniff(json.dumps({"stack": PLAIN}).encode()) is None
