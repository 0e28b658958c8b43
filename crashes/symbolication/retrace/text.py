"""The text of a stack trace, retraced as R8's `retrace` prints it.

    a.b: message                        some.Exception: message
        at a.a.a(SourceFile:1)              at some.Class.helper(Class.java:42)
                                            <OR> at some.Class.helper(Class.java:43)
                                            at some.Class.run(Class.java:15)

One line may become several (inlined calls; `<OR>` before what it may have been as well) or none
(the compiler's own methods). What no mapping knows, and whatever is no stack line, stays as it
is. The verbose form has the types of methods.

File names come from the mapping, else from the class: `Class.java`, or `Class.kt` when the class
ends with `Kt` or the obfuscated file did.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from crashes.symbolication.retrace.frames import (
    NO_CONTEXT,
    Answer,
    Context,
    FrameRetracer,
    RetracedCall,
)
from crashes.symbolication.retrace.lines import CallLine, ClassLine, parse_line
from crashes.symbolication.retrace.members import NO_LINE

_LINE_BREAK = re.compile(r"\r\n|\r|\n")
_OR = "<OR> "
_KEPT_FILE = "Native Method"
_KOTLIN = "kt"
_KOTLIN_FACADE = "Kt"


class RetracedLine(NamedTuple):
    """The lines that one line became, and for a call what was found."""

    retraced: tuple[str, ...]
    answer: Answer | None = None


def split_lines(text: str) -> list[str]:
    """The lines of a text; a last line break does not begin another line."""
    lines = _LINE_BREAK.split(text)
    return lines[:-1] if lines[-1] == "" else lines


def retrace_lines(
    frames: FrameRetracer, lines: Iterable[str], *, verbose: bool = False
) -> Iterator[RetracedLine]:
    """Each line retraced, in order, as a line may depend on those before it."""
    context = NO_CONTEXT
    for text in lines:
        found = parse_line(text)
        if isinstance(found, CallLine):
            line, context = _retrace_call(frames, text, found, context, verbose=verbose)
        elif found is not None:
            line, context = _retrace_class(frames, text, found)
        else:
            line = RetracedLine((text,))
        yield line


def _retrace_class(
    frames: FrameRetracer, text: str, found: ClassLine
) -> tuple[RetracedLine, Context]:
    name = text[found.start : found.end]
    original = frames.mapping.original_class(name)
    if original is not None:
        text = text[: found.start] + original + text[found.end :]
    return RetracedLine((text,)), Context(thrown=name)


def _retrace_call(
    frames: FrameRetracer, text: str, found: CallLine, context: Context, *, verbose: bool
) -> tuple[RetracedLine, Context]:
    class_name = text[found.class_start : found.class_end]
    method = text[found.method_start : found.method_end]
    answer = frames.retrace(class_name, method, found.line_number, context, verbose=verbose)
    # A line that only one of several readings has is shown in the verbose form alone.
    shows_line = found.line_number != NO_LINE or not answer.ambiguous or verbose
    place = _Place(text, found, shows_line, verbose)
    stacks = [[_show(frames, place, call) for call in calls] for calls in answer.alternatives]
    after = context if answer.next_context is None else answer.next_context
    return RetracedLine(tuple(_joined(stacks)), answer), after


class _Place(NamedTuple):
    """Where an original call goes, and what of it."""

    text: str
    found: CallLine
    shows_line: bool
    verbose: bool


def _show(frames: FrameRetracer, place: _Place, call: RetracedCall) -> str:
    """The line with an original call in the place of the obfuscated one."""
    text, found, shows_line, verbose = place
    before = text[: found.class_start]
    between = text[found.class_end : found.method_start]
    method = call.described_method if verbose else call.method
    opening = text[found.method_end : found.file_start]
    file = source_file(frames, call, text[found.file_start : found.line_start])
    if call.line == NO_LINE or not shows_line:
        line = text[found.line_start : found.line_end]
    else:
        line = f":{call.line}" if call.line > 0 else ""
    after = text[found.line_end :]
    return f"{before}{call.class_name}{between}{method}{opening}{file}{line}{after}"


def source_file(frames: FrameRetracer, call: RetracedCall, obfuscated_file: str) -> str:
    """The file of an original call; the obfuscated one when the class is not in the mapping."""
    known = frames.mapping.source_file(call.class_name)
    if known is not None:
        return known
    if not call.class_known or obfuscated_file == _KEPT_FILE:
        return obfuscated_file
    return _file_of_class(call.class_name, _extension(obfuscated_file))


def _file_of_class(class_name: str, extension: str) -> str:
    simple = class_name.rpartition(".")[2].partition("$")[0]
    if simple.endswith(_KOTLIN_FACADE) and extension in {"", _KOTLIN}:
        return f"{simple.removesuffix(_KOTLIN_FACADE)}.{_KOTLIN}"
    return f"{simple}.{_KOTLIN if extension == _KOTLIN else 'java'}"


def _extension(file: str) -> str:
    _name, dot, extension = file.rstrip("/").rpartition("/")[2].rpartition(".")
    return extension if dot else ""


def _joined(stacks: Sequence[Sequence[str]]) -> Iterable[str]:
    """All alternatives depth by depth, equal lines once, those after the first with `<OR>`."""
    return stacks[0] if len(stacks) == 1 else _interleaved(stacks)


def _interleaved(stacks: Sequence[Sequence[str]]) -> Iterator[str]:
    for depth in range(max(map(len, stacks), default=0)):
        shown: set[str] = set()
        for number, stack in enumerate(stacks):
            if depth < len(stack) and stack[depth] not in shown:
                shown.add(stack[depth])
                yield _with_or(stack[depth]) if number else stack[depth]


def _with_or(line: str) -> str:
    at = line.find("at ")
    if at < 0:
        at = len(line) - len(line.lstrip())
    return line[:at] + _OR + line[at:]
