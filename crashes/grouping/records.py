"""Labeled stack records as crashes: the adapter of `manage.py group_stacks`.

A record is a dict {"id", "corpus", "app", "exc", "msg"?, "frames": [frame], "causes"?: [{"exc",
"msg"?, "frames"}]}; a frame is {"f": function, "m"?: module, "p"?: file, "l"?: line, "o"?: offset,
"i"?: 1 if inlined}, innermost first, "??" for an unknown symbol. Labels are not read.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from crashes.grouping.mechanisms import CURRENT, MECHANISMS
from crashes.grouping.values import GroupingInput
from crashes.stack import (
    CauseLink,
    Crash,
    CrashKind,
    ExceptionInfo,
    Frame,
    FrameStatus,
    Thread,
)

_KERNELS = frozenset({"linux", "kernel"})
_MANAGED_FILES = (".java", ".kt", ".py", ".scala", ".groovy")


class MalformedRecord(ValueError):
    """The record lacks what every record must have, or holds something of another shape."""


def prepare_record(record: Mapping[str, Any]) -> GroupingInput:
    """The grouping input, scoped to corpus and app. Raises MalformedRecord."""
    try:
        crash = to_crash(record)
        scope = f"{record['corpus']}/{record.get('app', '')}"
    except (KeyError, TypeError, AttributeError, ValueError) as problem:
        raise MalformedRecord(f"record {record.get('id')!r}: {problem!r}") from problem
    return replace(MECHANISMS[CURRENT].prepare(crash, package=scope), scope=scope)


def to_crash(record: Mapping[str, Any]) -> Crash:
    """The record in the words of `crashes.stack`."""
    kind = _kind(record)
    frames = _frames(record["frames"], kind)
    message = record.get("msg") or None
    return Crash(
        kind=kind,
        process=record.get("app"),
        exception_type=record["exc"],
        exception_message=message,
        threads=(Thread(crashing=True, frames=frames),),
        exceptions=_exceptions(record, kind, frames),
    )


def _kind(record: Mapping[str, Any]) -> CrashKind:
    if record.get("app") in _KERNELS:
        return CrashKind.KERNEL_PANIC
    files = (frame.get("p") or "" for frame in record["frames"])
    if any(file.endswith(_MANAGED_FILES) for file in files):
        return CrashKind.JAVA_CRASH
    return CrashKind.NATIVE_CRASH


def _exceptions(
    record: Mapping[str, Any], kind: CrashKind, frames: tuple[Frame, ...]
) -> tuple[ExceptionInfo, ...]:
    if kind is not CrashKind.JAVA_CRASH:
        return ()
    outermost = ExceptionInfo(record["exc"], record.get("msg") or None, frames=frames)
    causes = (
        ExceptionInfo(
            cause["exc"],
            cause.get("msg") or None,
            link=CauseLink.CAUSED_BY,
            frames=_frames(cause.get("frames", ()), kind),
        )
        for cause in record.get("causes", ())
    )
    return (outermost, *causes)


def _frames(raw: Sequence[Mapping[str, Any]], kind: CrashKind) -> tuple[Frame, ...]:
    return tuple(_frame(index, frame, kind) for index, frame in enumerate(raw))


def _frame(index: int, raw: Mapping[str, Any], kind: CrashKind) -> Frame:
    function = None if raw["f"] == "??" else raw["f"]
    managed = kind is CrashKind.JAVA_CRASH
    return Frame(
        index=index,
        function=function,
        file=raw.get("p"),
        line=raw.get("l"),
        module=raw.get("m"),
        address=int(raw["o"], 16) if raw.get("o") else None,
        inlined=bool(raw.get("i")),
        status=FrameStatus.JAVA if managed else FrameStatus.NO_BUILD_ID,
    )
