"""Stacks as people read them: own frames stand out, runs of foreign ones fold away.

Which frames are the program's own is what grouping says, so the page and the fingerprint agree. A
frame without a name says why it has none and what would give it one. The innermost frame is
always in view: that is where it happened.
"""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from itertools import groupby

from crashes.grouping.evidence import mark_frames
from crashes.stack import (
    CauseLink,
    Crash,
    ExceptionInfo,
    Frame,
    FrameStatus,
    Thread,
)
from crashes.web.words import LINKS

_FOLDED_RUN = 3
_OPEN_LINES = 60
_NO_FILE = ("[", "<anonymous")


@dataclass(frozen=True, slots=True)
class Line:
    """One frame. `mark` is empty, or says in a word or two what is special; `why` explains it.

    A managed name is split into the `qualifier` (package) and the rest. `source` is `file:line`.
    Of lines without a name for the same reason only the first spells the reason out.
    """

    number: int
    name: str
    qualifier: str
    raw_name: str
    source: str
    module: str
    module_path: str
    address: str
    is_own: bool
    is_inlined: bool
    folded_with: tuple[str, ...]
    is_retraced: bool
    mark: str
    why: str
    is_nameless: bool
    is_spelled_out: bool


@dataclass(frozen=True, slots=True)
class Run:
    """Neighboring frames. A folded one shows `label` until it is opened."""

    lines: tuple[Line, ...]
    is_folded: bool
    label: str


@dataclass(frozen=True, slots=True)
class Stack:
    """The frames of one thread or exception, innermost first."""

    runs: tuple[Run, ...]
    frames: int


@dataclass(frozen=True, slots=True)
class Wanted:
    """A module whose debug file would give names to `frames` frames."""

    module: str
    build_id: str
    frames: int


@dataclass(frozen=True, slots=True)
class ExceptionView:
    """One exception of a chain."""

    link: str
    qualifier: str
    name: str
    message: str
    stack: Stack
    frames_omitted: int
    depth: int
    is_suppressed: bool


@dataclass(frozen=True, slots=True)
class ThreadView:
    """One thread."""

    thread: Thread
    stack: Stack


@dataclass(frozen=True, slots=True)
class CrashView:
    """A crash, laid out. `main_stack` is None when the exceptions already show it.

    `nameless` counts the frames that the `wanted` debug files would name.
    """

    crash: Crash
    exceptions: tuple[ExceptionView, ...]
    suppressed: tuple[ExceptionView, ...]
    main: Thread | None
    main_stack: Stack | None
    wanted: tuple[Wanted, ...]
    nameless: int
    registers: tuple[tuple[str, str], ...] = ()
    others: tuple[ThreadView, ...] = field(default=())


def lay_out(crash: Crash, *, with_other_threads: bool) -> CrashView:
    """Everything a page shows of a crash."""
    main = crash.crashing_thread or next(iter(crash.threads), None)
    chain = tuple(_exception_view(item, crash) for item in crash.exceptions)
    wanted = _wanted(_shown_frames(crash, main))
    others = [thread for thread in crash.threads if thread is not main]
    return CrashView(
        crash=crash,
        exceptions=tuple(item for item in chain if not item.is_suppressed),
        suppressed=tuple(item for item in chain if item.is_suppressed),
        main=main,
        main_stack=_main_stack(crash, main),
        wanted=wanted,
        nameless=sum(item.frames for item in wanted),
        registers=_registers(main, crash.abi),
        others=tuple(ThreadView(thread, stack_of(thread.frames, crash)) for thread in others)
        if with_other_threads
        else (),
    )


def stack_of(frames: Sequence[Frame], crash: Crash) -> Stack:
    """The frames as lines, in runs."""
    tokens = mark_frames(frames, crash)
    lines, told = [], set[str]()
    for number, (frame, token) in enumerate(zip(frames, tokens, strict=True)):
        line = _line(frame, number, is_own=token.in_app, told=told)
        told.add(line.why)
        lines.append(line)
    return Stack(tuple(_runs(lines)), len(lines))


def _main_stack(crash: Crash, main: Thread | None) -> Stack | None:
    if main is None or not main.frames:
        return None
    if crash.exceptions and crash.exceptions[0].frames == main.frames:
        return None
    return stack_of(main.frames, crash)


def _shown_frames(crash: Crash, main: Thread | None) -> list[Frame]:
    frames = [frame for item in crash.exceptions for frame in item.frames]
    if main is not None and (not frames or crash.exceptions[0].frames != main.frames):
        frames += main.frames
    return frames


def _runs(lines: Sequence[Line]) -> list[Run]:
    """The first line by itself, then own and foreign lines in turn."""
    if not lines:
        return []
    first = lines[0]
    runs = [Run((first,), is_folded=False, label="")]
    for is_own, group in groupby(lines[1:], key=lambda line: line.is_own):
        run = tuple(group)
        if is_own:
            runs += _own_runs(run)
        else:
            runs.append(Run(run, is_folded=len(run) >= _FOLDED_RUN, label=_label(run)))
    return runs


def _own_runs(lines: tuple[Line, ...]) -> list[Run]:
    """Own frames are open, but of a runaway recursion only the beginning."""
    if len(lines) <= _OPEN_LINES + _FOLDED_RUN:
        return [Run(lines, is_folded=False, label="")]
    rest = lines[_OPEN_LINES:]
    return [
        Run(lines[:_OPEN_LINES], is_folded=False, label=""),
        Run(rest, is_folded=True, label=f"{len(rest)} more frames of the program"),
    ]


def _label(lines: Sequence[Line]) -> str:
    noun = "platform frame" if len(lines) == 1 else "platform frames"
    return f"{len(lines)} {noun}"


# Frames ---------------------------------------------------------------------------------------


def _line(frame: Frame, number: int, *, is_own: bool, told: Collection[str]) -> Line:
    qualifier, name = split_name(frame)
    mark, why = _remark(frame)
    is_nameless = frame.function is None and bool(why)
    return Line(
        number=number,
        name=name,
        qualifier=qualifier,
        raw_name=(frame.raw_function or "") if frame.raw_function != frame.function else "",
        source=_source(frame),
        module=_base(frame.module),
        module_path=frame.module or "",
        address="" if frame.address is None else hex(frame.address),
        is_own=is_own,
        is_inlined=frame.inlined,
        folded_with=frame.folded_with,
        is_retraced=frame.status is FrameStatus.DEOBFUSCATED,
        mark=mark,
        why=why,
        is_nameless=is_nameless,
        is_spelled_out=is_nameless and why not in told,
    )


def split_name(frame: Frame) -> tuple[str, str]:
    """Package and the rest of a managed name; nothing and the name of any other."""
    if frame.function is None:
        return "", "unknown function" if frame.module or frame.address else "unknown code"
    if frame.status not in (FrameStatus.JAVA, FrameStatus.DEOBFUSCATED):
        return "", frame.function
    return split_qualified(frame.function, kept=2)


def split_qualified(name: str, *, kept: int) -> tuple[str, str]:
    """A dotted name, cut before its last `kept` parts."""
    parts = name.rsplit(".", kept)
    if len(parts) <= kept or " " in parts[0]:
        return "", name
    return f"{parts[0]}.", ".".join(parts[1:])


def _source(frame: Frame) -> str:
    if frame.native_method:
        return "native method"
    if frame.file is None:
        return ""
    name = frame.file.rsplit("/", 1)[-1]
    return name if frame.line is None else f"{name}:{frame.line}"


def _base(path: str | None) -> str:
    return (path or "").rsplit("/", 1)[-1]


def _remark(frame: Frame) -> tuple[str, str]:
    """What is to say about the name of a frame, in short and in full."""
    if frame.function is not None:
        return _remark_on_printed_name(frame)
    module = _base(frame.module) or "this code"
    match frame.status:
        case FrameStatus.MISSING_DEBUG_FILE:
            build_id = frame.build_id or "unknown"
            return "no debug file", (f"Upload the debug file of {module} with build id {build_id}.")
        case FrameStatus.NO_BUILD_ID | FrameStatus.UNKNOWN_ADDRESS if frame.module is None:
            return "no module", "Nothing is mapped at this address: a call or return went astray."
        case FrameStatus.NO_BUILD_ID:
            return _remark_without_build_id(frame.module or "", module)
        case FrameStatus.UNKNOWN_ADDRESS:
            return "unknown address", (
                f"The debug file of {module} knows no function at this address. It may be "
                "generated code, or the file may be incomplete."
            )
        case _:
            return "", ""


def _remark_without_build_id(path: str, module: str) -> tuple[str, str]:
    if path.startswith(_NO_FILE):
        return "no file", f"{path} is memory without a file, so it has no symbols."
    return "no build id", (
        f"The dump names no build id for {module}, so no debug file can be matched."
    )


def _remark_on_printed_name(frame: Frame) -> tuple[str, str]:
    if frame.status is not FrameStatus.MISSING_DEBUG_FILE:
        return "", ""
    return (
        "as printed",
        "The phone printed this name. A debug file would confirm it and add the line: "
        f"build id {frame.build_id or 'unknown'}.",
    )


def _wanted(frames: Sequence[Frame]) -> tuple[Wanted, ...]:
    counts = Counter(
        (_base(frame.module), frame.build_id)
        for frame in frames
        if frame.function is None
        and frame.status is FrameStatus.MISSING_DEBUG_FILE
        and frame.build_id
    )
    return tuple(
        Wanted(module, build_id, count) for (module, build_id), count in counts.most_common()
    )


def _registers(thread: Thread | None, abi: str | None) -> tuple[tuple[str, str], ...]:
    if thread is None:
        return ()
    widest = max(thread.registers.values(), default=0)
    digits = 16 if widest >> 32 or (abi or "").endswith("64") else 8
    return tuple((name, f"{value:0{digits}x}") for name, value in thread.registers.items())


def _exception_view(item: ExceptionInfo, crash: Crash) -> ExceptionView:
    qualifier, name = split_qualified(item.type, kept=1)
    return ExceptionView(
        link=LINKS[item.link],
        qualifier=qualifier,
        name=name,
        message=item.message or "",
        stack=stack_of(item.frames, crash),
        frames_omitted=item.frames_omitted,
        depth=item.depth,
        is_suppressed=item.link is CauseLink.SUPPRESSED or item.depth > 0,
    )
