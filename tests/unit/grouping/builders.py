"""The least crash that is valid, for tests that state what matters."""

from typing import Any

from crashes.stack import (
    CauseLink,
    Crash,
    CrashKind,
    ExceptionInfo,
    Frame,
    FrameStatus,
    LockWait,
    Thread,
)


def java_frames(*functions: str) -> tuple[Frame, ...]:
    return tuple(
        Frame(index, function=name, status=FrameStatus.JAVA) for index, name in enumerate(functions)
    )


def native_frames(*calls: tuple[str | None, str]) -> tuple[Frame, ...]:
    return tuple(
        Frame(index, function=name, module=path, address=4096 * index)
        for index, (name, path) in enumerate(calls)
    )


def kernel_frames(*functions: str) -> tuple[Frame, ...]:
    return tuple(Frame(index, function=name) for index, name in enumerate(functions))


def java_crash(
    *functions: str, raised: str = "java.lang.IllegalStateException", **facts: Any
) -> Crash:
    return java_chain((raised, functions), **facts)


def java_chain(
    *links: tuple[str, tuple[str, ...]], message: str | None = None, **facts: Any
) -> Crash:
    chain = tuple(
        ExceptionInfo(
            type=raised,
            message=message,
            link=CauseLink.CAUSED_BY if index else CauseLink.OUTERMOST,
            frames=java_frames(*functions),
        )
        for index, (raised, functions) in enumerate(links)
    )
    return Crash(
        kind=CrashKind.JAVA_CRASH,
        package=facts.pop("package", "com.example"),
        exception_type=chain[0].type,
        exception_message=message,
        exceptions=chain,
        **facts,
    )


def native_crash(*calls: tuple[str | None, str], **facts: Any) -> Crash:
    thread = Thread(name="worker", crashing=True, frames=native_frames(*calls))
    facts.setdefault("package", "com.example")
    facts.setdefault("signal", "SIGSEGV")
    return Crash(kind=CrashKind.NATIVE_CRASH, threads=(thread,), **facts)


def kernel_crash(*functions: str, **facts: Any) -> Crash:
    thread = Thread(crashing=True, frames=kernel_frames(*functions))
    facts.setdefault("reason", "Kernel panic - not syncing: Fatal exception")
    return Crash(kind=CrashKind.KERNEL_PANIC, threads=(thread,), **facts)


def anr(
    *functions: str,
    holder: tuple[str, ...] = (),
    reason: str = "Input dispatching timed out (5000ms)",
    **facts: Any,
) -> Crash:
    lock = LockWait("0x0d3a2f0a", held_by_tid=9) if holder else None
    main = Thread(
        name="main",
        tid=1,
        runtime_tid=1,
        crashing=True,
        frames=java_frames(*functions),
        blocked_on=lock,
    )
    other = Thread(name="Thread-9", tid=77, runtime_tid=9, frames=java_frames(*holder))
    facts.setdefault("package", "com.example")
    return Crash(
        kind=CrashKind.ANR, reason=reason, threads=(main, other) if holder else (main,), **facts
    )
