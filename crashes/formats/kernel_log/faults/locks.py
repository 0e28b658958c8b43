"""Locks and contexts: lockups, sleeping where one must not, and the lock checker's findings.

kernel/locking/*, kernel/watchdog.c, kernel/sched/core.c, kernel/workqueue.c.
"""

from collections.abc import Iterator

from crashes.formats.kernel_log.faults.terms import (
    AT,
    FUNCTION,
    SOURCE,
    STOPPED_TRACE,
    TRACE,
    WARNED,
    Fault,
    Step,
    behind,
    fault,
)
from crashes.formats.kernel_log.own_frame import before_dispatch

LOCKS = (
    fault(
        r"BUG: (?P<lock>spinlock|rwlock) (?P<kind>lockup suspected|already unlocked|recursion"
        r"|cpu recursion|bad magic|wrong owner|wrong CPU|trylock failure on UP)",
        "BUG: {lock} {kind} in {function}",
        TRACE,
        over=r"spin_|_lock|_unlock",
        fatal=True,
    ),
    fault(
        r"BUG: soft lockup",
        "BUG: soft lockup in {function}",
        STOPPED_TRACE,
        pick=before_dispatch,
        fatal=True,
    ),
    fault(
        r"BUG: .*still has locks held!",
        "BUG: still has locks held in {function}",
        needs=(rf"\[<?(?:0x)?[0-9a-f]{{4,16}}>?\] +{FUNCTION}",),
    ),
    fault(
        r"BUG: scheduling while atomic",
        "BUG: scheduling while atomic in {function}",
        TRACE,
        over=r"schedule",
    ),
    fault(
        r"BUG: lock held when returning to user space",
        "BUG: lock held when returning to user space in {function}",
        needs=(r"leaving the kernel with locks still held", rf"{AT}{FUNCTION}"),
        traceless=True,
    ),
    fault(
        r"BUG: bad unlock balance detected!",
        "BUG: bad unlock balance in {function}",
        (behind(rf"\[<?(?:0x)?[0-9a-f]{{4,16}}>?\] +{FUNCTION}"), *TRACE),
    ),
    fault(
        r"BUG: held lock freed!",
        "BUG: held lock freed in {function}",
        needs=(rf"\[<?(?:0x)?[0-9a-f]{{4,16}}>?\] +{FUNCTION}",),
    ),
)
CONTEXT = (
    fault(r"BUG: workqueue lockup", "BUG: workqueue lockup", fatal=True, traceless=True),
    fault(
        r"BUG: sleeping function called from invalid context",
        "BUG: sleeping function called from invalid context in {function}",
        TRACE,
    ),
    fault(
        r"BUG: using (?P<what>[a-z_]+)\(\) in preemptible",
        "BUG: using {what}() in preemptible code in {function}",
        TRACE,
        over=r"preempt|debug_|processor_id|this_cpu",
    ),
    fault(
        r"BUG: workqueue leaked lock or atomic",
        "BUG: workqueue leaked lock or atomic in {function}",
        needs=(r"last function: (?P<function>\w{1,256})\s*$",),
        traceless=True,
    ),
    fault(
        r"BUG: memory leak",
        "memory leak in {function}",
        (behind(r"backtrace(?: \(crc [0-9a-f]*\))?:"), Step.STACK),
        over=r"kmemleak|mmap|kmem|slab|alloc|create_object|idr_get|list_lru_init|pcpu_create",
    ),
    fault(
        r"BUG: .*stack guard page was hit at",
        "BUG: stack guard page was hit in {function}",
        STOPPED_TRACE,
        pick=before_dispatch,
        fatal=True,
    ),
    fault(
        r"BUG: Invalid wait context",
        "WARNING: locking bug in {function}",
        TRACE,
        over=r"lock_sock|release_sock",
    ),
    fault(r"BUG:\s*$", "BUG: corrupted", fatal=True, incomplete=True),
)
LOCK_WARNINGS = (
    fault(
        r"WARNING: .*still has locks held!",
        "WARNING: still has locks held in {function}",
        needs=(rf"at: {FUNCTION}",),
    ),
    fault(
        r"WARNING: Nested lock was not taken",
        "WARNING: nested lock was not taken in {function}",
        *WARNED,
    ),
    fault(
        r"WARNING: lock held when returning to user space",
        "WARNING: lock held when returning to user space in {function}",
        needs=(r"leaving the kernel with locks still held", rf"{AT}{FUNCTION}"),
        traceless=True,
    ),
)


def deadlocks(word: str) -> Iterator[Fault]:
    """The lock checker's findings; the kernel has called them INFO, now it warns."""
    at = rf"{AT}{FUNCTION}"
    yield fault(
        rf"{word}: possible circular locking dependency detected",
        "possible deadlock in {function}",
        (behind(at), behind(at), Step.STACK),
        needs=(r"is trying to acquire lock",),
        over=r"process_one_work|(?:flush|drain|destroy)_workqueue",
    )
    yield fault(
        rf"{word}: possible irq lock inversion dependency detected",
        "possible deadlock in {function}",
        needs=(r"just changed the state of lock", at),
    )
    yield fault(
        rf"{word}: .*-safe -> .*-unsafe lock order detected",
        "possible deadlock in {function}",
        (behind(r"which became [^:]{1,64} at:"), Step.STACK),
    )
    yield fault(
        rf"{word}: possible recursive locking detected",
        "possible deadlock in {function}",
        needs=(r"is trying to acquire lock", at),
    )
    yield fault(
        rf"{word}: inconsistent lock state",
        "inconsistent lock state in {function}",
        TRACE,
        needs=(r"takes", AT),
    )
    yield fault(
        rf"{word}: suspicious RCU usage",
        f"{word}: suspicious RCU usage in {{function}}",
        TRACE,
        needs=(SOURCE,),
        over=r"rcu|kmem|slab",
    )
