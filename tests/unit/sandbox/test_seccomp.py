"""The filter program, run by an interpreter of the few instructions it uses."""

import struct

import pytest

from uxp_diag.sandbox.seccomp import Arch, allowed_calls, filter_program

ALLOW, EPERM, KILL = 0x7FFF0000, 0x00050001, 0x80000000
AUDIT = {Arch.X86_64: 0xC000003E, Arch.AARCH64: 0xC00000B7}
AUDIT_I386 = 0x40000003
PID = 4242

# Numbers of calls that must never get through: x86-64, aarch64.
FORBIDDEN = {
    "open": (2, None), "openat": (257, 56), "openat2": (437, 437), "creat": (85, None),
    "socket": (41, 198), "connect": (42, 203), "bind": (49, 200), "socketpair": (53, 199),
    "sendmsg": (46, 211), "clone": (56, 220), "fork": (57, None), "vfork": (58, None),
    "clone3": (435, 435), "execve": (59, 221), "execveat": (322, 281), "kill": (62, 129),
    "ptrace": (101, 117), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271),
    "unlink": (87, None), "unlinkat": (263, 35), "rename": (82, None), "renameat2": (316, 276),
    "mount": (165, 40), "unshare": (272, 97), "setns": (308, 268), "keyctl": (250, 219),
    "bpf": (321, 280), "io_uring_setup": (425, 425), "io_uring_enter": (426, 426),
    "prlimit64": (302, 261), "prctl": (157, 167), "seccomp": (317, 277), "memfd_create": (319, 279),
    "pidfd_send_signal": (424, 424), "userfaultfd": (323, 282), "perf_event_open": (298, 241),
    "ioctl": (16, 29), "personality": (135, 92), "setuid": (105, 146), "chmod": (90, None),
}  # fmt: skip


def verdict(arch: Arch, number: int, *args: int, audit: int | None = None) -> int:
    numbering = AUDIT[arch] if audit is None else audit
    padded = (*args, *([0] * (6 - len(args))))
    data = struct.pack("<iIQ6Q", number, numbering, 0, *padded)
    steps: list[tuple[int, int, int, int]] = list(
        struct.iter_unpack("=HBBI", filter_program(arch, own_pid=PID))
    )
    register, at = 0, 0
    while True:
        operation, if_true, if_false, operand = steps[at]
        at += 1
        match operation:
            case 0x20:
                (register,) = struct.unpack_from("<I", data, operand)
            case 0x15:
                at += if_true if register == operand else if_false
            case 0x45:
                at += if_true if register & operand else if_false
            case _:
                assert operation == 0x06
                return operand


@pytest.mark.parametrize("arch", Arch)
@pytest.mark.parametrize("name", FORBIDDEN)
def test_calls_that_reach_outside_are_denied(arch, name):
    number = FORBIDDEN[name][0 if arch is Arch.X86_64 else 1]

    assert number is None or verdict(arch, number) == EPERM


@pytest.mark.parametrize("arch", Arch)
def test_calls_that_only_compute_are_allowed(arch):
    calls = allowed_calls(arch)

    assert {verdict(arch, calls[name]) for name in ("read", "write", "brk", "exit_group")} == {
        ALLOW
    }


@pytest.mark.parametrize("arch", Arch)
def test_everything_that_is_not_listed_is_denied(arch):
    listed = set(allowed_calls(arch).values())

    unlisted = {verdict(arch, number) for number in range(-1, 1024) if number not in listed}

    assert unlisted == {EPERM}


@pytest.mark.parametrize("arch", Arch)
def test_no_number_stands_for_two_calls(arch):
    numbers = list(allowed_calls(arch).values())

    assert len(set(numbers)) == len(numbers)


@pytest.mark.parametrize("arch", Arch)
@pytest.mark.parametrize(
    ("name", "args", "expected"),
    [
        ("mmap", (0, 4096, 0b011), ALLOW),
        ("mmap", (0, 4096, 0b101), EPERM),
        ("mprotect", (0, 4096, 0b001), ALLOW),
        ("mprotect", (0, 4096, 0b100), EPERM),
        ("fcntl", (3, 0), ALLOW),
        ("fcntl", (3, 1030), ALLOW),
        ("fcntl", (3, 8), EPERM),
        ("newfstatat", (3, 0, 0, 0x1000), ALLOW),
        ("newfstatat", (-1 & 0xFFFFFFFF, 0, 0, 0), EPERM),
        ("tgkill", (PID, PID, 6), ALLOW),
        ("tgkill", (1, 1, 9), EPERM),
    ],
)
def test_calls_with_a_condition_look_at_their_argument(arch, name, args, expected):
    assert verdict(arch, allowed_calls(arch)[name], *args) == expected


def test_calls_in_a_foreign_numbering_kill():
    assert verdict(Arch.X86_64, 1, audit=AUDIT_I386) == KILL
    assert verdict(Arch.AARCH64, 64, audit=AUDIT[Arch.X86_64]) == KILL


def test_the_x32_numbering_is_denied():
    x32 = 0x40000000

    assert {verdict(Arch.X86_64, x32 | n) for n in allowed_calls(Arch.X86_64).values()} == {EPERM}
