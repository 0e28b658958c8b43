"""Signals of Linux and what their `si_code` says, as asm-generic/siginfo.h and debuggerd name them."""

from collections.abc import Mapping

SIGNALS: Mapping[int, str] = dict(
    enumerate(
        (
            "SIGHUP", "SIGINT", "SIGQUIT", "SIGILL", "SIGTRAP", "SIGABRT", "SIGBUS", "SIGFPE",
            "SIGKILL", "SIGUSR1", "SIGSEGV", "SIGUSR2", "SIGPIPE", "SIGALRM", "SIGTERM",
            "SIGSTKFLT", "SIGCHLD", "SIGCONT", "SIGSTOP", "SIGTSTP", "SIGTTIN", "SIGTTOU",
            "SIGURG", "SIGXCPU", "SIGXFSZ", "SIGVTALRM", "SIGPROF", "SIGWINCH", "SIGIO",
            "SIGPWR", "SIGSYS",
        ),
        start=1,
    )
)  # fmt: skip
CODES: Mapping[str, tuple[str, ...]] = {
    "SIGILL": (
        "ILL_ILLOPC", "ILL_ILLOPN", "ILL_ILLADR", "ILL_ILLTRP", "ILL_PRVOPC", "ILL_PRVREG",
        "ILL_COPROC", "ILL_BADSTK",
    ),
    "SIGBUS": ("BUS_ADRALN", "BUS_ADRERR", "BUS_OBJERR", "BUS_MCEERR_AR", "BUS_MCEERR_AO"),
    "SIGFPE": (
        "FPE_INTDIV", "FPE_INTOVF", "FPE_FLTDIV", "FPE_FLTOVF", "FPE_FLTUND", "FPE_FLTRES",
        "FPE_FLTINV", "FPE_FLTSUB",
    ),
    "SIGSEGV": (
        "SEGV_MAPERR", "SEGV_ACCERR", "SEGV_BNDERR", "SEGV_PKUERR", "SEGV_ACCADI", "SEGV_ADIDERR",
        "SEGV_ADIPERR", "SEGV_MTEAERR", "SEGV_MTESERR", "SEGV_CPERR",
    ),
    "SIGTRAP": ("TRAP_BRKPT", "TRAP_TRACE", "TRAP_BRANCH", "TRAP_HWBKPT"),
    "SIGSYS": ("SYS_SECCOMP",),
}  # fmt: skip
SENDER_CODES: Mapping[int, str] = {
    0: "SI_USER", 0x80: "SI_KERNEL", -1: "SI_QUEUE", -2: "SI_TIMER", -3: "SI_MESGQ",
    -4: "SI_ASYNCIO", -5: "SI_SIGIO", -6: "SI_TKILL", -7: "SI_DETHREAD", -60: "SI_ASYNCNL",
}  # fmt: skip
"""Of signals that somebody sent, by signed number."""

_WITH_ADDRESS = frozenset({"SIGBUS", "SIGFPE", "SIGILL", "SIGSEGV", "SIGTRAP"})
_MTEAERR = 8


def code_name(signal: str | None, code: int) -> str | None:
    """The name of a `si_code` (signed); None for one without."""
    own = CODES.get(signal or "", ())
    return own[code - 1] if 0 < code <= len(own) else SENDER_CODES.get(code)


def has_address(signal: str | None, code: int) -> bool:
    """Whether `si_addr` means something, by debuggerd's rules.

    It does not when a process sent the signal, nor when the tag check was asynchronous.
    """
    if code <= 0 or (signal == "SIGSEGV" and code == _MTEAERR):
        return False
    return signal in _WITH_ADDRESS
