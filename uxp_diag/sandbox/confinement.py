"""What a child gives up before it may see a hostile byte.

`confine` applies every layer the kernel offers and answers with those that hold:

    rlimits            CPU time, address space, file size, 96 descriptors, no core, no processes
    no_new_privs       no way back up through a setuid program
    no_capabilities    root in the parent is nobody in the child
    landlock           no file, no TCP port, no signal to the outside, by the kernel's own rules
    seccomp            only the calls that compute (`uxp_diag.sandbox.seccomp`)

Landlock repeats in other words what seccomp says about files. It is there for architectures that
have no filter table here, and because two mechanisms rarely fail together. The sixth layer, an
empty network namespace, costs 3 ms to make; the server enters one once and its children are born
inside (`leave_the_network`).

Every step is prepared at import: the child calls into libc and computes, it loads nothing.
A step that the kernel does not know is left out of the answer. The server compares the answer with
what its first child achieved and a child that got less does not work (`uxp_diag.sandbox.child`).
"""

import ctypes
import math
import os
import platform
import resource
from pathlib import Path

from uxp_diag.sandbox import seccomp
from uxp_diag.sandbox.terms import Limits, Protection

MAX_DESCRIPTORS = 96  # those of a job, and once more for each that it maps into memory

_PR_SET_PDEATHSIG = 1
_PR_SET_DUMPABLE = 4
_PR_SET_NAME = 15
_PR_SET_SECCOMP = 22
_PR_SET_NO_NEW_PRIVS = 38
_SECCOMP_MODE_FILTER = 2
_CLONE_NEWUSER = 0x10000000
_CLONE_NEWNET = 0x40000000

# The three Landlock calls were added after the tables of all architectures were joined.
_LANDLOCK_CREATE_RULESET = 444
_LANDLOCK_RESTRICT_SELF = 446
_LANDLOCK_CREATE_RULESET_VERSION = 1
_FILE_RIGHTS = {1: 0x1FFF, 2: 0x3FFF, 3: 0x7FFF, 4: 0x7FFF}  # by version of the interface
_FILE_RIGHTS_NEWER = 0xFFFF  # version 5 added device ioctls
_NET_RIGHTS = 0x3  # bind and connect TCP, version 4
_SCOPES = 0x3  # abstract UNIX sockets and signals, version 6
_NET_SINCE_VERSION = 4
_SCOPES_SINCE_VERSION = 6

_CAPABILITY_VERSION_3 = 0x20080522

_libc = ctypes.CDLL(None, use_errno=True)
_prctl = _libc.prctl
_prctl.argtypes = [ctypes.c_int] + [ctypes.c_ulong] * 4
_syscall = _libc.syscall
_syscall.restype = ctypes.c_long
_unshare = _libc.unshare
_unshare.argtypes = [ctypes.c_int]


class _FilterProgram(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_void_p))


class _CapabilityHeader(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _RulesetAttributes(ctypes.Structure):
    _fields_ = (
        ("files", ctypes.c_uint64),
        ("net", ctypes.c_uint64),
        ("scoped", ctypes.c_uint64),
    )


def _own_arch() -> seccomp.Arch | None:
    """The filter table for this process; a 32-bit process on a 64-bit kernel has none."""
    machine = platform.machine()
    if ctypes.sizeof(ctypes.c_void_p) != 8 or machine not in set(seccomp.Arch):  # noqa: PLR2004
        return None
    return seccomp.Arch(machine)


_ARCH = _own_arch()


def name_process(name: str) -> None:
    """Give the process a name for `ps` and `top`; the kernel keeps 15 characters."""
    text = ctypes.create_string_buffer(name.encode())
    _prctl(_PR_SET_NAME, ctypes.addressof(text), 0, 0, 0)


def leave_the_network() -> bool:
    """Enter a network namespace with nothing in it, for this process and its later children.

    Needs CAP_SYS_ADMIN or the right to make user namespaces; answers whether it worked.
    """
    return bool(_unshare(_CLONE_NEWNET) == 0 or _unshare(_CLONE_NEWUSER | _CLONE_NEWNET) == 0)


def offer_to_the_oom_killer() -> None:
    """Ask the kernel, when memory runs out, to take this process before the worker it serves."""
    try:
        Path("/proc/self/oom_score_adj").write_text("800", encoding="ascii")
    except OSError:  # no /proc, or a container that forbids it: then the scores stay equal
        return


def die_with_parent(parent_pid: int) -> bool:
    """Have the kernel kill this process when its parent ends; False if it has ended already.

    Only right where the parent has one thread: the kernel means the *thread* that forked.
    """
    _prctl(_PR_SET_PDEATHSIG, 9, 0, 0, 0)
    return os.getppid() == parent_pid


def confine(limits: Limits, *, items: int) -> frozenset[Protection]:
    """Give everything up, for good. `items` inputs are to come, each with its own CPU time."""
    held = {Protection.RLIMITS}
    _limit_resources(limits, items)
    if _prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0:
        held.add(Protection.NO_NEW_PRIVS)
    # Core handlers behind a pipe ignore RLIMIT_CORE; they do respect this. Also no ptrace.
    _prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
    if _restrict_files():
        held.add(Protection.LANDLOCK)
    if _drop_capabilities():
        held.add(Protection.NO_CAPABILITIES)
    if _ARCH is not None and _install_filter(_ARCH):
        held.add(Protection.SECCOMP)
    return frozenset(held)


def _limit_resources(limits: Limits, items: int) -> None:
    """The hard ends. CPU per input is a timer of the child; this is what no timer can extend."""
    cpu_seconds = math.ceil(limits.cpu_seconds * items)
    address_space = _address_space_bytes() + limits.memory_bytes
    for what, soft, hard in (
        (resource.RLIMIT_CPU, cpu_seconds, cpu_seconds + 1),
        (resource.RLIMIT_AS, address_space, address_space),
        (resource.RLIMIT_FSIZE, limits.file_bytes, limits.file_bytes),
        (resource.RLIMIT_NOFILE, MAX_DESCRIPTORS, MAX_DESCRIPTORS),
        (resource.RLIMIT_CORE, 0, 0),
        (resource.RLIMIT_NPROC, 0, 0),
    ):
        ceiling = resource.getrlimit(what)[1]
        if ceiling == resource.RLIM_INFINITY:
            resource.setrlimit(what, (soft, hard))
        else:
            resource.setrlimit(what, (min(soft, ceiling), min(hard, ceiling)))


def _address_space_bytes() -> int:
    pages = Path("/proc/self/statm").read_text(encoding="ascii").split()[0]
    return int(pages) * resource.getpagesize()


def _restrict_files() -> bool:
    """Landlock with no rule at all: whatever it handles is denied."""
    version = _syscall(
        ctypes.c_long(_LANDLOCK_CREATE_RULESET),
        None,
        ctypes.c_size_t(0),
        ctypes.c_uint32(_LANDLOCK_CREATE_RULESET_VERSION),
    )
    if version < 1:
        return False
    attributes = _RulesetAttributes(
        files=_FILE_RIGHTS.get(version, _FILE_RIGHTS_NEWER),
        net=_NET_RIGHTS if version >= _NET_SINCE_VERSION else 0,
        scoped=_SCOPES if version >= _SCOPES_SINCE_VERSION else 0,
    )
    ruleset = _syscall(
        ctypes.c_long(_LANDLOCK_CREATE_RULESET),
        ctypes.byref(attributes),
        ctypes.c_size_t(ctypes.sizeof(attributes)),
        ctypes.c_uint32(0),
    )
    if ruleset < 0:
        return False
    restricted = _syscall(
        ctypes.c_long(_LANDLOCK_RESTRICT_SELF), ctypes.c_int(ruleset), ctypes.c_uint32(0)
    )
    os.close(ruleset)
    return bool(restricted == 0)


def _drop_capabilities() -> bool:
    """No capability, effective, permitted or inheritable. Ambient ones go with the permitted."""
    header = _CapabilityHeader(_CAPABILITY_VERSION_3, 0)
    nothing = (ctypes.c_uint32 * 6)()
    return bool(_libc.capset(ctypes.byref(header), nothing) == 0)


def _install_filter(arch: seccomp.Arch) -> bool:
    code = seccomp.filter_program(arch, own_pid=os.getpid())
    instructions = ctypes.create_string_buffer(code, len(code))
    program = _FilterProgram(len(code) // 8, ctypes.addressof(instructions))
    return bool(_prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.addressof(program), 0, 0) == 0)
