"""Core files: the memory of a process that the kernel (or gdb's `gcore`) wrote down, as ELF.

The steps, a module for each:

    container   ELF header, program headers, notes, and what memory is there
    notes       threads with registers, signal, process, auxiliary vector, mapped files
    modules     binaries by their mappings, build ids out of the mapped headers
    assembly    the crash, whose stacks are walked by `crashes.formats.stackwalk`

A core is laid out so that what matters comes first, which is as well, since phones cut them:

    ELF header, type ET_CORE      class and processor
    program headers               one PT_NOTE, then a PT_LOAD for each mapping: address, size, flags
    notes                         NT_PRSTATUS for each thread (the one that crashed first),
                                  NT_PRPSINFO, NT_SIGINFO, NT_AUXV, NT_FILE
    memory                        of the mappings, in their order; of files only what was changed,
                                  and the first page of binaries, where the build id lies

What is cut off is missing, no more: memory beyond the end of the file has no bytes, a note beyond
it is no note. Only a core without any thread is refused.

`parse` walks by frame pointers and scanning, `parse_with_tables` with what debug files know, as
for minidumps (see `crashes.formats.minidump`). Frames of modules whose program headers are in
memory have ELF addresses; others count from where the module starts.

Of the command line only the first word is read, and of memory nothing but stacks, binaries'
headers, and the list of libraries where the kernel wrote no NT_FILE. `details` has os, cpu,
crash_reason, sender, requested_dump, uid, thread_count, threads_omitted, is_cut.
"""

from crashes.formats.core_file.assembly import crash_of
from crashes.formats.core_file.container import is_core, open_core
from crashes.formats.stackwalk import NO_TABLES, TableFinder
from crashes.stack import Crash

__all__ = ["is_core", "parse", "parse_with_tables"]


def parse(payload: bytes) -> Crash:
    """The crash in a core file.

    Raises MalformedPayload: `not_a_core`, `unsupported_core`, `truncated_core`, `malformed_core`,
    `no_threads`.
    """
    return crash_of(open_core(payload), NO_TABLES)


def parse_with_tables(payload: bytes, tables: TableFinder) -> Crash:
    """The same, unwound by debug files where there are any. Raises MalformedPayload as `parse`."""
    return crash_of(open_core(payload), tables)
