"""The chain of exceptions in the text of one `Throwable.printStackTrace()`.

The printed form nests: causes follow at the indentation of what they caused, suppressed
exceptions one tab deeper, and frames shared with the enclosing trace are only counted
(`... 7 more`). See java.lang.Throwable of OpenJDK and of Android's libcore, whose forms of a
circular reference differ, and logback's `common frames omitted`.

A message may span lines, so it reaches from the exception's first line to the next line that
has a meaning of its own. After its frames the first other line ends the whole trace.
"""

import re
from dataclasses import dataclass, field

from crashes.formats.lines import HeadAndTail, blank
from crashes.formats.managed_frame import managed_frame, split_call
from crashes.stack import CauseLink, ExceptionInfo, Frame

MAX_EXCEPTIONS = 64
_MAX_DROPPED = 1024
_MAX_MESSAGE_LINES = 256
_MAX_MESSAGE = 64 * 1024

_WORD = r"[^\W\d][\w$-]*"
_TYPE = rf"{_WORD}(?:\.{_WORD})*"
_TITLE = re.compile(rf"(?P<type>{_TYPE})(?::\s(?P<message>.*)|:)?\s*", re.DOTALL)
_OMITTED = re.compile(r"\.\.\. (?P<count>[0-9]{1,6}) (?:more|common frames omitted)\b.*")
_CIRCULAR = re.compile(r"\[CIRCULAR REFERENCE: ?(?P<title>.*)\]")
_SURELY_A_TYPE = re.compile(rf"(?:{_WORD}\.)+[A-Z][\w$-]*|{_WORD}(?:Exception|Error|Throwable)")
_LINKS = (
    ("Caused by: ", CauseLink.CAUSED_BY),
    ("Suppressed: ", CauseLink.SUPPRESSED),
)
_CONSOLE_CAUSE = re.compile(rf"Caused by (?=(?:{_WORD}\.)+[A-Z])")
"""Google Play's console leaves the colon out."""


@dataclass(slots=True)
class _Draft:
    """One exception while its lines are read."""

    title: str
    link: CauseLink
    depth: int
    calls: HeadAndTail[str] = field(default_factory=HeadAndTail)
    omitted: int = 0

    def finished(self) -> ExceptionInfo:
        type_name, message = split_title(self.title)
        return ExceptionInfo(
            type=type_name,
            message=message,
            link=self.link,
            frames=tuple(_frames(self.calls)),
            frames_omitted=self.omitted,
            depth=self.depth,
        )


@dataclass(frozen=True, slots=True)
class Chain:
    """What a trace holds.

    `exceptions` is outermost first. `headless` are frames that stand before any exception's own
    line, as in a trace whose beginning was cut. `end` is the index of the first line after it.
    """

    exceptions: tuple[ExceptionInfo, ...]
    headless: tuple[Frame, ...]
    dropped_frames: int
    dropped_exceptions: int
    end: int


def _frames(calls: HeadAndTail[str]) -> list[Frame]:
    drafted = (managed_frame(call, index) for index, call in calls.items())
    return [frame for frame in drafted if frame is not None]


def split_title(title: str) -> tuple[str, str | None]:
    """Type and message of `java.lang.Error: text`; without a message that is None."""
    found = _TITLE.fullmatch(title.strip("\n"))
    if found is None:
        type_name, _, message = title.strip().partition(": ")
        return type_name or title.strip(), message[:_MAX_MESSAGE] or None
    return found["type"], (found["message"] or "")[:_MAX_MESSAGE] or None


def is_title(line: str) -> bool:
    """Whether a line may be the first of an exception: a type, then nothing or a message."""
    return _TITLE.fullmatch(line.strip()) is not None


def is_sure_title(line: str) -> bool:
    """Whether a line is the first of an exception beyond doubt, judged by its type."""
    found = _TITLE.fullmatch(line.strip())
    return found is not None and _SURELY_A_TYPE.fullmatch(found["type"]) is not None


def call_of(line: str) -> str | None:
    """What follows `at ` in a frame line, or None when the line is no frame."""
    text = line.lstrip()
    if not text.startswith("at "):
        return None
    call = text[3:].strip()
    parts = split_call(call)
    if parts is None or (parts[1] is None and text == line):
        return None
    return call


def is_structural(line: str) -> bool:
    """Whether a line is part of a trace by its own form: a frame, a link or a count."""
    text = line.lstrip()
    if text.startswith("at "):
        return call_of(line) is not None
    if text.startswith("Caused by ") and _CONSOLE_CAUSE.match(text):
        return True
    return text.startswith(("Caused by: ", "Suppressed: ", "[CIRCULAR REFERENCE")) or (
        text.startswith("... ") and _OMITTED.fullmatch(text) is not None
    )


class ChainReader:
    """Reads one trace from a list of lines, beginning at the exception's own line."""

    def __init__(self, lines: list[str]) -> None:
        self._lines = lines
        self._drafts: list[_Draft] = []
        self._headless: HeadAndTail[str] = HeadAndTail()
        self._dropped = 0
        self._unit = 0

    def read(self, start: int, title: str | None) -> Chain:
        """The trace whose outermost exception has `title` on line `start`.

        A `title` of None means that the trace begins with frames.
        """
        at = start
        if title is not None:
            at = self._open(title, start, CauseLink.OUTERMOST, depth=0)
        while at < len(self._lines) and self._dropped < _MAX_DROPPED:
            step = self._step(at)
            if step is None:
                break
            at = step
        return self._chain(at)

    def _chain(self, end: int) -> Chain:
        kept, beyond = self._drafts[:MAX_EXCEPTIONS], self._drafts[MAX_EXCEPTIONS:]
        dropped = self._headless.omitted + sum(draft.calls.omitted for draft in kept)
        return Chain(
            exceptions=tuple(draft.finished() for draft in kept),
            headless=tuple(_frames(self._headless)),
            dropped_frames=dropped,
            dropped_exceptions=self._dropped + len(beyond),
            end=end,
        )

    def _step(self, at: int) -> int | None:
        """Take in the line `at`; the index to go on with, or None when the trace is over."""
        line = self._lines[at]
        if blank(line):
            return self._over_blanks(at)
        text = line.strip()
        if call := call_of(line):
            self._add_call(call, line)
            return at + 1
        if counted := _OMITTED.fullmatch(text):
            return self._count_omitted(int(counted["count"]), at)
        if circular := _CIRCULAR.match(text):
            return self._open(circular["title"], at, CauseLink.CIRCULAR, self._depth(line))
        return self._step_link(text, line, at)

    def _step_link(self, text: str, line: str, at: int) -> int | None:
        for words, link in _LINKS:
            if text.startswith(words):
                return self._open_link(text.removeprefix(words), link, line, at)
        if cause := _CONSOLE_CAUSE.match(text):
            return self._open_link(text[cause.end() :], CauseLink.CAUSED_BY, line, at)
        return None

    def _open_link(self, title: str, link: CauseLink, line: str, at: int) -> int:
        depth = self._depth(line)
        if link is CauseLink.SUPPRESSED:
            depth = max(1, depth)
        if circular := _CIRCULAR.match(title):
            return self._open(circular["title"], at, CauseLink.CIRCULAR, depth)
        return self._open(title, at, link, depth)

    def _over_blanks(self, at: int) -> int | None:
        """Past empty lines inside a trace; None when nothing of the trace follows them."""
        while at < len(self._lines) and blank(self._lines[at]):
            at += 1
        return at if at < len(self._lines) and is_structural(self._lines[at]) else None

    def _add_call(self, call: str, line: str) -> None:
        if not self._drafts:
            self._headless.add(call)
            return
        if not self._unit:
            self._unit = max(1, len(line) - len(line.lstrip()))
        self._drafts[-1].calls.add(call)

    def _count_omitted(self, count: int, at: int) -> int:
        if self._drafts:
            self._drafts[-1].omitted = count
        return at + 1

    def _depth(self, line: str) -> int:
        """How deep a line is nested; one level is as wide as the first frame's indentation."""
        indentation = len(line) - len(line.lstrip())
        return min(indentation // (self._unit or 1), MAX_EXCEPTIONS)

    def _open(self, title: str, at: int, link: CauseLink, depth: int) -> int:
        """Begin an exception whose title starts on line `at`; the index after its title."""
        end = at + 1 if link is CauseLink.CIRCULAR else self._title_end(at + 1)
        if len(self._drafts) > MAX_EXCEPTIONS:
            self._drafts.pop()  # the last place is for what is read past and not kept
            self._dropped += 1
        rest = self._lines[at + 1 : end]
        self._drafts.append(_Draft("\n".join([title, *rest]), link, depth))
        return end

    def _title_end(self, at: int) -> int:
        """Where the message ends that began before line `at`.

        It ends at the next structural line. If none is near, the exception has no frames and its
        message ends at the first empty line.
        """
        limit = min(len(self._lines), at + _MAX_MESSAGE_LINES)
        first_blank = next((here for here in range(at, limit) if blank(self._lines[here])), limit)
        for here in range(at, limit):
            if is_structural(self._lines[here]):
                return here
            if here > first_blank and is_sure_title(self._lines[here]):
                break
        return first_blank
