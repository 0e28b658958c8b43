"""The members of one class, read from its part of a mapping.

    some.Class -> a:
        int count -> b                                                    a field
        void quiet() -> c                                                 any line, line unknown
        1:3:void run(int):11:13 -> d                                      lines 1-3 were 11-13
        4:4:void other.Class.helper():7:7 -> d                            line 4 was inlined code,
        4:4:void run(int):15 -> d                                         called in line 15
        0:0:void pruned():42 -> e                                         code without lines

Neighbors with the same obfuscated name and the same range are one stack of inlined calls,
innermost first. The last of a stack is the method that exists in the program; its residual
signature (else its original one with the new name) says which methods of one name are the same
one. Comments hold for the line above (see `metadata`); those about the method as a whole count
for all of its ranges.

A line that is none of these is skipped: a mapping with one strange line still answers for the
rest, as every line stands for itself.
"""

import re
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush
from typing import NamedTuple

from crashes.symbolication.retrace.metadata import (
    Information,
    MapVersion,
    Outline,
    OutlineCallsite,
    ResidualSignature,
    RewriteFrame,
    SourceFile,
    Synthesized,
    read_information,
)

NO_LINE = -1
_LAST_DEX_LINE = 65_535  # a range 0:65535 covers whatever line a method can report
_DEEPEST = 1_000  # inlined calls at one line; beyond it the outer ones are left out
_FEW_RANGES = 24  # up to here reading a list through is faster than keeping a table of it

_LINE = re.compile(
    r"^[ \t]+(?:([0-9]{1,10})[ \t]*:[ \t]*([0-9]{1,10})[ \t]*:[ \t]*)?"
    r"([^\s(:#]+)[ \t]+([^\s(:]+?)[ \t]*"
    r"(?:(\([^)\n]*\))[ \t]*(?::[ \t]*([0-9]{1,10})(?:[ \t]*:[ \t]*([0-9]{1,10}))?[ \t]*)?)?"
    r"->[ \t]*([^\s:]+)[ \t]*\r?$"
    r"|^[ \t]*#[ \t]*(\{[^\n]*)",
    re.MULTILINE,
)


class Signature(NamedTuple):
    """A member as Java spells it; `name` has its class before it when that is another one.

    `parameters` is `(int,java.lang.String)`, or empty for a field.
    """

    type: str
    name: str
    parameters: str


@dataclass(slots=True)
class Member:
    """A method that exists in the program, and what was said about it as a whole."""

    signature: Signature
    renamed: str
    residual: Signature
    synthesized: bool = False
    outline: bool = False


@dataclass(slots=True)
class MappedRange:
    """One line about a method.

    `first` to `last` are obfuscated lines, `original_first` to `original_last` original ones;
    `NO_LINE` in both where the mapping has none. `is_caller` marks an original position of one
    number: the line of a call that was inlined.
    """

    signature: Signature
    renamed: str
    first: int = NO_LINE
    last: int = NO_LINE
    original_first: int = NO_LINE
    original_last: int = NO_LINE
    is_caller: bool = False
    residual: Signature | None = None
    callsite: Mapping[int, int] | None = None
    rewrite: RewriteFrame | None = None

    @property
    def has_range(self) -> bool:
        """Whether it is about certain obfuscated lines only."""
        return self.first != NO_LINE

    @property
    def is_vague(self) -> bool:
        """Whether an obfuscated line does not tell which of several original lines it was."""
        span = self.original_last - self.original_first
        return span > 0 and (not self.has_range or self.last - self.first != span)

    @property
    def is_everything(self) -> bool:
        """Whether it covers whatever line there may be, zero included."""
        return self.first == 0 and self.last == _LAST_DEX_LINE

    def holds(self, line: int) -> bool:
        """Whether an obfuscated line belongs here."""
        return self.first != NO_LINE and self.first <= line <= self.last

    def original_line(self, line: int) -> int:
        """The original line of an obfuscated one that belongs here."""
        if self.original_first == NO_LINE:
            return line
        if self.original_first == self.original_last:
            return self.original_first
        return self.original_first + line - self.first


@dataclass(slots=True)
class Overload:
    """All ranges of one method, in the order of the mapping."""

    member: Member | None
    ranges: Sequence[MappedRange]
    _rangeless: Sequence[MappedRange] | None = None
    _starts: list[int] | None = None
    _owners: list[int] = field(default_factory=list)

    def at_line(self, line: int) -> Sequence[MappedRange]:
        """The inline stack of an obfuscated line, innermost first; empty if no range holds it."""
        start = self._first_holding(line)
        if start is None:
            return ()
        end, first = start + 1, self.ranges[start]
        limit = min(len(self.ranges), start + _DEEPEST)
        while end < limit and _same_range(self.ranges[end], first):
            end += 1
        return self.ranges[start:end]

    def without_line(self) -> Sequence[MappedRange]:
        """What a frame without a line may be: the stack of line 0, else the first rangeless."""
        found = self.at_line(0)
        return found or self.rangeless()[:1]

    def rangeless(self) -> Sequence[MappedRange]:
        """The entries that are about no line in particular."""
        if self._rangeless is None:
            self._rangeless = [item for item in self.ranges if not item.has_range][:_DEEPEST]
        return self._rangeless

    def _first_holding(self, line: int) -> int | None:
        if len(self.ranges) <= _FEW_RANGES:
            for at, item in enumerate(self.ranges):
                if item.first <= line <= item.last and item.first != NO_LINE:
                    return at
            return None
        if self._starts is None:
            self._starts, self._owners = _first_owners(self.ranges)
        at = bisect_right(self._starts, line) - 1
        owner = self._owners[at] if at >= 0 else NO_LINE
        return None if owner == NO_LINE else owner


def _same_range(left: MappedRange, right: MappedRange) -> bool:
    return left.first == right.first and left.last == right.last


def _first_owners(ranges: Sequence[MappedRange]) -> tuple[list[int], list[int]]:
    """Lines where the answer changes, and from each on the index of the first range in order.

    Ranges may overlap; the earlier one of the mapping wins. A sweep over the lines with a heap
    of the ranges that are open keeps this at O(n log n) for any input.
    """
    opening = sorted((item.first, at) for at, item in enumerate(ranges) if item.has_range)
    changes = sorted({line for at, item in enumerate(ranges) if item.has_range
                      for line in (item.first, item.last + 1)})  # fmt: skip
    starts: list[int] = []
    owners: list[int] = []
    opened: list[int] = []
    upcoming = 0
    for line in changes:
        while upcoming < len(opening) and opening[upcoming][0] <= line:
            heappush(opened, opening[upcoming][1])
            upcoming += 1
        while opened and ranges[opened[0]].last < line:
            heappop(opened)
        starts.append(line)
        owners.append(opened[0] if opened else NO_LINE)
    return starts, owners


class ClassMembers:
    """The methods of one class by obfuscated name, and its source file."""

    def __init__(self, ranges: dict[str, list[MappedRange]], members: dict[Signature, Member],
                 source_file: str | None) -> None:  # fmt: skip
        self.source_file = source_file
        self._ranges = ranges
        self._members = members
        self._overloads: dict[str, Sequence[Overload]] = {}

    def method(self, renamed: str) -> Sequence[Overload]:
        """Every method with this obfuscated name; empty if there is none."""
        known = self._overloads.get(renamed)
        if known is None:
            parts = _split_overloads(self._ranges.get(renamed, ()))
            known = tuple(Overload(self._member_of(part[-1]), part) for part in parts)
            self._overloads[renamed] = known
        return known

    def _member_of(self, outermost: MappedRange) -> Member | None:
        return self._members.get(outermost.residual or _residual_of(outermost))


def _residual_of(entry: MappedRange) -> Signature:
    return Signature(entry.signature.type, entry.renamed, entry.signature.parameters)


def _split_overloads(ranges: Sequence[MappedRange]) -> Iterator[Sequence[MappedRange]]:
    """Neighbors whose outermost method is the same one.

    When the first and the last stack agree, everything is taken for one method.
    """
    if not ranges:
        return
    if len(ranges) == 1 or (ranges[0].has_range and all(map(_same_range, ranges, ranges[1:]))):
        yield ranges
        return
    stacks = list(_inline_stacks(ranges))
    if stacks[0][-1].signature == stacks[-1][-1].signature:
        yield ranges
        return
    current = list(stacks[0])
    for stack in stacks[1:]:
        if stack[-1].signature != current[-1].signature:
            yield current
            current = []
        current.extend(stack)
    yield current


def _inline_stacks(ranges: Sequence[MappedRange]) -> Iterator[Sequence[MappedRange]]:
    start = 0
    for end in range(1, len(ranges) + 1):
        inner = ranges[end - 1]
        if end == len(ranges) or not inner.has_range or not _same_range(inner, ranges[end]):
            yield ranges[start:end]
            start = end


# --- Reading ----------------------------------------------------------------------------------


def read_members(text: str, version: MapVersion) -> ClassMembers:
    """The members in the lines after a class line. Lines that are no members are skipped."""
    reader = _Reader(version)
    signatures: dict[tuple[str, ...], Signature] = {}
    for row in _LINE.findall(text):
        if row[8]:
            reader.comment(row[8])
            continue
        written = row[2:5]
        signature = signatures.get(written)
        if signature is None:
            signature = signatures[written] = _signature(*written)
        reader.member(_entry(row, signature))
    return reader.finish()


class _Reader:
    """Reads line by line, as which method a line belongs to shows only in the next one.

    The rules are R8's: an entry is the outermost of its stack unless the next one has the same
    name and range and is a caller; only then the method it belongs to is settled.
    """

    def __init__(self, version: MapVersion) -> None:
        self._version = version
        self._ranges: dict[str, list[MappedRange]] = {}
        self._members: dict[Signature, Member] = {}
        self._source_file: str | None = None
        self._settled: Member | None = None
        self._active: MappedRange | None = None
        self._open: MappedRange | None = None
        self._open_residual: ResidualSignature | None = None
        self._open_synthesized = False
        self._open_outline = False

    def finish(self) -> ClassMembers:
        """Everything read."""
        if self._open is not None:
            self._settle(self._open)
        return ClassMembers(self._ranges, self._members, self._source_file)

    def member(self, entry: MappedRange) -> None:
        """One line about a method or a field."""
        if entry.signature.parameters:
            self._keep(entry)
        inner = self._open
        if inner is not None and not (
            entry.is_caller
            and inner.has_range
            and inner.renamed == entry.renamed
            and _same_range(inner, entry)
        ):
            self._settle(inner)
        self._open = entry

    def _keep(self, entry: MappedRange) -> None:
        before = self._active
        if (
            before is not None
            and before.signature == entry.signature
            and before.renamed == entry.renamed
        ):
            entry.residual = before.residual
        elif self._settled is not None and self._settled.signature == entry.signature:
            entry.residual = self._settled.residual
        self._active = entry
        self._ranges.setdefault(entry.renamed, []).append(entry)

    def _settle(self, outermost: MappedRange) -> None:
        member = self._settled
        if (
            member is None
            or not outermost.has_range
            or member.renamed != outermost.renamed
            or member.signature != outermost.signature
        ):
            member = self._member_for(outermost)
        member.synthesized |= self._open_synthesized
        member.outline |= self._open_outline
        self._settled = member
        self._open_residual = None
        self._open_synthesized = self._open_outline = False

    def _member_for(self, outermost: MappedRange) -> Member:
        key = _residual_of(outermost)
        changed = self._open_residual
        if changed is not None and bool(key.parameters) == (changed.parameters is not None):
            key = Signature(changed.type, outermost.renamed, changed.parameters or "")
        return self._members.setdefault(key, Member(outermost.signature, outermost.renamed, key))

    def comment(self, text: str) -> None:
        """Metadata about the class before its first member, about the line above after it."""
        found = read_information(text, self._version)
        if self._open is not None:
            self._about_member(found, self._active)
        elif isinstance(found, SourceFile) and self._source_file is None:
            self._source_file = found.name

    def _about_member(self, found: Information | None, entry: MappedRange | None) -> None:
        match found:
            case Synthesized():
                self._open_synthesized = True
            case Outline():
                self._open_outline = True
            case OutlineCallsite(positions) if entry is not None and entry.callsite is None:
                entry.callsite = positions
            case RewriteFrame() if entry is not None and entry.rewrite is None:
                entry.rewrite = found
            case ResidualSignature():
                self._about_signature(found, entry)
            case _:
                pass

    def _about_signature(self, found: ResidualSignature, entry: MappedRange | None) -> None:
        if entry is not None and found.parameters is None:
            self._open_residual = None
            return
        self._open_residual = found
        if entry is None or found.parameters is None:
            return
        if self._settled is None or self._settled.signature != entry.signature:
            entry.residual = Signature(found.type, entry.renamed, found.parameters)


def _signature(kind: str, name: str, parameters: str) -> Signature:
    if " " in parameters or "\t" in parameters:
        parameters = f"({','.join(part.strip() for part in parameters[1:-1].split(','))})"
    return Signature(kind, name, parameters)


def _entry(row: tuple[str, ...], signature: Signature) -> MappedRange:
    first, last, _, _, _, original_first, original_last, renamed, _ = row
    entry = MappedRange(signature, renamed)
    if first:
        entry.first, entry.last = _ordered(int(first), int(last))
    if original_last:
        entry.original_first, entry.original_last = _ordered(
            int(original_first), int(original_last)
        )
    elif original_first:
        entry.original_first = entry.original_last = int(original_first)
        entry.is_caller = True
    return entry


def _ordered(first: int, last: int) -> tuple[int, int]:
    """Old R8 wrote `12:0` for the single line 12, and some ranges backwards."""
    if first <= last:
        return first, last
    return (first, first) if last == 0 else (last, first)
