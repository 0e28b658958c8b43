"""The `Crash` of a report: its frames, its thread, its kind and its details."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from crashes.formats.kernel_log.crash_types import type_of
from crashes.formats.kernel_log.facts import Facts
from crashes.formats.kernel_log.own_frame import readable
from crashes.formats.kernel_log.report import Report, Verdict
from crashes.formats.kernel_log.stack_lines import (
    StackLine,
    bare_calls,
    calls,
    is_user_mode,
    stopped_at,
    stopped_at_address,
)
from crashes.formats.lines import HeadAndTail
from crashes.stack import Crash, CrashKind, Frame, FrameStatus, JsonValue, Thread

_TRACE = re.compile(r"Call [Tt]race:|(?<!stack )[Bb]acktrace(?: \(crc \w*\))?:")
_OBJECT = re.compile(r"(?P<what>Allocated|Freed)(?: by task (?P<task>[0-9]{1,10}))?:")
_KFENCE_OBJECT = re.compile(r"(?P<what>allocated|freed) by task (?P<task>[0-9]{1,10})")
_CLOSING = (
    "---[ end trace",
    "Modules linked in",
    "Kernel panic - not",
    "The buggy address",
    "Memory state around",
    "Showing all locks",
    "Kernel Offset",
    "Dumping ftrace",
    "Last potentially related",
    "Second to last potentially",
    "The existing dependency",
    "Rebooting in",
)
SOURCE = "kernel"
_OBJECT_FRAMES = 32
_MAX_PANIC = 256
_ENTRIES = (
    ("arm64", re.compile(r"el[01]t?h?_|__arm64_sys_")),
    ("x86_64", re.compile(r"entry_SYSCALL|do_syscall_64|__x64_sys_|secondary_startup_64")),
    ("arm", re.compile(r"ret_fast_syscall|__(?:irq|dabt|pabt|und)_(?:svc|usr)")),
)


@dataclass(slots=True)
class _History:
    """Who allocated or freed the object that was touched (`allocated_by`, `freed_by`)."""

    name: str
    task: int | None
    frames: list[StackLine] = field(default_factory=list)

    def to_json(self) -> JsonValue:
        frames: list[JsonValue] = [call.place for call in self.frames[:_OBJECT_FRAMES]]
        return {"task": self.task, "frames": frames}


@dataclass(slots=True)
class _Stacks:
    """The calls of a report by what they show.

    `stopped` is the function that the registers name above the trace, `bare` are addresses without
    names, `loose` are calls above any
    heading, where some reports have their whole stack.
    """

    stopped: StackLine | None = None
    loose: list[StackLine] = field(default_factory=list)
    trace: list[StackLine] = field(default_factory=list)
    objects: list[_History] = field(default_factory=list)
    bare: list[StackLine] = field(default_factory=list)

    @property
    def calls(self) -> list[StackLine]:
        """The stack of the report, with the place where the processor stopped at its top."""
        stack = self.trace or self.loose
        if self.stopped is None and not stack:
            return self.bare
        if self.stopped is None or any(_is_same(call, self.stopped) for call in stack[:8]):
            return stack
        return [self.stopped, *stack]


def _is_same(call: StackLine, other: StackLine) -> bool:
    """Whether two lines mean one call; one of them may not know where in the function."""
    return call.name == other.name and (call.offset is None or call.offset == other.offset)


def _stacks(texts: Sequence[str]) -> _Stacks:
    """The stacks of a report; the trace of whatever is reported after it is not taken."""
    stacks = _Stacks()
    target: list[StackLine] | None = stacks.loose
    for text in texts:
        if _TRACE.search(text):
            target = None if stacks.trace else stacks.trace
        elif found := _OBJECT.match(text.strip()) or _KFENCE_OBJECT.search(text):
            target = _open_object(stacks, found)
        elif is_user_mode(text) or text.lstrip().startswith(_CLOSING):
            target = None if stacks.trace or stacks.objects else target
        else:
            _take(stacks, target, text)
    return stacks


def _open_object(stacks: _Stacks, found: re.Match[str]) -> list[StackLine]:
    task = int(found["task"]) if found["task"] else None
    opened = _History(f"{found['what'].lower()}_by", task)
    stacks.objects.append(opened)
    return opened.frames


def _take(stacks: _Stacks, target: list[StackLine] | None, text: str) -> None:
    """One line of registers or of a trace."""
    stopped = stopped_at(text)
    if stopped is not None:
        if target is stacks.trace:
            target.append(stopped)
        elif stacks.stopped is None and not stacks.trace:
            stacks.stopped = stopped
    elif target is not None:
        target.extend(_new_calls(text, target))
    _take_bare(stacks, target, text)


def _take_bare(stacks: _Stacks, target: list[StackLine] | None, text: str) -> None:
    """Keep what stands there as an address, for a report in which nothing has a name."""
    if not stacks.bare and (stopped := stopped_at_address(text)):
        stacks.bare.append(stopped)
    elif target is stacks.trace:
        last = stacks.bare[-1:]
        stacks.bare.extend(call for call in bare_calls(text) if [call] != last)


def _new_calls(text: str, before: list[StackLine]) -> Iterator[StackLine]:
    """The sure calls of a line; arm names the calling function again on the next line."""
    found = list(calls(text))
    if len(found) > 1 and before and _is_same(found[0], before[-1]):
        del found[0]
    yield from (call for call in found if call.sure)


def _frame(index: int, call: StackLine) -> Frame:
    if call.address is not None:
        return Frame(index=index, address=call.address, status=FrameStatus.NO_BUILD_ID)
    return Frame(
        index=index,
        function=readable(call.name),
        raw_function=call.name,
        file=call.file,
        line=call.line,
        module=call.module,
        build_id=call.build_id,
        inlined=call.inlined,
        status=FrameStatus.MISSING_DEBUG_FILE if call.build_id else FrameStatus.NO_BUILD_ID,
        function_offset=call.offset,
    )


def crash_of(
    report: Report,
    verdict: Verdict,
    *,
    whole: Mapping[str, JsonValue],
    panic: str | None,
    kept_for_panic: bool,
    later_reports: int,
) -> Crash:
    """The crash that a report tells. `whole` are the facts of the log that it stands in."""
    facts, stacks = Facts.of(report.texts), _stacks(report.texts)
    kept = HeadAndTail[StackLine]()
    for call in stacks.calls:
        kept.add(call)
    fatal = verdict.fatal or panic is not None or kept_for_panic
    name, pid = facts.name or report.first.name, facts.pid or report.first.pid or None
    frames = tuple(_frame(index, call) for index, call in kept.items())
    details = {
        **whole,
        **facts.details,
        **{item.name: item.to_json() for item in reversed(stacks.objects)},
        **_verdict_details(verdict, fatal=fatal, panic=panic, later=later_reports),
        **_place_details(report, facts),
        **_frame_details(kept),
    }
    return Crash(
        kind=CrashKind.KERNEL_PANIC if fatal else CrashKind.ERROR,
        process=name,
        pid=pid,
        tid=pid,
        abi=facts.abi or _abi_of(stacks.calls),
        fault_addr=facts.fault_addr,
        reason=verdict.title,
        threads=(
            Thread(name=name, tid=pid, crashing=True, frames=frames, registers=facts.registers),
        ),
        details=details,
    )


def _abi_of(stack: Sequence[StackLine]) -> str | None:
    """The architecture that enters its kernel through one of these functions."""
    for call in reversed(stack):
        for abi, entry in _ENTRIES:
            if entry.match(call.name):
                return abi
    return None


def _verdict_details(
    verdict: Verdict, *, fatal: bool, panic: str | None, later: int
) -> dict[str, JsonValue]:
    details: dict[str, JsonValue] = {"source": SOURCE, "fatal": fatal, "later_reports": later}
    if found := type_of(verdict.title):
        details["type"] = found
    if verdict.function:
        details["frame"] = verdict.function
    if verdict.incomplete:
        details["incomplete"] = True
    if panic is not None:
        details |= {"panicked": True, "panic": panic[:_MAX_PANIC]}
    return details


def _place_details(report: Report, facts: Facts) -> dict[str, JsonValue]:
    cpu = facts.cpu if facts.cpu is not None else report.first.cpu
    found: dict[str, JsonValue] = {"cpu": cpu, "uptime_s": report.first.seconds}
    return {name: value for name, value in found.items() if value is not None}


def _frame_details(kept: HeadAndTail[StackLine]) -> dict[str, JsonValue]:
    sizes: list[JsonValue] = [call.size for call in kept.kept()]
    details: dict[str, JsonValue] = {}
    if any(size is not None for size in sizes):
        details["function_sizes"] = sizes
    if kept.omitted:
        details["frames_omitted"] = kept.omitted
    return details
