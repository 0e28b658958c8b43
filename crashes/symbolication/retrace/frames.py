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
"""

from collections.abc import Callable, Hashable, Iterator, Sequence
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


@dataclass(frozen=True, slots=True)
class Answer:
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


_Select: TypeAlias = Callable[[Overload], Sequence[MappedRange]]
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
        readings, position = _readings(members.method(method), line, context)
        if not readings:
            return _unknown(RetracedCall(original, method, line))
        call = _ObfuscatedCall(original, line, position, _is_ambiguous(readings), context.thrown)
        elements = list(_elements(readings, call))
        distinct = _distinct(elements, with_line=verbose or line > 0, with_types=verbose)
        return Answer(
            tuple(element.calls for element in distinct),
            call.ambiguous,
            _next_context(elements, distinct),
        )


def _unknown(call: RetracedCall) -> Answer:
    return Answer(((call,),))


# --- 1 and 2: which entries -------------------------------------------------------------------


def _readings(
    overloads: Sequence[Overload], line: int, context: Context
) -> tuple[list[_Reading], int]:
    """The entries that may be meant, and the obfuscated line they are meant for."""
    if line <= 0:
        found, position = _select(overloads, Overload.without_line, line, context)
        return found or [_whole_method(overload) for overload in overloads], position
    found, position = _select(overloads, _at_line(line), line, context)
    if not found:
        found, position = _select(overloads, Overload.rangeless, line, context)
    return found, position


def _at_line(line: int) -> _Select:
    return lambda overload: overload.at_line(line)


def _select(
    overloads: Sequence[Overload], choose: _Select, line: int, context: Context
) -> tuple[list[_Reading], int]:
    found: list[_Reading] = []
    for overload in overloads:
        ranges = choose(overload)
        if not ranges:
            continue
        positions = ranges[-1].callsite if context.outline_line is not None else None
        if positions is not None and context.outline_line is not None:
            real = positions.get(context.outline_line, context.outline_line)
            return _select(overloads, _at_line(real), real, Context(context.thrown))
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
    first, *others = readings[0].ranges
    return first.is_vague or any(
        item.is_vague or not item.has_range or (item.first, item.last) != (first.first, first.last)
        for item in others
    )


# --- 3 and 4: their frames --------------------------------------------------------------------


class _ObfuscatedCall(NamedTuple):
    """What is retraced: `line` as the frame has it, `position` where an outline moved it to."""

    original_class: str
    line: int
    position: int
    ambiguous: bool
    thrown: str | None


def _elements(readings: Sequence[_Reading], call: _ObfuscatedCall) -> Iterator[_Element]:
    """Stacks of at most `_MOST_CALLS` calls altogether."""
    left = _MOST_CALLS
    for reading in readings:
        context = _context_after(reading.member, call.position)
        for stack in _stacks(reading.ranges):
            for fixed_line in _original_lines(stack[0], call)[: left // len(stack)]:
                left -= len(stack)
                yield _Element(_calls(stack, fixed_line, reading.member, call), context)


def _context_after(member: Member | None, position: int) -> Context:
    if member is not None and member.outline:
        return Context(outline_line=position)
    return NO_CONTEXT


def _stacks(ranges: Sequence[MappedRange]) -> Iterator[Sequence[MappedRange]]:
    start = 0
    for end in range(1, len(ranges) + 1):
        first = ranges[start]
        if end == len(ranges) or not first.has_range or not _alike(first, ranges[end]):
            yield ranges[start:end]
            start = end


def _alike(left: MappedRange, right: MappedRange) -> bool:
    return left.first == right.first and left.last == right.last


def _original_lines(innermost: MappedRange, call: _ObfuscatedCall) -> Sequence[int | None]:
    """The lines the innermost call may have been in; None leaves it to `_line`."""
    if not call.ambiguous or not innermost.is_vague:
        return (None,)
    return range(innermost.original_first, innermost.original_last + 1)


def _calls(
    stack: Sequence[MappedRange],
    fixed_line: int | None,
    member: Member | None,
    call: _ObfuscatedCall,
) -> Alternative:
    removed = sum(_removed_frames(item, call.thrown) for item in stack)
    start = removed if removed <= len(stack) else 0
    synthesized = member is not None and (member.synthesized or member.outline)
    end = len(stack) - 1 if synthesized else len(stack)
    calls = []
    for at in range(start, end):
        line = fixed_line if at == 0 and fixed_line is not None else _line(stack[at], call)
        calls.append(_call(stack[at].signature, call.original_class, line))
    return tuple(calls)


def _removed_frames(entry: MappedRange, thrown: str | None) -> int:
    rewrite = entry.rewrite
    if rewrite is None or any(name != thrown for name in rewrite.thrown):
        return 0
    return rewrite.removed_frames


def _call(signature: Signature, original_class: str, line: int) -> RetracedCall:
    holder, dot, name = signature.name.rpartition(".")
    return RetracedCall(holder if dot else original_class, name, line, signature)


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
    seen: dict[Hashable, _Element] = {}
    for element in elements:
        if element.calls:
            seen.setdefault(_identity(element.calls[0], with_line, with_types), element)
    found = list(seen.values())
    return sorted(found, key=_order) if len(found) > 1 else found


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
