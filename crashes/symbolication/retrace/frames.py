"""From one obfuscated call to the original ones.

What a call (class, method, line) may have been, by the rules of R8's retrace:

1. the methods that have the obfuscated name, each with the ranges that hold the line; without a
   line those that hold line 0, else the first entry without a range;
2. for a line that no range holds the entries without a range; still nothing means that the
   class is known and the method stays as it is;
3. each range with its inlined callers is one *alternative*, a stack of its own, innermost first.
   Original lines that the obfuscated one cannot tell apart are alternatives, too;
4. the compiler's own outermost frame goes; so do as many inner ones as a `rewriteFrame` says when
   the exception it names was thrown and this is the first frame below it;
5. alternatives that would read the same are one, and they are in order of name and line.

An outline (code that R8 moved out of several methods) joins two frames: its own goes, and the
line inside it tells the frame below which line that one really is in. So an answer has a
`Context` for the next frame, and the text of a stack is always retraced in order.

The small values are named tuples: they are made for every frame, and a frozen dataclass takes
three times as long.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

from crashes.symbolication.retrace.mapping import Mapping
from crashes.symbolication.retrace.members import (
    NO_LINE,
    MappedRange,
    Member,
    Overload,
    Signature,
)

_MOST_CALLS = 4_096  # in one answer; a vague range of a hostile mapping spans billions of lines
_MOST_REMEMBERED = 200_000


class Context(NamedTuple):
    """What one line of a stack means for the next: the exception, the line inside an outline."""

    thrown: str | None = None
    outline_line: int | None = None


NO_CONTEXT = Context()
_NEW = tuple.__new__  # a named tuple's own constructor is a Python function, and half as fast
_LEFT_TO_ENTRY = (None,)


class RetracedCall(NamedTuple):
    """One original call.

    `line` is the original line, or the obfuscated one where the mapping has none; `NO_LINE` or 0
    when there is no line at all. `signature` is None when the method is not in the mapping, and
    `class_known` is false when not even the class is.
    """

    class_name: str
    method: str
    line: int
    signature: Signature | None = None
    class_known: bool = True

    @property
    def function(self) -> str:
        """Class and method, as a stack trace has them."""
        return f"{self.class_name}.{self.method}"

    @property
    def described_method(self) -> str:
        """The method with its types, as the verbose form has it."""
        if self.signature is None:
            return self.method
        return f"{self.signature.type} {self.method}{self.signature.parameters}"


Alternative: TypeAlias = tuple[RetracedCall, ...]


class Answer(NamedTuple):
    """What one call may have been.

    Each alternative is innermost first; none at all means that the call is the compiler's and
    does not exist in the source. `ambiguous` is R8's word: several readings were possible, even
    if they came out the same. `next_context` is None when the context stays what it was.
    """

    alternatives: tuple[Alternative, ...]
    ambiguous: bool = False
    next_context: Context | None = None


class _Reading(NamedTuple):
    """One method's entries that may be meant; no entries mean the method as a whole."""

    member: Member | None
    ranges: Sequence[MappedRange]


class _Element(NamedTuple):
    """One alternative before it is compared with the others."""

    calls: Alternative
    context: Context


_Key: TypeAlias = tuple[str, str, int, bool]


@dataclass(slots=True)
class FrameRetracer:
    """Answers for one mapping, remembered."""

    mapping: Mapping
    _answers: dict[_Key, Answer] = field(default_factory=dict)
    _contextual: dict[tuple[str, str], bool] = field(default_factory=dict)

    def retrace(
        self,
        class_name: str,
        method: str,
        line: int,
        context: Context = NO_CONTEXT,
        *,
        verbose: bool = False,
    ) -> Answer:
        """What an obfuscated call may have been.

        `line` is `NO_LINE` when the frame has none. With `verbose` alternatives that differ in
        their types, or in a line that the frame did not have, stay apart.
        """
        if context is not NO_CONTEXT and self._depends(class_name, method):
            return self._compute(class_name, method, line, context, verbose=verbose)
        key = (class_name, method, line, verbose)
        known = self._answers.get(key)
        if known is None:
            known = self._compute(class_name, method, line, NO_CONTEXT, verbose=verbose)
            if len(self._answers) >= _MOST_REMEMBERED:
                self._answers.clear()
            self._answers[key] = known
        return known

    def _depends(self, class_name: str, method: str) -> bool:
        """Whether the method's answers may differ with the context."""
        key = (class_name, method)
        known = self._contextual.get(key)
        if known is None:
            if len(self._contextual) >= _MOST_REMEMBERED:
                self._contextual.clear()
            members = self.mapping.members(class_name)
            known = self._contextual[key] = members is not None and any(
                item.callsite is not None or item.rewrite is not None
                for overload in members.method(method)
                for item in overload.ranges
            )
        return known

    def _compute(
        self, class_name: str, method: str, line: int, context: Context, *, verbose: bool
    ) -> Answer:
        members = self.mapping.members(class_name)
        original = self.mapping.original_class(class_name)
        if members is None or original is None:
            return _unknown(RetracedCall(class_name, method, line, class_known=False))
        overloads = members.method(method)
        if len(overloads) == 1 and line > 0 and context is NO_CONTEXT:
            plain = _plain_answer(overloads[0], original, line)
            if plain is not None:
                return plain
        readings, position = _readings(overloads, line, context)
        if not readings:
            return _unknown(RetracedCall(original, method, line))
        call = _ObfuscatedCall(original, line, position, _is_ambiguous(readings), context.thrown)
        elements = _elements(readings, call)
        distinct = _distinct(elements, with_line=verbose or line > 0, with_types=verbose)
        return Answer(
            tuple(element.calls for element in distinct),
            call.ambiguous,
            _next_context(elements, distinct),
        )


def _unknown(call: RetracedCall) -> Answer:
    return Answer(((call,),))


def _plain_answer(overload: Overload, original_class: str, line: int) -> Answer | None:
    """The answer for nearly every frame; None for one that the rules below have to look at.

    Plain is one method with one range for the line, in which nothing is vague or rewritten. The
    rules would say the same in twice the time: they make values for every choice that there is not.
    """
    ranges = overload.at_line(line)
    if not ranges:
        return None
    calls = []
    for entry in ranges:
        first, last = entry.original_first, entry.original_last
        if entry.rewrite is not None or (last > first and last - first != entry.last - entry.first):
            return None
        holder, dot, name = entry.signature.name.rpartition(".")
        at = first if first == last else first + line - entry.first
        if first == NO_LINE:
            at = line
        values = (holder if dot else original_class, name, at, entry.signature, True)
        calls.append(_NEW(RetracedCall, values))
    member, context = overload.member, NO_CONTEXT
    if member is not None and (member.synthesized or member.outline):
        calls.pop()
        context = _context_after(member, line)
    return _NEW(Answer, ((tuple(calls),) if calls else (), False, context))


# --- 1 and 2: which entries -------------------------------------------------------------------


def _readings(
    overloads: Sequence[Overload], line: int, context: Context
) -> tuple[list[_Reading], int]:
    """The entries that may be meant, and the obfuscated line they are meant for."""
    if line <= 0:
        chosen = [overload.without_line() for overload in overloads]
        found, position = _select(overloads, chosen, line, context)
        return found or [_whole_method(overload) for overload in overloads], position
    chosen = [overload.at_line(line) for overload in overloads]
    found, position = _select(overloads, chosen, line, context)
    if not found:
        chosen = [overload.rangeless() for overload in overloads]
        found, position = _select(overloads, chosen, line, context)
    return found, position


def _select(
    overloads: Sequence[Overload],
    chosen: Sequence[Sequence[MappedRange]],
    line: int,
    context: Context,
) -> tuple[list[_Reading], int]:
    found: list[_Reading] = []
    for overload, ranges in zip(overloads, chosen, strict=True):
        if not ranges:
            continue
        positions = ranges[-1].callsite
        if positions is not None and context.outline_line is not None:
            real = positions.get(context.outline_line, context.outline_line)
            at_real_line = [other.at_line(real) for other in overloads]
            return _select(overloads, at_real_line, real, Context(context.thrown))
        found.append(_Reading(overload.member, ranges))
    return found, line


def _whole_method(overload: Overload) -> _Reading:
    """A method that nothing is said about for a frame without a line."""
    only = overload.ranges[0]
    if len(overload.ranges) == 1 and only.is_everything:
        return _Reading(overload.member, overload.ranges)
    signature = overload.member.signature if overload.member else overload.ranges[-1].signature
    return _Reading(overload.member, (MappedRange(signature, only.renamed),))


def _is_ambiguous(readings: Sequence[_Reading]) -> bool:
    if len(readings) > 1:
        return True
    ranges = readings[0].ranges
    for item in ranges:
        if item.is_vague:
            return True
    return len(ranges) > 1 and not _is_one_stack(ranges)


def _is_one_stack(ranges: Sequence[MappedRange]) -> bool:
    first = ranges[0]
    return first.has_range and all(
        item.first == first.first and item.last == first.last for item in ranges
    )


# --- 3 and 4: their frames --------------------------------------------------------------------


class _ObfuscatedCall(NamedTuple):
    """What is retraced: `line` as the frame has it, `position` where an outline moved it to."""

    original_class: str
    line: int
    position: int
    ambiguous: bool
    thrown: str | None


def _elements(readings: Sequence[_Reading], call: _ObfuscatedCall) -> list[_Element]:
    """Stacks of at most `_MOST_CALLS` calls altogether."""
    found: list[_Element] = []
    left = _MOST_CALLS
    for reading in readings:
        context = _context_after(reading.member, call.position)
        for stack in _stacks(reading.ranges):
            lines = _original_lines(stack[0], call)[: left // len(stack)]
            left -= len(lines) * len(stack)
            found += [_Element(_calls(stack, at, reading.member, call), context) for at in lines]
    return found


def _context_after(member: Member | None, position: int) -> Context:
    if member is not None and member.outline:
        return Context(outline_line=position)
    return NO_CONTEXT


def _stacks(ranges: Sequence[MappedRange]) -> Sequence[Sequence[MappedRange]]:
    """Neighbors with the same range; entries without one stand alone."""
    if len(ranges) == 1 or _is_one_stack(ranges):
        return (ranges,)
    stacks: list[list[MappedRange]] = [[ranges[0]]]
    for entry in ranges[1:]:
        first = stacks[-1][0]
        if first.has_range and (entry.first, entry.last) == (first.first, first.last):
            stacks[-1].append(entry)
        else:
            stacks.append([entry])
    return stacks


def _original_lines(innermost: MappedRange, call: _ObfuscatedCall) -> Sequence[int | None]:
    """The lines the innermost call may have been in; None leaves it to `_line`."""
    if not call.ambiguous or not innermost.is_vague:
        return _LEFT_TO_ENTRY
    return range(innermost.original_first, innermost.original_last + 1)


def _calls(
    stack: Sequence[MappedRange],
    innermost_line: int | None,
    member: Member | None,
    call: _ObfuscatedCall,
) -> Alternative:
    """The calls of one stack that the source knows."""
    start = _removed_frames(stack, call.thrown)
    is_made_up = member is not None and (member.synthesized or member.outline)
    calls = []
    for at in range(start, len(stack) - is_made_up):
        entry = stack[at]
        fixed = innermost_line if at == 0 else None
        line = _line(entry, call) if fixed is None else fixed
        holder, dot, name = entry.signature.name.rpartition(".")
        calls.append(
            RetracedCall(holder if dot else call.original_class, name, line, entry.signature)
        )
    return tuple(calls)


def _removed_frames(stack: Sequence[MappedRange], thrown: str | None) -> int:
    """How many inner frames go; more than there are is a mistake of the mapping and none."""
    removed = 0
    for entry in stack:
        rewrite = entry.rewrite
        if rewrite is not None and all(name == thrown for name in rewrite.thrown):
            removed += rewrite.removed_frames
    return removed if removed <= len(stack) else 0


def _line(entry: MappedRange, call: _ObfuscatedCall) -> int:
    """The original line of one entry; the obfuscated one where the mapping has none."""
    if entry.original_first != NO_LINE and entry.original_first == entry.original_last:
        return entry.original_first
    if not call.ambiguous and (not entry.has_range or call.position == NO_LINE):
        first = entry.first if entry.original_first == NO_LINE else entry.original_first
        return first if first > 0 else call.line
    return entry.original_line(call.position) if entry.holds(call.position) else call.line


# --- 5: which of them differ ------------------------------------------------------------------


def _distinct(elements: Sequence[_Element], *, with_line: bool, with_types: bool) -> list[_Element]:
    """Elements whose innermost calls differ, in order of name, types and line."""
    if len(elements) == 1:
        return [element for element in elements if element.calls]
    seen: dict[Hashable, _Element] = {}
    for element in elements:
        if element.calls:
            seen.setdefault(_identity(element.calls[0], with_line, with_types), element)
    return sorted(seen.values(), key=_order)


def _identity(call: RetracedCall, with_line: bool, with_types: bool) -> Hashable:  # noqa: FBT001
    types = call.signature if with_types else None
    return (
        call.class_name,
        call.method,
        call.line if with_line else NO_LINE,
        types and (types.type, types.parameters),
    )


def _order(element: _Element) -> tuple[str, str, str, int, list[str], bool, int]:
    call = element.calls[0]
    kind, _name, parameters = call.signature or Signature("", "", "")
    types = parameters[1:-1].split(",") if len(parameters) > len("()") else []
    return call.class_name, call.method, kind, len(types), types, call.line != NO_LINE, call.line


def _next_context(elements: Sequence[_Element], distinct: Sequence[_Element]) -> Context:
    if not distinct:
        return elements[-1].context if elements else NO_CONTEXT
    return distinct[0].context if len(distinct) == 1 else NO_CONTEXT
