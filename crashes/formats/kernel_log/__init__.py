"""Kernel logs: what `/proc/last_kmsg`, pstore, ramoops, a console or `dmesg` hold after a crash.

    [  253.1] ------------[ cut here ]------------
    [  253.1][ T3083] Unable to handle kernel paging request at virtual address 0061616161
    [  253.1][ T3083] Internal error: Oops: 96000004 [#1] PREEMPT SMP
    [  253.1][ T3083] CPU: 0 PID: 3083 Comm: udevd Not tainted 6.1.0-rc6 #0
    [  253.1][ T3083] pc : __kmem_cache_alloc_node+0x17c/0x350
    [  253.1][ T3083] Call trace:
    [  253.1][ T3083]  __kmem_cache_alloc_node+0x17c/0x350
    [  253.1][ T3083]  simple_xattr_alloc+0x50/0x90
    [  253.1][ T3083] Kernel panic - not syncing: Oops: Fatal exception

becomes "BUG: unable to handle kernel paging request in simple_xattr_alloc".

The steps: pstore's parts are put in order and prefixes taken off (`console`), words that begin a
report are looked for (`faults`), the lines of the first report are read (`report`), its calls
(`stack_lines`) and facts (`facts`) taken, and the function that it is about found (`own_frame`).

Which report: the first, because a broken kernel reports more and more; what follows is counted.
Only when the kernel went on for more than `_SURVIVED_SECONDS` after reports that are not fatal
does the first fatal one count, since the earlier ones are then not why the log ends.

Which kind: `kernel_panic` when the kernel panicked or cannot have gone on (a bad access, a BUG, a
stuck processor, memory that a sanitizer found damaged), or when pstore kept the log for a panic;
`error` for what the kernel survives (warnings, the lock checker, hung tasks, leaks, undefined
behaviour, a modem that was restarted); `reboot` for a log without any report, with the loader's
or the kernel's reason when there is one.

`details` holds source, which is `kernel` whatever the kind, and may hold: type, frame, incomplete, fatal, panicked, panic, later_reports, uptime_s, cpu,
kernel_version, kernel_build, kernel_offset, taint, hardware_name, workqueue, modules_linked_in, function_sizes,
frames_omitted, stuck_s, blocked_s, access_size_bytes, access_place, object_cache,
object_size_bytes, oops_number, allocated_by and freed_by {task, frames}, subsystem,
subsystem_failure, boot_reason, power_on_reason, reset_reason, raw, reset_status, corrected_bytes,
unrecoverable_blocks, pstore_dump, pstore_parts.
"""

from collections.abc import Sequence
from dataclasses import replace
from itertools import islice

from crashes.formats.errors import MalformedPayload
from crashes.formats.kernel_log.console import (
    PstoreDump,
    in_order,
    is_pstore_header,
    is_stamped,
    read_console,
    without_log_prefixes,
    without_verdict,
)
from crashes.formats.kernel_log.crash import SOURCE, crash_of
from crashes.formats.kernel_log.facts import of_whole_log
from crashes.formats.kernel_log.faults import Topic
from crashes.formats.kernel_log.report import PANIC, Report, Verdict, beginnings, judge, read_report
from crashes.formats.kernel_log.restarts import find_restart
from crashes.formats.lines import blank, text_lines
from crashes.formats.logcat_lines import is_log
from crashes.formats.memory_kills import kill_in
from crashes.stack import Crash, CrashKind, JsonValue

__all__ = ["MAX_LINES", "parse"]

MAX_LINES = 500_000  # a full 16 MiB buffer has 200,000; what comes before is not read
_MAX_REPORTS = 2_000
_MAX_FATAL_LOOKUPS = 16
_SURVIVED_SECONDS = 120
_LOOK_AT = 400
_STAMPED_SHARE = 4


def parse(payload: bytes) -> Crash:
    """The first crash in a kernel's log, or why it restarted.

    Raises MalformedPayload `not_a_kernel_log` when the text has neither reports nor time stamps.
    """
    lines = text_lines(payload)[-MAX_LINES:]
    if is_log(lines):
        lines = without_log_prefixes(lines)
    dump = in_order(without_verdict(lines))
    found = list(islice(beginnings(dump.lines), _MAX_REPORTS))
    whole = _whole(dump)
    if not found:
        return _without_report(dump, whole)
    report, verdict = _first_that_counts(dump.lines, found)
    later = sum(topic.ends_another for at, topic in found if at > report.at)
    panic = next((line for line in dump.lines[report.at :] if PANIC in line), None)
    return crash_of(
        report,
        verdict,
        whole=whole,
        panic=panic.partition(PANIC)[2].strip(": ") if panic else None,
        kept_for_panic=(dump.name or "").startswith(("Panic", "Oops")),
        later_reports=later,
    )


def _whole(dump: PstoreDump) -> dict[str, JsonValue]:
    details = {"source": SOURCE} | of_whole_log(dump.lines)
    if dump.name:
        details |= {"pstore_dump": dump.name, "pstore_parts": dump.parts}
    return details


def _first_that_counts(
    lines: Sequence[str], found: Sequence[tuple[int, Topic]]
) -> tuple[Report, Verdict]:
    """The first report, or the first fatal one if the kernel survived the others for long."""
    first = read_report(lines, *found[0])
    verdict = judge(first)
    if verdict.fatal or first.first.seconds is None:
        return first, verdict
    survived = first.first.seconds + _SURVIVED_SECONDS
    for at, topic in islice(_after(lines, found[1:], survived), _MAX_FATAL_LOOKUPS):
        other = read_report(lines, at, topic)
        judged = judge(other)
        if judged.fatal:
            return other, judged
    return first, verdict


def _after(
    lines: Sequence[str], found: Sequence[tuple[int, Topic]], seconds: float
) -> list[tuple[int, Topic]]:
    """The beginnings that were written later than this."""
    return [(at, topic) for at, topic in found if (read_console(lines[at]).seconds or 0) > seconds]


def _without_report(dump: PstoreDump, whole: dict[str, JsonValue]) -> Crash:
    texts = [read_console(line).text for line in dump.lines]
    restart = find_restart(texts)
    kill = next(filter(None, map(kill_in, texts)), None) if restart is None else None
    if kill is not None:
        crash = kill.crash()
        return replace(crash, details={**whole, **crash.details})
    if restart is None and not _is_kernel_log(dump):
        raise MalformedPayload(
            "not_a_kernel_log", "no report and no time stamp of a kernel was found", where="line 1"
        )
    if restart is not None:
        whole |= {"reset_reason": restart.reason, "raw": restart.raw}
        if restart.status:
            whole["reset_status"] = restart.status
    reason = restart.reason if restart else _text(whole.get("boot_reason"))
    return Crash(kind=CrashKind.REBOOT, reason=reason, details=whole)


def _text(value: JsonValue) -> str | None:
    return value if isinstance(value, str) else None


def _is_kernel_log(dump: PstoreDump) -> bool:
    """Whether enough of the lines have a kernel's time stamp, or pstore wrote them."""
    if dump.name:
        return True
    head = [line for line in dump.lines if not blank(line)][:_LOOK_AT]
    stamped = sum(is_stamped(line) or is_pstore_header(line) for line in head)
    return stamped > 0 and stamped * _STAMPED_SHARE >= len(head)
