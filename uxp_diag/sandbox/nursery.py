"""The owner's hold on its fork server: start it, hand it orders, stop it."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import msgspec

from uxp_diag.sandbox import wire
from uxp_diag.sandbox.terms import FailureReason, SandboxFailure
from uxp_diag.sandbox.wire import Hello, Order, Ready

START_SECONDS = 30.0
STOP_SECONDS = 5.0

_ROOT = Path(__file__).resolve().parents[2]

# -I keeps PYTHON* variables, the user's site directory and the working directory out; the checkout
# is the one place that is added.
_BOOT = (
    "import sys; sys.path.insert(0, sys.argv[1]); "
    "from uxp_diag.sandbox.server import main; main(int(sys.argv[2]))"
)
# Where Python itself may need help to find its own libraries. Nothing else is passed on.
_KEPT_VARIABLES = ("LD_LIBRARY_PATH",)


class Nursery:
    """A running fork server. Several threads may order at once: a message arrives whole or not."""

    def __init__(
        self, preload: tuple[str, ...], allowed: tuple[str, ...], warm_up: str = ""
    ) -> None:
        """Start it and wait until it has loaded `preload`. Raises SandboxFailure: unavailable."""
        self._control, self._process = _start()
        try:
            self.protections = self._greet(Hello(os.getpid(), preload, allowed, warm_up))
        except BaseException:
            self.stop()
            raise

    @property
    def pid(self) -> int:
        """The server's process id."""
        return self._process.pid

    def is_running(self) -> bool:
        """Whether the server process exists."""
        return self._process.poll() is None

    def send(self, order: Order, descriptors: Sequence[int]) -> None:
        """Ask for a child; the lifeline comes first, then the stream, then files. Raises OSError."""
        socket.send_fds(self._control, [msgspec.msgpack.encode(order)], descriptors)

    def kill(self) -> None:
        """End the server at once; the kernel ends its children."""
        self._process.kill()

    def stop(self) -> None:
        """Ask the server to leave, insist after a while, and collect it."""
        with suppress(OSError):
            self._control.shutdown(socket.SHUT_RDWR)
        self._control.close()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def forget(self) -> None:
        """Let go in a fork of the owner, where this server is somebody else's child."""
        self._control.close()
        self._process.returncode = -signal.SIGKILL  # nothing here to wait for

    def _greet(self, hello: Hello) -> frozenset[str]:
        try:
            self._control.settimeout(START_SECONDS)
            self._control.send(msgspec.msgpack.encode(hello))
            answer = self._control.recv(wire.MAX_MESSAGE_BYTES)
            ready = msgspec.msgpack.decode(answer, type=Ready)
        except (OSError, msgspec.DecodeError) as problem:
            raise _unavailable(f"the fork server did not come up: {problem}") from problem
        if ready.problem is not None:
            raise _unavailable(ready.problem)
        if not ready.protections:
            raise _unavailable("a confined child did not survive")
        return frozenset(ready.protections)


def _unavailable(detail: str) -> SandboxFailure:
    return SandboxFailure(FailureReason.UNAVAILABLE, detail)


def _start() -> tuple[socket.socket, subprocess.Popen[bytes]]:
    try:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    except OSError as problem:
        raise _unavailable(f"no sockets of this kind here: {problem}") from problem
    with theirs:
        try:
            return ours, _spawn(theirs.fileno())
        except OSError as problem:
            ours.close()
            raise _unavailable(f"no interpreter: {problem}") from problem


def _spawn(control_fd: int) -> subprocess.Popen[bytes]:
    kept = {name: os.environ[name] for name in _KEPT_VARIABLES if name in os.environ}
    return subprocess.Popen(  # noqa: S603  our own interpreter and our own words
        [sys.executable, "-I", "-X", "utf8", "-c", _BOOT, str(_ROOT), str(control_fd)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        env={"LANG": "C.UTF-8", "TZ": "UTC", **kept},
        cwd="/",
        pass_fds=(control_fd,),
        start_new_session=True,
    )
