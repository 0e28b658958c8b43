"""Labeled stack records as crashes: the adapter of `manage.py group_stacks`.

A record is a dict {"id", "corpus", "app", "exc", "msg"?, "frames": [frame], "causes"?: [{"exc",
"msg"?, "frames"}]}; a frame is {"f": function, "m"?: module, "p"?: file, "l"?: line, "o"?: offset,
"i"?: 1 if inlined}, innermost first, "??" for an unknown symbol. Labels are not read.

What a record lacks is unknown, and what grouping does not look at (lines, offsets) may be anything:
one odd line among millions is no reason to stop. Only a record that is no object, or says neither
`id` nor `exc`, is malformed.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from crashes.grouping.mechanisms import CURRENT, MECHANISMS
from crashes.grouping.normalize import UNKNOWN
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
_QUALIFIED_CLASS = re.compile(r"[a-z]\w*(?:\.\w+)*\.[A-Z][\w$]*")
_MANAGED_FILES = (".java", ".kt", ".py", ".scala", ".groovy")


class MalformedRecord(ValueError):
    """The record lacks what every record must have, or holds something of another shape."""


def prepare_record(record: Mapping[str, Any]) -> GroupingInput:
    """The grouping input, scoped to corpus and app. Raises MalformedRecord."""
    try:
        crash = to_crash(record)
        scope = _text(f"{record.get('corpus', '')}/{record.get('app', '')}") or ""
    except (KeyError, TypeError, AttributeError, ValueError) as problem:
        raise MalformedRecord(f"record {record.get('id')!r}: {problem!r}") from problem
    return replace(MECHANISMS[CURRENT].prepare(crash, package=scope), scope=scope)


def to_crash(record: Mapping[str, Any]) -> Crash:
    """The record in the words of `crashes.stack`."""
    kind = _kind(record)
    frames = _frames(record.get("frames"), kind)
    return Crash(
        kind=kind,
        process=_text(record.get("app")),
        exception_type=_text(record["exc"]),
        exception_message=_text(record.get("msg")),
        threads=(Thread(crashing=True, frames=frames),),
        exceptions=_exceptions(record, kind, frames),
    )


def _text(value: object) -> str | None:
    """Text that can be encoded: JSON may hold half of a surrogate pair."""
    return str(value).encode("utf-8", "replace").decode() if value else None


def _kind(record: Mapping[str, Any]) -> CrashKind:
    if record.get("app") in _KERNELS:
        return CrashKind.KERNEL_PANIC
    files = (str(frame.get("p") or "") for frame in record.get("frames") or ())
    if any(file.endswith(_MANAGED_FILES) for file in files):
        return CrashKind.JAVA_CRASH
    is_class = _QUALIFIED_CLASS.fullmatch(str(record["exc"]))
    return CrashKind.JAVA_CRASH if is_class else CrashKind.NATIVE_CRASH


def _exceptions(
    record: Mapping[str, Any], kind: CrashKind, frames: tuple[Frame, ...]
) -> tuple[ExceptionInfo, ...]:
    if kind is not CrashKind.JAVA_CRASH:
        return ()
    causes = (
        ExceptionInfo(
            _text(cause.get("exc")) or "",
            _text(cause.get("msg")),
            link=CauseLink.CAUSED_BY,
            frames=_frames(cause.get("frames"), kind),
        )
        for cause in record.get("causes") or ()
    )
    message = _text(record.get("msg"))
    return (ExceptionInfo(_text(record["exc"]) or "", message, frames=frames), *causes)


def _frames(raw: Sequence[Mapping[str, Any]] | None, kind: CrashKind) -> tuple[Frame, ...]:
    return tuple(_frame(index, frame, kind) for index, frame in enumerate(raw or ()))


def _frame(index: int, raw: Mapping[str, Any], kind: CrashKind) -> Frame:
    function = _text(raw.get("f"))
    managed = kind is CrashKind.JAVA_CRASH
    return Frame(
        index=index,
        function=None if function == UNKNOWN else function,
        file=_text(raw.get("p")),
        line=line if isinstance(line := raw.get("l"), int) else None,
        module=_text(raw.get("m")),
        address=_address(raw.get("o")),
        inlined=bool(raw.get("i")),
        status=FrameStatus.JAVA if managed else FrameStatus.NO_BUILD_ID,
    )


def _address(offset: object) -> int | None:
    try:
        return int(str(offset), 16) if offset else None
    except ValueError:
        return None
