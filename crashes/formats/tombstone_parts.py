"""What the text and the protobuf reader of tombstones share: names, statuses, modules, build ids.

Both forms describe the same dump, so everything that interprets it (which process name is a
package, when a frame lacks a build id, which mappings are modules) is decided here once.
"""

import re
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from crashes.formats.errors import MalformedPayload
from crashes.stack import Frame, FrameStatus, JsonValue, Module, Thread, to_json

MAX_MODULES = 4096  # a large app maps about 1,500 files
MAX_INFLATED_BYTES = 32 * 1024 * 1024  # 80 times the largest tombstone seen

_GZIP_MAGIC = b"\x1f\x8b"
_GZIP_WINDOW_BITS = 31
_PACKAGE = re.compile(r"[A-Za-z]\w*(?:\.\w+)+", re.ASCII)
_FILES = (".so", ".exe", ".dll", ".apk", ".out", ".bin", ".elf")
_NO_NAME = frozenset({"", "?", "???", "UNKNOWN", "<unknown>", "<name unknown>"})
_NO_CODE = ("/dev/", "/memfd:")
_MAX_PROCESS_ID = 2**31 - 1
_REQUESTED_DUMP_NUMBERS = frozenset({-1, 35})
_REQUESTED_DUMP_NAMES = frozenset({"BIONIC_SIGNAL_DEBUGGER", "<debuggerd signal>"})


@dataclass(frozen=True, slots=True)
class MemoryMapping:
    """One line of the memory map; `end_addr` is the first address behind it."""

    start_addr: int
    end_addr: int
    executable: bool
    map_offset: int | None = None
    path: str | None = None
    build_id: str | None = None


def inflated(payload: bytes) -> bytes:
    """The payload, unpacked when it is gzip.

    Raises MalformedPayload `corrupt_gzip`, `truncated_gzip`, or `too_large` beyond 32 MiB.
    """
    if not payload.startswith(_GZIP_MAGIC):
        return payload
    stream = zlib.decompressobj(_GZIP_WINDOW_BITS)
    try:
        content = stream.decompress(payload, MAX_INFLATED_BYTES)
    except zlib.error as problem:
        raise MalformedPayload("corrupt_gzip", f"gzip cannot be unpacked: {problem}") from problem
    if stream.unconsumed_tail:
        raise MalformedPayload("too_large", f"unpacks to more than {MAX_INFLATED_BYTES} bytes")
    if not stream.eof:
        raise MalformedPayload("truncated_gzip", "the gzip stream ends early")
    return content


def known(name: str | None) -> str | None:
    """The name, or None for what debuggerd writes when it could not read one."""
    name = (name or "").strip()
    return None if name in _NO_NAME else name


def process_id(number: int | None) -> int | None:
    """A process or thread id, or None for what the kernel never hands out (0, beyond 31 bits)."""
    return number if number and number <= _MAX_PROCESS_ID else None


def package_of(process: str | None) -> str | None:
    """The package a process name stands for: `com.example` for `com.example:sync`, else None."""
    name = (process or "").partition(":")[0]
    return name if _PACKAGE.fullmatch(name) and not name.endswith(_FILES) else None


def is_requested_dump(signal: str | None, number: int | None) -> bool:
    """Whether somebody asked for the dump and nothing crashed (`debuggerd PID`)."""
    return signal in _REQUESTED_DUMP_NAMES or (
        number in _REQUESTED_DUMP_NUMBERS and (signal is None or not signal.startswith("SIG"))
    )


def native_frame(
    index: int,
    address: int | None,
    *,
    module: str | None = None,
    function: str | None = None,
    function_offset: int | None = None,
    map_offset: int | None = None,
    build_id: str | None = None,
    file: str | None = None,
    line: int | None = None,
) -> Frame:
    """A frame as a tombstone knows it, with the status that says what naming it would need."""
    module, function = known(module), known(function)
    return Frame(
        index=index,
        function=function,
        raw_function=function,
        file=file,
        line=line,
        module=module,
        build_id=build_id.lower() if build_id else None,
        address=address,
        status=_status(module, build_id),
        function_offset=function_offset if function else None,
        map_offset=map_offset or None,
    )


def _status(module: str | None, build_id: str | None) -> FrameStatus:
    if build_id:
        return FrameStatus.MISSING_DEBUG_FILE
    return FrameStatus.NO_BUILD_ID if module else FrameStatus.UNKNOWN_ADDRESS


def modules_of(mappings: Iterable[MemoryMapping]) -> tuple[Module, ...]:
    """The executable mappings of files; memory of the JIT and of drivers is no module."""
    modules: list[Module] = []
    for mapping in mappings:
        path = mapping.path or ""
        if not mapping.executable or not path.startswith("/") or path.startswith(_NO_CODE):
            continue
        modules.append(
            Module(
                path=path,
                build_id=mapping.build_id,
                start_addr=mapping.start_addr,
                end_addr=mapping.end_addr,
                map_offset=mapping.map_offset,
            )
        )
        if len(modules) == MAX_MODULES:
            break
    return tuple(modules)


class BuildIds:
    """Build ids by path, to complete what one part of a dump leaves out and another has.

    Android 5 to 9 print build ids in the memory map but not in the backtrace, xCrash in a
    section of its own. A path that was seen with two build ids names none: an APK holds several
    libraries, and an update may replace a file while it is mapped.
    """

    def __init__(self) -> None:
        self._known: dict[str, str | None] = {}

    def learn(self, path: str | None, build_id: str | None) -> None:
        """Note that the file at `path` has this build id."""
        if path and build_id:
            seen = self._known.setdefault(path, build_id)
            self._known[path] = build_id if seen == build_id else None

    def learn_all(self, mappings: Iterable[MemoryMapping], threads: Iterable[Thread]) -> None:
        """Note every build id that a memory map and stacks show."""
        for mapping in mappings:
            self.learn(mapping.path, mapping.build_id)
        for thread in threads:
            for frame in thread.frames:
                if frame.map_offset is None:
                    self.learn(frame.module, frame.build_id)

    def complete_modules(self, modules: Iterable[Module]) -> tuple[Module, ...]:
        """The modules, with build ids where they are known."""
        return tuple(
            module if module.build_id else replace(module, build_id=self._known.get(module.path))
            for module in modules
        )

    def complete_threads(self, threads: Iterable[Thread]) -> tuple[Thread, ...]:
        """The threads, with build ids on their frames where they are known."""
        return tuple(
            replace(thread, frames=tuple(self._complete(thread.frames))) for thread in threads
        )

    def _complete(self, frames: Iterable[Frame]) -> Iterator[Frame]:
        for frame in frames:
            build_id = self._known.get(frame.module or "")
            if build_id and not frame.build_id and frame.map_offset is None:
                status = _status(frame.module, build_id)
                yield replace(frame, build_id=build_id, status=status)
            else:
                yield frame


def stack_details(role: str | None, tid: int | None, frames: Iterable[Frame]) -> JsonValue:
    """A stack that is no thread of the crash (who freed the memory), as a plain JSON value."""
    stack: dict[str, JsonValue] = {"tid": tid, "frames": to_json(list(frames))}
    return {"role": role, **stack} if role else stack


def present(details: dict[str, JsonValue]) -> dict[str, JsonValue]:
    """The details without those that say nothing (None, empty text, empty lists)."""
    return {key: value for key, value in details.items() if value not in (None, "", [])}
