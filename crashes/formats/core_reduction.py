"""What of a core file is kept: what its parser reads, and no other byte of the process's memory.

A core is all memory of a process. Its parser (`core_file`) needs the headers, the notes about
threads, signal and files, the headers of binaries, and the stacks. So everything else becomes
zeros, and every offset stays true. Of what is kept goes

    the command line    all but its first word
    stacks              what lies below the stack pointer; beyond a mebibyte; and, above the main
                        thread's, the environment and the arguments, which begin where the
                        auxiliary vector's AT_PLATFORM or AT_RANDOM points
    other notes         floating point and vector registers, which copy texts

A core that cannot be opened keeps its first header alone.
"""

from collections.abc import Callable, Iterable, Iterator

from crashes.formats.core_file.container import HEADER_AT, Core, Note, open_core
from crashes.formats.core_file.modules import binaries_of
from crashes.formats.core_file.notes import (
    AUXV,
    FILES,
    PRPSINFO,
    PRSTATUS,
    SIGINFO,
    Facts,
    facts_of,
    process_layout,
)
from crashes.formats.errors import MalformedPayload

_STACK_BYTES = 1 << 20
_RED_ZONE_BYTES = 128
_STACK_POINTERS = ("rsp", "esp", "sp")
_AT_PLATFORM, _AT_RANDOM = 15, 25
_TABLES = frozenset({PRSTATUS, SIGINFO, AUXV})

Span = tuple[int, int]


def reduced_core(payload: bytes) -> bytes:
    """The core with zeros for all that nobody reads. Never raises for damage."""
    result = bytearray(len(payload))
    for start, end in _merged(_kept(payload), len(payload)):
        result[start:end] = payload[start:end]
    return bytes(result)


def scrubbed_core(payload: bytes, scrub: Callable[[bytes], bytes]) -> bytes:
    """The reduced core, its texts scrubbed: what was kept alone, as the rest is zeros."""
    result = bytearray(payload)
    for start, end in _merged(_kept(payload), len(payload)):
        result[start:end] = scrub(payload[start:end])
    return bytes(result) if result != payload else payload


def _merged(spans: Iterable[Span], limit: int) -> Iterator[Span]:
    """(start, end) in order, none twice, at multiples of eight as numbers are."""
    start = end = 0
    for at, size in sorted(span for span in spans if 0 <= span[0] < limit and span[1] > 0):
        if at > end + 8:
            if end:
                yield start, end
            start = at & ~7
        end = max(end, min(limit, at + size + 7 & ~7))
    if end:
        yield start, end


def core_structure(payload: bytes) -> Iterator[Span]:
    """(place, size) of what in a core is numbers: headers, registers, addresses of files."""
    try:
        core = open_core(payload)
    except MalformedPayload:
        return
    yield from core.headers()
    for note in core.notes():
        yield note.head, note.at - note.head
        if note.kind in _TABLES:
            yield note.at, len(note.content)
        elif note.kind == PRPSINFO:
            layout = process_layout(note.content, core.width.word_bytes)
            yield note.at, layout.name if layout else 0
        elif note.kind == FILES:
            size = core.width.word_bytes
            count = int.from_bytes(note.content[:size], "little")
            yield note.at, min(len(note.content), size * (2 + 3 * count))
    yield from _headers_in_memory(core, facts_of(core))


def _kept(payload: bytes) -> Iterator[Span]:
    try:
        core = open_core(payload)
    except MalformedPayload:
        yield 0, HEADER_AT + 40
        return
    yield from core.headers()
    for note in core.notes():
        yield from _of_note(note, core)
    facts = facts_of(core)
    yield from _stacks(core, facts)
    yield from _headers_in_memory(core, facts)


def _headers_in_memory(core: Core, facts: Facts) -> Iterator[Span]:
    binaries_of(core, facts)
    yield from core.memory.seen


def _of_note(note: Note, core: Core) -> Iterator[Span]:
    """A note's sizes, kind and owner always, so that the next one is found."""
    yield note.head, note.at - note.head
    if note.kind in _TABLES or note.kind == FILES:
        yield note.at, len(note.content)
    elif note.kind == PRPSINFO:
        layout = process_layout(note.content, core.width.word_bytes)
        if layout:
            words = bytes(note.content[layout.arguments :])
            yield note.at, layout.arguments + min(words.find(b" ") % 81, words.find(b"\0") % 81)


def _stacks(core: Core, facts: Facts) -> Iterator[Span]:
    auxiliary = facts.auxiliary or {}
    texts = [auxiliary[key] for key in (_AT_PLATFORM, _AT_RANDOM) if auxiliary.get(key)]
    for thread in facts.threads:
        pointers = (thread.registers[name] for name in _STACK_POINTERS if name in thread.registers)
        pointer = next(pointers, 0)
        at, left = core.memory.place(pointer)
        ends = [text - pointer for text in texts if text > pointer]
        below = min(_RED_ZONE_BYTES, pointer - (core.memory.region(pointer) or (pointer,))[0])
        yield at - below, below + min(left, _STACK_BYTES, *ends)
