"""Who is let in while more reports wait than workers keep up with.

*Load* is how many reports wait, as a multiple of what an installation calls a backlog
(`UXP_BACKLOG_SHED`). What is worth least is turned away first, and comes back later:

| load | turned away | still let in |
|---|---|---|
| below 1 | nothing | everything |
| from 1 | vitals | all reports |
| from 2 | repeats of crashes known today, all but one in ten | every crash not seen today |

A crash not seen today is never turned away. Whether it was seen has to be told cheaply, before
anything is parsed: two reports are repeats when their kind, process or package, exception class
and first frames are the same, letter for letter. So what is the same in other words counts as new
and is let in; so does what shows no frames, as a minidump. Several reports that arrive together
are let in together, if one of them is worth it.
"""

import re
from collections.abc import Sequence
from hashlib import blake2b
from itertools import islice

REPEATS_UP_TO = 2.0
KEEP_ONE_IN = 10

_HEAD_BYTES = 16 * 1024
_CLASS_BYTES = 200
_MOST_FRAMES = 32
_FRAME = re.compile(
    rb"(?:^|\\n)(?:[ \t]|\\t)*(?:at |#\d+ )[^\n\\]*"  # Java, native; ACRA writes them as JSON
    rb'|"(?:type|module|function)" ?: ?"[^"\n]{0,200}"',  # Sentry
    re.MULTILINE,
)


def crash_key(*, program_id: int, kind: str, place: str, payload: bytes) -> bytes | None:
    """What repeats of one crash share; None when no frame is near the beginning of the payload.

    `place` is the process or the package, as far as the sender says.
    """
    head = payload[:_HEAD_BYTES]
    frames = [match[0] for match in islice(_FRAME.finditer(head), _MOST_FRAMES)]
    if not frames:
        return None
    exception_class = head[:_CLASS_BYTES].partition(b"\n")[0].partition(b":")[0]
    parts = [str(program_id).encode(), kind.encode(), place.encode("utf-8", "replace")]
    return blake2b(b"\n".join([*parts, exception_class, *frames]), digest_size=16).digest()


def admits_reports(load: float, repeats: Sequence[int]) -> bool:
    """Whether reports that arrive together are taken.

    `repeats` says of each how often its crash was met before today, 0 for a new one.
    """
    if load < REPEATS_UP_TO:
        return True
    return min(repeats, default=0) % KEEP_ONE_IN == 0
