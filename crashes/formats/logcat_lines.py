"""The prefix of a log line, in every form that `logcat -v` and Android Studio write.

Parsers of crashes that also travel through the log (Java stacks, tombstones, thread dumps) read
the message behind it. Forms: AOSP system/logging `logprint.cpp` (threadtime, time, brief, tag,
process, thread, long; modifiers year, uid, usec, zone, epoch) and the two of Android Studio.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import islice

from crashes.formats.lines import blank

_TIME = (
    r"(?P<time>(?:[0-9]{4}-)?[0-9]{2}-[0-9]{2} +[0-9]{2}:[0-9]{2}:[0-9]{2}[.,][0-9]{3,9}"
    r"(?: [+-][0-9]{4})?|[0-9]{1,12}\.[0-9]{3,9})"
)
_FORMS = tuple(
    re.compile(form)
    for form in (
        # threadtime: 04-25 09:55:47.799  3064  3082 E Tag: message
        rf"\s*{_TIME} +(?:[\w.-]{{1,32}} +)?(?P<pid>[0-9]{{1,10}}) +(?P<tid>[0-9]{{1,10}}) "
        r"(?P<priority>[VDIWEFAS]) (?P<rest>.*)",
        # time and brief: 04-25 09:55:47.799 E/Tag( 3064): message
        rf"\s*(?:{_TIME} +)?(?P<priority>[VDIWEFAS])/(?P<tag>[^(]{{0,128}})"
        r"\( *(?P<pid>[0-9]{1,10})(?:: *(?P<tid>[0-9]{1,10}))?\): ?(?P<message>.*)",
        # Android Studio: 2023-05-01 10:00:00.000  1-2  Tag   com.example   E  message
        rf"\s*{_TIME} +(?P<pid>[0-9]{{1,10}})-(?P<tid>[0-9]{{1,10}}) +(?P<tag>[^ /]{{1,128}}) +"
        r"[^ /]{1,256} +(?P<priority>[VDIWEFA])  ?(?P<message>.*)",
        # Android Studio, older: 2019-05-01 10:00:00.000 1-2/com.example E/Tag: message
        rf"\s*{_TIME} +(?P<pid>[0-9]{{1,10}})-(?P<tid>[0-9]{{1,10}})/[^ ]{{1,256}} "
        r"(?P<priority>[VDIWEFA])/(?P<rest>.*)",
        # process: E( 3064) message  (Tag)
        r"(?P<priority>[VDIWEFAS])\( *(?P<pid>[0-9]{1,10})\) (?P<message>.*)  \((?P<tag>[^()]{1,128})\)",
        # process and thread: E( 3064) message, E( 3064: 3082) message
        r"(?P<priority>[VDIWEFAS])\( *(?P<pid>[0-9]{1,10})(?:: *(?P<tid>[0-9]{1,10}))?\) "
        r"(?P<message>.*)",
        # tag: E/Tag: message
        r"(?P<priority>[VDIWEFA])/(?P<tag>[\w.$-]{1,128}) {0,64}: (?P<message>.*)",
    )
)
_LONG = re.compile(
    rf"\[ {_TIME} +(?P<pid>[0-9]{{1,10}}): *(?P<tid>[0-9]{{1,10}}) "
    r"(?P<priority>[VDIWEFA])/(?P<tag>[^\]]{0,128}?) *\]\s*"
)
_LOOK_AT = 60
_HANGING = " " * 24


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line of a log; `time` is spelled as the log has it, without a year in most forms."""

    message: str
    tag: str | None = None
    priority: str | None = None
    pid: int | None = None
    tid: int | None = None
    time: str | None = None

    @property
    def writer(self) -> tuple[int | None, int | None, str | None]:
        """Who wrote it: lines of one crash share process, thread and tag."""
        return self.pid, self.tid, self.tag


def read_line(line: str) -> LogLine | None:
    """The parts of one log line, or None when it has no prefix."""
    for form in _FORMS:
        found = form.match(line)
        if found:
            return _log_line(found)
    return None


def _log_line(found: re.Match[str]) -> LogLine:
    parts = found.groupdict()
    tag, message = parts.get("tag"), parts.get("message") or ""
    if "rest" in parts:
        tag, _, message = (parts["rest"] + " ").partition(": ")
        message = message[:-1]
    return LogLine(
        message=message,
        tag=tag.strip().removesuffix(":") if tag else None,
        priority=parts["priority"],
        pid=_number(parts.get("pid")),
        tid=_number(parts.get("tid")),
        time=parts.get("time"),
    )


def _number(text: str | None) -> int | None:
    return int(text) if text else None


def read_log(lines: Iterable[str]) -> list[LogLine]:
    """Every line that has a prefix, and the lines that hang on one.

    In the long form all messages stand below their header; Android Studio indents the further
    lines of a message to the column where the first begins.
    """
    log: list[LogLine] = []
    header: LogLine | None = None
    column = 0
    for line in lines:
        long = _LONG.fullmatch(line) if line.startswith("[ ") else None
        if long:
            header = _log_line(long)
        elif header is not None:
            header = _below(header, line, log)
        elif read := read_line(line):
            log.append(read)
            column = len(line) - len(read.message)
        elif log and line.startswith(_HANGING) and blank(line[:column]):
            log.append(replace(log[-1], message=line[column:]))
    return log


def _below(header: LogLine, line: str, log: list[LogLine]) -> LogLine | None:
    """Add a message line of the long form; an empty line closes its entry."""
    if blank(line):
        return None
    log.append(LogLine(line, header.tag, header.priority, header.pid, header.tid, header.time))
    return header


def is_log(lines: Iterable[str]) -> bool:
    """Whether one of the first lines has a log prefix."""
    filled = islice((line for line in lines if not blank(line)), _LOOK_AT)
    return any(read_line(line) or _LONG.fullmatch(line) for line in filled)


def messages(lines: list[str]) -> list[str]:
    """The lines without their prefixes; lines that have none stay as they are."""
    if not is_log(lines):
        return lines
    read = ((line, read_line(line)) for line in lines)
    return [line if entry is None else entry.message for line, entry in read]
