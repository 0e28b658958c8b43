"""What an exception's numbers mean on each system, in the words that crash tools share.

On Linux and Android they are a signal and its `si_code` (asm-generic/siginfo.h); on Windows an
NTSTATUS and parameters (winnt.h); on Apple's systems a Mach exception with its code
(mach/exception_types.h). The spelling of the whole reason is that of Breakpad's processor, odd
blanks included, since crash tools compare it.
"""

from dataclasses import dataclass
from enum import StrEnum

from crashes.formats.minidump.streams import ExceptionRecord
from crashes.formats.signals import CODES, SIGNALS

_REQUESTED = 0xFFFFFFFF


class System(StrEnum):
    """The systems whose exceptions are understood, as crash tools spell them."""

    LINUX = "Linux"
    ANDROID = "Android"
    WINDOWS = "Windows NT"
    MACOS = "Mac OS X"
    IOS = "iOS"

    @property
    def has_elf(self) -> bool:
        """Whether its binaries are ELF files, and its exceptions signals."""
        return self in {System.LINUX, System.ANDROID}


_PLATFORMS = {
    2: System.WINDOWS,
    0x8101: System.MACOS,
    0x8102: System.IOS,
    0x8201: System.LINUX,
    0x8203: System.ANDROID,
}


def system_of(platform: int) -> System | None:
    """The system by its number in the dump; None for one that we know nothing of."""
    return _PLATFORMS.get(platform)


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a process died. `text` is the whole; `signal` and `code` are Linux's words for it.

    `fault_addr` is what the system blames: the address that was accessed, or where it happened.
    """

    text: str
    fault_addr: int
    signal: str | None = None
    signal_number: int | None = None
    code: str | None = None
    is_requested: bool = False


def reason_of(record: ExceptionRecord, system: System | None) -> Reason:
    """The reason in words."""
    if system is not None and system.has_elf:
        return _signal_reason(record)
    if system is System.WINDOWS:
        return Reason(_windows_text(record), _windows_address(record))
    if system is not None:
        return Reason(_apple_text(record), record.address)
    return Reason(f"{record.code:#010x} / {record.flags:#010x}", record.address)


# --- Signals ---------------------------------------------------------------------------------

_SENT = {0x80: "SI_KERNEL", 0xFFFFFFFF: "SI_QUEUE", 0xFFFFFFFA: "SI_TKILL"}
_CODE_IS_SPELLED = frozenset({"SIGILL", "SIGBUS", "SIGFPE", "SIGSEGV"})


def _signal_reason(record: ExceptionRecord) -> Reason:
    if record.code == _REQUESTED:
        return Reason("DUMP_REQUESTED", record.address, is_requested=True)
    signal = SIGNALS.get(record.code)
    if signal is None:
        return Reason(f"{record.code:#010x} / {record.flags:#010x}", record.address)
    own_codes = CODES.get(signal, ())
    is_own = 0 < record.flags <= len(own_codes)
    code = own_codes[record.flags - 1] if is_own else _SENT.get(record.flags)
    return Reason(
        text=_signal_text(signal, code if is_own else None, record.flags),
        fault_addr=record.address,
        signal=signal,
        signal_number=record.code,
        code=code,
    )


def _signal_text(signal: str, code: str | None, flags: int) -> str:
    if signal not in _CODE_IS_SPELLED:
        return signal
    slash = " /" if signal == "SIGSEGV" else " / "
    return signal + slash + (code or f"{flags:#010x}")


# --- Windows ---------------------------------------------------------------------------------

_ACCESS_VIOLATION, _IN_PAGE_ERROR = 0xC0000005, 0xC0000006
_ACCESSES = {0: "_READ", 1: "_WRITE", 8: "_EXEC"}
_NT_CODES = {
    0x0517A7ED: "SIMULATED",
    0x40010005: "DBG_CONTROL_C",
    0x80000001: "EXCEPTION_GUARD_PAGE",
    0x80000002: "EXCEPTION_DATATYPE_MISALIGNMENT",
    0x80000003: "EXCEPTION_BREAKPOINT",
    0x80000004: "EXCEPTION_SINGLE_STEP",
    0xC0000005: "EXCEPTION_ACCESS_VIOLATION",
    0xC0000006: "EXCEPTION_IN_PAGE_ERROR",
    0xC0000008: "EXCEPTION_INVALID_HANDLE",
    0xC000001D: "EXCEPTION_ILLEGAL_INSTRUCTION",
    0xC0000025: "EXCEPTION_NONCONTINUABLE_EXCEPTION",
    0xC0000026: "EXCEPTION_INVALID_DISPOSITION",
    0xC000008C: "EXCEPTION_BOUNDS_EXCEEDED",
    0xC000008D: "EXCEPTION_FLT_DENORMAL_OPERAND",
    0xC000008E: "EXCEPTION_FLT_DIVIDE_BY_ZERO",
    0xC000008F: "EXCEPTION_FLT_INEXACT_RESULT",
    0xC0000090: "EXCEPTION_FLT_INVALID_OPERATION",
    0xC0000091: "EXCEPTION_FLT_OVERFLOW",
    0xC0000092: "EXCEPTION_FLT_STACK_CHECK",
    0xC0000093: "EXCEPTION_FLT_UNDERFLOW",
    0xC0000094: "EXCEPTION_INT_DIVIDE_BY_ZERO",
    0xC0000095: "EXCEPTION_INT_OVERFLOW",
    0xC0000096: "EXCEPTION_PRIV_INSTRUCTION",
    0xC00000FD: "EXCEPTION_STACK_OVERFLOW",
    0xC00000FF: "EXCEPTION_BAD_FUNCTION_TABLE",
    0xC0000194: "EXCEPTION_POSSIBLE_DEADLOCK",
    0xC0000374: "EXCEPTION_HEAP_CORRUPTION",
    0xC0000409: "EXCEPTION_STACK_BUFFER_OVERRUN",
    0xE06D7363: "UNHANDLED_CPP_EXCEPTION",
}


def _windows_text(record: ExceptionRecord) -> str:
    name = _NT_CODES.get(record.code)
    if name is None:
        return f"{record.code:#010x} / {record.flags:#010x}"
    if record.code in {_ACCESS_VIOLATION, _IN_PAGE_ERROR} and record.parameters:
        return name + _ACCESSES.get(record.parameters[0], "")
    return name


def _windows_address(record: ExceptionRecord) -> int:
    accessed = record.code in {_ACCESS_VIOLATION, _IN_PAGE_ERROR} and len(record.parameters) > 1
    return record.parameters[1] if accessed else record.address


# --- Mach ------------------------------------------------------------------------------------

_MACH = {
    1: "EXC_BAD_ACCESS", 2: "EXC_BAD_INSTRUCTION", 3: "EXC_ARITHMETIC", 4: "EXC_EMULATION",
    5: "EXC_SOFTWARE", 6: "EXC_BREAKPOINT", 7: "EXC_SYSCALL", 8: "EXC_MACH_SYSCALL",
    9: "EXC_RPC_ALERT", 11: "EXC_RESOURCE", 12: "EXC_GUARD",
}  # fmt: skip
_MACH_WHOLE = {0x43507378: "Simulated Exception", 0x43506E78: "Uncaught NSException"}
_MACH_CODES = {
    1: {
        1: "KERN_INVALID_ADDRESS", 2: "KERN_PROTECTION_FAILURE", 8: "KERN_NO_ACCESS",
        9: "KERN_MEMORY_FAILURE", 10: "KERN_MEMORY_ERROR", 50: "KERN_CODESIGN_ERROR",
        13: "EXC_I386_GPFLT", 0x101: "EXC_ARM_DA_ALIGN", 0x102: "EXC_ARM_DA_DEBUG",
    },
    2: {
        1: "EXC_I386_INVOP", 10: "EXC_I386_INVTSSFLT", 11: "EXC_I386_SEGNPFLT",
        12: "EXC_I386_STKFLT", 13: "EXC_I386_GPFLT", 14: "EXC_I386_ALIGNFLT",
    },
    3: {
        1: "EXC_I386_DIV", 2: "EXC_I386_INTO", 3: "EXC_I386_NOEXT", 4: "EXC_I386_EXTOVR",
        5: "EXC_I386_EXTERR", 6: "EXC_I386_EMERR", 7: "EXC_I386_BOUND", 8: "EXC_I386_SSEEXTERR",
    },
    5: {0x10002: "SIGABRT", 0x10003: "UNCAUGHT_NS_EXCEPTION"},
    6: {1: "EXC_I386_SGL", 2: "EXC_I386_BPT"},
}  # fmt: skip


def _apple_text(record: ExceptionRecord) -> str:
    whole = _MACH_WHOLE.get(record.code)
    if whole:
        return whole
    name = _MACH.get(record.code)
    flags = f"{record.flags:#010x}"
    if name is None:
        return f"{record.code:#010x} / {flags}"
    return f"{name} / {_MACH_CODES.get(record.code, {}).get(record.flags, flags)}"
