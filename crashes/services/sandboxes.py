"""The sandbox of this process, and what its children have ready."""

from functools import cache

from uxp_diag.sandbox import Limits, Sandbox

_MIB = 1 << 20

PARSE = Limits(cpu_seconds=5, wall_seconds=8, memory_bytes=512 * _MIB)
IDENTIFY = Limits(cpu_seconds=10, wall_seconds=15, memory_bytes=512 * _MIB, output_bytes=_MIB)
BUILD_SYMCACHE = Limits(
    cpu_seconds=120, wall_seconds=180, memory_bytes=4096 * _MIB, file_bytes=4096 * _MIB
)


_LATE_IMPORTS = ("heapq", "_strptime", "encodings.latin_1", "encodings.utf_16_le", "unicodedata")
"""What the standard library imports on first use, which a child no longer can."""


@cache
def sandbox() -> Sandbox:
    """Children that can parse every payload format and read debug files. One per process."""
    return Sandbox(
        ("crashes.formats.*", "crashes.symbolication.*", *_LATE_IMPORTS),
        limits=PARSE,
        allowed=("crashes.formats", "crashes.symbolication"),
    )
