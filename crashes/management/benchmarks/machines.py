"""Processes: what they used, and how to start them in an environment of their own.

Linux tells what a process and the children that it waited for have used; a tree is the sum over
the processes that live, so that nothing is counted twice.
"""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any

from django.conf import settings

from crashes.management.benchmarks.terms import Unavailable

_TICKS = os.sysconf("SC_CLK_TCK")
_OURS = (
    "DATABASE_URL",
    "REDIS_URL",
    "SECRET_KEY",
    "UXP_IDENTITY_KEYS",
    "UXP_RECEIPT_KEY",
    "UXP_SEALING_KEYS",
    "UXP_SPOOL_KEYS",
    "UXP_SPOOL_KEYS_FILE",
    "UXP_SPOOL_PUBLIC_KEY",
    "DJANGO_SETTINGS_MODULE",
)
_STOP_SECONDS = 15.0
_WATCH_SECONDS = 0.002


def free_port() -> int:
    """A TCP port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def wait_until(holds: Callable[[], bool], *, seconds: float, pause: float = 0.05) -> None:
    """Wait for something. Raises Unavailable when it takes too long."""
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            raise Unavailable(f"nothing happened for {seconds:.0f} s")
        time.sleep(pause)


def elsewhere(command: Sequence[str], changes: Mapping[str, str]) -> list[str]:
    """The command with our environment, our own settings taken out, and these put in."""
    removed = [part for name in _OURS for part in ("-u", name)]
    given = [f"{name}={value}" for name, value in changes.items()]
    return ["/usr/bin/env", *removed, *given, *command]


def python(*arguments: str) -> list[str]:
    """A command line of this interpreter."""
    return [sys.executable, *arguments]


@dataclass(frozen=True, slots=True)
class Used:
    """What a finished command needed. `cpu_seconds` counts its children."""

    output: bytes
    cpu_seconds: float
    wall_seconds: float
    peak_bytes: int


def run(
    command: Sequence[str],
    *,
    text: bytes | Path = b"",
    changes: Mapping[str, str] | None = None,
    is_output_kept: bool = True,
) -> Used:
    """Run a command to its end. `text` is its input. Raises Unavailable when it fails."""
    if changes is not None:
        command = elsewhere(command, changes)
    with ExitStack() as stack:
        output, errors = (stack.enter_context(TemporaryFile()) for _ in range(2))
        source = stack.enter_context(_opened(text))
        process = subprocess.Popen(  # noqa: S603  our own commands, and tools found by name
            command,
            cwd=settings.BASE_DIR,
            stdin=source,
            stdout=output if is_output_kept else subprocess.DEVNULL,
            stderr=errors,
        )
        used = _await_end(process)
        output.seek(0)
        errors.seek(0)
        if process.returncode != 0:
            said = errors.read().decode(errors="replace").strip().splitlines()
            raise Unavailable(f"{Path(command[0]).name} failed: {said[-1] if said else 'no word'}")
        return replace(used, output=output.read())


def _opened(text: bytes | Path) -> IO[bytes]:
    """The input as an open file."""
    if isinstance(text, Path):
        return text.open("rb")
    file = TemporaryFile()  # noqa: SIM115  the caller closes it
    file.write(text)
    file.seek(0)
    return file


def _await_end(process: "subprocess.Popen[bytes]") -> Used:
    """Wait, and watch the memory: the kernel's own peak would count what the parent had."""
    began = time.perf_counter()
    peak = 0
    while True:
        pid, status, usage = os.wait4(process.pid, os.WNOHANG)
        if pid:
            break
        peak = max(peak, peak_bytes([process.pid]))
        time.sleep(_WATCH_SECONDS)
    process.returncode = os.waitstatus_to_exitcode(status)
    cpu = usage.ru_utime + usage.ru_stime
    return Used(b"", cpu, time.perf_counter() - began, peak)


def run_inner(job: str, request: Any, *, changes: Mapping[str, str] | None = None) -> Any:
    """What a job of `inner` answers, in a fresh process. Raises Unavailable."""
    command = python("-m", "crashes.management.benchmarks.inner", job)
    used = run(command, text=json.dumps(request).encode(), changes=changes)
    return json.loads(used.output)


@contextmanager
def session(
    job: str, request: Any, *, changes: Mapping[str, str] | None = None
) -> Iterator[Callable[[Any], Any]]:
    """A session of `inner`: what asks it. Raises Unavailable when it ends early."""
    command = python("-m", "crashes.management.benchmarks.inner", job)
    process = subprocess.Popen(  # noqa: S603  our own command
        command if changes is None else elsewhere(command, changes),
        cwd=settings.BASE_DIR,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )

    def ask(question: Any) -> Any:
        if process.stdin is None or process.stdout is None:
            raise Unavailable(f"{job} has no pipes")
        process.stdin.write(json.dumps(question).encode() + b"\n")
        process.stdin.flush()
        answer = process.stdout.readline()
        if not answer:
            raise Unavailable(f"{job} ended early")
        return json.loads(answer)

    with process:
        ask(request)
        try:
            yield ask
        finally:
            process.kill()


class Fleet:
    """Processes that run beside the measurement. Use as a context manager: it ends them."""

    def __init__(self, folder: Path, changes: Mapping[str, str]) -> None:
        self._folder, self._changes = folder, changes
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> "Fleet":
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self, name: str, command: Sequence[str]) -> None:
        """Start one more; its words go to a log file in the folder."""
        with (self._folder / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(  # noqa: S603  our own commands
                elsewhere(command, self._changes),
                cwd=settings.BASE_DIR,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def stop(self) -> None:
        """Ask all to finish, end those that do not."""
        for process in self.processes.values():
            process.terminate()
        for process in self.processes.values():
            with suppress(subprocess.TimeoutExpired):
                process.wait(timeout=_STOP_SECONDS)
            if process.poll() is None:
                process.kill()
                process.wait()
        self.processes.clear()

    def pids(self, *names: str) -> list[int]:
        """The processes with these names and all below them; of all, without a name."""
        roots = [self.processes[name].pid for name in names or self.processes]
        return descendants(roots)

    def signal(self, number: int, *names: str) -> None:
        """Send a signal to the processes with these names and all below them."""
        for pid in self.pids(*names):
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    def last_words(self) -> str:
        """The end of the logs, for a message about what went wrong."""
        texts = (path.read_text(errors="replace") for path in sorted(self._folder.glob("*.log")))
        lines = [line for text in texts for line in text.splitlines()[-1:]]
        return " | ".join(lines) or "no word"


def descendants(roots: Iterable[int]) -> list[int]:
    """These processes and all below them that live."""
    children: dict[int, list[int]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        fields = _stat(path)
        if fields:
            children.setdefault(int(fields[1]), []).append(int(path.parent.name))
    found, waiting = [], list(roots)
    while waiting:
        pid = waiting.pop()
        found.append(pid)
        waiting += children.get(pid, [])
    return found


def _stat(path: Path) -> list[str]:
    """The fields of a `stat` file behind the name, which may hold blanks; none for one that went."""
    try:
        return path.read_text().rpartition(")")[2].split()
    except OSError:
        return []


def cpu_seconds(pids: Iterable[int]) -> float:
    """What these processes and the children they waited for have used so far."""
    ticks = 0
    for pid in pids:
        fields = _stat(Path(f"/proc/{pid}/stat"))
        ticks += sum(map(int, fields[11:15]))
    return ticks / _TICKS


def peak_bytes(pids: Iterable[int]) -> int:
    """The sum of the most memory that each had resident; shared pages count once for each."""
    return sum(_peak_of(pid) for pid in pids)


def _peak_of(pid: int) -> int:
    try:
        text = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    _, _, rest = text.partition("VmHWM:")
    return int(rest.split(maxsplit=1)[0]) * 1024 if rest else 0


def folder_bytes(folder: Path) -> int:
    """What the files below a folder hold."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
