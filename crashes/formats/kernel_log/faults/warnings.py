"""Warnings, and what the kernel calls information: it survives most of them.

kernel/panic.c, kernel/hung_task.c, kernel/rcu/tree_stall.h, lib/debugobjects.c.
"""

from crashes.formats.kernel_log.faults.terms import (
    FUNCTION,
    SOURCE,
    TRACE,
    URB,
    WARNED,
    Route,
    Step,
    behind,
    fault,
)
from crashes.formats.kernel_log.own_frame import before_dispatch, waiting_caller

_INTERRUPTED = r"apic_timer_interrupt"
_STALLED: tuple[Route, ...] = (
    (behind(_INTERRUPTED), Step.STOPPED, Step.STACK),
    (behind(rf"{_INTERRUPTED}|Exception stack|el1h_64_irq|el1_irq"), Step.STACK),
    (behind(r"Task dump for CPU|NMI backtrace for cpu|^task:"), *TRACE),
)
_ALLOCATION = r"kmem|slab|kmalloc|krealloc"
WARNINGS_OF_HELPERS = (
    fault(
        r"WARNING: .{0,200}?lib/debugobjects\.c.{0,64}? (?:debug_print|debug_check|at)",
        "WARNING: ODEBUG bug in {function}",
        *WARNED,
        over=r"debug_|rcu|hrtimer_|timer_|work_|percpu_|vunmap|vfree|__free_|kobject_",
    ),
    fault(
        r"WARNING: .{0,200}?mm/usercopy\.c.{0,64}? (?:usercopy_warn|at)",
        "WARNING: bad usercopy in {function}",
        *WARNED,
        over=r"usercopy|__check",
    ),
    fault(
        r"WARNING: .{0,200}?lib/kobject\.c.{0,64}? (?:kobject_|at)",
        "WARNING: kobject bug in {function}",
        *WARNED,
    ),
    fault(
        r"WARNING: .{0,200}?fs/proc/generic\.c.{0,64}? (?:proc_register|at)",
        "WARNING: proc registration bug in {function}",
        *WARNED,
        over=r"proc_",
    ),
    fault(
        r"WARNING: .{0,200}?lib/refcount\.c.{0,64}? (?:refcount_|at)",
        "WARNING: refcount bug in {function}",
        *WARNED,
        over=r"refcount",
    ),
    fault(
        r"WARNING: .{0,200}?kernel/locking/lockdep\.c.{0,64}?lock_",
        "WARNING: locking bug in {function}",
        *WARNED,
        over=r"lock_sock|release_sock",
    ),
    fault(
        r"WARNING: .{0,200}?mm/[\w/.-]{0,64}\.c.{0,64}? k?.?malloc",
        "WARNING: kmalloc bug in {function}",
        *WARNED,
        over=_ALLOCATION,
    ),
    fault(
        r"WARNING: .{0,200}?mm/vmalloc.c.{0,64}?__vmalloc_node",
        "WARNING: zero-size vmalloc in {function}",
        *WARNED,
    ),
    fault(r"WARNING: .* usb_submit_urb", "WARNING in {function}/usb_submit_urb", *WARNED, over=URB),
)
PLAIN_WARNINGS = (
    fault(
        rf"WARNING: (?:.{{0,200}}? at {SOURCE} {FUNCTION}|(?:\[.*\] )?{SOURCE} at (?:0x[0-9a-f]+, CPU#[0-9]|{FUNCTION.replace('function', 'callee')}))",
        "WARNING in {function}",
        *WARNED,
    ),
)
WARNING_TAIL = (
    fault(
        r"WARNING: kernel stack regs at [0-9a-f]+ in [^ ]* has bad '(?P<register>[^']+)' value",
        "WARNING: kernel stack regs has bad '{register}' value",
        traceless=True,
    ),
    fault(
        r"WARNING: kernel stack frame pointer at [0-9a-f]+ in [^ ]* has bad value",
        "WARNING: kernel stack frame pointer has bad value",
        traceless=True,
    ),
    fault(
        r"WARNING: bad unlock balance detected!",
        "WARNING: bad unlock balance in {function}",
        (behind(rf"\[<?(?:0x)?[0-9a-f]{{4,16}}>?\] +{FUNCTION}"), *TRACE),
    ),
    fault(
        r"WARNING: held lock freed!",
        "WARNING: held lock freed in {function}",
        needs=(rf"at:(?: \[<?(?:0x)?[0-9a-f]{{4,16}}>?\])? +{FUNCTION}",),
    ),
    fault(r"WARNING:\s*$", "WARNING: corrupted", incomplete=True),
)
INFO_TAIL = (
    fault(
        r"INFO: rcu_(?:preempt|sched|bh|tasks) (?:self-)?detected(?: expedited)? stall",
        "INFO: rcu detected stall in {function}",
        *_STALLED,
        over=r"apic_timer_interrupt|rcu|^__switch_to$|show_task|dump_cpu",
        pick=before_dispatch,
        fatal=True,
    ),
    fault(
        r"INFO: trying to register non-static key",
        "INFO: trying to register non-static key in {function}",
        TRACE,
        over=r"stack|lock|IRQ",
    ),
    fault(
        r"INFO: task .* blocked for more than [0-9]+ seconds",
        "INFO: task hung in {function}",
        TRACE,
        pick=waiting_caller,
    ),
    fault(
        r"INFO: task .* can't die for more than .* seconds",
        "INFO: task can't die in {function}",
        TRACE,
        over=r"schedule",
    ),
    fault(r"INFO: (?P<rest>(?:Freed|Allocated) in .*)", "INFO: {rest}", incomplete=True),
    fault(r"INFO:\s*$", "INFO: corrupted", incomplete=True),
)
