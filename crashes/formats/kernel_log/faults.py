"""Everything a kernel reports, what it is called, and where its function is found.

A `Topic` is a word that begins a report (`BUG:`, `Kernel panic`); its `Fault`s are tried in
order on each line of the report. A fault is recognized by its `mark`, may need more `evidence`
further down, and takes its function from the first of its `routes` that leads to one: a route is
a sequence of `Step`s through the lines of the report.

Titles are those of the public kernel fuzzing dashboards, so that a crash can be looked up there.
To add a fault, add a row; the title's braces are the named groups of mark and evidence.

Marks come from the kernel's own messages: kernel/panic.c, lib/bug.c, mm/kasan/report.c,
mm/kfence/report.c, mm/kmsan/report.c, kernel/kcsan/report.c, lib/ubsan.c, kernel/locking/*,
kernel/watchdog.c, kernel/hung_task.c, kernel/rcu/tree_stall.h, arch/{x86,arm,arm64}/mm/fault.c,
arch/*/kernel/traps.c; the vendors' from drivers/soc/qcom/{subsystem_restart,watchdog_v2}.c.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from crashes.formats.kernel_log.own_frame import Pick, before_dispatch, first, waiting_caller

_FUNCTION = r"(?P<function>\w{1,256})[.+]"
_AT = r"at: (?:\[<?(?:0x)?[0-9a-f]{4,16}>?\] {1,4})?"
_SOURCE = r"(?<![\w./-])[\w./-]{1,256}\.[a-z]{1,4}:[0-9]{1,7}"


class Step(StrEnum):
    """A way to go on through the lines of a report."""

    MARK = "mark"  # the function in the line that begins the report
    STOPPED = "stopped"  # the line that says where the processor was
    TRACE = "trace"  # the heading of a call trace
    STACK = "stack"  # the calls until the next heading


@dataclass(frozen=True, slots=True)
class Passing:
    """Go on behind the first line that matches; a group `function` is a candidate."""

    pattern: re.Pattern[str]


Route = tuple["Step | Passing", ...]


@dataclass(frozen=True, slots=True)
class Fault:
    """One kind of report.

    `fatal`: the kernel cannot go on from it, or memory is damaged. `incomplete`: seen only when
    the beginning or the rest is missing. `traceless`: may come without any stack.
    """

    mark: re.Pattern[str]
    title: str
    routes: tuple[Route, ...] = ()
    evidence: tuple[re.Pattern[str], ...] = ()
    passing_over: re.Pattern[str] | None = None
    pick: Pick = first
    fatal: bool = False
    incomplete: bool = False
    traceless: bool = False


@dataclass(frozen=True, slots=True)
class Topic:
    """The reports that begin with one word; marks match where it stands.

    `not_in` are lines of others that hold the word too.

    `ends_another` is False where the kernel says it about a report that has begun already.
    """

    word: str
    faults: tuple[Fault, ...]
    not_in: re.Pattern[str] | None = None
    ends_another: bool = True


def _fault(
    mark: str,
    title: str,
    *routes: Route,
    needs: tuple[str, ...] = (),
    over: str | None = None,
    pick: Pick = first,
    fatal: bool = False,
    incomplete: bool = False,
    traceless: bool = False,
) -> Fault:
    return Fault(
        mark=re.compile(mark),
        title=title,
        routes=routes,
        evidence=tuple(re.compile(need) for need in needs),
        passing_over=re.compile(over) if over else None,
        pick=pick,
        fatal=fatal,
        incomplete=incomplete,
        traceless=traceless,
    )


def _behind(pattern: str) -> Passing:
    return Passing(re.compile(pattern))


_TRACE: Route = (Step.TRACE, Step.STACK)
_STOPPED: Route = (Step.STOPPED,)
_STOPPED_TRACE: Route = (Step.STOPPED, Step.TRACE, Step.STACK)
_MARK_STACK: Route = (Step.MARK, Step.STACK)
# A warning is a trap now: the trace behind its registers is the subject's. It was a call before.
_WARNED: tuple[Route, Route] = ((Step.STOPPED, Step.STACK), _TRACE)
_INTERRUPTED = r"apic_timer_interrupt"
_STALLED: tuple[Route, Route] = (
    (_behind(_INTERRUPTED), Step.STOPPED, Step.STACK),
    (_behind(rf"{_INTERRUPTED}|Exception stack|el1h_64_irq|el1_irq"), Step.STACK),
)

_URB = r"usb_(?:submit_urb|start_wait_urb|bulk_msg|interrupt_msg|control_msg)"
_INVALID_FREE = r"BUG: KASAN: (?:double-free or invalid-free|double-free|invalid-free) in "
_ALLOCATION = r"kmem|slab|kmalloc|krealloc"

_KASAN = (
    _fault(
        r"BUG: KASAN:",
        "KASAN: {kind} {access} in {function}",
        (_behind(rf"BUG: KASAN: [a-z-]+ in {_FUNCTION}"), *_TRACE),
        needs=(
            r"BUG: KASAN: (?P<kind>[a-z-]+) in \w{1,256}[.+]",
            r"(?P<access>Read|Write) (?:of size|at addr) [0-9a-f]",
        ),
        over=r"kernel_fault|tag_check|mem_abort|^el1h?_",
        fatal=True,
    ),
    _fault(
        r"BUG: KASAN:",
        "KASAN: invalid-free in {function}",
        (_behind(_INVALID_FREE + _FUNCTION), *_TRACE),
        needs=(_INVALID_FREE + r"\w{1,256}[.+]",),
        over=r"slab_|kfree|vunmap|vfree",
        fatal=True,
    ),
    _fault(
        r"BUG: KASAN: (?P<kind>[a-z-]+) on address",
        "KASAN: {kind} {access}",
        needs=(r"(?P<access>Read|Write) of size [0-9]",),
        fatal=True,
    ),
    _fault(r"BUG: KASAN: (?P<rest>.*)", "KASAN: {rest}", fatal=True, incomplete=True),
)
_OTHER_SANITIZERS = (
    _fault(
        r"BUG: KMSAN: kernel-usb-infoleak",
        "KMSAN: kernel-usb-infoleak in {function}",
        (Step.STACK,),
        needs=(r"BUG: KMSAN: kernel-usb-infoleak in \w{1,256}[.+]",),
        over=rf"alloc_skb|{_URB}",
        traceless=True,
    ),
    _fault(
        r"BUG: KMSAN:",
        "KMSAN: {kind} in {function}",
        (Step.STACK,),
        needs=(r"BUG: KMSAN: (?P<kind>[a-z-]+) in \w{1,256}[.+]",),
        over=r"alloc_skb|netlink_ack|netlink_rcv_skb|_encrypt$|^(?:crypto|cipher|drbg|rng)_",
        traceless=True,
    ),
    _fault(r"BUG: KCSAN: (?P<rest>.*)", "KCSAN: {rest}", traceless=True),
    _fault(
        rf"BUG: KFENCE: (?P<kind>(?:use-after-free|out-of-bounds|invalid) (?:read|write)) in {_FUNCTION}",
        "KFENCE: {kind} in {function}",
        _MARK_STACK,
        fatal=True,
    ),
    _fault(
        rf"BUG: KFENCE: (?P<kind>invalid free|memory corruption) in {_FUNCTION}",
        "KFENCE: {kind} in {function}",
        _MARK_STACK,
        traceless=True,
        fatal=True,
    ),
)
_BAD_ACCESS = (
    _fault(
        r"BUG: (?:unable to handle (?:kernel paging request|page fault for address)"
        r"|Unable to handle kernel data access)",
        "BUG: unable to handle kernel paging request in {function}",
        _STOPPED_TRACE,
        fatal=True,
    ),
    _fault(
        r"BUG: (?:unable to handle )?[kK]ernel NULL pointer dereference",
        "BUG: unable to handle kernel NULL pointer dereference in {function}",
        _STOPPED_TRACE,
        fatal=True,
    ),
    _fault(
        r"BUG: [uU]nable to handle kernel",
        "BUG: unable to handle kernel",
        fatal=True,
        incomplete=True,
    ),
)
_LOCKS = (
    _fault(
        r"BUG: (?P<lock>spinlock|rwlock) (?P<kind>lockup suspected|already unlocked|recursion"
        r"|cpu recursion|bad magic|wrong owner|wrong CPU|trylock failure on UP)",
        "BUG: {lock} {kind} in {function}",
        _TRACE,
        over=r"spin_|_lock|_unlock",
        fatal=True,
    ),
    _fault(
        r"BUG: soft lockup",
        "BUG: soft lockup in {function}",
        _STOPPED_TRACE,
        pick=before_dispatch,
        fatal=True,
    ),
    _fault(
        r"BUG: .*still has locks held!",
        "BUG: still has locks held in {function}",
        needs=(rf"\[<?(?:0x)?[0-9a-f]{{4,16}}>?\] +{_FUNCTION}",),
    ),
    _fault(
        r"BUG: scheduling while atomic",
        "BUG: scheduling while atomic in {function}",
        _TRACE,
        over=r"schedule",
    ),
    _fault(
        r"BUG: lock held when returning to user space",
        "BUG: lock held when returning to user space in {function}",
        needs=(r"leaving the kernel with locks still held", rf"{_AT}{_FUNCTION}"),
        traceless=True,
    ),
    _fault(
        r"BUG: bad unlock balance detected!",
        "BUG: bad unlock balance in {function}",
        (_behind(rf"\[<?(?:0x)?[0-9a-f]{{4,16}}>?\] +{_FUNCTION}"), *_TRACE),
    ),
    _fault(
        r"BUG: held lock freed!",
        "BUG: held lock freed in {function}",
        needs=(rf"\[<?(?:0x)?[0-9a-f]{{4,16}}>?\] +{_FUNCTION}",),
    ),
)
_MEMORY_STATE = (
    _fault(r"BUG: Bad rss-counter state", "BUG: Bad rss-counter state", traceless=True),
    _fault(
        r"BUG: non-zero (?P<what>nr_ptes|nr_pmds) on freeing mm",
        "BUG: non-zero {what} on freeing mm",
        traceless=True,
    ),
    _fault(
        r"BUG: Dentry .* still in use \([0-9]+\) \[(?P<when>unmount) of [^\]]+\]",
        "BUG: Dentry still in use in {when}",
    ),
    _fault(
        r"BUG: Bad page (?P<what>state|cache)",
        "BUG: Bad page {what} in {function}",
        (_behind(r"page last allocated"), Step.STACK),
        over=r"(?:free|put|get|update|release)_page|free_unref|^_*folio|truncate_inode_pages"
        r"|page_frag_free|alloc|vmap|page_owner",
        fatal=True,
    ),
    _fault(r"BUG: Bad page map", "BUG: Bad page map", fatal=True),
)
_CONTEXT = (
    _fault(r"BUG: workqueue lockup", "BUG: workqueue lockup", fatal=True, traceless=True),
    _fault(
        r"BUG: sleeping function called from invalid context",
        "BUG: sleeping function called from invalid context in {function}",
        _TRACE,
    ),
    _fault(
        r"BUG: using (?P<what>[a-z_]+)\(\) in preemptible",
        "BUG: using {what}() in preemptible code in {function}",
        _TRACE,
        over=r"preempt|debug_|processor_id|this_cpu",
    ),
    _fault(
        r"BUG: workqueue leaked lock or atomic",
        "BUG: workqueue leaked lock or atomic in {function}",
        needs=(r"last function: (?P<function>\w{1,256})\s*$",),
        traceless=True,
    ),
    _fault(
        r"BUG: memory leak",
        "memory leak in {function}",
        (_behind(r"backtrace(?: \(crc [0-9a-f]*\))?:"), Step.STACK),
        over=r"kmemleak|mmap|kmem|slab|alloc|create_object|idr_get|list_lru_init|pcpu_create",
    ),
    _fault(
        r"BUG: .*stack guard page was hit at",
        "BUG: stack guard page was hit in {function}",
        _STOPPED_TRACE,
        pick=before_dispatch,
        fatal=True,
    ),
    _fault(
        r"BUG: Invalid wait context",
        "WARNING: locking bug in {function}",
        _TRACE,
        over=r"lock_sock|release_sock",
    ),
    _fault(r"BUG:\s*$", "BUG: corrupted", fatal=True, incomplete=True),
)

_WARNINGS_OF_HELPERS = (
    _fault(
        r"WARNING: .{0,200}?lib/debugobjects\.c.{0,64}? (?:debug_print|debug_check|at)",
        "WARNING: ODEBUG bug in {function}",
        *_WARNED,
        over=r"debug_|rcu|hrtimer_|timer_|work_|percpu_|vunmap|vfree|__free_|kobject_",
    ),
    _fault(
        r"WARNING: .{0,200}?mm/usercopy\.c.{0,64}? (?:usercopy_warn|at)",
        "WARNING: bad usercopy in {function}",
        *_WARNED,
        over=r"usercopy|__check",
    ),
    _fault(
        r"WARNING: .{0,200}?lib/kobject\.c.{0,64}? (?:kobject_|at)",
        "WARNING: kobject bug in {function}",
        *_WARNED,
    ),
    _fault(
        r"WARNING: .{0,200}?fs/proc/generic\.c.{0,64}? (?:proc_register|at)",
        "WARNING: proc registration bug in {function}",
        *_WARNED,
        over=r"proc_",
    ),
    _fault(
        r"WARNING: .{0,200}?lib/refcount\.c.{0,64}? (?:refcount_|at)",
        "WARNING: refcount bug in {function}",
        *_WARNED,
        over=r"refcount",
    ),
    _fault(
        r"WARNING: .{0,200}?kernel/locking/lockdep\.c.{0,64}?lock_",
        "WARNING: locking bug in {function}",
        *_WARNED,
        over=r"lock_sock|release_sock",
    ),
    _fault(
        r"WARNING: .{0,200}?mm/[\w/.-]{0,64}\.c.{0,64}? k?.?malloc",
        "WARNING: kmalloc bug in {function}",
        *_WARNED,
        over=_ALLOCATION,
    ),
    _fault(
        r"WARNING: .{0,200}?mm/vmalloc.c.{0,64}?__vmalloc_node",
        "WARNING: zero-size vmalloc in {function}",
        *_WARNED,
    ),
    _fault(
        r"WARNING: .* usb_submit_urb", "WARNING in {function}/usb_submit_urb", *_WARNED, over=_URB
    ),
)
_LOCK_WARNINGS = (
    _fault(
        r"WARNING: .*still has locks held!",
        "WARNING: still has locks held in {function}",
        needs=(rf"at: {_FUNCTION}",),
    ),
    _fault(
        r"WARNING: Nested lock was not taken",
        "WARNING: nested lock was not taken in {function}",
        *_WARNED,
    ),
    _fault(
        r"WARNING: lock held when returning to user space",
        "WARNING: lock held when returning to user space in {function}",
        needs=(r"leaving the kernel with locks still held", rf"{_AT}{_FUNCTION}"),
        traceless=True,
    ),
)
_PLAIN_WARNINGS = (
    _fault(
        rf"WARNING: (?:.{{0,200}}? at {_SOURCE} {_FUNCTION}|(?:\[.*\] )?{_SOURCE} at (?:0x[0-9a-f]+, CPU#[0-9]|{_FUNCTION.replace('function', 'callee')}))",
        "WARNING in {function}",
        *_WARNED,
    ),
)


def _deadlocks(word: str) -> Iterator[Fault]:
    """The lock checker's findings; the kernel has called them INFO, now it warns."""
    at = rf"{_AT}{_FUNCTION}"
    yield _fault(
        rf"{word}: possible circular locking dependency detected",
        "possible deadlock in {function}",
        (_behind(at), _behind(at), Step.STACK),
        needs=(r"is trying to acquire lock",),
        over=r"process_one_work|(?:flush|drain|destroy)_workqueue",
    )
    yield _fault(
        rf"{word}: possible irq lock inversion dependency detected",
        "possible deadlock in {function}",
        needs=(r"just changed the state of lock", at),
    )
    yield _fault(
        rf"{word}: .*-safe -> .*-unsafe lock order detected",
        "possible deadlock in {function}",
        (_behind(r"which became [^:]{1,64} at:"), Step.STACK),
    )
    yield _fault(
        rf"{word}: possible recursive locking detected",
        "possible deadlock in {function}",
        needs=(r"is trying to acquire lock", at),
    )
    yield _fault(
        rf"{word}: inconsistent lock state",
        "inconsistent lock state in {function}",
        _TRACE,
        needs=(r"takes", _AT),
    )
    yield _fault(
        rf"{word}: suspicious RCU usage",
        f"{word}: suspicious RCU usage in {{function}}",
        _TRACE,
        needs=(_SOURCE,),
        over=r"rcu|kmem|slab",
    )


_WARNING_TAIL = (
    _fault(
        r"WARNING: kernel stack regs at [0-9a-f]+ in [^ ]* has bad '(?P<register>[^']+)' value",
        "WARNING: kernel stack regs has bad '{register}' value",
        traceless=True,
    ),
    _fault(
        r"WARNING: kernel stack frame pointer at [0-9a-f]+ in [^ ]* has bad value",
        "WARNING: kernel stack frame pointer has bad value",
        traceless=True,
    ),
    _fault(
        r"WARNING: bad unlock balance detected!",
        "WARNING: bad unlock balance in {function}",
        (_behind(rf"\[<?(?:0x)?[0-9a-f]{{4,16}}>?\] +{_FUNCTION}"), *_TRACE),
    ),
    _fault(
        r"WARNING: held lock freed!",
        "WARNING: held lock freed in {function}",
        needs=(rf"at:(?: \[<?(?:0x)?[0-9a-f]{{4,16}}>?\])? +{_FUNCTION}",),
    ),
    _fault(r"WARNING:\s*$", "WARNING: corrupted", incomplete=True),
)
_INFO_TAIL = (
    _fault(
        r"INFO: rcu_(?:preempt|sched|bh|tasks) (?:self-)?detected(?: expedited)? stall",
        "INFO: rcu detected stall in {function}",
        *_STALLED,
        over=r"apic_timer_interrupt|rcu",
        pick=before_dispatch,
        fatal=True,
    ),
    _fault(
        r"INFO: trying to register non-static key",
        "INFO: trying to register non-static key in {function}",
        _TRACE,
        over=r"stack|lock|IRQ",
    ),
    _fault(
        r"INFO: task .* blocked for more than [0-9]+ seconds",
        "INFO: task hung in {function}",
        _TRACE,
        pick=waiting_caller,
    ),
    _fault(
        r"INFO: task .* can't die for more than .* seconds",
        "INFO: task can't die in {function}",
        _TRACE,
        over=r"schedule",
    ),
    _fault(r"INFO: (?P<rest>(?:Freed|Allocated) in .*)", "INFO: {rest}", incomplete=True),
    _fault(r"INFO:\s*$", "INFO: corrupted", incomplete=True),
)
_PANIC = r"Kernel panic - not syncing: "
_PANICS = (
    _fault(
        rf"{_PANIC}stack-protector: Kernel stack is corrupted in: {_FUNCTION}",
        "kernel panic: stack is corrupted in {function}",
        traceless=True,
        fatal=True,
    ),
    _fault(
        rf"{_PANIC}stack-protector: Kernel stack is corrupted in: [a-f0-9]",
        "kernel panic: stack is corrupted in {function}",
        _TRACE,
        over=r"stack_chk",
        fatal=True,
    ),
    _fault(
        rf"{_PANIC}corrupted stack end",
        "kernel panic: corrupted stack end in {function}",
        _TRACE,
        over=r"schedule|retint_kernel",
        pick=before_dispatch,
        fatal=True,
    ),
    _fault(
        rf"{_PANIC}kernel stack overflow",
        "kernel stack overflow in {function}",
        _TRACE,
        over=r"bad_stack",
        pick=before_dispatch,
        fatal=True,
    ),
    _fault(
        rf"{_PANIC}(?P<what>Attempted to kill init!|Couldn't open N_TTY ldisc)",
        "kernel panic: {what}",
        fatal=True,
    ),
    # These end a report whose beginning is missing here.
    _fault(
        rf"{_PANIC}(?P<what>Fatal exception|panic_on_warn set|hung_task: blocked tasks)",
        "kernel panic: {what}",
        fatal=True,
        incomplete=True,
    ),
    _fault(rf"{_PANIC}(?P<rest>.*)", "kernel panic: {rest}", fatal=True),
)
_TRUSTY = (
    _fault(
        r"trusty: panic \(.*?\):(?: DEBUG)? ASSERT FAILED at \(.*?\): (?P<rest>.+)",
        "trusty: ASSERT FAILED: {rest}",
        fatal=True,
        traceless=True,
    ),
    _fault(
        r"trusty: panic.* ASSERT FAILED.*: *(?P<rest>.*)",
        "trusty: ASSERT FAILED: {rest}",
        fatal=True,
        incomplete=True,
    ),
    _fault(
        r"trusty: panic \(.*?\): (?P<rest>.+)", "trusty: panic: {rest}", fatal=True, traceless=True
    ),
)
_UBSAN = (
    _fault(
        r"UBSAN: Undefined behaviour in",
        "UBSAN: undefined-behaviour in {function}",
        _TRACE,
        over=r"ubsan|overflow",
    ),
    _fault(
        r"UBSAN: (?P<kind>.*?) in", "UBSAN: {kind} in {function}", _TRACE, over=r"ubsan|overflow"
    ),
)
_BUG_LINES = (
    _fault(
        r"kernel BUG at mm/usercopy.c",
        "BUG: bad usercopy in {function}",
        _TRACE,
        over=r"usercopy|__check",
        fatal=True,
    ),
    _fault(
        r"kernel BUG at lib/list_debug.c", "BUG: corrupted list in {function}", _TRACE, fatal=True
    ),
    _fault(
        r"kernel BUG at ", "kernel BUG in {function}", _STOPPED_TRACE, over=r"^skb_", fatal=True
    ),
)


def _stopped(word: str, title: str, *routes: Route, ends_another: bool = True) -> Topic:
    """A topic of one fault that is found where the processor stopped."""
    fault = _fault(
        re.escape(word), f"{title} in {{function}}", *(routes or (_STOPPED_TRACE,)), fatal=True
    )
    return Topic(word, (fault,), ends_another=ends_another)


TOPICS: tuple[Topic, ...] = (
    Topic(
        "BUG:",
        (*_KASAN, *_OTHER_SANITIZERS, *_BAD_ACCESS, *_LOCKS, *_MEMORY_STATE, *_CONTEXT),
        re.compile(r"DEBUG:|xlog_status:|Internal error: Oops - BUG:"),
    ),
    Topic(
        "WARNING:",
        (
            *_WARNINGS_OF_HELPERS[:6],
            *_LOCK_WARNINGS,
            *_WARNINGS_OF_HELPERS[6:],
            *_PLAIN_WARNINGS,
            *_deadlocks("WARNING"),
            *_WARNING_TAIL,
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
        (*_deadlocks("INFO"), *_INFO_TAIL),
        re.compile(
            r"lockdep is turned off|Stall ended before state dump|NMI handler|took too long"
            r"|recovery required on readonly|rmt_storage:INFO:|_INFO:|not present in /proc/kallsyms"
        ),
    ),
    Topic(
        "Unable to handle kernel",
        (
            _fault(
                r"Unable to handle kernel (?P<what>paging request|NULL pointer dereference"
                r"|access to user memory)",
                "BUG: unable to handle kernel {what} in {function}",
                _STOPPED_TRACE,
                fatal=True,
            ),
        ),
    ),
    Topic(
        "general protection fault",
        (
            _fault(
                r"general protection fault.*:",
                "general protection fault in {function}",
                _STOPPED_TRACE,
                fatal=True,
            ),
        ),
        re.compile(r"general protection fault .* error:[0-9]+ in "),
    ),
    _stopped("stack segment: ", "stack segment fault"),
    Topic("Kernel panic", _PANICS, ends_another=False),
    Topic(
        "PANIC: double fault",
        (
            _fault(
                r"PANIC: double fault", "PANIC: double fault in {function}", _STOPPED, fatal=True
            ),
        ),
        ends_another=False,
    ),
    Topic(
        "rust_kernel: panicked",
        (
            _fault(
                r"rust_kernel: panicked at '(?P<what>.{1,256})', ",
                "{what} in {function}",
                _TRACE,
                over=r"rust_begin_unwind",
                fatal=True,
            ),
            _fault(
                r"rust_kernel: panicked at ",
                "{what} in {function}",
                _TRACE,
                needs=(r"rust_kernel: panicked at ", r"^(?P<what>.+)"),
                over=r"rust_begin_unwind",
                fatal=True,
            ),
        ),
    ),
    Topic("kernel BUG", _BUG_LINES),
    Topic("Kernel BUG", (_fault(r"Kernel BUG (?P<rest>.*)", "kernel BUG {rest}", fatal=True),)),
    Topic(
        "BUG kmalloc-",
        (_fault(r"BUG kmalloc-.*: Object already free", "BUG: Object already free", fatal=True),),
    ),
    _stopped("divide error:", "divide error", _STOPPED),
    _stopped("divide_error:", "divide error", _STOPPED),
    Topic(
        "invalid opcode:",
        (_fault(r"invalid opcode: ", "invalid opcode in {function}", _STOPPED, fatal=True),),
        ends_another=False,
    ),
    Topic("UBSAN:", _UBSAN),
    Topic(
        "unregister_netdevice: waiting for",
        (
            _fault(
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
            _fault(
                r"VFS: Close: file count is 0",
                "VFS: Close: file count is zero (use-after-free)",
                traceless=True,
            ),
        ),
    ),
    Topic(
        "VFS: Busy inodes after unmount",
        (
            _fault(
                r"VFS: Busy inodes after unmount",
                "VFS: Busy inodes after unmount (use-after-free)",
                traceless=True,
            ),
        ),
    ),
    _stopped("Internal error:", "Internal error", ends_another=False),
    _stopped("Unhandled fault:", "Unhandled fault"),
    _stopped("Alignment trap:", "Alignment trap"),
    Topic("trusty: panic", _TRUSTY),
    # What only phones have.
    Topic(
        "Watchdog detected hard LOCKUP",
        (
            _fault(
                r"Watchdog detected hard LOCKUP",
                "BUG: hard lockup in {function}",
                _STOPPED_TRACE,
                pick=before_dispatch,
                fatal=True,
            ),
        ),
    ),
    Topic("atchdog bark", (_fault(r"atchdog bark", "Watchdog bark", fatal=True, traceless=True),)),
    Topic("atchdog bite", (_fault(r"atchdog bite", "Watchdog bite", fatal=True, traceless=True),)),
    Topic(
        "estart sequence requested for",
        (
            _fault(
                r"estart sequence requested for (?P<subsystem>[\w.-]{1,64})",
                "subsystem restart: {subsystem}",
                traceless=True,
            ),
        ),
    ),
)
