"""Stacks walked with debug files, in the sandbox: where the formats meet the unwind tables.

Reading a dump and knowing how functions unwind are two rules that do not know each other; this is
the job that introduces them. Like every job it takes plain values and descriptors and knows no
framework. The dump is read anew instead of handing its stack memory around: that memory stays in
the child that reads it.
"""

import mmap
from collections.abc import Mapping, Sequence
from typing import Any

from crashes.formats import core_file, microdump, minidump
from crashes.formats.tombstone_parts import inflated
from crashes.stack import Module, PayloadFormat, to_json
from crashes.symbolication.unwind import UnwindTable

_WALKERS = {
    PayloadFormat.MINIDUMP: minidump.parse_with_tables,
    PayloadFormat.MICRODUMP: microdump.parse_with_tables,
    PayloadFormat.CORE: core_file.parse_with_tables,
}
WALKED_FORMATS = frozenset(_WALKERS)
"""The formats whose stacks are walked here: those that bring stack memory."""


def walk_job(
    payload_format: str, payload: bytes, names: Sequence[str], *table_fds: int
) -> dict[str, Any]:
    """The crash of a dump with stack memory as JSON values, unwound by the tables behind `table_fds`.

    `names` says which module each table is for: its build id, or its debug id. A payload may be
    gzip. Raises MalformedPayload for the dump, UnreadableDebugFile for a table.
    """
    tables = {
        # Not closed: the views into it live as long as the child does.
        name: UnwindTable(mmap.mmap(fd, 0, access=mmap.ACCESS_READ))
        for name, fd in zip(names, table_fds, strict=True)
    }
    parse = _WALKERS[PayloadFormat(payload_format)]
    crash = parse(inflated(payload), lambda module: _table(module, tables))
    document: dict[str, Any] = to_json(crash)
    return document


def _table(module: Module, tables: Mapping[str, UnwindTable]) -> UnwindTable | None:
    found = tables.get(module.build_id or "")
    return found if found is not None else tables.get(module.debug_id or "")
