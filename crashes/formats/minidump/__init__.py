"""Minidumps, as Breakpad, Crashpad and the SDKs built on them write: registers and stack memory.

The steps, a module for each:

    container   header, directory, and what lies where; every number is checked
    streams     threads, modules, exception, system, names
    contexts    the registers of each processor
    reasons     what the exception means
    assembly    the crash, whose stacks are walked by `crashes.formats.stackwalk`

`parse` walks by frame pointers and scanning alone. `parse_with_tables` does the same with what
debug files know about unwinding, which finds the callers that were compiled without frame
pointers and does not mistake old stack content for calls. It reads the dump anew, so that stack
memory, which may hold anything a person typed, never leaves the process that reads it.

Addresses of frames are return addresses (all but the innermost), and count from the module's start in memory, as a dump does not tell its load
base; with a table at hand the base is added, which makes them ELF addresses for programs that
are not position independent too.

What the crash holds is what happened, in which modules, and the registers; memory contents,
environment, command line and auxiliary vector are not taken over. `details` has os, os_version,
cpu, crash_reason, crashing_thread (its place in the dump), main_module (name and debug id),
requested_dump, threads_omitted, uid.
"""

from crashes.formats.minidump.assembly import crash_of
from crashes.formats.minidump.container import open_container
from crashes.formats.stackwalk import NO_TABLES, TableFinder
from crashes.stack import Crash

__all__ = ["parse", "parse_with_tables"]


def parse(payload: bytes) -> Crash:
    """The crash in a minidump.

    Raises MalformedPayload: `not_a_minidump`, `unsupported_minidump`, `truncated_minidump`,
    `malformed_minidump`, `no_threads`.
    """
    return crash_of(open_container(payload), NO_TABLES)


def parse_with_tables(payload: bytes, tables: TableFinder) -> Crash:
    """The same, unwound by debug files where there are any. Raises MalformedPayload as `parse`."""
    return crash_of(open_container(payload), tables)
