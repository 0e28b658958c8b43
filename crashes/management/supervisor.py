"""A few child processes kept alive, and stopped together.

Each child leads a session of its own, so that Ctrl-C in the terminal reaches only the supervisor,
which then asks every child to finish (SIGTERM) and waits. Should the supervisor itself be killed,
the kernel ends the children with it (`PR_SET_PDEATHSIG`, Linux).
"""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import FrameType

_PR_SET_PDEATHSIG = 1
_FIRST_PAUSE_SECONDS = 0.5
_LONGEST_PAUSE_SECONDS = 30.0
_HEALTHY_SECONDS = 60.0
_STOP_SECONDS = 15.0


def _end_with_parent() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


@dataclass(slots=True)
class Child:
    """One command. A child that is not to be kept alive may end when it likes.

    What nobody else on the machine may read goes into its environment, not on its command line.
    """

    name: str
    command: Sequence[str]
    is_kept: bool = True
    environment: Mapping[str, str] = field(default_factory=dict)
    exit_code: int | None = None
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    restart_at: float = 0.0
    pause_seconds: float = _FIRST_PAUSE_SECONDS

    def start(self) -> None:
        """Run the command."""
        self.process = subprocess.Popen(  # noqa: S603  commands are our own
            self.command,
            env={**os.environ, **self.environment},
            start_new_session=True,
            preexec_fn=_end_with_parent,  # noqa: PLW1509
        )
        self.started = time.monotonic()


@dataclass(slots=True)
class Supervisor:
    """Starts children, starts them again when they die, stops them all."""

    report: Callable[[str], None]
    children: list[Child] = field(default_factory=list)
    is_stopping: bool = False

    def add(self, child: Child) -> None:
        """Start one more child."""
        self.children.append(child)
        child.start()

    def watch_signals(self) -> None:
        """Stop at the first SIGINT or SIGTERM."""
        signal.signal(signal.SIGINT, self._on_signal)
        signal.signal(signal.SIGTERM, self._on_signal)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        self.is_stopping = True

    def run(self, *, step: Callable[[], None] = lambda: None) -> None:
        """Keep the children alive until a signal comes; `step` is called a few times a second."""
        try:
            while not self.is_stopping:
                for child in self.children:
                    self._look_after(child)
                step()
                time.sleep(0.2)
        finally:
            self.stop()

    def _look_after(self, child: Child) -> None:
        now = time.monotonic()
        if child.process is None:
            if child.is_kept and now >= child.restart_at:
                child.start()
            return
        if child.process.poll() is None:
            if now - child.started > _HEALTHY_SECONDS:
                child.pause_seconds = _FIRST_PAUSE_SECONDS
            return
        if child.is_kept:
            self.report(f"{child.name} ended ({child.process.returncode}); starting it again")
        child.exit_code, child.process = child.process.returncode, None
        child.restart_at = now + child.pause_seconds
        child.pause_seconds = min(child.pause_seconds * 2, _LONGEST_PAUSE_SECONDS)

    def stop(self) -> None:
        """Ask every child to finish, and end those that do not within 15 seconds."""
        running = [child.process for child in self.children if child.process is not None]
        for process in running:
            process.terminate()
        deadline = time.monotonic() + _STOP_SECONDS
        for process in running:
            try:
                process.wait(timeout=max(deadline - time.monotonic(), 0.1))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
