"""The system calls a child may still make, as a seccomp filter program.

An allow-list, because the calls that compute are few and stay the same, while the list of calls
that reach outside grows with every kernel. A child reads its input, writes its answer, asks for
memory, looks at the clock and exits; everything else fails with EPERM, which Python turns into a
`PermissionError`. There is no `open`: inputs come as bytes or as descriptors, modules are loaded
before the filter is. There is no `clone`, `execve`, `socket`, `ptrace` or `kill`.

Five calls are allowed with a condition on one argument: memory never becomes executable, `fcntl`
duplicates descriptors and reads flags but cannot send signals, `newfstatat` only serves as `fstat`,
`tgkill` only reaches the process itself (that is how `abort` works).

A program is a row of `sock_filter` instructions over `struct seccomp_data`:

    offset 0   int    nr                     the call's number
    offset 4   u32    arch                   whose numbering it is: AUDIT_ARCH_*
    offset 16  u64    args[6]                low words first, both architectures are little-endian

A call in another numbering than the process was built for (i386's `int 0x80`) kills the process.
x32 calls are x86-64 calls with bit 30 set in the number: the list holds none, so they are denied.

To allow one more call, add a row to `_CALLS` with its number on each architecture (from the
kernel's `unistd_64.h` and `asm-generic/unistd.h`; None where it does not exist). A new
architecture is a new `Arch` member and a new column.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

_PROT_EXEC = 0x4
_AT_EMPTY_PATH = 0x1000
_FCNTL_COMMANDS = (0, 1, 2, 3, 1030)  # F_DUPFD, F_GETFD, F_SETFD, F_GETFL, F_DUPFD_CLOEXEC

_LOAD_WORD = 0x20  # BPF_LD | BPF_W | BPF_ABS
_JUMP_IF_EQUAL = 0x15  # BPF_JMP | BPF_JEQ | BPF_K
_JUMP_IF_SET = 0x45  # BPF_JMP | BPF_JSET | BPF_K
_RETURN = 0x06  # BPF_RET | BPF_K

_ALLOW = 0x7FFF0000
_DENY = 0x00050001  # SECCOMP_RET_ERRNO | EPERM
_KILL = 0x80000000  # SECCOMP_RET_KILL_PROCESS

_NUMBER_OFFSET = 0
_ARCH_OFFSET = 4
_ARGUMENTS_OFFSET = 16


class Arch(StrEnum):
    """The architectures with a column here, as `platform.machine()` names them."""

    X86_64 = "x86_64"
    AARCH64 = "aarch64"


_AUDIT_ARCH = {Arch.X86_64: 0xC000003E, Arch.AARCH64: 0xC00000B7}

_CALLS: dict[str, tuple[int | None, int | None]] = {
    # The number on x86-64, then on aarch64.
    "read": (0, 63),
    "write": (1, 64),
    "close": (3, 57),
    "fstat": (5, 80),
    "lseek": (8, 62),
    "mmap": (9, 222),
    "mprotect": (10, 226),
    "munmap": (11, 215),
    "brk": (12, 214),
    "rt_sigaction": (13, 134),
    "rt_sigprocmask": (14, 135),
    "rt_sigreturn": (15, 139),
    "pread64": (17, 67),
    "pwrite64": (18, 68),
    "readv": (19, 65),
    "writev": (20, 66),
    "sched_yield": (24, 124),
    "mremap": (25, 216),
    "madvise": (28, 233),
    "nanosleep": (35, 101),
    "setitimer": (38, 103),
    "getpid": (39, 172),
    "exit": (60, 93),
    "fcntl": (72, 25),
    "gettimeofday": (96, 169),
    "getrusage": (98, 165),
    "sysinfo": (99, 179),
    "sigaltstack": (131, 132),
    "gettid": (186, 178),
    "time": (201, None),
    "futex": (202, 98),
    "restart_syscall": (219, 128),
    "clock_gettime": (228, 113),
    "clock_getres": (229, 114),
    "clock_nanosleep": (230, 115),
    "exit_group": (231, 94),
    "tgkill": (234, 131),
    "newfstatat": (262, 79),
    "getrandom": (318, 278),
    "rseq": (334, 293),
}


@dataclass(frozen=True, slots=True)
class _OneOf:
    """The call is allowed when the argument's low word is one of these values."""

    argument: int
    values: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _Without:
    """The call is allowed when the argument has none of these bits."""

    argument: int
    bits: int


_Condition = _OneOf | _Without
_Instruction = tuple[int, int, int, int]
"""Operation, instructions to skip if true, to skip if false, operand."""


def filter_program(arch: Arch, *, own_pid: int) -> bytes:
    """The filter for a process with this pid, as an array of `struct sock_filter`, 8 bytes each."""
    return b"".join(struct.pack("=HBBI", *step) for step in _instructions(arch, own_pid))


def allowed_calls(arch: Arch) -> dict[str, int]:
    """The number of each call the filter lets through, with or without a condition."""
    column = 0 if arch is Arch.X86_64 else 1
    numbers = ((name, row[column]) for name, row in _CALLS.items())
    return {name: number for name, number in numbers if number is not None}


def _conditions(own_pid: int) -> dict[str, _Condition]:
    return {
        "mmap": _Without(argument=2, bits=_PROT_EXEC),
        "mprotect": _Without(argument=2, bits=_PROT_EXEC),
        "fcntl": _OneOf(argument=1, values=_FCNTL_COMMANDS),
        "newfstatat": _OneOf(argument=3, values=(_AT_EMPTY_PATH,)),
        "tgkill": _OneOf(argument=0, values=(own_pid,)),
    }


def _instructions(arch: Arch, own_pid: int) -> Iterator[_Instruction]:
    yield (_LOAD_WORD, 0, 0, _ARCH_OFFSET)
    yield (_JUMP_IF_EQUAL, 1, 0, _AUDIT_ARCH[arch])
    yield (_RETURN, 0, 0, _KILL)
    yield (_LOAD_WORD, 0, 0, _NUMBER_OFFSET)
    conditions = _conditions(own_pid)
    for name, number in allowed_calls(arch).items():
        body = _verdict(conditions.get(name))
        yield (_JUMP_IF_EQUAL, 0, len(body), number)
        yield from body
    yield (_RETURN, 0, 0, _DENY)


def _verdict(condition: _Condition | None) -> list[_Instruction]:
    """What happens once the number has matched; always ends in a return."""
    match condition:
        case None:
            return [(_RETURN, 0, 0, _ALLOW)]
        case _Without(argument, bits):
            return [
                _load_argument(argument),
                (_JUMP_IF_SET, 1, 0, bits),
                (_RETURN, 0, 0, _ALLOW),
                (_RETURN, 0, 0, _DENY),
            ]
        case _OneOf(argument, values):
            # From value i, the allowing return lies behind the remaining values and the denial.
            hops = [
                (_JUMP_IF_EQUAL, len(values) - position, 0, value)
                for position, value in enumerate(values)
            ]
            return [
                _load_argument(argument),
                *hops,
                (_RETURN, 0, 0, _DENY),
                (_RETURN, 0, 0, _ALLOW),
            ]


def _load_argument(argument: int) -> _Instruction:
    return (_LOAD_WORD, 0, 0, _ARGUMENTS_OFFSET + 8 * argument)
