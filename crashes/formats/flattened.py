r"""Java stacks that somebody put on one line: escaped as in JSON, or with blanks for line ends.

    java.lang.Error: gone\n\tat a.B.c(D.java:1)\nCaused by: ...          escaped
    java.lang.Error: gone at a.B.c(D.java:1) at e.F.g(H.java:2) ...      flattened

They are taken apart only where there is no doubt: no line of the text is a frame by itself, and
behind the first `at CLASS.method(Source:1)` nothing stands but such calls, counts of omitted frames
and causes with theirs; the end may be cut. A message with the words of a call inside of it stays
whole when other words follow.
"""

import re

from crashes.formats.exception_chain import call_of, is_sure_title

_SOURCE = r"(?:Native Method|Unknown Source(?::\d{1,9})?|[^\s():]{1,128}(?::-?\d{1,9})?)"
_CALL = rf"at [^\s()]{{1,512}}\.[^\s().]{{1,256}}\({_SOURCE}\)"
_OMITTED = r"\.\.\. \d{1,6} (?:more|common frames omitted)"
_STEP = re.compile(rf"\s+(?={_CALL}(?:\s|$)|{_OMITTED}(?:\s|$))")
_FIRST = re.compile(rf"\s{_CALL}(?:\s|$)")
_ONE_STEP = re.compile(rf"(?P<step>{_CALL}|{_OMITTED})(?:\s+(?P<rest>.*))?", re.DOTALL)
_LINK = re.compile(r"(?:Caused by|Suppressed): \S")
_CUT_CALL = re.compile(r"(?:at(?: [^\s()]{0,512}(?:\([^\s()]{0,128})?)?|\.{1,3}[ \d]{0,8})?")
_ESCAPED = re.compile(r"(?:\\r)?\\n(?:\\t| {1,8}|\t)?at [^\s()\\]{3,512}\(")
_UNESCAPED = {"\\r\\n": "\n", "\\n": "\n", "\\r": "", "\\t": "\t", '\\"': '"', "\\/": "/",
              "\\\\": "\\", "\\'": "'", "\\u003c": "<", "\\u003e": ">", "\\u0026": "&",
              "\\u003d": "=", "\\u0027": "'"}  # fmt: skip
_ESCAPE = re.compile("|".join(re.escape(text) for text in _UNESCAPED), re.IGNORECASE)
_HEAD = re.compile(
    r"(?P<fatal>(?:\*\*\* )?FATAL EXCEPTION(?: IN SYSTEM PROCESS)?: \S.{0,128}?)\s+"
    r"(?:(?P<process>Process: [^\s,]{1,256}, PID: \d{1,10})\s+)?(?=(?:[\w$]{1,128}\.){1,16}[A-Z][\w$]*)"
)
_MAX_STEPS = 4096
_LOOK_AT = 8


def unflattened(lines: list[str]) -> list[str] | None:
    """The lines that one of the first lines was; None when none of them is a stack by itself."""
    if any(call_of(line) for line in lines[:_LOOK_AT]):
        return None
    for at, line in enumerate(lines[:_LOOK_AT]):
        found = _unescaped(line) or _split(line)
        if found:
            return [*lines[:at], *found, *lines[at + 1 :]]
    return None


def _unescaped(line: str) -> list[str] | None:
    text = line.strip()
    if "\\n" not in text or text[0] in "{[" or not _ESCAPED.search(text):
        return None
    if text[0] == text[-1] == '"':
        text = text[1:-1]
    return _ESCAPE.sub(lambda found: _UNESCAPED[found[0].lower()], text).split("\n")


def _split(line: str) -> list[str] | None:
    if "at " not in line or not _FIRST.search(line):
        return None
    head = _HEAD.match(line.lstrip())
    said = [part for part in head.groups() if part] if head else []
    rest = line.lstrip()[head.end() :] if head else line.strip()
    title = _STEP.split(rest, maxsplit=1)[0]
    if not is_sure_title(title.partition("\n")[0]) and not title.startswith("Exception in thread"):
        return None
    steps = _steps(rest[len(title) :].strip())
    return None if steps is None else [*said, title, *steps]


def _steps(text: str) -> list[str] | None:
    """Calls, counts and causes, a line each; None where anything else stands between them."""
    found: list[str] = []
    while text and len(found) < _MAX_STEPS:
        step = _ONE_STEP.match(text)
        if step:
            found.append("\t" + step["step"])
            text = step["rest"] or ""
        elif _LINK.match(text):
            title = _STEP.split(text, maxsplit=1)[0]
            found.append(title)
            text = text[len(title) :].strip()
        else:
            return found if found and _CUT_CALL.fullmatch(text) else None
    return found
