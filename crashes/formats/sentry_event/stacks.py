"""Frames, exceptions and threads of an event, innermost and outermost first."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from crashes.formats.json_values import integer, mapping, objects, text
from crashes.formats.lines import MAX_THREADS, HeadAndTail
from crashes.formats.sentry_event.images import Image, Images
from crashes.formats.sentry_event.members import NAME, is_native_stack, raw_frames, values
from crashes.formats.tombstone_parts import native_frame
from crashes.stack import CauseLink, ExceptionInfo, Frame, FrameStatus, LockWait, Thread

_CALL_BYTES = {"arm64": 4, "arm": 2, "riscv64": 4}
_WAITS_FOR = 8
_HOLDS = 1


class Stacks:
    """Reads stack traces, and counts the frames it leaves out."""

    def __init__(self, images: Images, abi: str | None) -> None:
        self._images = images
        self._call_bytes = _CALL_BYTES.get(abi or "", 1)
        self._read: dict[int, tuple[Frame, ...]] = {}
        self.omitted = 0

    def frames(self, source: Mapping[str, Any]) -> tuple[Frame, ...]:
        """The frames of an exception or a thread, innermost first; read once."""
        if id(source) not in self._read:
            self._read[id(source)] = tuple(self._frames(source))
        return self._read[id(source)]

    def _frames(self, source: Mapping[str, Any]) -> Iterator[Frame]:
        kept: HeadAndTail[dict[str, Any]] = HeadAndTail()
        for frame in reversed(raw_frames(source)):
            kept.add(frame)
        self.omitted += kept.omitted
        adjust = mapping(source.get("stacktrace")).get("instruction_addr_adjustment")
        return (self._frame(index, frame, adjust) for index, frame in kept.items())

    def _frame(self, index: int, frame: Mapping[str, Any], adjust: Any) -> Frame:
        address = integer(frame.get("instruction_addr"))
        if address is None:
            return _managed(index, frame)
        image = self._images.around(integer(frame.get("image_addr")) or address)
        is_caller = index > 0 and adjust != "none"
        if (is_caller or adjust == "all") and address >= self._call_bytes:
            address -= self._call_bytes
        symbol = integer(frame.get("symbol_addr"))
        module = text(frame.get("package"), NAME)
        return native_frame(
            index,
            address if image is None else _inside(image, address),
            module=(image.path if image else None) or module,
            function=text(frame.get("function"), 4096),
            function_offset=address - symbol if symbol and address >= symbol else None,
            build_id=image.build_id or image.debug_id if image else None,
            file=text(frame.get("filename"), NAME),
            line=_line(frame),
        )


def _inside(image: Image, address: int) -> int | None:
    inside = address - image.start_addr + image.load_base
    return inside if inside >= 0 else None


def _managed(index: int, frame: Mapping[str, Any]) -> Frame:
    function = text(frame.get("function"), 4096)
    module = text(frame.get("module"), 4096)
    return Frame(
        index=index,
        function=".".join(filter(None, (module, function))) or None,
        file=text(frame.get("filename"), NAME) or text(frame.get("abs_path"), NAME),
        line=_line(frame),
        status=FrameStatus.JAVA,
        native_method=frame.get("native") is True,
    )


def _line(frame: Mapping[str, Any]) -> int | None:
    line = integer(frame.get("lineno"))
    return line if line and line < 2**31 else None


def exception_chain(
    exceptions: Sequence[Mapping[str, Any]], stacks: Stacks
) -> Iterator[ExceptionInfo]:
    """The exceptions with their frames, outermost first."""
    for place, exception in enumerate(exceptions):
        native = is_native_stack(exception)
        name = text(exception.get("type"), 512)
        module = text(exception.get("module"), 512)
        suppressed = mapping(exception.get("mechanism")).get("type") == "suppressed"
        link = CauseLink.SUPPRESSED if suppressed else CauseLink.CAUSED_BY
        yield ExceptionInfo(
            type=".".join(filter(None, (module, name))) or "unknown",
            message=text(exception.get("value")),
            link=link if place else CauseLink.OUTERMOST,
            frames=() if native else stacks.frames(exception),  # symbols are looked up on threads
            depth=1 if place and suppressed else 0,
        )


def threads_of(
    event: Mapping[str, Any], exceptions: Sequence[Mapping[str, Any]], stacks: Stacks
) -> tuple[Thread, ...]:
    """All threads, the crashing one first, with the stack of what it threw."""
    said = values(event.get("threads"))[: 4 * MAX_THREADS]
    thrown = next((item for item in exceptions if raw_frames(item)), None)
    at = _crashing(said, exceptions)
    if at is None:
        own = [_thread({}, thrown, stacks, crashing=True)] if thrown else []
        return (*own, *(_thread(item, None, stacks) for item in said[:MAX_THREADS]))
    first = _thread(said[at], thrown, stacks, crashing=True)
    others = said[:at] + said[at + 1 :]
    return (first, *(_thread(item, None, stacks) for item in others[: MAX_THREADS - 1]))


def _crashing(
    threads: Sequence[Mapping[str, Any]], exceptions: Sequence[Mapping[str, Any]]
) -> int | None:
    """The place of the thread that crashed, or that the event is about."""
    wanted = next((item["thread_id"] for item in exceptions if "thread_id" in item), None)
    tests: tuple[Callable[[Mapping[str, Any]], bool], ...] = (
        lambda thread: wanted is not None and str(thread.get("id")) == str(wanted),
        lambda thread: thread.get("crashed") is True,
        lambda thread: thread.get("current") is True,
        lambda thread: thread.get("main") is True,
        lambda thread: not exceptions and bool(raw_frames(thread)),
    )
    for test in tests:
        for at, thread in enumerate(threads):
            if test(thread):
                return at
    return None


def _thread(
    said: Mapping[str, Any],
    thrown: Mapping[str, Any] | None,
    stacks: Stacks,
    *,
    crashing: bool = False,
) -> Thread:
    source = said if thrown is None else thrown
    registers = mapping(mapping(source.get("stacktrace")).get("registers"))
    values = {str(name)[:16]: integer(value) for name, value in list(registers.items())[:128]}
    return Thread(
        name=text(said.get("name"), NAME),
        tid=integer(said.get("id")),
        crashing=crashing,
        state=text(said.get("state"), 60),
        frames=stacks.frames(source),
        blocked_on=_blocked_on(said),
        held_locks=tuple(_held_locks(said)),
        registers={name: value for name, value in values.items() if value is not None},
    )


def _locks(thread: Mapping[str, Any]) -> list[dict[str, Any]]:
    return objects(list(mapping(thread.get("held_locks")).values())[:256])


def _held_locks(thread: Mapping[str, Any]) -> Iterator[str]:
    for lock in _locks(thread):
        address = text(lock.get("address"), 40)
        if lock.get("type") == _HOLDS and address:
            yield address


def _blocked_on(thread: Mapping[str, Any]) -> LockWait | None:
    """The monitor that a thread of an ANR waits for (io.sentry.SentryLockReason)."""
    for lock in _locks(thread):
        address = text(lock.get("address"), 40)
        if lock.get("type") == _WAITS_FOR and address:
            names = (text(lock.get("package_name"), 200), text(lock.get("class_name"), 200))
            return LockWait(
                lock=address,
                lock_class=".".join(filter(None, names)) or None,
                held_by_tid=integer(lock.get("thread_id")),
            )
    return None
