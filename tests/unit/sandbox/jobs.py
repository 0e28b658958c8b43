"""Jobs that behave badly, each in one way."""

# ruff: noqa: PTH102, PTH104, PTH108, PTH208, S108, S606  the system calls themselves are meant

import ctypes
import mmap
import os
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

from elftools.elf.elffile import ELFFile

from uxp_diag.sandbox import PlainValue


class Malformed(Exception):
    def __init__(self, code: str, detail: str, where: str | None) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.where = where


remembered: list[bytes] = []


def echo(*values: PlainValue) -> list[PlainValue]:
    return list(values)


def remember_warmth() -> None:
    remembered.append(b"warm")


def recall() -> list[bytes]:
    return remembered


def reverse(payload: bytes) -> bytes:
    return payload[::-1]


def pid() -> int:
    return os.getpid()


def refuse(code: str, detail: str, where: str | None) -> None:
    raise Malformed(code, detail, where)


def quote_input(payload: str) -> int:
    return int(payload)


def leave() -> None:
    raise SystemExit(3)


def spin() -> None:
    while True:
        pass


def sleep(seconds: float) -> str:
    time.sleep(seconds)
    return "awake"


def allocate(size_bytes: int) -> int:
    return len(b"\1" * size_bytes)


def hoard(size_bytes: int) -> int:
    remembered.append(b"\1" * size_bytes)
    return len(remembered)


def recurse() -> None:
    recurse()


def segfault() -> bytes:
    return ctypes.string_at(0)


def abort() -> None:
    os.abort()


def exit_silently(code: int) -> None:
    os._exit(code)


def hang_up() -> None:
    os.close(3)
    time.sleep(60)


def fill(size_bytes: int) -> bytes:
    return bytes(size_bytes)


def forge(frame: bytes) -> None:
    """What a child sends that has been taken over."""
    os.write(3, frame)
    time.sleep(60)


def make_unplain() -> object:
    return {object()}


def act(payload: str) -> PlainValue:
    """One act per word, so that a batch may mix good and bad ones."""
    acts: dict[str, Callable[[], object]] = {
        "segfault": segfault,
        "spin": spin,
        "leave": leave,
        "sleep": lambda: sleep(60),
    }
    acts["refuse"] = lambda: refuse("not_good", "bad", None)
    if payload in acts:
        acts[payload]()
    return payload.upper()


def attempt(name: str) -> str:
    """How one reach beyond the child ends: the name of the error, or `done`."""
    try:
        _ATTEMPTS[name]()
    except (OSError, ValueError) as problem:
        return type(problem).__name__
    return "done"


def _thread() -> None:
    try:
        threading.Thread(target=int).start()
    except RuntimeError as problem:
        raise OSError from problem


_ATTEMPTS: dict[str, Callable[[], object]] = {
    "tcp socket": socket.socket,
    "unix socket": lambda: socket.socket(socket.AF_UNIX),
    "socket pair": socket.socketpair,
    "fork": os.fork,
    "thread": _thread,
    "exec": lambda: os.execv("/bin/true", ["true"]),
    "subprocess": lambda: subprocess.run(["/bin/true"], check=False),
    "read a file": lambda: Path("/etc/passwd").read_bytes(),
    "read the environment": lambda: Path("/proc/self/environ").read_bytes(),
    "write a file": lambda: Path("/tmp/sandbox-was-here").write_bytes(b"x"),
    "list a directory": lambda: os.listdir("/"),
    "unlink": lambda: os.unlink("/tmp/sandbox-never-was"),
    "rename": lambda: os.rename("/tmp/sandbox-never-was", "/tmp/sandbox-still-not"),
    "make a directory": lambda: os.mkdir("/tmp/sandbox-was-here"),
    "signal the parent": lambda: os.kill(os.getppid(), signal.SIGCONT),
    "signal everybody": lambda: os.kill(-1, 0),
    "raise a limit": lambda: resource.setrlimit(resource.RLIMIT_CPU, (60, 60)),
    "become root": lambda: os.setuid(0),
    "memory file": lambda: os.memfd_create("x"),
    "named pipe": lambda: os.mkfifo("/tmp/sandbox-was-here"),
    "change directory": lambda: os.chdir("/"),
}


def attempts() -> list[str]:
    return list(_ATTEMPTS)


def run_code_from_the_heap() -> int:
    return len(mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC))


def environment() -> dict[str, str]:
    return dict(os.environ)


def loaded_modules() -> list[str]:
    return sorted(sys.modules)


def open_descriptors(*_: int) -> list[int]:
    found = []
    for fd in range(64):
        try:
            os.fstat(fd)
        except OSError:
            continue
        found.append(fd)
    return found


def copy(source: int, target: int) -> int:
    return os.write(target, os.pread(source, 1 << 20, 0))


def read_files(*fds: int) -> list[bytes]:
    return [os.pread(fd, 100, 0) for fd in fds]


def use_lazy_corners(text: str) -> list[PlainValue]:
    """Things the standard library imports on first use."""
    from datetime import datetime  # noqa: PLC0415

    day = datetime.strptime("2026-11-02 +0000", "%Y-%m-%d %z")
    return [day.year, text.encode("utf-16-le"), "É".encode("latin-1"), f"{text:>10}"]


def count_lines(elf: bytes) -> int:
    """Entries of the line programs of an ELF file, as an innocent reader would count them."""
    dwarf = ELFFile(BytesIO(elf)).get_dwarf_info()
    programs = (dwarf.line_program_for_CU(unit) for unit in dwarf.iter_CUs())
    return sum(len(program.get_entries()) for program in programs if program is not None)
