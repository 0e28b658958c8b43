"""Processes that were killed for their memory: what lmkd, the kernel and ActivityManager log.

Kill 'com.example' (4711), uid 10123, oom_score_adj 900 to free 1234kB rss, ...; reason: ...    lmkd
Killing 'com.example' (4711), adj 906,                                       Android 8, old kernels
send sigkill to 4711 (com.example), adj 906, size 1234                       kernels before 3.10
Out of memory: Killed process 4711 (com.example) total-vm:1234kB, ...        kernel
am_kill : [0,4711,com.example,900,low memory]                                event log
"""

import re
from dataclasses import dataclass, field

from crashes.formats.tombstone_parts import package_of, present, process_id
from crashes.stack import Crash, CrashKind, JsonValue

_WORDS = ("ill", "sigkill to ")
_NAME = r"(?P<process>[^'()\n]{1,256})"
_KILLS = tuple(
    re.compile(form)
    for form in (
        rf"\bKill(?:ing)? '{_NAME}' \((?P<pid>\d{{1,10}})\)(?: \(tgid \d{{1,10}}\))?"
        r"(?:,? uid (?P<uid>\d{1,10}))?,? (?:oom_score_adj|oom_adj|adj) (?P<adj>-?\d{1,5})"
        r"(?:,? to free (?P<free>\d{1,12})kB)?(?:[^;\n]{0,128}; reason: (?P<reason>.{1,256}))?",
        rf"\bsend sigkill to (?P<pid>\d{{1,10}}) \({_NAME}\), (?:oom_score_adj|adj) (?P<adj>-?\d{{1,5}})",
        rf"\b(?P<reason>(?:Memory cgroup o|O)ut of memory): Kill(?:ed)? process (?P<pid>\d{{1,10}})"
        rf" \({_NAME}\)(?:.{{0,256}}UID:(?P<uid>\d{{1,10}}))?(?:.{{0,64}}oom_score_adj:(?P<adj>-?\d{{1,5}}))?",
    )
)
_EVENT = re.compile(
    r"\[\d{1,6},(?P<pid>\d{1,10}),(?P<process>[^,\]]{1,256}),(?P<adj>-?\d{1,5}),(?P<reason>[^,\]]{1,256})"
)
_OF_MEMORY = ("low memory", "lmk", "empty for", "too many cached", "too many empty")


@dataclass(frozen=True, slots=True)
class MemoryKill:
    """Who was killed, and why as it was written."""

    process: str
    pid: int
    reason: str | None
    is_for_memory: bool = True
    details: dict[str, JsonValue] = field(default_factory=dict)

    def crash(self, timestamp: str | None = None) -> Crash:
        """The report of it."""
        kind = CrashKind.LOW_MEMORY_KILL if self.is_for_memory else CrashKind.BACKGROUND_KILL
        return Crash(
            kind=kind,
            process=self.process,
            package=package_of(self.process),
            pid=process_id(self.pid),
            timestamp=timestamp,
            reason=self.reason,
            details=self.details,
        )


def kill_in(message: str) -> MemoryKill | None:
    """The kill that a message tells of, or None."""
    if not any(word in message for word in _WORDS):
        return None
    for form in _KILLS:
        if found := form.search(message):
            return _kill(found)
    return None


def kill_in_event(message: str) -> MemoryKill | None:
    """The kill in an entry of the event log under the tag `am_kill`, or None."""
    found = _EVENT.match(message)
    if not found:
        return None
    is_for_memory = found["reason"].lower().startswith(_OF_MEMORY)
    return MemoryKill(
        found["process"],
        int(found["pid"]),
        found["reason"],
        is_for_memory,
        {"event": "am_kill", "oom_score_adj": int(found["adj"])},
    )


def _kill(found: re.Match[str]) -> MemoryKill:
    parts = found.groupdict()
    numbers = {
        name: int(parts[key]) if parts.get(key) else None
        for key, name in (("adj", "oom_score_adj"), ("uid", "uid"), ("free", "freed_kb"))
    }
    reason = (parts.get("reason") or "low memory").strip()
    return MemoryKill(
        found["process"], int(found["pid"]), reason, details=present({"event": "kill", **numbers})
    )
