"""The life of one child: confine itself, then answer inputs until there are no more.

Descriptors are laid out anew before anything else: 0 to 2 are /dev/null, 3 is the stream to the
owner, 4 and up are the files of the job in the order they were given. Nothing else is open.

CPU time per input is a profiling timer (`ITIMER_PROF`): it counts like RLIMIT_CPU but in
fractions of seconds and from zero for each input, and its signal ends the process. Code that has
taken the child over could wind it back; RLIMIT_CPU and the owner's clock would still end it.
"""

import errno
import fcntl
import io
import os
import signal
from collections.abc import Callable
from pathlib import PurePath
from types import TracebackType
from typing import NoReturn

from uxp_diag.sandbox import confinement, wire
from uxp_diag.sandbox.terms import FailureReason, Limits, Protection

STREAM = 3
_FIRST_FILE = 4
_ABOVE_ALL_TARGETS = 64

JobFunction = Callable[..., object]


def live(
    function: JobFunction,
    limits: Limits,
    items: int,
    *,
    descriptors: list[int],
    null: int,
    server_pid: int,
    expected: frozenset[Protection],
) -> NoReturn:
    """Do the work and end the process. `descriptors` are the stream and the files of the job."""
    os.setsid()
    if not confinement.die_with_parent(server_pid):
        os._exit(wire.EXIT_OWNER_GONE)
    _lay_out(descriptors, null)
    stream = io.FileIO(STREAM, closefd=False)  # reads straight into the place where a frame stays
    os.umask(0o777)
    if not confinement.confine(limits, items=items) >= expected:
        os._exit(wire.EXIT_NOT_CONFINED)
    files = range(_FIRST_FILE, _FIRST_FILE + len(descriptors) - 1)
    os._exit(_serve(function, limits, list(files), stream))


def _lay_out(descriptors: list[int], null: int) -> None:
    """Move descriptors to where they belong, by way of high numbers so that none is overwritten."""
    parked = [fcntl.fcntl(fd, fcntl.F_DUPFD, _ABOVE_ALL_TARGETS) for fd in descriptors]
    for target in range(STREAM):
        os.dup2(null, target)
    for target, fd in enumerate(parked, start=STREAM):
        os.dup2(fd, target)
    os.closerange(STREAM + len(parked), os.sysconf("SC_OPEN_MAX"))


def _serve(function: JobFunction, limits: Limits, files: list[int], stream: io.FileIO) -> int:
    try:
        while (frame := _read_frame(stream)) is not None:
            answer, goes_on = _answer(function, frame, limits, files)
            _write_frame(answer)
            if not goes_on:
                break
    except MemoryError:
        return wire.EXIT_OUT_OF_MEMORY
    except OSError:
        return wire.EXIT_OWNER_GONE
    return wire.EXIT_DONE


def _answer(
    function: JobFunction, frame: bytearray, limits: Limits, files: list[int]
) -> tuple[bytes, bool]:
    """The frame for one input, and whether the child is still fit for another."""
    signal.setitimer(signal.ITIMER_PROF, limits.cpu_seconds)
    try:
        arguments = wire.decode_arguments(frame)
        answer = wire.encode_value(function(*arguments, *files))
    except MemoryError:
        return wire.encode_failure(FailureReason.MEMORY, "MemoryError"), False
    except BaseException as problem:  # SystemExit of a parser is no answer either
        return _explain(problem)
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
    if len(answer) > limits.output_bytes:
        detail = f"{len(answer)} bytes"
        return wire.encode_failure(FailureReason.OUTPUT_TOO_LARGE, detail), False
    return answer, True


def _explain(problem: BaseException) -> tuple[bytes, bool]:
    """A job's own error in its own words; of any other only the type and the place.

    The text of an unexpected error often quotes what it could not read (`invalid literal for
    int(): '49015420…'`), and this detail goes to logs.
    """
    code, detail = getattr(problem, "code", None), getattr(problem, "detail", None)
    where = getattr(problem, "where", None)
    if isinstance(problem, Exception) and isinstance(code, str) and isinstance(detail, str):
        return wire.encode_refusal(code, detail, where if isinstance(where, str) else None), True
    if isinstance(problem, OSError) and problem.errno == errno.EFBIG:
        return wire.encode_failure(FailureReason.OUTPUT_TOO_LARGE, "file size limit"), False
    detail = f"{type(problem).__name__}{_place(problem.__traceback__)}"
    return wire.encode_failure(FailureReason.CRASHED, detail), False


def _place(trace: TracebackType | None) -> str:
    """Where an error came from, without `traceback`, which would like to open source files."""
    if trace is None:
        return ""
    while trace.tb_next is not None:
        trace = trace.tb_next
    return f" at {PurePath(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}"


def _read_frame(stream: io.FileIO) -> bytearray | None:
    """The next frame, or None when the owner has no more."""
    header = _read_exactly(stream, wire.FRAME_HEADER.size)
    if header is None:
        return None
    return _read_exactly(stream, wire.FRAME_HEADER.unpack(header)[0])


def _read_exactly(stream: io.FileIO, size: int) -> bytearray | None:
    content = bytearray(size)
    rest = memoryview(content)
    while rest:
        got = stream.readinto(rest)
        if not got:
            return None
        rest = rest[got:]
    return content


def _write_frame(body: bytes) -> None:
    rest = memoryview(wire.FRAME_HEADER.pack(len(body)) + body)
    while rest:
        rest = rest[os.write(STREAM, rest) :]
