"""The sections of a tombstone, read line by line into a `Dump`.

A line either opens a section (`_OPENERS`) or belongs to the one that is open:

* BODY: header, registers and backtrace of a thread; frames go to the stack that is `_target`;
* MAP, FILES, BUILD_IDS, JAVA: lists that become modules, a count, build ids, a Java stack;
* SKIP: stack words, memory near registers, log lines. Their content is private and never kept.

`--- --- ---` starts the next thread; a second banner or build fingerprint starts the next
tombstone, where reading ends. To add a section: a group in `_OPENERS`, a row in `_OPENINGS` and,
if its lines matter, one in `_READERS`.
"""

import re
from collections.abc import Callable
from dataclasses import replace
from enum import Enum, auto
from typing import Final

from crashes.formats.lines import MAX_THREADS
from crashes.formats.tombstone_parts import known
from crashes.formats.tombstone_text.dump import MAX_FACTS, Dump, Stack
from crashes.formats.tombstone_text.frames import is_frame, split_build_id
from crashes.formats.tombstone_text.header import CRASH_FIELDS, DETAILS, read_header
from crashes.formats.tombstone_text.logs import BANNER
from crashes.formats.tombstone_text.rows import (
    ThreadRow,
    read_mapping,
    read_registers,
    read_sanitizer_error,
    read_signal,
    read_thread,
)

MAX_ABORT_LINES = 256
MAX_REPORT_LINES = 2048  # HWASan shows stacks, tags and registers
MAX_MAPPINGS = 65_536  # the kernel allows a process 65,530
MAX_REGISTERS = 128  # riscv64 with vectors has fewer than 100

_ABORT = "Abort message: '"
_CAUSE = "Cause: "
_DETAIL = "Extra crash detail: "
_NOTE = "NOTE: "
_FIRST_FRAME = ("#00 ", "#0 ")
_INDENT = (" ", "\t")
_OPENERS = re.compile(
    r"(?P<banner>\*\*\* \*\*\* \*\*\*)|(?P<next_thread>--- --- ---)|(?P<thread>pid: ?[0-9])"
    r"|(?P<guest>Guest thread information for tid: )|(?P<backtrace>backtrace:)"
    r"|(?P<heap>(?:previously )?(?:de)?allocated by thread |freed by thread )"
    r"|(?P<map>memory map)|(?P<files>open files)|(?P<build_ids>build id:)"
    r"|(?P<java>java stacktrace:)"
    r"|(?P<skip>memory near |code around |stack:|[Mm]emory tags |stack_record |logcat:"
    r"|memory info:|--------- |Thread T[0-9]+ |SUMMARY: )"
)
_ENDS_ABORT_MESSAGE = re.compile(
    r"Extra crash detail: |Abort message: |Cause: |[0-9]+ total frames|Note: This crash is"
)
_TID = re.compile(r"(?:thread|tid:) ([0-9]{1,10})\b")
_DECLARED = re.compile(r"memory map \(([0-9]{1,6}) entr")


class _Section(Enum):
    BODY = auto()
    MAP = auto()
    FILES = auto()
    BUILD_IDS = auto()
    JAVA = auto()
    SKIP = auto()


def read_dump(lines: list[str]) -> Dump:
    """Everything the first tombstone in these lines says."""
    reader = Reader(lines)
    reader.read()
    return reader.dump


class Reader:
    """One pass over the lines of a dump; `dump` grows with each."""

    def __init__(self, lines: list[str]) -> None:
        self.dump = Dump()
        self._lines = lines
        self._at = 0  # the next line to read
        self._section = _Section.BODY
        self._thread: Stack | None = self.dump.threads[0]  # None beyond the limit
        self._target: Stack | None = self._thread

    def read(self) -> None:
        """Read up to the next tombstone, and count those that follow."""
        while self._at < len(self._lines) and not self.dump.more_tombstones:
            line = self._lines[self._at]
            self._at += 1
            if self._section is _Section.SKIP and line.startswith(_INDENT):
                continue  # most lines of a tombstone are memory, and no opener is indented
            line = line.strip()
            if line and not self._opens(line):
                _READERS[self._section](self, line)
        if self.dump.more_tombstones:
            rest = self._lines[self._at :]
            self.dump.more_tombstones += sum(line.lstrip().startswith(BANNER) for line in rest)

    def _opens(self, line: str) -> bool:
        found = _OPENERS.match(line)
        if found is None or found.lastgroup is None:
            return False
        return _OPENINGS[found.lastgroup](self, line)

    # What opens a section

    def open_banner(self, _: str) -> bool:
        """`*** *** ***`: a tombstone starts here, the first or the next."""
        if self._has_started():
            self.dump.more_tombstones = 1
        self.dump.has_banner = True
        return True

    def open_next_thread(self, _: str) -> bool:
        """`--- --- ---`: another thread, unless nothing was said about this one."""
        if self._thread is None or not self._thread.is_empty:
            self._start_thread()
        self._target = self._thread
        self._section = _Section.BODY
        return True

    def _start_thread(self) -> None:
        self._thread = None
        if len(self.dump.threads) < MAX_THREADS:
            self._thread = Stack()
            self.dump.threads.append(self._thread)
        else:
            self.dump.count("threads_omitted")
        self._target = self._thread

    def open_thread(self, line: str) -> bool:
        """`pid: …, tid: …`: the name of this thread, or of the next when this has one."""
        row = read_thread(line)
        if row is None:
            return False
        self._section = _Section.BODY
        self.dump.row = self.dump.row or row
        if self._thread is not None and self._thread.has_row:
            self._start_thread()
        if self._thread is not None:
            self._thread.has_row, self._thread.tid, self._thread.name = True, row.tid, row.name
        return True

    def open_guest(self, line: str) -> bool:
        """What the translated (ARM on x86) side of a thread was doing."""
        return self._open_side_stack(self.dump.guest_stacks, Stack(), line)

    def open_heap(self, line: str) -> bool:
        """Who allocated or freed the memory of a heap error."""
        freed = line.startswith(("deallocated", "freed"))
        stack = Stack(role="deallocated" if freed else "allocated")
        return self._open_side_stack(self.dump.side_stacks, stack, line)

    def _open_side_stack(self, stacks: list[Stack], stack: Stack, line: str) -> bool:
        found = _TID.search(line)  # a sanitizer's T0 is a number of its own
        stack.tid = int(found[1]) if found else None
        self._section = _Section.BODY
        self._target = stack if len(stacks) < MAX_FACTS else None
        if self._target:
            stacks.append(stack)
        return True

    def open_map(self, line: str) -> bool:
        """`memory map (N entries)`: N counts also what a cut dump lacks."""
        declared = _DECLARED.match(line)
        if declared:
            self.dump.counts["declared_mappings"] = int(declared[1])
        self._section = _Section.MAP
        return True

    # Lines of a section

    def read_body(self, line: str) -> None:
        """A frame, a note about the frames, registers or a header line."""
        if line.startswith("#") and is_frame(line):
            self._read_frame(line)
        elif line.startswith(_NOTE):
            self.dump.add_fact("backtrace_notes", line.removeprefix(_NOTE).strip())
        elif not self._read_registers(line):
            self._read_header(line)

    def _read_frame(self, line: str) -> None:
        target = self._target
        if target is not None and line.startswith(_FIRST_FRAME) and len(target.lines):
            self._target = target = None  # a second stack, and nothing says whose
        if target is not None:
            target.lines.add(line)

    def _read_registers(self, line: str) -> bool:
        registers = read_registers(line)
        target = self._target
        if registers and target is not None and len(target.registers) < MAX_REGISTERS:
            target.registers.update(registers)
        return registers is not None

    def _read_header(self, line: str) -> None:
        if line.startswith("signal "):
            self.dump.signal = self.dump.signal or read_signal(line)
        elif line.startswith(_ABORT):
            self._read_abort_message()
        elif line.startswith(_CAUSE):
            self.dump.add_fact("causes", line.removeprefix(_CAUSE).strip())
        elif line.startswith(_DETAIL):
            name, _, data = line.removeprefix(_DETAIL).partition(": '")
            self.dump.add_fact("crash_details", {"name": name, "data": data.removesuffix("'")})
        elif line.startswith("=="):
            self._read_sanitizer_error(line)
        else:
            self._read_field(line)

    def _read_sanitizer_error(self, line: str) -> None:
        row = read_sanitizer_error(line)
        if row is not None and self.dump.row is None:
            self.dump.row = ThreadRow(row.pid, row.pid, None, None)
            self.dump.fault_addr = row.fault_addr
            self.dump.add_fact("causes", row.error)

    def _read_field(self, line: str) -> None:
        name, value = read_header(line) or ("", "")
        if name == "build fingerprint" and self._has_started():
            self.dump.more_tombstones = 1
        elif known(value):
            self._keep_field(name, value)

    def _keep_field(self, name: str, value: str) -> None:
        if name in CRASH_FIELDS:
            self.dump.fields.setdefault(CRASH_FIELDS[name], value)
        if name in DETAILS:
            key, convert = DETAILS[name]
            if self.dump.details.get(key) is None:
                self.dump.details[key] = convert(value)

    def _has_started(self) -> bool:
        """Whether a tombstone was begun; DropBox writes a header of its own in front of it."""
        return (
            "build_fingerprint" in self.dump.fields
            or self.dump.signal is not None
            or not self.dump.threads[0].is_empty
        )

    def _read_abort_message(self) -> None:
        """The message may hold lines and quotes: it ends at the last line that closes the quote."""
        if self.dump.abort_message is not None:
            return
        first = self._lines[self._at - 1].partition(_ABORT)[2]
        parts = [first, *self._lines[self._at : self._abort_end()]]
        closing = [at for at, part in enumerate(parts) if part.rstrip().endswith("'")]
        if closing:
            parts = parts[: closing[-1] + 1]
            parts[-1] = parts[-1].rstrip().removesuffix("'")
        self.dump.abort_message = "\n".join(parts)
        self._at += len(parts) - 1

    def _abort_end(self) -> int:
        """Where lines that belong to no message begin; a message without an end has one line."""
        report_end = self._report_end() if "Sanitizer: " in self._lines[self._at - 1] else None
        if report_end is not None:
            return report_end
        end = min(self._at + MAX_ABORT_LINES, len(self._lines))
        for at in range(self._at, end):
            if _ends_abort_message(self._lines[at].strip()):
                return at
        return end if end == len(self._lines) else self._at

    def _report_end(self) -> int | None:
        """A sanitizer's report has frames and registers of its own; its quote has a line for itself."""
        end = min(self._at + MAX_REPORT_LINES, len(self._lines))
        quotes = (at for at in range(self._at, end) if self._lines[at].strip() == "'")
        quote = next(quotes, None)
        return None if quote is None else quote + 1

    def read_map(self, line: str) -> None:
        """One mapping."""
        mapping = read_mapping(line)
        if mapping is None:
            return
        self.dump.count("memory_mappings")
        if mapping.path == ">" and self.dump.mappings:  # xCrash: the file of the line above
            mapping = replace(mapping, path=self.dump.mappings[-1].path)
        if len(self.dump.mappings) < MAX_MAPPINGS:
            self.dump.mappings.append(mapping)

    def read_file(self, line: str) -> None:
        """One open file: its path is private, that it is open counts."""
        if line.startswith("fd "):
            self.dump.count("open_fds")

    def read_build_id(self, line: str) -> None:
        """xCrash: `PATH (BuildId: HEX. FileSize: …)`."""
        self.dump.build_ids.learn(*split_build_id(line))

    def read_java(self, line: str) -> None:
        """xCrash: the Java stack above the native one."""
        if line.startswith("at "):
            self.dump.add_fact("java_stack", line.removeprefix("at "))
        else:
            self._section = _Section.SKIP

    def skip(self, _: str) -> None:
        """Private, or without meaning here."""

    def open_section(self, section: _Section) -> bool:
        """The lines that follow belong to `section`."""
        self._section = section
        return True


def _ends_abort_message(line: str) -> bool:
    return bool(
        _OPENERS.match(line)
        or _ENDS_ABORT_MESSAGE.match(line)
        or is_frame(line)
        or read_registers(line)
    )


def _opening(section: _Section) -> Callable[[Reader, str], bool]:
    return lambda reader, _: reader.open_section(section)


_OPENINGS: Final[dict[str, Callable[[Reader, str], bool]]] = {
    "banner": Reader.open_banner,
    "next_thread": Reader.open_next_thread,
    "thread": Reader.open_thread,
    "guest": Reader.open_guest,
    "heap": Reader.open_heap,
    "map": Reader.open_map,
    "backtrace": _opening(_Section.BODY),
    "files": _opening(_Section.FILES),
    "build_ids": _opening(_Section.BUILD_IDS),
    "java": _opening(_Section.JAVA),
    "skip": _opening(_Section.SKIP),
}

_READERS: Final[dict[_Section, Callable[[Reader, str], None]]] = {
    _Section.BODY: Reader.read_body,
    _Section.MAP: Reader.read_map,
    _Section.FILES: Reader.read_file,
    _Section.BUILD_IDS: Reader.read_build_id,
    _Section.JAVA: Reader.read_java,
    _Section.SKIP: Reader.skip,
}
