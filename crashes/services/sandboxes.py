"""The sandbox of this process, and what its children have ready."""

from functools import cache

from uxp_diag.sandbox import Limits, Sandbox

_MIB = 1 << 20

PARSE = Limits(cpu_seconds=5, wall_seconds=8, memory_bytes=512 * _MIB)
READ = Limits(cpu_seconds=1, wall_seconds=4, memory_bytes=512 * _MIB)
"""For cleaning and parsing in one go; what needs more is cleaned, and then parsed, by itself."""
CLEAN = Limits(cpu_seconds=40, wall_seconds=60, memory_bytes=1536 * _MIB, output_bytes=256 * _MIB)
"""The largest payload unpacks to 192 MiB, and a second is enough for 10 MB of it."""
IDENTIFY = Limits(cpu_seconds=10, wall_seconds=15, memory_bytes=512 * _MIB, output_bytes=_MIB)
IDENTIFY_MANY = Limits(
    cpu_seconds=60, wall_seconds=90, memory_bytes=512 * _MIB, output_bytes=8 * _MIB
)
BUILD_SYMCACHE = Limits(
    cpu_seconds=120, wall_seconds=180, memory_bytes=4096 * _MIB, file_bytes=4096 * _MIB
)

UNPACK = Limits(
    cpu_seconds=120, wall_seconds=180, memory_bytes=512 * _MIB, file_bytes=4096 * _MIB + _MIB
)
OPEN_MAPPING = Limits(cpu_seconds=20, wall_seconds=30, memory_bytes=1024 * _MIB)
"""A mapping of a large app is tens of megabytes, and its index half as much again."""


_RULES = ("crashes.formats", "crashes.symbolication")
_WALK = "crashes.services.walk_jobs"

_LATE_IMPORTS = (
    "heapq",
    "_strptime",
    "encodings.latin_1",
    "encodings.utf_16_le",
    "encodings.cp437",
    "unicodedata",
)
"""What the standard library imports on first use, which a child no longer can."""


@cache
def sandbox() -> Sandbox:
    """Children that can parse every payload format and read debug files. One per process."""
    return Sandbox(
        (*(f"{name}.*" for name in _RULES), _WALK, *_LATE_IMPORTS),
        limits=PARSE,
        allowed=(*_RULES, _WALK),
        warm_up="crashes.formats.warming:warm_up",
    )
