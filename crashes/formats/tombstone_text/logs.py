"""From a log to the lines of one tombstone.

In logcat a tombstone has a prefix on every line, other programs write between its lines, and a
second crash may be interleaved with the first. Lines of one dump share the process, thread and
tag that wrote them, so the writer of the first line that looks like a tombstone is the one to
follow; debuggerd (tag DEBUG) is preferred to a program that merely logs a backtrace.

A tombstone file ends with log lines of its own, which is why the file's own header decides first.
"""

import re

from crashes.formats.logcat_lines import LogLine, is_log, read_log
from crashes.formats.tombstone_text.frames import is_frame

BANNER = "*** *** ***"

_ANCHOR = re.compile(
    r"\*\*\* \*\*\* \*\*\*|Build fingerprint: '|pid: [0-9]+, tid: |signal -?[0-9]+ \("
    r"|==[0-9]+== ?ERROR: |backtrace:"
)
_DEBUGGERD = "DEBUG"
_LOOK_AT = 60


def is_anchor(line: str) -> bool:
    """Whether a stripped line can only come from a dump of a native crash."""
    return bool(_ANCHOR.match(line)) or is_frame(line)


def tombstone_lines(lines: list[str]) -> tuple[list[str], int]:
    """The lines of the first tombstone's writer, without prefixes, and how many dumps others hold."""
    if any(is_anchor(line.lstrip()) for line in lines[:_LOOK_AT]) or not is_log(lines):
        return lines, 0
    log = read_log(lines)
    writer = _first_writer(log)
    if writer is None:
        return lines, 0
    own = [entry.message for entry in log if entry.writer == writer]
    others = sum(
        entry.tag == _DEBUGGERD and entry.writer != writer and entry.message.startswith(BANNER)
        for entry in log
    )
    return own, others


def _first_writer(log: list[LogLine]) -> tuple[int | None, int | None, str | None] | None:
    anchors = [entry for entry in log if is_anchor(entry.message.lstrip())]
    by_debuggerd = (entry.writer for entry in anchors if entry.tag == _DEBUGGERD)
    return next(by_debuggerd, anchors[0].writer if anchors else None)
