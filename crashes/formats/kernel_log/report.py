"""One report of the kernel: its lines, its title and its function.

The lines of a report are those that the same task or processor wrote behind the line that began
it; what others wrote in between belongs to them. Where the kernel does not say who wrote a line,
the next report ends this one. Calls found by scanning (`? f`) are left out, and the trace of the
panic that only follows (`panic_on_warn`), since it repeats the report's.
"""

import re
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from crashes.formats.kernel_log.console import CONSOLE, ConsoleLine, read_console
from crashes.formats.kernel_log.faults import TOPICS, Fault, Passing, Route, Step, Topic
from crashes.formats.kernel_log.own_frame import PASSED_OVER, plain_name, readable
from crashes.formats.kernel_log.stack_lines import calls, has_call, is_counter, stopped_at

NO_FUNCTION = "corrupted"
PANIC = "Kernel panic - not syncing"

_MAX_LINES = 8_000
_MAX_TITLE = 120
_MAX_MARKS = 64
_NEAR = 500  # evidence stands within a screen or two of the mark
_OF_ITS_OWN = 22  # a report that has said so much does not need the panic's repetition
_OTHER_REPORT = "WARNING: possible circular locking dependency detected"
_ALL_PROCESSORS = "Sending NMI from CPU"
_TAINT_NOTE = "Disabling lock debugging due to kernel taint"
_OTHER_STACK = re.compile(
    r"vmalloc: allocation failure:|FAULT_INJECTION: forcing a failure|FAULT_FLAG_ALLOW_RETRY missing"
)
_SCANNED = re.compile(r"(?:\[<[0-9a-f]+>\])? ?\? +[\w.]+\+0x[0-9a-f]+/0x?[0-9a-f]+|\(unreliable\)")
_HEADING = re.compile(
    r"Call [Tt]race|(?:Allocated|Freed)(?: by task [0-9]{1,10})?:|[^k] backtrace(?: \(crc \w*\))?:"
    r"|Backtrace:|Uninit was stored to memory at|status: [0-9a-f]{16} badaddr: [0-9a-f]{16} cause:"
    r"|^ ?(?:\[<?(?:0x)?[0-9a-f]+>?\])? should_fail(?:slab)?(?:\.[a-z0-9.]+)?\+0x"
)
_TRACE_HEADING = re.compile(r"Call [Tt]race:|Backtrace:")
_ADDRESS = re.compile(r"(?<![a-zA-Z0-9])(?:0x)?[0-9a-f]{6,}")
_PROCESS = re.compile(r"\b(syz-executor|syzkaller)\.?[0-9]+(?:[/:][0-9]+)?")
_LINE = re.compile(r"(\.\w+)(?::[0-9]+)+")
_CALL = re.compile(r"([a-zA-Z][\w.]+)\+0x[0-9a-z]+/0x[0-9a-z]+")
_IP_ADDRESS = re.compile(r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}")
_CPU = re.compile(r"CPU#[0-9]+")
_NUMBER = re.compile(r"(?<=\W)[0-9]+(?=\W|$)")
_STRANGE = re.compile(r"[^\x20-\x7e]")


@dataclass(frozen=True, slots=True)
class Report:
    """A report and where it began. `texts` begin with the line that began it.

    `own` is how many of the texts are surely the report's own.
    """

    topic: Topic
    at: int
    first: ConsoleLine
    texts: tuple[str, ...]
    own: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a report is about. `incomplete`: its beginning or its stack is missing."""

    title: str
    function: str | None = None
    fatal: bool = False
    incomplete: bool = False


def topic_of(line: str) -> Topic | None:
    """What begins in this line, if a report does."""
    for topic in TOPICS:
        if topic.word in line and not (topic.not_in and topic.not_in.search(line)):
            return topic
    return None


def beginnings(lines: Sequence[str]) -> Iterator[tuple[int, Topic]]:
    """Where a report begins, in order."""
    words = [topic.word for topic in TOPICS]
    for at, line in enumerate(lines):
        for word in words:
            if word in line:
                if topic := topic_of(line):
                    yield at, topic
                break


def read_report(lines: Sequence[str], at: int, topic: Topic) -> Report:
    """The report that begins at line `at`."""
    begun = read_console(lines[at])
    texts = [begun.text]
    own: int | None = None
    everyone = False
    for line in lines[at + 1 : at + _MAX_LINES]:
        read = read_console(line)
        if own is None and _begins_another(line):
            own = len(texts)
        if not _is_part(read, begun, everyone=everyone):
            continue
        if len(texts) >= _OF_ITS_OWN and (PANIC in read.text or _OTHER_REPORT in read.text):
            break
        everyone = everyone or _ALL_PROCESSORS in read.text
        if _TAINT_NOTE not in read.text:
            texts.append(read.text)
    surely = len(texts) if own is None or begun.caller not in {"", CONSOLE} else own
    return Report(topic, at, begun, tuple(texts), surely)


def _begins_another(line: str) -> bool:
    topic = topic_of(line)
    return (topic.ends_another if topic else False) or _OTHER_STACK.search(line) is not None


def _is_part(read: ConsoleLine, begun: ConsoleLine, *, everyone: bool) -> bool:
    """Whether the writer of the report wrote this line, and nothing uncertain in it."""
    if begun.caller and _SCANNED.search(read.text) and "<EOI>" not in read.text:
        return False
    return read.caller == begun.caller or (everyone and read.caller.startswith("C"))


def judge(report: Report) -> Verdict:
    """The title of a report, from its own lines, else from all of them."""
    texts, word = report.texts[: report.own], report.topic.word
    said = (at for at, text in enumerate(texts) if word in text)
    for at in islice(said, _MAX_MARKS):
        text = texts[at]
        for fault in report.topic.faults:
            found = fault.mark.match(text, text.index(word))
            verdict = _verdict(fault, found, texts[at:]) if found else None
            if verdict is not None:
                return verdict
    line = report.texts[0]
    start = max(0, line.find(report.topic.word))
    return Verdict(tidy(line[start:]), incomplete=True)


def _verdict(fault: Fault, found: re.Match[str], texts: Sequence[str]) -> Verdict | None:
    """The title of one fault, or None when a part of its evidence is missing."""
    values = {name: value for name, value in found.groupdict().items() if value}
    evidence = _evidence(fault, texts)
    if evidence is None:
        return None
    values |= evidence
    lost = False
    if fault.routes:
        function = _function(fault, texts)
        lost = function is None
        values["function"] = function or NO_FUNCTION
    function = values.get("function")
    title = tidy(fault.title.format_map(values))
    known = None if function == NO_FUNCTION else function
    untraced = not fault.traceless and not any(has_call(text) for text in texts)
    return Verdict(title, known, fault.fatal, fault.incomplete or lost or untraced)


def _evidence(fault: Fault, texts: Sequence[str]) -> dict[str, str] | None:
    """The named parts of the lines that a fault needs, each behind the one before."""
    values: dict[str, str] = {}
    remaining = iter(texts[:_NEAR])
    for pattern in fault.evidence:
        found = next(filter(None, map(pattern.search, remaining)), None)
        if found is None:
            return None
        values |= {name: value for name, value in found.groupdict().items() if value}
    return values


def _function(fault: Fault, texts: Sequence[str]) -> str | None:
    """The function a report is about, by the first route that finds one."""
    for route in fault.routes:
        names = [name for name in _along(route, fault, texts) if not _passed_over(name, fault)]
        function = fault.pick([plain_name(name) for name in names]) if names else None
        if function:
            return function
    return None


def _passed_over(name: str, fault: Fault) -> bool:
    if PASSED_OVER.search(name):
        return True
    return fault.passing_over is not None and fault.passing_over.search(name) is not None


def _along(route: Route, fault: Fault, texts: Sequence[str]) -> Iterator[str]:
    """The names of the functions on a route, in the order they are met."""
    at = 0
    for place, step in enumerate(route):
        if step is Step.STACK:
            following = route[place + 1] if place + 1 < len(route) else None
            at = yield from _stack(texts, at, following, fault)
            continue
        while at < len(texts):
            text, at = texts[at], at + 1
            if (name := _met(step, text, fault)) is not None:
                if name:
                    yield readable(name)
                break


def _met(step: Step | Passing, text: str, fault: Fault) -> str | None:
    """The function that a step finds in this line, "" for the step alone, None for neither."""
    if step is Step.STOPPED:
        call = stopped_at(text)
        return call.name if call else ("" if is_counter(text) else None)
    if step is Step.TRACE:
        return "" if _TRACE_HEADING.search(text) else None
    pattern = step.pattern if isinstance(step, Passing) else fault.mark
    found = pattern.search(text)
    return (found.groupdict().get("function") or "") if found else None


def _stack(
    texts: Sequence[str], at: int, following: Step | Passing | None, fault: Fault
) -> Generator[str, None, int]:
    """The calls from here to the next heading; the value is where that stack ended."""
    while at < len(texts):
        text, at = texts[at], at + 1
        if _HEADING.search(text):
            break
        if following is not None and _met(following, text, fault) is not None:
            at -= 1
            break
        for call in calls(text):
            if call.sure and not call.inlined:
                yield readable(call.name)
    return at


def tidy(title: str) -> str:
    """The title without what differs from one time to the next: numbers, addresses, lines."""
    title = _PROCESS.sub(r"\1", title)
    title = _ADDRESS.sub("ADDR", title)
    title = _IP_ADDRESS.sub("IP", title)
    title = _LINE.sub(r"\1:LINE", title)
    title = _CALL.sub(r"\1", title)
    title = _CPU.sub("CPU", title)
    title = _NUMBER.sub("NUM", title)
    title = _STRANGE.sub("", title.replace("\t", " "))[:_MAX_TITLE]
    return " ".join(title.split())
