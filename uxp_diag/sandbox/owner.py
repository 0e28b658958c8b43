"""The owner's side of a job: order a child, ask it, find out how it ended."""

import os
import signal
import socket
import threading
import time
import weakref
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Any, Self, TypeVar, overload

import msgspec

from uxp_diag.sandbox import wire
from uxp_diag.sandbox.nursery import START_SECONDS, Nursery
from uxp_diag.sandbox.terms import (
    FailureReason,
    JobRefused,
    Limits,
    PlainValue,
    SandboxFailure,
    is_allowed,
)
from uxp_diag.sandbox.wire import Notice, NoticeKind, Order

_VERDICT_SECONDS = 5.0
_MOMENT_SECONDS = 0.1  # from a child's last breath to the server's word about it
_REFUSAL_BYTES = 64 * 1024  # an answer may be a refusal even where no output is allowed

# A child that goes on after an input may be short of memory or damaged; then the next input is
# not to blame and gets a child of its own.
_PERHAPS_INHERITED = frozenset({FailureReason.MEMORY, FailureReason.CRASHED, FailureReason.KILLED})
_CPU_SIGNALS = frozenset({signal.SIGPROF, signal.SIGXCPU})
_CRASH_SIGNALS = frozenset(
    {signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGSYS}
)

T = TypeVar("T")

_sandboxes: "weakref.WeakSet[Sandbox]" = weakref.WeakSet()


class ServerGone(Exception):
    """The fork server ended before it made the child; another one will do."""


class Sandbox:
    """Runs functions on hostile input in children that can be killed.

    `preload` names modules the server imports before the first job (`package.*`: all of a
    package); a job that imports later than that fails. `allowed` names the modules, with what lies
    below them, whose functions may be called; without it, those of `preload`. `warm_up` names a function
    of such a module that the server calls once, on bytes of our own: its children inherit what that
    leaves in memory. The server is started by the first job, once per process, also after a fork.
    Threads may share a sandbox.
    """

    def __init__(
        self,
        preload: tuple[str, ...],
        limits: Limits | None = None,
        *,
        allowed: tuple[str, ...] | None = None,
        warm_up: str = "",
    ) -> None:
        self._preload = preload
        self._warm_up = warm_up
        self._limits = limits or Limits()
        names = preload if allowed is None else allowed
        self._allowed = tuple(name.removesuffix(".*") for name in names)
        self._lock = threading.Lock()
        self._nursery: Nursery | None = None
        self._finalizer: weakref.finalize[..., Any] | None = None
        _sandboxes.add(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @overload
    def run(
        self,
        job: str,
        *arguments: PlainValue,
        files: Sequence[int] = (),
        limits: Limits | None = None,
    ) -> Any: ...

    @overload
    def run(
        self,
        job: str,
        *arguments: PlainValue,
        files: Sequence[int] = (),
        limits: Limits | None = None,
        into: type[T],
    ) -> T: ...

    def run(
        self,
        job: str,
        *arguments: PlainValue,
        files: Sequence[int] = (),
        limits: Limits | None = None,
        into: Any = Any,
    ) -> Any:
        """What `job` (`package.module:function`) returns for these arguments and files.

        The function gets the arguments, then one descriptor number per file; a descriptor shares
        its offset with the owner's. The answer is plain, or checked and converted to `into`, a
        dataclass for instance. Raises JobRefused with the job's own error, SandboxFailure when
        there is no answer, ValueError for a job that is not allowed.
        """
        outcome = self.run_many(job, [arguments], files=files, limits=limits, into=into)[0]
        if isinstance(outcome, JobRefused | SandboxFailure):
            raise outcome
        return outcome

    def run_many(
        self,
        job: str,
        batches: Iterable[Sequence[PlainValue]],
        *,
        files: Sequence[int] = (),
        limits: Limits | None = None,
        into: Any = Any,
    ) -> list[Any | JobRefused | SandboxFailure]:
        """One outcome per batch of arguments, in order, from as few children as possible.

        An input that fails takes its child with it and the next one gets a fresh child. Inputs of
        one call share a child's memory: put together only what one sender may know of another.
        Raises SandboxFailure: unavailable when there is no sandbox, ValueError as `run`.
        """
        self._check(job, files)
        inputs = [wire.encode_arguments(tuple(arguments)) for arguments in batches]
        outcomes: list[Any | JobRefused | SandboxFailure] = []
        while len(outcomes) < len(inputs):
            order = Order(job, limits or self._limits, items=len(inputs) - len(outcomes))
            with self._hire(order, files) as hired:
                outcomes += hired.work_off(inputs[len(outcomes) :], into)
        return outcomes

    def protection(self) -> frozenset[str]:
        """The layers that hold on this machine (`Protection`), found out by trying them."""
        return self._running_nursery().protections

    @property
    def server_pid(self) -> int | None:
        """The process id of the fork server, for whoever watches processes; None before a job."""
        nursery = self._nursery
        return None if nursery is None else nursery.pid

    def close(self) -> None:
        """End the server and whatever still runs in it. A later job starts a new one."""
        with self._lock:
            self._drop()

    def _check(self, job: str, files: Sequence[int]) -> None:
        module, _, function = job.partition(":")
        if not is_allowed(module, self._allowed) or not function.isidentifier():
            raise ValueError(f"not a job of this sandbox: {job}")
        if len(files) > wire.MAX_FILES:
            raise ValueError(f"at most {wire.MAX_FILES} files, not {len(files)}")
        for fd in files:
            os.fstat(fd)  # a closed one is the caller's mistake and not the server's end

    def _hire(self, order: Order, files: Sequence[int]) -> "_Hired":
        """A child, from a second server if the first turns out to be gone."""
        nursery = self._running_nursery()
        try:
            return _Hired(nursery, order, files)
        except ServerGone:
            self._replace(nursery)
        try:
            return _Hired(self._running_nursery(), order, files)
        except ServerGone as problem:
            raise SandboxFailure(FailureReason.UNAVAILABLE, "the server keeps dying") from problem

    def _running_nursery(self) -> Nursery:
        with self._lock:
            if self._nursery is None or not self._nursery.is_running():
                self._drop()
                self._nursery = Nursery(self._preload, self._allowed, self._warm_up)
                self._finalizer = weakref.finalize(self, self._nursery.stop)
            return self._nursery

    def _replace(self, gone: Nursery) -> None:
        """Drop this server, unless another thread has done so and works with its successor."""
        with self._lock:
            if self._nursery is gone:
                self._drop()

    def _drop(self) -> None:
        if self._finalizer is not None:
            self._finalizer()
        self._nursery = self._finalizer = None

    def _start_over_after_fork(self) -> None:
        """In the fork of an owner: another thread may have held the lock, the server is not ours."""
        self._lock = threading.Lock()
        if self._finalizer is not None and self._nursery is not None:
            self._finalizer.detach()
            self._nursery.forget()
        self._nursery = self._finalizer = None


def _start_over_after_fork() -> None:
    for sandbox in list(_sandboxes):
        sandbox._start_over_after_fork()  # noqa: SLF001  one idea in two places


os.register_at_fork(after_in_child=_start_over_after_fork)


class _Hired:
    """One child at work for this thread: a stream for data, a lifeline for its end."""

    def __init__(self, nursery: Nursery, order: Order, files: Sequence[int]) -> None:
        self._nursery = nursery
        self._limits = order.limits
        self._ahead: memoryview | None = None
        self._stream, theirs = socket.socketpair()
        self._lifeline, their_lifeline = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            with theirs, their_lifeline:
                self._send(order, [their_lifeline.fileno(), theirs.fileno(), *files])
            self._await_start()
        except BaseException:
            self.__exit__()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Let go: the server kills what is left. Shut down, since a fork may hold a copy."""
        with suppress(OSError):
            self._lifeline.shutdown(socket.SHUT_RDWR)
        self._lifeline.close()
        self._stream.close()

    def work_off(self, inputs: list[bytes], into: Any) -> list[Any | JobRefused | SandboxFailure]:
        """Outcomes up to and including the first failure, at least one."""
        outcomes: list[Any | JobRefused | SandboxFailure] = []
        for place, arguments in enumerate(inputs):
            following = inputs[place + 1] if place + 1 < len(inputs) else None
            outcome = self._ask(arguments, following, into)
            if not isinstance(outcome, SandboxFailure):
                outcomes.append(outcome)
                continue
            if not outcomes or outcome.reason not in _PERHAPS_INHERITED:
                outcomes.append(outcome)
            break
        return outcomes

    def _send(self, order: Order, descriptors: list[int]) -> None:
        try:
            self._nursery.send(order, descriptors)
        except OSError as problem:
            raise ServerGone from problem

    def _await_start(self) -> None:
        notice = self._next_notice_soon(START_SECONDS)
        if notice is None:
            raise ServerGone
        if notice.kind is not NoticeKind.STARTED:
            raise SandboxFailure(FailureReason.UNAVAILABLE, notice.detail)

    def _next_notice(self, seconds: float) -> Notice | None:
        """What the server says; None when it is gone. Raises TimeoutError."""
        self._lifeline.settimeout(seconds)
        try:
            message = self._lifeline.recv(wire.MAX_MESSAGE_BYTES)
        except ConnectionError:
            return None
        return msgspec.msgpack.decode(message, type=Notice) if message else None

    def _next_notice_soon(self, seconds: float) -> Notice | None:
        """What the server says without waiting for a child; one that stays silent is ended."""
        try:
            return self._next_notice(seconds)
        except TimeoutError:
            self._nursery.kill()
            return None

    def _ask(
        self, arguments: bytes, following: bytes | None, into: Any
    ) -> Any | JobRefused | SandboxFailure:
        deadline = time.monotonic() + self._limits.wall_seconds
        try:
            return wire.decode_answer(self._exchange(arguments, following, deadline), into)
        except ConnectionError:
            return self._find_cause(deadline)
        except TimeoutError:
            return self._overdue()
        except SandboxFailure as failure:
            self._stop()
            return failure

    def _exchange(self, arguments: bytes, following: bytes | None, deadline: float) -> bytes:
        """Send one frame, get one. Raises ConnectionError when the child hangs up, or TimeoutError.

        The frame that follows is sent as far as the stream has room for it, so that the child need
        not wait for its owner; whoever fails has not looked at it.
        """
        if self._ahead is None:
            self._ahead = self._sent_ahead(arguments)
        if self._ahead:
            self._stream.settimeout(_left(deadline))
            self._stream.sendall(self._ahead)
        self._ahead = None if following is None else self._sent_ahead(following)
        size = wire.FRAME_HEADER.unpack(self._receive(wire.FRAME_HEADER.size, deadline))[0]
        if size > max(self._limits.output_bytes, _REFUSAL_BYTES):
            raise SandboxFailure(FailureReason.OUTPUT_TOO_LARGE, f"{size} bytes announced")
        return self._receive(size, deadline)

    def _sent_ahead(self, arguments: bytes) -> memoryview:
        """The part of a frame that had no room yet. Waiting for room could wait for each other."""
        header = wire.FRAME_HEADER.pack(len(arguments))
        try:
            sent = self._stream.sendmsg([header, arguments], [], socket.MSG_DONTWAIT)
        except (BlockingIOError, ConnectionError):  # one that has hung up may have answered first
            sent = 0
        if sent < len(header):
            return memoryview(header + arguments)[sent:]
        return memoryview(arguments)[sent - len(header) :]

    def _receive(self, size: int, deadline: float) -> bytes:
        content = bytearray(size)
        rest = memoryview(content)
        while rest:
            self._stream.settimeout(_left(deadline))
            got = self._stream.recv_into(rest)
            if got == 0:
                raise ConnectionResetError
            rest = rest[got:]
        return bytes(content)

    def _stop(self) -> None:
        """Have the child killed, and see it dead before the caller goes on."""
        with suppress(OSError):
            self._lifeline.shutdown(socket.SHUT_WR)
        self._next_notice_soon(_VERDICT_SECONDS)

    def _overdue(self) -> SandboxFailure:
        self._stop()
        waited = f"no answer within {self._limits.wall_seconds} s"
        return SandboxFailure(FailureReason.TIMEOUT, waited)

    def _find_cause(self, deadline: float) -> SandboxFailure:
        """Why the child hung up. It may live on without its stream, though not beyond its time."""
        try:
            notice = self._next_notice(max(_left(deadline), _MOMENT_SECONDS))
        except TimeoutError:
            return self._overdue()
        if notice is None:
            return SandboxFailure(FailureReason.KILLED, "the fork server ended")
        return _cause(notice)


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def _cause(notice: Notice) -> SandboxFailure:
    """A child's end as a reason."""
    if notice.signal:
        name = signal.Signals(notice.signal).name
        if notice.signal in _CPU_SIGNALS:
            return SandboxFailure(FailureReason.CPU, "CPU time used up")
        crashed = notice.signal in _CRASH_SIGNALS
        return SandboxFailure(FailureReason.CRASHED if crashed else FailureReason.KILLED, name)
    if notice.exit_code == wire.EXIT_OUT_OF_MEMORY:
        return SandboxFailure(FailureReason.MEMORY, "no memory left to say so")
    if notice.exit_code == wire.EXIT_NOT_CONFINED:
        return SandboxFailure(FailureReason.UNAVAILABLE, "the child could not be confined")
    detail = f"exited with {notice.exit_code} before it answered"
    return SandboxFailure(FailureReason.CRASHED, detail)
