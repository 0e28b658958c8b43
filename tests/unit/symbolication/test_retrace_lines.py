"""Finding the names in a line of a stack trace."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crashes.symbolication.retrace.lines import CallLine, ClassLine, map_ids, parse_line


def call_parts(text: str) -> tuple[str, str, str, str, int]:
    found = parse_line(text)
    assert isinstance(found, CallLine)
    return (
        text[found.class_start : found.class_end],
        text[found.method_start : found.method_end],
        text[found.file_start : found.line_start],
        text[found.line_start : found.line_end],
        found.line_number,
    )


def class_of(text: str) -> str | None:
    found = parse_line(text)
    return text[found.start : found.end] if isinstance(found, ClassLine) else None


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("at a.b(C.java:12)", ("a", "b", "C.java", ":12", 12)),
        ("\tat a.b.c.<init>(:4)", ("a.b.c", "<init>", "", ":4", 4)),
        ("at a.<clinit>(C)", ("a", "<clinit>", "C", "", -1)),
        ("at a.b()", ("a", "b", "", "", -1)),
        ("at a.b(Main.java:)", ("a", "b", "Main.java:", "", -1)),
        ("at a.b(:x::y:1)", ("a", "b", ":x::y", ":1", 1)),
        ("at a.b(12)", ("a", "b", "12", "", -1)),
        ("at a.b(C.java:007)", ("a", "b", "C.java", ":007", 7)),
        ("at a.b(C.java:2147483647)", ("a", "b", "C.java", ":2147483647", 2147483647)),
        ("at a.b(C.java:2147483648)", ("a", "b", "C.java", ":2147483648", -1)),
        (f"at a.b(C.java:{'9' * 9999})", ("a", "b", "C.java", f":{'9' * 9999}", -1)),
        (f"at a.b(C.java:{'0' * 9999}5)", ("a", "b", "C.java", f":{'0' * 9999}5", 5)),
        ("at a.b (C.java:1)", ("a", "b", "C.java", ":1", 1)),
        ("at a.b(C.java:1) ~[x.jar:1.0 (a)]", ("a", "b", "C.java", ":1", 1)),
        ("at a.b(:g@1 (2-3):46)", ("a", "b", ":g@1 (2-3)", ":46", 46)),
        ("at loader/mod@9/a.b(C:1)", ("a", "b", "C", ":1", 1)),
        ("E/Tag: at a.b(C:1)", ("a", "b", "C", ":1", 1)),
        ("look at this: at a.b(C:1)", ("a", "b", "C", ":1", 1)),
        ("<OR> at a.b(C:1)", ("a", "b", "C", ":1", 1)),
        ("at a.b.1c(C:1)", ("a", "b.1c", "C", ":1", 1)),
        ("at a.lambda$b$0(Blå.kt:1)", ("a", "lambda$b$0", "Blå.kt", ":1", 1)),
        ("at a$-CC.$default$b(C:1)", ("a$-CC", "$default$b", "C", ":1", 1)),
    ],
)
def test_a_call_has_class_method_file_and_line(text: str, parts: tuple[object, ...]) -> None:
    assert call_parts(text) == parts


@pytest.mark.parametrize(
    "text",
    [
        "", "    ", "at", "at ", "at b(C:1)", "at .b(C:1)", "at 1a.b(C:1)", "at a.(C:1)",
        "at a.b(C:1", "at a.b C:1)", "at a.b(C:1) more", "what.a.b(C:1)", "at <init>(C:1)",
        "at a<init>(C:1)", "at a.b(C:1)~[x.jar", "at a.b(C:1) ~[]x",
    ],
)  # fmt: skip
def test_what_is_no_call_is_not_taken_for_one(text: str) -> None:
    assert not isinstance(parse_line(text), CallLine)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("a.b.C", "a.b.C"),
        ("a.b.C: it broke down", "a.b.C"),
        ("a.b.C: a.b.D", "a.b.C"),
        ("Caused by: a.b.C: it broke down", "a.b.C"),
        ("Caused by: a.b.C: broken", "broken"),
        ("Suppressed: a.b.C: it broke down", "a.b.C"),
        ("Suppressed: a.b.C", "a.b.C"),
        ('Exception in thread "main" a.b.C: it broke', "a.b.C"),
        ('"main" a.b.C', '"main'),
        ("1 E Tag: x: y: Error in z: net::ERR, code=5", "net"),
        ("        [CIRCULAR REFERENCE: a.b.C]", "a.b.C"),
        (" [CIRCULAR REFERENCE: a.b.C] ", "a.b.C"),
        ("    [CIRCULAR REFERENCE: a.b.C", "a.b.C"),
        ("app//a.b.C: it broke down", "a.b.C"),
        ("        [CIRCULAR REFERENCE: ]", None),
        ("        [CIRCULAR REFERENCE: no such class]", None),
        ("        ... 7 more", None),
        ("Caused by: ", None),
        (" a.b.C", None),
        ("1.b.C", None),
        ("a b", None),
    ],
)
def test_a_line_without_a_call_has_one_class(text: str, name: str | None) -> None:
    assert class_of(text) == name


def test_mapping_ids_are_found_in_source_files() -> None:
    stack = "at a.b(r8-map-id-0fa:1)\nat a.c(r8-map-id-0fa)\nat a.d(r8-map-id-1:2)\nr8-map-id-no"

    assert map_ids(stack) == ("0fa", "1")


# The same grammar as plain expressions, which may take exponential time where ours may not.
_NAME = r"[^0-9\s\[\];:()<>][^\s\[\];:()<>]*"
_PLAIN_CALL = re.compile(
    rf".*?\bat\s+(?P<class>{_NAME})\.(?P<method>{_NAME}|<init>|<clinit>)\s*"
    rf"\((?P<source>.*)\)[ ]*(?:~\[.*\])?",
    re.ASCII,
)
_PLAIN_CLASS = re.compile(
    rf"(?:(?:(?P<first>{_NAME})|.*)?[:\"]\s+)?(?P<second>{_NAME})(?:[:\]].*)?", re.ASCII
)
_PIECES = st.lists(
    st.sampled_from(
        ["at", "at ", " ", "  ", "\t", ".", "a", "b.c", "<init>", "<", ">", "(", ")", ":", ": ", "1",
         '"', '" ', "[", "]", "~[", "/", "Suppressed", ";", "-", "$", "é", "X.java", "a.b(c:1)"]
    ),
    max_size=14,
).map("".join)  # fmt: skip


def plain_names(text: str) -> tuple[str, ...] | None:
    call = _PLAIN_CALL.fullmatch(text)
    if call is not None:
        return call["class"].rpartition("/")[2], call["method"], call["source"]
    found = _PLAIN_CLASS.fullmatch(text)
    if found is None:
        return None
    name = found["first"]
    if name is None or name == "Suppressed":
        name = found["second"]
    return (name.rpartition("/")[2],)


@given(_PIECES)
def test_lines_are_read_as_the_plain_expressions_read_them(text: str) -> None:
    found = parse_line(text)

    names: tuple[str, ...] | None = None
    if isinstance(found, CallLine):
        class_name, method, *_ = call_parts(text)
        names = (class_name, method, text[found.file_start : found.line_end])
    elif found is not None:
        names = (text[found.start : found.end],)
    assert names == plain_names(text)
