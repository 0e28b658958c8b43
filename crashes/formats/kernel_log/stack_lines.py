"""One line of a kernel's stack trace, in the spelling of every architecture and age.

    [<ffffffff82d4e304>] __memset+0x24/0x30              x86, arm64 until 4.19
     ? lock_release+0x970/0x970                          found by scanning: not a caller for sure
     ext4_mkdir+0x5e0/0xdf0 [ext4 1b9f…]                 in a module, with its build id
     do_bad_area arch/arm64/mm/fault.c:479 [inline]      what a symbolizer added
    [<80de0078>] (dump_backtrace) from [<80de0574>] (show_stack+0x28/0x2c)     arm
     dump_backtrace from show_stack+0x18/0x1c            arm since 5.17

and where the processor stopped: `RIP: 0010:f+0x1/0x2`, `pc : f+0x1/0x2`, `PC is at f+0x1/0x2`,
`EIP: f+0x1/0x2`, `IP: [<ffffffff82d4e304>] f+0x1/0x2`, `epc : f+0x1/0x2` (RISC-V, MIPS).
Kernels without names print `[<ffffffc0080a1234>] 0xffffffc0080a1234`, `pc : 0xffffffc0080a1234`
and, on arm, `Function entered at [<c0012345>] from [<c0023456>]`.
Written from arch/*/kernel/{traps,process,stacktrace,dumpstack}.c and lib/vsprintf.c (`%pS`).
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

_ADDRESS = r"\[<?(?:0x)?[0-9a-f]{4,16}>?\] ?"
_NAME = r"[A-Za-z_$][\w.$]{0,511}"
_PLACE = r"\+0x(?P<offset>[0-9a-f]{1,16})(?:/0x(?P<size>[0-9a-f]{1,16}))?"
_MODULE = (
    r"(?: \[(?P<module>[A-Za-z_][\w-]{0,63})(?: (?P<build_id>[0-9a-f]{8,64}))?(?:[ (]\S{1,16})?\])?"
)
_FILE = r"(?: (?P<file>(?:\./)?[\w][\w./+-]{0,255}\.[A-Za-z]{1,3}):(?P<line>[0-9]{1,7}))?"
_LATE_MODULE = _MODULE.replace("?P<", "?P<late_")
_FRAME = re.compile(
    rf"(?:</?[A-Z#]{{2,8}}> {{0,8}})?(?:\[[ 0-9]{{1,3}}\] )?(?:{_ADDRESS}){{0,2}}\s{{0,8}}"
    rf"(?:[0-9]{{1,3}}:)?(?P<unsure>\? +)?\(?(?P<name>{_NAME})"
    rf"(?:{_PLACE})?{_MODULE}{_FILE}(?P<inline> \[inline\])?\)?{_LATE_MODULE}"
    r"(?P<unreliable> \(unreliable\))?(?: \(?[A-Z]{1,3}\)?)?\s*"
)
_CALLEE = (_PLACE + _MODULE).replace("?P<", "?P<callee_")
_ARM = re.compile(
    rf"(?:{_ADDRESS})?\(?(?P<callee_name>{_NAME})(?:{_CALLEE})?\)?"
    rf" from (?:{_ADDRESS})?\(?(?P<name>{_NAME}){_PLACE}{_MODULE}\)?{_FILE}\s*"
)
_COUNTER = re.compile(
    r"(?:^|\s)(?:R?E?IP:|NIP:?|e?pc {0,3}:|(?:PC|E?IP) is at)(?= )(?! (?:0033|0023|002b|0073):)"
)
_STOPPED = re.compile(
    rf" (?:[0-9a-f]{{2,16}}[: ])?(?: ?{_ADDRESS}){{0,2}} {{0,4}}"
    rf"(?P<name>{_NAME}){_PLACE}{_MODULE}{_FILE}"
)
_BARE = re.compile(
    r"(?:\[<?(?:0x)?(?P<first>[0-9a-f]{8,16})>?\](?: \(?0x[0-9a-f]{8,16}\)?)?"
    r"|\(?0x(?P<second>[0-9a-f]{8,16})\)?"
    r"|Function entered at \[<(?P<callee>[0-9a-f]{8})>\])(?: from \[<(?P<caller>[0-9a-f]{8})>\].*)?\s*"
)
_BARE_COUNTER = re.compile(r" {1,4}(?:[0-9a-f]{4}:)?(?:\[<|0x)(?P<address>[0-9a-f]{8,16})")
_USER_MODE = re.compile(r"\s*R?E?IP: (?:0033|0023|002b|0073):")
_MAX_TEXT = 1024


@dataclass(frozen=True, slots=True)
class StackLine:
    """One call. `sure` is False for what scanning found; an `inlined` call has no place.

    `address` is what a kernel without names of its own prints instead.
    """

    name: str
    offset: int | None = None
    size: int | None = None
    module: str | None = None
    build_id: str | None = None
    file: str | None = None
    line: int | None = None
    inlined: bool = False
    sure: bool = True
    address: int | None = None

    @property
    def place(self) -> str:
        """The call as the kernel writes it: `f+0x1/0x2`."""
        if self.offset is None:
            return self.name
        size = "" if self.size is None else f"/{self.size:#x}"
        return f"{self.name}+{self.offset:#x}{size}"


def calls(text: str) -> Iterator[StackLine]:
    """The calls that one line of a trace names, innermost first; none for any other line.

    Only the old form for arm names two: its first line is the one place that has the top frame.
    """
    text = text.strip()[:_MAX_TEXT]
    if " from " in text and (found := _ARM.fullmatch(text)):
        yield _callee(found)
        yield _call(found)
    elif ("+0x" in text or text.endswith("[inline]")) and (found := _FRAME.fullmatch(text)):
        yield _call(found)


def has_call(text: str) -> bool:
    """Whether this line of a trace names a call."""
    return next(calls(text), None) is not None


def is_counter(text: str) -> bool:
    """Whether this line of the registers says where the kernel was, by name or by address."""
    return _COUNTER.search(text[:_MAX_TEXT]) is not None


def stopped_at(text: str) -> StackLine | None:
    """Where the processor was, if this line of the registers names a function of the kernel."""
    counter = _COUNTER.search(text[:_MAX_TEXT]) if "+0x" in text else None
    found = _STOPPED.match(text[:_MAX_TEXT], counter.end()) if counter else None
    return _call(found) if found else None


def bare_calls(text: str) -> Iterator[StackLine]:
    """The calls of a line of a trace that names none: addresses, where a kernel has no names."""
    found = _BARE.fullmatch(text.strip()[:_MAX_TEXT])
    for part in ("first", "second", "callee", "caller") if found else ():
        if found and found[part]:
            yield _bare(found[part])


def stopped_at_address(text: str) -> StackLine | None:
    """Where the processor was, if this line of the registers has its address and no name."""
    counter = _COUNTER.search(text[:_MAX_TEXT])
    found = _BARE_COUNTER.match(text[:_MAX_TEXT], counter.end()) if counter else None
    return _bare(found["address"]) if found else None


def _bare(digits: str) -> StackLine:
    return StackLine(name=f"0x{digits}", address=int(digits, 16))


def is_user_mode(text: str) -> bool:
    """Whether the registers of the program begin here, behind which no kernel code is."""
    return _USER_MODE.match(text) is not None


def _call(found: re.Match[str]) -> StackLine:
    parts = found.groupdict()
    return StackLine(
        name=parts["name"],
        offset=_hex(parts["offset"]),
        size=_hex(parts["size"]),
        module=parts["module"] or parts.get("late_module"),
        build_id=parts["build_id"] or parts.get("late_build_id"),
        file=parts["file"],
        line=_number(parts["line"]),
        inlined=parts.get("inline") is not None,
        sure=parts.get("unsure") is None and parts.get("unreliable") is None,
    )


def _callee(found: re.Match[str]) -> StackLine:
    """The called function of arm's form; only kernels before 4.x say where in it."""
    return StackLine(
        name=found["callee_name"],
        offset=_hex(found["callee_offset"]),
        size=_hex(found["callee_size"]),
        module=found["callee_module"],
        build_id=found["callee_build_id"],
    )


def _hex(text: str | None) -> int | None:
    return int(text, 16) if text else None


def _number(text: str | None) -> int | None:
    return int(text) if text else None
