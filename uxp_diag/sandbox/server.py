"""The fork server: a process with one thread that turns orders into confined children.

    python -I -c "…" ROOT FD      `uxp_diag.sandbox.nursery` starts it; FD is its control socket

It exists because forking the worker itself is out of the question (threads, secrets in memory,
sockets) and a fresh interpreter costs 100 ms. The server has loaded what the jobs need and nothing
else, so a fork of it is both quick and harmless. It never reads a hostile byte: an order names a
function and brings descriptors, the input goes from the owner straight to the child.

It leaves when its owner does: the control socket reports the end, and should a fork of the owner
still hold a copy of that socket, the owner's pidfd does. (PR_SET_PDEATHSIG would be wrong here:
it fires when the owner's *thread* ends that happened to start the server.) A child ends with its
work, when the owner lets go of the lifeline, when it is overdue, or with the server.
"""

import codecs
import gc
import importlib
import inspect
import os
import pkgutil
import resource
import selectors
import signal
import socket
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import NoReturn

import msgspec

from uxp_diag.sandbox import child, confinement, wire
from uxp_diag.sandbox.terms import Limits, Protection, is_allowed
from uxp_diag.sandbox.wire import Hello, Notice, NoticeKind, Order, Ready

GRACE_SECONDS = 5.0
_OPEN_FILES = 1024  # bounds the children at a time and what a child has to close

# What the standard library loads only when it is first used, which is too late in a child.
_LAZY_MODULES = ("_strptime", "unicodedata", "encodings.idna")
_LAZY_CODECS = ("ascii", "latin-1", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32")


class OrderRefused(Exception):
    """The order names something that is not there or not allowed."""


@dataclass(frozen=True, slots=True)
class _Birth:
    """A running child as the server sees it. `overdue_at` is on the monotonic clock."""

    pid: int
    lifeline: int
    overdue_at: float


def main(control_fd: int) -> None:
    """Serve one owner until it goes away."""
    control = socket.socket(fileno=control_fd)
    hello = msgspec.msgpack.decode(control.recv(wire.MAX_MESSAGE_BYTES), type=Hello)
    _settle_down()
    try:
        load(hello.preload)
        if hello.warm_up:
            find_job(hello.warm_up, hello.allowed)()
    except Exception as problem:  # whatever an import raises, the owner must hear
        control.send(msgspec.msgpack.encode(Ready(problem=f"{type(problem).__name__}: {problem}")))
        return
    gc.collect()
    gc.freeze()  # no collection in a child writes to, and so copies, the pages they share
    protections = _attainable()
    around = {Protection.NETWORK_NAMESPACE} if confinement.leave_the_network() else set()
    control.send(msgspec.msgpack.encode(Ready(tuple(sorted(protections | around)))))
    Server(control, hello, protections).serve()


def load(names: Iterable[str]) -> None:
    """Import modules; `package.*` stands for a package with everything below it."""
    for name in names:
        package = importlib.import_module(name.removesuffix(".*"))
        if name.endswith(".*"):
            for found in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
                importlib.import_module(found.name)


def find_job(job: str, allowed: Iterable[str]) -> child.JobFunction:
    """The function behind `module:function`; it must be defined in an allowed module."""
    module_name, _, name = job.partition(":")
    if not is_allowed(module_name, allowed):
        raise OrderRefused(f"{module_name} is not allowed")
    try:
        function = getattr(importlib.import_module(module_name), name, None)
    except Exception as problem:
        raise OrderRefused(f"{type(problem).__name__}: {problem}") from problem
    if not inspect.isfunction(function) or function.__module__ != module_name:
        raise OrderRefused(f"{module_name} defines no function {name}")
    return function


def _settle_down() -> None:
    confinement.name_process("uxp-sandbox")
    confinement.offer_to_the_oom_killer()
    # A terminal's or a service manager's signal goes to the whole group; only the owner decides.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    ceiling = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    unlimited = ceiling == resource.RLIM_INFINITY
    soft = _OPEN_FILES if unlimited else min(_OPEN_FILES, ceiling)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, ceiling))
    load(_LAZY_MODULES)
    for codec in _LAZY_CODECS:
        codecs.lookup(codec)


def _attainable() -> frozenset[Protection]:
    """What a child gets on this machine, found out by confining one. Empty if it did not survive."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.write(writer, ",".join(confinement.confine(Limits(), items=1)).encode())
        finally:
            os._exit(0)
    os.close(writer)
    names = os.read(reader, 1024).decode()
    os.close(reader)
    os.waitpid(pid, 0)
    return frozenset(Protection(name) for name in names.split(",") if name)


class Server:
    """The loop: orders in, children out, and an eye on each of them."""

    def __init__(self, control: socket.socket, hello: Hello, protections: frozenset[Protection]):
        self._control = control
        self._allowed = hello.allowed
        self._protections = protections
        self._children: dict[int, _Birth] = {}
        self._selector = selectors.DefaultSelector()
        self._null = os.open(os.devnull, os.O_RDWR)
        self._serving = True
        self._watch(control.fileno(), self._take_order)
        self._watch(self._wake_on_child_end(), self._reap)
        self._watch_owner(hello.owner_pid)

    def serve(self) -> None:
        """Run until the owner is gone, then take the children along."""
        while self._serving:
            for key, _ in self._selector.select(self._patience()):
                key.data(key.fd)
            self._kill_overdue()
        for birth in self._children.values():
            _kill(birth.pid)

    def _watch(self, fd: int, react: Callable[[int], None]) -> None:
        self._selector.register(fd, selectors.EVENT_READ, react)

    def _wake_on_child_end(self) -> int:
        """A descriptor that becomes readable with SIGCHLD."""
        reader, writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        return reader

    def _watch_owner(self, pid: int) -> None:
        with suppress(OSError):  # a kernel before 5.3: the control socket has to do
            self._watch(os.pidfd_open(pid), self._leave)
        if os.getppid() != pid:
            self._serving = False

    def _leave(self, _fd: int) -> None:
        self._serving = False

    def _patience(self) -> float | None:
        if not self._children:
            return None
        first = min(birth.overdue_at for birth in self._children.values())
        return max(0.0, first - time.monotonic())

    def _take_order(self, _fd: int) -> None:
        message, fds, _, _ = socket.recv_fds(
            self._control, wire.MAX_MESSAGE_BYTES, wire.MAX_FILES + 2, socket.MSG_CMSG_CLOEXEC
        )
        if not message:
            self._serving = False
            return
        if fds:  # none: out of descriptors; the owner sees its ends close
            self._carry_out(message, fds)

    def _carry_out(self, message: bytes, fds: list[int]) -> None:
        lifeline, *descriptors = fds
        try:
            order = msgspec.msgpack.decode(message, type=Order)
            if not descriptors:
                raise OrderRefused("too many jobs at once")
            pid = self._fork(order, find_job(order.job, self._allowed), descriptors)
        except (OrderRefused, OSError) as problem:
            _notify(lifeline, Notice(NoticeKind.REFUSED, detail=str(problem)))
            os.close(lifeline)
        else:
            self._adopt(pid, lifeline, order)
        finally:
            for fd in descriptors:
                os.close(fd)

    def _fork(self, order: Order, function: child.JobFunction, descriptors: list[int]) -> int:
        server_pid = os.getpid()
        pid = os.fork()
        if pid == 0:
            self._become_child(order, function, descriptors, server_pid)
        return pid

    def _become_child(
        self, order: Order, function: child.JobFunction, descriptors: list[int], server_pid: int
    ) -> NoReturn:
        try:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            child.live(
                function,
                order.limits,
                order.items,
                descriptors=descriptors,
                null=self._null,
                server_pid=server_pid,
                expected=self._protections,
            )
        finally:
            os._exit(wire.EXIT_NOT_CONFINED)  # nothing may ever return into the server's loop

    def _adopt(self, pid: int, lifeline: int, order: Order) -> None:
        allotted = order.limits.wall_seconds * order.items + GRACE_SECONDS
        self._children[pid] = _Birth(pid, lifeline, time.monotonic() + allotted)
        _notify(lifeline, Notice(NoticeKind.STARTED))
        self._watch(lifeline, lambda _fd: self._let_go(pid))

    def _let_go(self, pid: int) -> None:
        """The owner says nothing on a lifeline; readable means that it has closed its end."""
        if pid in self._children:  # else it was buried a moment ago
            self._selector.unregister(self._children[pid].lifeline)
            _kill(pid)

    def _kill_overdue(self) -> None:
        now = time.monotonic()
        for birth in self._children.values():
            if birth.overdue_at <= now:
                _kill(birth.pid)

    def _reap(self, wakeup: int) -> None:
        os.read(wakeup, 4096)
        while (pid := _next_dead()) is not None:
            # Whatever the child may have started goes first, while its pid still names its group.
            _kill(pid)
            status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
            self._bury(self._children.pop(pid), status)

    def _bury(self, birth: _Birth, status: int) -> None:
        notice = Notice(NoticeKind.ENDED, signal=max(0, -status), exit_code=max(0, status))
        _notify(birth.lifeline, notice)
        with suppress(KeyError):  # let go already
            self._selector.unregister(birth.lifeline)
        os.close(birth.lifeline)


def _next_dead() -> int | None:
    try:
        found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return None
    return None if found is None else found.si_pid


def _kill(pid: int) -> None:
    """End a child that has not been waited for, with its process group if it has one already."""
    for kill in (os.killpg, os.kill):
        with suppress(ProcessLookupError, PermissionError):
            kill(pid, signal.SIGKILL)


def _notify(lifeline: int, notice: Notice) -> None:
    with suppress(OSError):  # the owner has gone; its child goes with the lifeline
        os.write(lifeline, msgspec.msgpack.encode(notice))
