"""Where the names stand in one line of a stack trace.

The lines that count are those of R8's default expression, which also finds its way through what
log tools put before them:

    at some.Class.method(Source.java:12)            a call; before `at` may stand anything
    at loader/module@1/some.Class.method(…) ~[app.jar]
    some.Exception                                  a class alone
    some.Exception: message                         a class before a colon
    Caused by: some.Exception: message              a class after `: ` or `" `, the last such one
    Exception in thread "main" some.Exception
        [CIRCULAR REFERENCE:some.Exception]         a class before a bracket

In a line without a call only one name is one, and a message that ends with `: name` shows that
name and not the exception's: this is how R8 reads it. A name is anything without blanks, brackets
and colons that begins with no digit, so that Kotlin's and ProGuard's spellings pass.

Everything here is linear in the length of the line, whatever stands in it.
"""

import re
from typing import NamedTuple

from crashes.symbolication.retrace.members import NO_LINE

_NAME = r"[^0-9\s\[\];:()<>][^\s\[\];:()<>]*+"
_END_OF_NAME = r"(?=[:\]]|\Z)"
_CALL = re.compile(rf"(?<!\w)at\s++(?P<name>{_NAME})(?P<init><init>|<clinit>)?+\s*+\(", re.ASCII)
_BLANKS = re.compile(r"[ \xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]*+")
_FIRST_CLASS = re.compile(
    rf"(?P<name>{_NAME})(?P<colon>:?+)\s++(?P<next>{_NAME}){_END_OF_NAME}", re.ASCII
)
_LATER_CLASS = re.compile(rf"[:\"]\s++(?P<name>{_NAME}){_END_OF_NAME}", re.ASCII)
_ONLY_CLASS = re.compile(rf"(?P<name>{_NAME}){_END_OF_NAME}", re.ASCII)
_MAP_ID = re.compile(r"\(r8-map-id-([0-9A-Za-z]{1,128})(?=[:)])")
_NOT_A_CLASS = "Suppressed"
_LARGEST_LINE = 2**31 - 1


class Span(NamedTuple):
    """Characters `start` to `end` of a line."""

    start: int
    end: int


class CallLine(NamedTuple):
    """A line with a call.

    `file` and `line` stand in the parentheses; the span of `line` begins at its colon and is
    empty when there is none. `line_number` is `NO_LINE` for that and for numbers that are none.
    """

    class_name: Span
    method: Span
    file: Span
    line: Span
    line_number: int


class ClassLine(NamedTuple):
    """A line with a class, which counts as the exception that was thrown."""

    class_name: Span


def parse_line(text: str) -> CallLine | ClassLine | None:
    """Where the names are; None for a line without any."""
    return _parse_call(text) or _parse_class(text)


def map_ids(text: str) -> tuple[str, ...]:
    """The mapping ids in the source files of a stack (`r8-map-id-…`), each once."""
    return tuple(dict.fromkeys(_MAP_ID.findall(text)))


# --- Calls ------------------------------------------------------------------------------------


def _parse_call(text: str) -> CallLine | None:
    closing = NO_LINE
    for found in _CALL.finditer(text):
        names = _class_and_method(found)
        if names is None:
            continue
        if closing == NO_LINE:
            closing = _closing_parenthesis(text)
        if closing < found.end():
            return None
        class_name, method = names
        file, line, line_number = _source(text, found.end(), closing)
        return CallLine(class_name, method, file, line, line_number)
    return None


def _class_and_method(found: re.Match[str]) -> tuple[Span, Span] | None:
    start, end = found.span("name")
    name = found["name"]
    if found["init"]:
        if not name.endswith(".") or name == ".":
            return None
        return _class_span(name[:-1], start), Span(*found.span("init"))
    dot = name.rfind(".")
    while dot > 0 and (dot + 1 == len(name) or name[dot + 1] in "0123456789"):
        dot = name.rfind(".", 0, dot)
    if dot <= 0:
        return None
    return _class_span(name[:dot], start), Span(start + dot + 1, end)


def _class_span(name: str, start: int) -> Span:
    """Without the class loader and module that may stand before a class."""
    return Span(start + name.rfind("/") + 1, start + len(name))


def _closing_parenthesis(text: str) -> int:
    """The last closing parenthesis with nothing but blanks and a `~[jar]` behind it."""
    at = text.rfind(")")
    while at >= 0 and not _ends_call(text, at + 1):
        at = text.rfind(")", 0, at)
    return at


def _ends_call(text: str, at: int) -> bool:
    blanks = _BLANKS.match(text, at)
    at = blanks.end() if blanks else at
    if at == len(text):
        return True
    return text.startswith("~[", at) and text.endswith("]") and len(text) >= at + len("~[]")


def _source(text: str, start: int, end: int) -> tuple[Span, Span, int]:
    """File, line and the number of the line."""
    file, colon, number = text[start:end].rpartition(":")
    if not colon or not number.isdecimal():
        return Span(start, end), Span(end, end), NO_LINE
    at = start + len(file)
    return Span(start, at), Span(at, end), _number(number)


def _number(digits: str) -> int:
    digits = digits.lstrip("0") or "0"
    if len(digits) > len(str(_LARGEST_LINE)):
        return NO_LINE
    number = int(digits)
    return number if number <= _LARGEST_LINE else NO_LINE


# --- Classes ----------------------------------------------------------------------------------


def _parse_class(text: str) -> ClassLine | None:
    span = _leading_class(text) or _later_class(text) or _group(_ONLY_CLASS.match(text), "name")
    return span and ClassLine(_without_loader(text, span))


def _leading_class(text: str) -> Span | None:
    """`first: second`, where the first one counts unless it is `Suppressed`."""
    found = _FIRST_CLASS.match(text)
    if found is None:
        return None
    start, end = found.span("name")
    if not found["colon"]:
        end -= 1
        if text[end] != '"' or start == end:
            return None
    span = Span(start, end)
    return _group(found, "next") if text[start:end] == _NOT_A_CLASS else span


def _later_class(text: str) -> Span | None:
    return max((Span(*found.span("name")) for found in _LATER_CLASS.finditer(text)), default=None)


def _group(found: re.Match[str] | None, name: str) -> Span | None:
    return None if found is None else Span(*found.span(name))


def _without_loader(text: str, span: Span) -> Span:
    return Span(text.rfind("/", span.start, span.end) + 1 or span.start, span.end)
