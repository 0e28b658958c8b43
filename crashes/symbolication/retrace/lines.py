"""Where the names stand in one line of a stack trace.

The lines that count are those of R8's default expression, which also finds its way through what
log tools put before them:

    at some.Class.method(Source.java:12)            a call; before `at` may stand anything
    at loader/module@1/some.Class.method(…) ~[app.jar]
    some.Exception                                  a class alone
    some.Exception: message                         a class before a colon
    Caused by: some.Exception: message              a class after `: ` or `" `, the last such one
    Exception in thread "main" some.Exception
        [CIRCULAR REFERENCE: some.Exception]        a class before a bracket

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
_NO_START = ("", *"0123456789")  # what a method's name cannot begin with
_LARGEST_LINE = 2**31 - 1
_SAFE_DIGITS = 9


class CallLine(NamedTuple):
    """A line with a call: where class, method, file and line number begin and end.

    The file ends where the line number begins, which is at the colon; the number is empty when
    there is none. `line_number` is `NO_LINE` for that and for what is no number.
    """

    class_start: int
    class_end: int
    method_start: int
    method_end: int
    file_start: int
    line_start: int
    line_end: int
    line_number: int


class ClassLine(NamedTuple):
    """A line with a class, which counts as the exception that was thrown."""

    start: int
    end: int


def parse_line(text: str) -> CallLine | ClassLine | None:
    """Where the names are; None for a line without any."""
    return _parse_call(text) or _parse_class(text)


def map_ids(text: str) -> tuple[str, ...]:
    """The mapping ids in the source files of a stack (`r8-map-id-…`), each once."""
    return tuple(dict.fromkeys(_MAP_ID.findall(text)))


# --- Calls ------------------------------------------------------------------------------------


def _parse_call(text: str) -> CallLine | None:
    for found in _CALL.finditer(text):
        dot = _last_dot(found)
        if dot <= 0:
            continue
        source_end = _closing_parenthesis(text)
        source_start = found.end()
        if source_end < source_start:
            return None
        name_start, name_end = found.span("name")
        class_end = name_start + dot
        method_end = found.end("init") if found["init"] else name_end
        line_start, line_number = _line_number(text, source_start, source_end)
        return CallLine(
            text.rfind("/", name_start, class_end) + 1 or name_start, class_end, class_end + 1,
            method_end, source_start, line_start, source_end, line_number,
        )  # fmt: skip
    return None


def _last_dot(found: re.Match[str]) -> int:
    """The dot between class and method, counted from the name's start; 0 or less if none."""
    name: str = found["name"]
    dot = name.rfind(".")
    if found["init"]:
        return dot if dot == len(name) - 1 else NO_LINE
    while dot > 0 and name[dot + 1 : dot + 2] in _NO_START:
        dot = name.rfind(".", 0, dot)
    return dot


def _closing_parenthesis(text: str) -> int:
    """The last closing parenthesis with nothing but blanks and a `~[jar]` behind it."""
    at = text.rfind(")")
    while at >= 0 and not _ends_call(text, at + 1):
        at = text.rfind(")", 0, at)
    return at


def _ends_call(text: str, at: int) -> bool:
    if at == len(text):
        return True
    blanks = _BLANKS.match(text, at)
    at = blanks.end() if blanks else at
    if at == len(text):
        return True
    return text.startswith("~[", at) and text.endswith("]") and len(text) >= at + len("~[]")


def _line_number(text: str, start: int, end: int) -> tuple[int, int]:
    """Where the line number with its colon begins, and the number."""
    colon = text.rfind(":", start, end)
    digits = text[colon + 1 : end]
    if colon < 0 or not digits.isdecimal():
        return end, NO_LINE
    if len(digits) > _SAFE_DIGITS:
        digits = digits.lstrip("0")[: _SAFE_DIGITS + 2] or "0"
    number = int(digits)
    return colon, number if number <= _LARGEST_LINE else NO_LINE


# --- Classes ----------------------------------------------------------------------------------


def _parse_class(text: str) -> ClassLine | None:
    found = _leading_class(text) or _later_class(text)
    if found is None:
        only = _ONLY_CLASS.match(text)
        found = only and only.span("name")
    if found is None:
        return None
    start, end = found
    return ClassLine(text.rfind("/", start, end) + 1 or start, end)


def _leading_class(text: str) -> tuple[int, int] | None:
    """`first: second`, where the first one counts unless it is `Suppressed`."""
    found = _FIRST_CLASS.match(text)
    if found is None:
        return None
    start, end = found.span("name")
    if not found["colon"]:
        end -= 1
        if text[end] != '"' or start == end:
            return None
    return found.span("next") if text[start:end] == _NOT_A_CLASS else (start, end)


def _later_class(text: str) -> tuple[int, int] | None:
    return max((found.span("name") for found in _LATER_CLASS.finditer(text)), default=None)
