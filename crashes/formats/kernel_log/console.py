"""Lines of the kernel's log without their prefixes, in the order they were written.

One line reaches us through printk's buffer, a serial console, `dmesg`, pstore, `/proc/last_kmsg`,
logcat's kernel buffer or syslog, and vendors add a processor or a task of their own:

    <6>[  123.456789][ T1234] text                      printk, level and caller
    [  123.456789] c0    123 (kworker/0:1) text         vendor: processor, pid, name
    <4>[  123.456789] -(0)[123:kworker/0:1]text         vendor: MediaTek
    <4>[  123.456789]  (0)[123:kworker/0:1]text         vendor: MediaTek, interrupts on
    [  123.456789] [0:  kworker/0:1:  123] text         vendor: Samsung
    [  123.456789] I[0:  kworker/0:1:  123] text        vendor: Samsung, with a level
    [  123.456789s][pid:123,cpu0,kworker/0:1]text       vendor: Huawei, Honor
    [  123.456789] [0x1234][12:01:02.123] text          vendor: Xiaomi, with the time of day
    [  123.456789,3] text                               vendor: Motorola, with the processor
    [  123.456789] c3 T123 text                         vendor: Unisoc
    [  123.456789] [kworker/0:1, 123] text              vendor: Xiaomi, with the task
    [Tue Nov 24 17:34:02 2026] text                     dmesg -T
    2026-11-24T17:34:02,123456+01:00 text               dmesg --time-format iso
    kern  :warn  : [  123.456789] text                  dmesg -x
    Jun  1 12:00:00 host kernel: [  123.456789] text    syslog

What the line's writer was (`caller`) tells apart reports that were printed at the same time:
`T1234` a task, `C0` a processor, `console` a stamped line without one, an empty text for a line
without any stamp.

pstore splits one log into files, the newest part first (`Panic#1 Part1`); they are put in order.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from crashes.formats.lines import blank
from crashes.formats.logcat_lines import read_line

CONSOLE = "console"

_MAX_TEXT = 2_048  # printk's own limit is 1,024
_VERDICT_LINES = 32
_STAMP = re.compile(
    r"(?:\*\* [0-9]{1,9} printk messages dropped \*\* |.{0,64}? login: |.{0,64}? kernel: )?"
    r"(?:\w{2,8} {0,4}:\w{2,8} {0,4}: )?(?:<[0-9]{1,3}>)?(?:[VDIWEF])?"
    r"\[ {0,12}(?P<seconds>[0-9]{1,10}\.[0-9]{1,9})(?:s|,[0-9]{1,2})?(?: */ ?[0-9 :.-]{5,40})?\]"
    r"(?P<caller>\[ {0,7}[TC][0-9]{1,8}(?:@C?[0-9]{1,3})?\])? ?(?P<text>.*)",
    re.DOTALL,
)
_DAY_STAMP = re.compile(
    r"(?:<[0-9]{1,3}>)?(?:\w{2,8} {0,4}:\w{2,8} {0,4}: )?"
    r"(?:\[[A-Z][a-z]{2} [A-Z][a-z]{2} [ 0-9][0-9] [0-9:]{8} [0-9]{4}\]"
    r"|[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8},[0-9]{6}[+-][0-9]{2}:?[0-9]{2})"
    r"(?P<caller>\[ {0,7}[TC][0-9]{1,8}(?:@C?[0-9]{1,3})?\])? ?(?P<text>.*)",
    re.DOTALL,
)
_DAY_TIME = re.compile(
    r" ?(?:\[0x[0-9a-f]{1,16}\])?(?:\[(?:[0-9:./-]{8,12} )?[0-9]{2}:[0-9]{2}:[0-9]{2}(?:[.:][0-9]{1,9})?\])(?:\[0x[0-9a-f]{1,16}\])? ?"
)
_VENDOR = re.compile(
    r"(?P<column>c(?P<cpu>[0-9]{1,3}) {1,12}(?P<pid>[0-9]{1,10}) (?:\((?P<name>[^)]{1,32})\) ?)?)"
    r"|c(?P<uni_cpu>[0-9]{1,2}) (?:T(?P<uni_pid>[0-9]{1,10}) )?"
    r"|\[(?P<xia_name>[\w/:.-]{1,32}), ?(?P<xia_pid>[0-9]{1,10})\] ?"
    r"|(?:<[0-9a-f]>)?[.-]? ?\((?P<mtk_cpu>[0-9]{1,3})\)(?:\[(?P<mtk_pid>[0-9]{1,10}):(?P<mtk_name>[^\]]{1,32})\],?)? ?"
    r"| {0,2}[VDIWEFN]?\[(?P<sam_cpu>[0-9]{1,3}): {0,20}(?P<sam_name>[^\]]{1,32}): {0,12}(?P<sam_pid>[0-9]{1,10})\] ?"
    r"|\[pid:(?P<hua_pid>[0-9]{1,10}),cpu(?P<hua_cpu>[0-9]{1,3})(?:,(?P<hua_name>[^\]]{1,32}))?\] ?"
)
_VENDOR_BEGINS = frozenset("c(-.<[ VDIWEFN")
_DAY_TIME_BEGINS = frozenset({"[0", "[1", "[2", " ["})
_DAY_BEGINS = frozenset("[<2k")
_LEVEL = re.compile(r"<[0-9]{1,3}>")
_PART = re.compile(r"(?P<dump>[A-Z][a-z]{3,12}#[0-9]{1,6}) Part(?P<part>[0-9]{1,6})\s*")
_RAMOOPS = re.compile(r"====[0-9]{1,20}\.[0-9]{1,10}-[CD]\s*")


@dataclass(frozen=True, slots=True)
class ConsoleLine:
    """One line; `seconds` since boot, `cpu`, `pid` and `name` only where a vendor writes them."""

    text: str
    caller: str = ""
    seconds: float | None = None
    cpu: int | None = None
    pid: int | None = None
    name: str | None = None


@dataclass(frozen=True, slots=True)
class PstoreDump:
    """The lines of a log in order, and the dump they are from (`Panic#1`), if pstore wrote them."""

    lines: list[str]
    name: str | None = None
    parts: int = 0


def read_console(line: str) -> ConsoleLine:
    """One line without its prefixes; one without a stamp comes back as it is."""
    line = line[:_MAX_TEXT]
    found = _STAMP.match(line)
    if found is None:
        return _without_seconds(line)
    caller = (found["caller"] or "").strip("[] ") or CONSOLE
    seconds, text = float(found["seconds"]), found["text"]
    if text[:2] in _DAY_TIME_BEGINS and (day_time := _DAY_TIME.match(text)):
        text = text[day_time.end() :]
    vendor = _VENDOR.match(text) if text[:1] in _VENDOR_BEGINS else None
    if vendor is None:
        return ConsoleLine(text, caller, seconds)
    cpu, pid, name = _vendor_parts(vendor)
    return ConsoleLine(text[vendor.end() :], caller, seconds, cpu, pid, name)


def _without_seconds(line: str) -> ConsoleLine:
    """A line whose stamp is a day and a time, or that has none."""
    found = _DAY_STAMP.match(line) if line[:1] in _DAY_BEGINS else None
    if found is None:
        return ConsoleLine(_unleveled(line))
    return ConsoleLine(found["text"], (found["caller"] or "").strip("[] ") or CONSOLE)


def _unleveled(line: str) -> str:
    """The line without a lone level, or without a log's prefix."""
    if found := _LEVEL.match(line):
        return line[found.end() :]
    entry = read_line(line) if line[:1].isdigit() else None
    return entry.message if entry else line


def _vendor_parts(found: re.Match[str]) -> tuple[int | None, int | None, str | None]:
    """Processor, pid and name in whichever form the vendor wrote them."""
    parts = found.groupdict()

    def first(*names: str) -> str | None:
        return next((parts[name] for name in names if parts[name]), None)

    cpu = first("cpu", "uni_cpu", "mtk_cpu", "sam_cpu", "hua_cpu")
    pid = first("pid", "uni_pid", "xia_pid", "mtk_pid", "sam_pid", "hua_pid")
    name = first("name", "xia_name", "mtk_name", "sam_name", "hua_name")
    return _number(cpu), _number(pid), name.strip() if name else None


def _number(text: str | None) -> int | None:
    return int(text) if text else None


def is_stamped(line: str) -> bool:
    """Whether a kernel's time stamp stands at the beginning of `line`."""
    return _STAMP.match(line) is not None or _DAY_STAMP.match(line) is not None


def is_pstore_header(line: str) -> bool:
    """Whether pstore or ramoops begins a part of a dump with this line."""
    return _PART.fullmatch(line) is not None or _RAMOOPS.fullmatch(line) is not None


def without_log_prefixes(lines: Iterable[str]) -> list[str]:
    """The lines, each without the prefix of logcat's kernel buffer where it has one."""
    return [_inner(line) for line in lines]


def _inner(line: str) -> str:
    entry = read_line(line) if line[:1].isdigit() else None
    return entry.message if entry else line


def without_verdict(lines: list[str]) -> list[str]:
    """The log in a file of a kernel fuzzer, which begins with lines of its verdict (`TITLE: …`)."""
    end = next((at for at, line in enumerate(lines[:_VERDICT_LINES]) if blank(line)), 0)
    return lines[end:] if any(line.startswith("TITLE: ") for line in lines[:end]) else lines


def in_order(lines: list[str]) -> PstoreDump:
    """The lines as the kernel wrote them: pstore's parts joined, its headers dropped.

    Of several dumps in one text the first is taken, with all of its parts.
    """
    starts = [(at, found) for at, line in enumerate(lines) if (found := _part(line))]
    if not starts:
        return PstoreDump([line for line in lines if not _RAMOOPS.match(line)])
    dump = starts[0][1]["dump"]
    ends = [at for at, _ in starts[1:]] + [len(lines)]
    parts = [
        (int(found["part"]), lines[at + 1 : end])
        for (at, found), end in zip(starts, ends, strict=True)
        if found["dump"] == dump
    ]
    parts.sort(key=lambda part: -part[0])
    before = [line for line in lines[: starts[0][0]] if not blank(line)]
    return PstoreDump(before + [line for _, part in parts for line in part], dump, len(parts))


def _part(line: str) -> re.Match[str] | None:
    return _PART.fullmatch(line) if "Part" in line and len(line) < 64 else None  # noqa: PLR2004
