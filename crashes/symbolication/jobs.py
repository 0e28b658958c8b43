"""Debug file work for the sandbox: descriptors in, plain values out.

Debug files are large and come from build machines, SDK vendors and the internet; what reads them
runs in a child process with limits on memory and time, without network and without the right to
open anything. These functions are the child's whole task. They take open descriptors, return
plain dicts (strings, numbers, lists, None), close nothing, and raise `UnreadableDebugFile`, whose
`code`, `detail` and `where` are plain strings too.

What they need from the limits: `build_symcache_job` maps the debug file privately, and a
compressed one once more in inflated form; the compiler's own memory is about half the size of
the inflated DWARF. With a `scratch_fd` on a disk the inflated form is file pages; without one it
is a memory file, which counts as memory; the platform's sandbox forbids memory files, so there the
scratch file is not optional. Both the scratch file and the output need room under a limit on file
sizes.
"""

import gc
import os
from collections.abc import Mapping
from dataclasses import asdict
from functools import lru_cache
from mmap import ACCESS_READ, mmap
from typing import Any

from crashes.stack import from_json, to_json
from crashes.symbolication.elf import DebugFileKind, identify
from crashes.symbolication.errors import UnreadableDebugFile
from crashes.symbolication.retrace.retracer import Retracer
from crashes.symbolication.splitdwarf import SplitPlace
from crashes.symbolication.symcache import build_symcache


def identify_job(fd: int) -> dict[str, Any]:
    """`DebugFileFacts` as a dict. Raises UnreadableDebugFile."""
    with open(fd, "rb", closefd=False) as file:
        facts = identify(file)
    if facts.kind in _TEXTS and _holds_nul(fd):
        # Names with NUL would end up in reports, and PostgreSQL stores no such text.
        raise UnreadableDebugFile("not_text", "a file of this kind is text and holds no NUL")
    return _plain(asdict(facts))


def identify_many_job(*fds: int) -> list[dict[str, Any]]:
    """Of every file `{"facts": …}` as `identify_job` has them, or its refusal as code and detail."""
    return [_outcome(fd) for fd in fds]


def _outcome(fd: int) -> dict[str, Any]:
    try:
        return {"facts": identify_job(fd)}
    except UnreadableDebugFile as problem:
        return {"code": problem.code, "detail": problem.detail}


_TEXTS = frozenset(
    {
        DebugFileKind.BREAKPAD_SYM,
        DebugFileKind.KERNEL_SYMBOLS,
        DebugFileKind.PROGUARD_MAPPING,
    }
)


def _holds_nul(fd: int) -> bool:
    with mmap(fd, 0, access=ACCESS_READ) as data:
        return data.find(b"\0") >= 0


def build_symcache_job(debug_fd: int, out_fd: int, scratch_fd: int | None = None) -> dict[str, Any]:
    """Compile `debug_fd` into `out_fd`; `SymcacheFacts` as a dict. Raises UnreadableDebugFile."""
    return _plain(asdict(build_symcache(debug_fd, out_fd, scratch_fd=scratch_fd)))


def build_joined_symcache_job(
    companions: Mapping[str, Any], debug_fd: int, out_fd: int, scratch_fd: int, *fds: int
) -> dict[str, Any]:
    """The same with what other files hold of the debug information.

    `companions` says where that is: with `alternate` the first of `fds` is the file that `dwz`
    moved things into; `split` are `(start, size in bytes)` of `.dwo` and `.dwp` files in the last.
    """
    split = [SplitPlace(fds[-1], start, size_bytes) for start, size_bytes in companions["split"]]
    alternate_fd = fds[0] if companions["alternate"] else None
    facts = build_symcache(
        debug_fd, out_fd, scratch_fd=scratch_fd, split=split, alternate_fd=alternate_fd
    )
    return _plain(asdict(facts))


def mapping_job(mapping_fd: int) -> dict[str, Any]:
    """`MappingFacts` as a dict. Raises MalformedMapping."""
    return _plain(asdict(_retracer(mapping_fd, os.fstat(mapping_fd).st_ino).facts))


def retrace_job(document: Mapping[str, Any], mapping_fd: int) -> dict[str, Any]:
    """A crash, as JSON values, with the names that a mapping gives it. Raises MalformedMapping.

    The mapping is opened once for all the crashes a child is asked about.
    """
    retracer = _retracer(mapping_fd, os.fstat(mapping_fd).st_ino)
    retraced: dict[str, Any] = to_json(retracer.retrace_crash(from_json(document)))
    return retraced


@lru_cache(maxsize=1)
def _retracer(mapping_fd: int, inode: int) -> Retracer:
    """The inode is part of the key: descriptors are given out again.

    What is read of a mapping is a million small values without a cycle among them, and looking for
    cycles takes half the time. The child ends soon, and its memory has a limit, so it stops looking.
    """
    del inode
    gc.disable()
    if os.fstat(mapping_fd).st_size == 0:
        return Retracer(b"")
    return Retracer(mmap(mapping_fd, 0, access=ACCESS_READ))


def _plain(facts: dict[str, Any]) -> dict[str, Any]:
    """The same with enumerations as strings and tuples as lists, as any encoding would have it."""
    return {key: _plain_value(value) for key, value in facts.items()}


def _plain_value(value: Any) -> Any:
    if isinstance(value, str):
        return str(value)
    return [_plain_value(item) for item in value] if isinstance(value, tuple) else value
