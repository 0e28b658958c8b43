"""What a report says besides its stack: processor, task, kernel, address, registers.

Each fact is on a line of its own (`Facts.of`); where several lines say the same, the first is
right, as later ones are about the program that made the system call.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from crashes.formats.kernel_log.stack_lines import is_user_mode
from crashes.stack import JsonValue

_MAX_FACT_LINES = 1_500
_MAX_TEXT = 2_048
_MAX_MODULES = 256

_TASK = re.compile(
    r"(?:CPU: (?P<cpu>[0-9]{1,4}) (?: *UID: [0-9]{1,10} )?(?: *PID: (?P<pid>[0-9]{1,10}) )?"
    r"(?:Comm: (?P<name>.{1,64}?) +)?|Pid: (?P<old_pid>[0-9]{1,10}), comm: (?P<old_name>.{1,64}?) +)"
    r" *(?:Kdump: loaded +)?(?:Not tainted|Tainted: (?P<taint>(?:[A-Z] {0,12}){1,30}))"
    r" {1,12}\(?(?P<version>[0-9]+\.[0-9][\w.+-]{0,128}) (?P<build>#[0-9]{1,9})"
)
_NAMED = tuple(
    re.compile(expression)
    for expression in (
        r"INFO: task (?P<name>.{1,64}):(?P<pid>[0-9]{1,10}) (?:blocked|can't die)",
        r"CPU#(?P<cpu>[0-9]{1,4}) stuck for .* \[(?P<name>.{1,64}):(?P<pid>[0-9]{1,10})\]",
        r"by task (?P<name>\S.{0,63}?)/(?P<pid>[0-9]{1,10})(?: on cpu (?P<cpu>[0-9]{1,4}))?\s*$",
        r"comm \"(?P<name>[^\"]{1,64})\", pid (?P<pid>[0-9]{1,10})",
        r"Process (?P<name>\S.{0,63}?) \(pid: (?P<pid>[0-9]{1,10}), ",
    )
)
_ADDRESS = re.compile(
    r"(?:at virtual address|paging request at|dereference at|page fault for address:"
    r"|dereference, address:|(?:Read|Write)(?: of size [0-9]{1,10})? at addr|Corrupted memory at"
    r"|(?:read|write) at|non-canonical address|on address) (?:0x)?(?P<address>[0-9a-f]{4,16})\b"
)
_REGISTER = re.compile(
    r"(?<!\S)(?P<name>[xr][0-9]{1,2}|sp|lr|pc|ip|fp|psr|pstate|R[A-Z0-9]{1,2}|E[A-Z]{2}|CR[0-9]"
    r"|[xR]?EFLAGS)\s{0,2}: {1,2}(?:[0-9a-f]{4}:)?(?:\[<)?(?P<value>[0-9a-f]{8,16})(?![\w+])"
)
_FACTS = (
    ("hardware_name", re.compile(r"Hardware name: (.{1,256})")),
    ("workqueue", re.compile(r"Workqueue: (\S.{0,128})")),
    ("stuck_s", re.compile(r"stuck for ([0-9]{1,9})s!")),
    ("blocked_s", re.compile(r"blocked for more than ([0-9]{1,9}) seconds")),
    ("access_size_bytes", re.compile(r"(?:Read|Write) of size ([0-9]{1,12}) ")),
    ("object_size_bytes", re.compile(r"belongs to the cache \S+ of size ([0-9]{1,12})")),
    ("object_cache", re.compile(r"belongs to the cache (\S{1,64}) of size")),
    ("access_place", re.compile(r"is located ([0-9]{1,12} bytes (?:inside|to the \w+) of)")),
    ("oops_number", re.compile(r"(?:Oops|BUG|Internal error|fault|opcode)\b.*\[#([0-9]{1,6})\]")),
    ("subsystem", re.compile(r"subsys-restart: Resetting the SoC - ([\w.-]{1,64}) crashed")),
    ("subsystem", re.compile(r"[Rr]estart sequence requested for ([\w.-]{1,64})")),
)
_NUMBERS = re.compile(r"_s$|_bytes$|_number$")
_LINKED = "Modules linked in:"


@dataclass(slots=True)
class Facts:
    """The facts of one report; what it does not say is None."""

    cpu: int | None = None
    pid: int | None = None
    name: str | None = None
    fault_addr: int | None = None
    registers: dict[str, int] = field(default_factory=dict)
    details: dict[str, JsonValue] = field(default_factory=dict)

    @classmethod
    def of(cls, texts: Sequence[str]) -> "Facts":
        """The facts in the lines of a report."""
        facts = cls()
        user_mode = False
        for text in texts[:_MAX_FACT_LINES]:
            user_mode = user_mode or is_user_mode(text)
            facts._take(text[:_MAX_TEXT], user_mode=user_mode)
        return facts

    @property
    def abi(self) -> str | None:
        """The architecture that has such registers."""
        names = self.registers.keys()
        if "rsp" in names or "rax" in names:
            return "x86_64"
        if "eax" in names or "esp" in names:
            return "x86"
        if "x0" in names or "x29" in names:
            return "arm64"
        return "arm" if "r0" in names or "psr" in names else None

    def _take(self, text: str, *, user_mode: bool) -> None:
        self._take_task(text)
        if self.fault_addr is None and (found := _ADDRESS.search(text)):
            self.fault_addr = int(found["address"], 16)
        if not user_mode and ": " in text:
            for register in _REGISTER.finditer(text):
                self.registers.setdefault(register["name"].lower(), int(register["value"], 16))
        for name, expression in _FACTS:
            if name not in self.details and (found := expression.search(text)):
                self.details[name] = _typed(name, found[1].strip())
        if text.lstrip().startswith(_LINKED) and "modules_linked_in" not in self.details:
            self.details["modules_linked_in"] = _linked(text)

    def _take_task(self, text: str) -> None:
        if found := _TASK.search(text):
            self._name(found["name"] or found["old_name"], found["pid"] or found["old_pid"])
            self._place(found["cpu"])
            self.details.setdefault("kernel_version", found["version"])
            self.details.setdefault("kernel_build", found["build"])
            if taint := (found["taint"] or "").replace(" ", ""):
                self.details.setdefault("taint", taint)
            return
        for expression in _NAMED:
            if found := expression.search(text):
                parts = found.groupdict()
                self._name(parts["name"], parts["pid"])
                self._place(parts.get("cpu"))

    def _name(self, name: str | None, pid: str | None) -> None:
        if self.name is None and name:
            self.name = name
        if self.pid is None and pid:
            self.pid = int(pid)

    def _place(self, cpu: str | None) -> None:
        if self.cpu is None and cpu:
            self.cpu = int(cpu)


def _typed(name: str, text: str) -> JsonValue:
    return int(text) if _NUMBERS.search(name) else text


def _linked(text: str) -> JsonValue:
    names = text.partition(_LINKED)[2].partition("[")[0].split()
    return [name.partition("(")[0] for name in names[:_MAX_MODULES]]


_BANNER = re.compile(r"Linux version (?P<fact>[0-9]+\.[0-9][\w.+-]{0,128})")
_BOOT_REASON = re.compile(r"androidboot\.bootreason=(?P<fact>[\w,.:@-]{1,128})")
_POWER_ON = re.compile(r"(?i)power[- ]?on reason:? (?P<fact>.{1,128})")
_SUBSYSTEM_FAILURE = re.compile(r"subsystem failure reason: (?P<fact>\S.{0,256})")
_REPAIRED = re.compile(
    r"\s*(?P<corrected>[0-9]{1,9}) Corrected bytes, (?P<lost>[0-9]{1,9}) unrecoverable blocks"
)


_OFFSET = re.compile(r"Kernel Offset: (?P<fact>disabled|0x[0-9a-f]{1,16})")
_OF_THE_BOOT = (
    ("kernel_version", "Linux version ", _BANNER),
    ("boot_reason", "androidboot.bootreason=", _BOOT_REASON),
    ("power_on_reason", "n reason", _POWER_ON),
    ("subsystem_failure", "failure reason", _SUBSYSTEM_FAILURE),
)


def of_whole_log(lines: Iterable[str]) -> dict[str, JsonValue]:
    """Facts of the boot that the log is from: the kernel, why it booted, how much ECC repaired."""
    details: dict[str, JsonValue] = {}
    for line in lines:
        for name, word, expression in _OF_THE_BOOT:
            if word in line and (found := expression.search(line)):
                details.setdefault(name, found["fact"].strip())
        if "Kernel Offset: " in line and (found := _OFFSET.search(line)):
            moved = found["fact"]
            details["kernel_offset"] = 0 if moved == "disabled" else int(moved, 16)
        if "Corrected bytes" in line and (found := _REPAIRED.match(line)):
            details["corrected_bytes"] = int(found["corrected"])
            details["unrecoverable_blocks"] = int(found["lost"])
    return details
