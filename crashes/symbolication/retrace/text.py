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
from dataclasses import dataclass

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


@dataclass(frozen=True, slots=True)
class RetracedLine:
    """One line: as it was, the lines it became, and for a call what was found."""

    obfuscated: str
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
            line = RetracedLine(text, (text,))
        yield line


def _retrace_class(
    frames: FrameRetracer, text: str, found: ClassLine
) -> tuple[RetracedLine, Context]:
    start, end = found.class_name
    name = text[start:end]
    original = frames.mapping.original_class(name)
    retraced = text if original is None else text[:start] + original + text[end:]
    return RetracedLine(text, (retraced,)), Context(thrown=name)


def _retrace_call(
    frames: FrameRetracer, text: str, found: CallLine, context: Context, *, verbose: bool
) -> tuple[RetracedLine, Context]:
    class_name, method = text[slice(*found.class_name)], text[slice(*found.method)]
    answer = frames.retrace(class_name, method, found.line_number, context, verbose=verbose)
    printer = _Printer(frames, text, found, answer.ambiguous, verbose)
    stacks = [[printer.show(call) for call in calls] for calls in answer.alternatives]
    after = context if answer.next_context is None else answer.next_context
    return RetracedLine(text, tuple(_joined(stacks)), answer), after


@dataclass(frozen=True, slots=True)
class _Printer:
    """Puts original calls into the place of an obfuscated one."""

    frames: FrameRetracer
    text: str
    found: CallLine
    ambiguous: bool
    verbose: bool

    def show(self, call: RetracedCall) -> str:
        """The line with another call in it."""
        text, found = self.text, self.found
        obfuscated_file = text[slice(*found.file)]
        return "".join((
            text[: found.class_name.start],
            call.class_name,
            text[found.class_name.end : found.method.start],
            call.described_method if self.verbose else call.method,
            text[found.method.end : found.file.start],
            source_file(self.frames, call, obfuscated_file),
            self._shown_line(call.line),
            text[found.line.end :],
        ))  # fmt: skip

    def _shown_line(self, line: int) -> str:
        """A line that only one of several readings has is shown in the verbose form alone."""
        is_sure = self.found.line_number != NO_LINE or not self.ambiguous or self.verbose
        if line == NO_LINE or not is_sure:
            return self.text[slice(*self.found.line)]
        return f":{line}" if line > 0 else ""


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


def _joined(stacks: Sequence[Sequence[str]]) -> Iterator[str]:
    """All alternatives depth by depth, equal lines once, those after the first with `<OR>`."""
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
