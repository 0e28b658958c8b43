"""Panics, of Linux and of the secure system beside it. kernel/panic.c."""

from crashes.formats.kernel_log.faults.terms import FUNCTION, TRACE, fault
from crashes.formats.kernel_log.own_frame import before_dispatch

_PANIC = r"Kernel panic - not syncing: "
PANICS = (
    fault(
        rf"{_PANIC}stack-protector: Kernel stack is corrupted in: {FUNCTION}",
        "kernel panic: stack is corrupted in {function}",
        traceless=True,
        fatal=True,
    ),
    fault(
        rf"{_PANIC}stack-protector: Kernel stack is corrupted in: [a-f0-9]",
        "kernel panic: stack is corrupted in {function}",
        TRACE,
        over=r"stack_chk",
        fatal=True,
    ),
    fault(
        rf"{_PANIC}corrupted stack end",
        "kernel panic: corrupted stack end in {function}",
        TRACE,
        over=r"schedule|retint_kernel",
        pick=before_dispatch,
        fatal=True,
    ),
    fault(
        rf"{_PANIC}kernel stack overflow",
        "kernel stack overflow in {function}",
        TRACE,
        over=r"bad_stack",
        pick=before_dispatch,
        fatal=True,
    ),
    fault(
        rf"{_PANIC}(?P<what>Attempted to kill init!|Couldn't open N_TTY ldisc)",
        "kernel panic: {what}",
        fatal=True,
    ),
    # These end a report whose beginning is missing here.
    fault(
        rf"{_PANIC}(?P<what>Fatal exception|panic_on_warn set|hung_task: blocked tasks)",
        "kernel panic: {what}",
        fatal=True,
        incomplete=True,
    ),
    fault(rf"{_PANIC}(?P<rest>.*)", "kernel panic: {rest}", fatal=True),
)
TRUSTY = (
    fault(
        r"trusty: panic \(.*?\):(?: DEBUG)? ASSERT FAILED at \(.*?\): (?P<rest>.+)",
        "trusty: ASSERT FAILED: {rest}",
        fatal=True,
        traceless=True,
    ),
    fault(
        r"trusty: panic.* ASSERT FAILED.*: *(?P<rest>.*)",
        "trusty: ASSERT FAILED: {rest}",
        fatal=True,
        incomplete=True,
    ),
    fault(
        r"trusty: panic \(.*?\): (?P<rest>.+)", "trusty: panic: {rest}", fatal=True, traceless=True
    ),
)
