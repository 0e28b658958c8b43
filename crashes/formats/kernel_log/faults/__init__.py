"""Everything a kernel reports, what it is called, and where its function is found.

Titles are those of the public kernel fuzzing dashboards, so that a crash can be looked up there.
To add a fault, add a row; the title's braces are the named groups of mark and evidence. `terms`
says what rows are made of; the other modules hold them by subject, from the kernel's own messages.
Those of vendors are from drivers/soc/qcom/{subsystem_restart,watchdog_v2}.c and drivers/remoteproc.
"""

import re

from crashes.formats.kernel_log.faults.locks import CONTEXT, LOCK_WARNINGS, LOCKS, deadlocks
from crashes.formats.kernel_log.faults.memory import (
    BAD_ACCESS,
    BUG_LINES,
    KASAN,
    MEMORY_STATE,
    OTHER_SANITIZERS,
    UBSAN,
)
from crashes.formats.kernel_log.faults.panics import PANICS, TRUSTY
from crashes.formats.kernel_log.faults.terms import (
    FUNCTION,
    STOPPED,
    STOPPED_TRACE,
    TRACE,
    Fault,
    Passing,
    Route,
    Step,
    Topic,
    fault,
)
from crashes.formats.kernel_log.faults.warnings import (
    INFO_TAIL,
    PLAIN_WARNINGS,
    WARNING_TAIL,
    WARNINGS_OF_HELPERS,
)
from crashes.formats.kernel_log.own_frame import before_dispatch

__all__ = ["TOPICS", "Fault", "Passing", "Route", "Step", "Topic"]


def _stopped(word: str, title: str, *routes: Route, ends_another: bool = True) -> Topic:
    """A topic of one fault that is found where the processor stopped."""
    only = fault(
        re.escape(word), f"{title} in {{function}}", *(routes or (STOPPED_TRACE,)), fatal=True
    )
    return Topic(word, (only,), ends_another=ends_another)


TOPICS: tuple[Topic, ...] = (
    Topic(
        "BUG:",
        (*KASAN, *OTHER_SANITIZERS, *BAD_ACCESS, *LOCKS, *MEMORY_STATE, *CONTEXT),
        re.compile(r"DEBUG:|xlog_status:|Internal error: Oops - BUG:"),
    ),
    Topic(
        "WARNING:",
        (
            *WARNINGS_OF_HELPERS[:6],
            *LOCK_WARNINGS,
            *WARNINGS_OF_HELPERS[6:],
            *PLAIN_WARNINGS,
            *deadlocks("WARNING"),
            *WARNING_TAIL,
        ),
        # Notices to whoever configures the kernel; no code went wrong.
        re.compile(
            r"workqueue cpumask: online intersect|mand mount option|DT_FLAGS_1|eIBRS|CPU_SRSO"
            r"|missed to adjust virtual screen|for mitigation options|EXT4-[Ff][Ss]|XFS \(\w+\)"
            r"|/etc/ssh/moduli|deprecated v2 capabilities"
        ),
    ),
    Topic(
        "INFO:",
        (*deadlocks("INFO"), *INFO_TAIL),
        re.compile(
            r"lockdep is turned off|Stall ended before state dump|NMI handler|took too long"
            r"|recovery required on readonly|rmt_storage:INFO:|_INFO:|not present in /proc/kallsyms"
        ),
    ),
    Topic(
        "Unable to handle kernel",
        (
            fault(
                r"Unable to handle kernel (?P<what>paging request|NULL pointer dereference"
                r"|access to user memory|execution of user memory|write to read-only memory"
                r"|read from unreadable memory|execute from non-executable memory)",
                "BUG: unable to handle kernel {what} in {function}",
                STOPPED_TRACE,
                fatal=True,
            ),
        ),
    ),
    Topic(
        "general protection fault",
        (
            fault(
                r"general protection fault.*:",
                "general protection fault in {function}",
                STOPPED_TRACE,
                fatal=True,
            ),
        ),
        re.compile(r"general protection fault .* error:[0-9]+ in "),
    ),
    _stopped("stack segment: ", "stack segment fault"),
    Topic("Kernel panic", PANICS, ends_another=False),
    Topic(
        "PANIC: double fault",
        (fault(r"PANIC: double fault", "PANIC: double fault in {function}", STOPPED, fatal=True),),
        ends_another=False,
    ),
    Topic(
        "rust_kernel: panicked",
        (
            fault(
                r"rust_kernel: panicked at '(?P<what>.{1,256})', ",
                "{what} in {function}",
                TRACE,
                over=r"rust_begin_unwind",
                fatal=True,
            ),
            fault(
                r"rust_kernel: panicked at ",
                "{what} in {function}",
                TRACE,
                needs=(r"rust_kernel: panicked at ", r"^(?P<what>.+)"),
                over=r"rust_begin_unwind",
                fatal=True,
            ),
        ),
    ),
    Topic("kernel BUG", BUG_LINES),
    Topic("Kernel BUG", (fault(r"Kernel BUG (?P<rest>.*)", "kernel BUG {rest}", fatal=True),)),
    Topic(
        "BUG kmalloc-",
        (fault(r"BUG kmalloc-.*: Object already free", "BUG: Object already free", fatal=True),),
    ),
    _stopped("divide error:", "divide error", STOPPED),
    _stopped("divide_error:", "divide error", STOPPED),
    Topic(
        "invalid opcode:",
        (fault(r"invalid opcode: ", "invalid opcode in {function}", STOPPED, fatal=True),),
        ends_another=False,
    ),
    Topic("UBSAN:", UBSAN),
    Topic(
        "unregister_netdevice: waiting for",
        (
            fault(
                r"unregister_netdevice: waiting for .* to become free",
                "unregister_netdevice: waiting for DEV to become free",
                traceless=True,
            ),
        ),
        ends_another=False,
    ),
    Topic(
        "VFS: Close: file count is 0",
        (
            fault(
                r"VFS: Close: file count is 0",
                "VFS: Close: file count is zero (use-after-free)",
                traceless=True,
            ),
        ),
    ),
    Topic(
        "VFS: Busy inodes after unmount",
        (
            fault(
                r"VFS: Busy inodes after unmount",
                "VFS: Busy inodes after unmount (use-after-free)",
                traceless=True,
            ),
        ),
    ),
    _stopped("Internal error:", "Internal error", ends_another=False),
    _stopped("Unhandled fault:", "Unhandled fault"),
    _stopped("Unhandled fault at ", "Unhandled fault"),
    _stopped("SError Interrupt on CPU", "SError"),
    Topic(
        "Bad mode in ",
        (
            fault(
                r"Bad mode in (?P<what>[\w ]{1,64}) handler detected",
                "Bad mode: {what} in {function}",
                STOPPED_TRACE,
                fatal=True,
            ),
        ),
    ),
    Topic(
        "CFI failure at ",
        (
            fault(
                rf"CFI failure at {FUNCTION}.{{1,256}}?\(target: ",
                "CFI failure in {function}",
                (Step.MARK,),
                fatal=True,
            ),
        ),
    ),
    _stopped("Alignment trap:", "Alignment trap"),
    Topic("trusty: panic", TRUSTY),
    # What only phones have.
    Topic(
        "Watchdog detected hard LOCKUP",
        (
            fault(
                r"Watchdog detected hard LOCKUP",
                "BUG: hard lockup in {function}",
                STOPPED_TRACE,
                pick=before_dispatch,
                fatal=True,
            ),
        ),
    ),
    Topic(
        "crash detected in ",
        (
            fault(
                r"crash detected in (?:[0-9a-f]{1,16}\.)?(?:remoteproc-)?(?P<subsystem>[\w.-]{1,64}): type",
                "subsystem restart: {subsystem}",
                traceless=True,
            ),
        ),
        re.compile(r"^(?!.*remoteproc )"),
    ),
    Topic("atchdog bark", (fault(r"atchdog bark", "Watchdog bark", fatal=True, traceless=True),)),
    Topic("atchdog bite", (fault(r"atchdog bite", "Watchdog bite", fatal=True, traceless=True),)),
    Topic(
        "estart sequence requested for",
        (
            fault(
                r"estart sequence requested for (?P<subsystem>[\w.-]{1,64})",
                "subsystem restart: {subsystem}",
                traceless=True,
            ),
        ),
    ),
)
