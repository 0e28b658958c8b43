"""The other lines of a tombstone that have a grammar: signal, thread, registers, memory map.

    pid: 16629, tid: 16631, name: Thread-2  >>> com.example.app <<<
    signal 6 (SIGABRT), code -6 (SI_TKILL from pid 9, uid 1000), fault addr --------
        x0   0000000000000000  x1   0000000000002df1
        00000055'63d21000-00000055'63d31fff r-x         0     11000  /system/bin/a (BuildId: …)

Every reader takes one stripped line and answers None when it is something else. None of them
looks at a character more than a few times: these lines may be 64 KiB of anything.
"""

import re
from dataclasses import dataclass

from crashes.formats.tombstone_parts import MemoryMapping, known
from crashes.formats.tombstone_text.frames import split_build_id

_THREAD = re.compile(r"pid: ?([0-9]{1,10}), ?tid: ?([0-9]{1,10})(.*)")
_SIGNAL = re.compile(
    r"signal (-?[0-9]{1,10})(?: \(([^()]*)\))?"
    r"(?:, code (-?[0-9]{1,10})(?: \(([^() ]*)(?: from pid ([0-9]{1,10}), uid ([0-9]{1,10}))?\))?)?"
    r"(?:, fault addr (?:0x)?([0-9a-fA-F]{1,16})(?![0-9a-zA-Z]))?"
)
_SANITIZER_ERROR = re.compile(r"==([0-9]{1,10})== ?ERROR: (\w{1,32}Sanitizer: .*)")
_SANITIZER_ADDRESS = re.compile(r" on (?:unknown )?address 0x([0-9a-fA-F]{1,16})")
_REGISTER = re.compile(r"[a-z][a-z0-9_]{0,7}|[0-9]{2}")
_REGISTER_VALUE = re.compile(r"[0-9a-f]{8}(?:[0-9a-f]{8})?")
_MAPPING = re.compile(
    r"(?:--->)?\s*([0-9a-f']{1,17})-([0-9a-f']{1,17})(?:\s+([r-][w-][x-])[ps]?)?"
    r"(?:\s+([0-9a-f]{1,16})\s+[0-9a-f]{1,16})?(?:\s+(\S.*))?"
)
_LOAD_BIAS = " (load bias 0x"
_PAGE_MASK = 0xFFF


@dataclass(frozen=True, slots=True)
class ThreadRow:
    """Whose stack follows."""

    pid: int
    tid: int
    name: str | None
    process: str | None


@dataclass(frozen=True, slots=True)
class SignalRow:
    """What stopped the process. `fault_addr` is None for `--------`, and 0 for `0x0`."""

    number: int
    name: str | None
    code_number: int | None
    code: str | None
    sender_pid: int | None
    sender_uid: int | None
    fault_addr: int | None


@dataclass(frozen=True, slots=True)
class SanitizerRow:
    """The first line of a sanitizer's report."""

    pid: int
    error: str
    fault_addr: int | None


def read_thread(line: str) -> ThreadRow | None:
    """The thread a `pid: …, tid: …` line introduces; a process name that was cut is None."""
    found = _THREAD.fullmatch(line)
    if not found:
        return None
    name, opened, rest = found[3].rpartition(">>>")
    if not opened:
        name, rest = rest, ""
    process, closed, _ = rest.rpartition("<<<")
    return ThreadRow(
        pid=int(found[1]),
        tid=int(found[2]),
        name=known(name.partition("name:")[2]),
        process=known(process) if closed else None,
    )


def read_signal(line: str) -> SignalRow | None:
    """The signal line; Android 2 has no code, a cut line what was left of it."""
    found = _SIGNAL.match(line)
    if not found:
        return None
    return SignalRow(
        number=int(found[1]),
        name=known(found[2]),
        code_number=_number(found[3]),
        code=known(found[4]),
        sender_pid=_number(found[5]),
        sender_uid=_number(found[6]),
        fault_addr=_hex(found[7]),
    )


def read_sanitizer_error(line: str) -> SanitizerRow | None:
    """The line `==PID==ERROR: AddressSanitizer: …`."""
    found = _SANITIZER_ERROR.match(line)
    if not found:
        return None
    address = _SANITIZER_ADDRESS.search(found[2])
    error = found[2][: address.start()] if address else found[2]
    return SanitizerRow(int(found[1]), error, _hex(address[1]) if address else None)


def read_registers(line: str) -> dict[str, int] | None:
    """A row of registers: names and values of 8 or 16 digits in turn."""
    words = line.split(None, 20)
    if len(words) < 2 or len(words) % 2:  # noqa: PLR2004
        return None
    names, values = words[::2], words[1::2]
    if not all(map(_REGISTER_VALUE.fullmatch, values)):
        return None
    if not all(map(_REGISTER.fullmatch, names)):
        return None
    return {name: int(value, 16) for name, value in zip(names, values, strict=True)}


def read_mapping(line: str) -> MemoryMapping | None:
    """One mapping. debuggerd writes the last address, xCrash and the kernel the one behind it.

    Android 4 writes no permissions: there a library or program counts as executable.
    """
    found = _MAPPING.fullmatch(line)
    if not found:
        return None
    start, end = _pointer(found[1]), _pointer(found[2])
    if start is None or end is None:
        return None
    path, build_id = _mapping_name(found[5])
    return MemoryMapping(
        start_addr=start,
        end_addr=end + 1 if end & _PAGE_MASK == _PAGE_MASK else end,
        executable="x" in found[3] if found[3] else _looks_executable(path),
        map_offset=_hex(found[4]) or None,
        path=path,
        build_id=build_id,
    )


def _mapping_name(name: str | None) -> tuple[str | None, str | None]:
    if not name:
        return None, None
    path, build_id = split_build_id(name.partition(_LOAD_BIAS)[0])
    return path or None, build_id


def _looks_executable(path: str | None) -> bool:
    return path is not None and (path.endswith(".so") or "/bin/" in path)


def _pointer(text: str) -> int | None:
    digits = text.replace("'", "")
    return int(digits, 16) if digits else None


def _number(text: str | None) -> int | None:
    return None if text is None else int(text)


def _hex(text: str | None) -> int | None:
    return None if text is None else int(text, 16)
