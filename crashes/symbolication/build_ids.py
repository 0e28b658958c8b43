"""One build, several spellings of its name.

    build id     c16b1f0c4f2e36bf9a0e4d7fa8a1e2d3b4c5d6e7     the GNU note, 8, 16 or 20 bytes
    first half   c16b1f0c4f2e36bf9a0e4d7fa8a1e2d3             what old dumps and daemons keep of it
    debug id     0c1f6bc1-2e4f-bf36-9a0e-4d7fa8a1e2d3         Breakpad's: the first 16 bytes as GUID
    with age     0C1F6BC12E4FBF369A0E4D7FA8A1E2D30            the same without dashes, age behind
    without      0c1f6bc12e4fbf369a0e4d7fa8a1e2d3             the same, no age

A debug id names its build as well as the build id does; 32 digits alone may be any of three
things, so all readings are tried, the plain one first. A build id shorter than 16 bytes is filled
with zeros in its debug id.
"""

import re
import uuid

_HALF_DIGITS = 32
_SHORTEST_DIGITS = 14
_DASHED = re.compile(r"(?P<id>[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12})(?:-[0-9a-f]{1,8})?")
_WITH_AGE = re.compile(r"(?P<id>[0-9a-f]{32})[0-9a-f]{1,8}")
_HALF = re.compile(r"[0-9a-f]{32}")


def beginnings(name: str) -> tuple[str, ...]:
    """How the build id may begin that somebody calls `name`; empty for a whole build id."""
    dashed = _DASHED.fullmatch(name)
    if dashed:
        return (_swapped(dashed["id"]),)
    if _HALF.fullmatch(name):
        return (name, _swapped(name))
    with_age = _WITH_AGE.fullmatch(name)
    # Forty digits are a whole build id, not a GUID with an age of eight digits.
    if with_age and len(name) % 2:
        return (_swapped(with_age["id"]),)
    return ()


def unpadded(beginning: str) -> tuple[str, ...]:
    """The short build ids that, filled with zeros, begin so."""
    kept = beginning.rstrip("0")
    shortest = max(_SHORTEST_DIGITS, len(kept) + len(kept) % 2)
    return tuple(beginning[:digits] for digits in range(shortest, _HALF_DIGITS, 2))


def _swapped(guid: str) -> str:
    return uuid.UUID(guid).bytes_le.hex()
