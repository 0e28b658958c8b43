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

from dataclasses import asdict
from typing import Any

from crashes.symbolication.elf import identify
from crashes.symbolication.symcache import build_symcache


def identify_job(fd: int) -> dict[str, Any]:
    """`DebugFileFacts` as a dict. Raises UnreadableDebugFile."""
    with open(fd, "rb", closefd=False) as file:
        return _plain(asdict(identify(file)))


def build_symcache_job(debug_fd: int, out_fd: int, scratch_fd: int | None = None) -> dict[str, Any]:
    """Compile `debug_fd` into `out_fd`; `SymcacheFacts` as a dict. Raises UnreadableDebugFile."""
    return _plain(asdict(build_symcache(debug_fd, out_fd, scratch_fd=scratch_fd)))


def _plain(facts: dict[str, Any]) -> dict[str, Any]:
    """The same with enumerations as strings and tuples as lists, as any encoding would have it."""
    return {key: _plain_value(value) for key, value in facts.items()}


def _plain_value(value: Any) -> Any:
    if isinstance(value, str):
        return str(value)
    return [_plain_value(item) for item in value] if isinstance(value, tuple) else value
