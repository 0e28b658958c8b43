"""Error events of Sentry's SDKs, alone or in an envelope with what was attached to them.

What an event says, and what becomes of it:

    exception.values   causes first, what was thrown last     exceptions, outermost first
    stacktrace.frames  oldest call first                      frames, innermost first
    threads.values     one may be marked as crashed           threads, the crashing one first
    debug_meta.images  where modules are mapped               modules; build ids of native frames
    mechanism          who caught it; signal, handled or not  signal, details
    release            PACKAGE@VERSION+CODE                   package, version
    contexts           device, os, app, runtime               details, by name

The stack of the thrown exception stands on the exception and not on its thread. A native frame
has an absolute address; the image around it gives module, build id and the address inside. SDKs
send return addresses of callers as the processor has them, one instruction too far; here they are
moved back, unless `instruction_addr_adjustment` says that it is done.

User, breadcrumbs, request, local variables, source lines, environment, tags and the name of the
device are not read: they can be about a person, and no crash needs them.
"""

import re
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from crashes.formats.errors import MalformedPayload
from crashes.formats.json_values import integer, json_object, mapping, objects, picked, text
from crashes.formats.lines import MAX_THREADS, HeadAndTail
from crashes.formats.tombstone_parts import MAX_MODULES, native_frame, package_of, present
from crashes.stack import (
    CauseLink,
    Crash,
    CrashKind,
    ExceptionInfo,
    Frame,
    FrameStatus,
    JsonValue,
    LockWait,
    Module,
    Thread,
)

_MAX_EXCEPTIONS = 64
_NAME = 300
_HANGS = frozenset({"anr", "anrv2", "appexitinfo", "apphang", "applicationnotresponding"})
_JAVA = frozenset({"java", "kotlin", "android"})
_NATIVE = frozenset({"native", "c", "cocoa", "other"})
_RELEASE = re.compile(r"(?:(?P<package>[^@]+)@)?(?P<version>[^+@]+)(?:\+(?P<code>.+))?")
_FINGERPRINT = re.compile(r"[^\s/:]+/[^\s/:]+/[^\s/:]+:[^\s]+")
_CALL_BYTES = {"arm64": 4, "arm": 2, "riscv64": 4}
_REGISTERS = (
    ("rip", "x86_64"), ("eip", "x86"), ("x28", "arm64"), ("r12", "arm"),  # x86_64 has r12 too
)  # fmt: skip
_ABIS = {
    "arm64-v8a": "arm64", "aarch64": "arm64", "armeabi-v7a": "arm", "armeabi": "arm",
    "x86_64": "x86_64", "x64": "x86_64", "x86": "x86", "arm64": "arm64", "arm": "arm",
    "riscv64": "riscv64",
}  # fmt: skip
_ALL_ZERO = re.compile(r"[0-]*")
_WAITS_FOR = 8
_HOLDS = 1
_DEVICE = (
    "manufacturer", "brand", "family", "model", "model_id", "arch", "archs", "memory_size",
    "free_memory", "battery_level", "charging", "low_memory", "simulator", "chipset",
)  # fmt: skip
_OS = ("name", "version", "build", "kernel_version", "rooted")
_APP = ("app_identifier", "app_name", "app_version", "app_build", "in_foreground")
_RUNTIME = ("name", "version")


@dataclass(frozen=True, slots=True)
class Release:
    """What `release` and `dist` say: `com.example@1.4.2+1402`, or only a version."""

    package: str | None = None
    version_name: str | None = None
    version_code: int | None = None


def parse(payload: bytes) -> Crash:
    """The crash of an event, or of the event in an envelope. Raises MalformedPayload."""
    event = read_event(payload)
    images = _Images(event)
    exceptions = list(_exceptions(event))
    abi = _abi(event, exceptions)
    stacks = _Stacks(images, abi)
    kind = kind_of(event)
    chain = tuple(_chain(exceptions, stacks))
    threads = _threads(event, exceptions, stacks)
    by_thread = kind is CrashKind.ANR or _is_signal(exceptions)  # the exception only wraps it
    outermost = chain[0] if chain and not by_thread else None
    release = release_of(event)
    return Crash(
        kind=kind,
        process=package_of(text(_context(event, "app").get("app_identifier"), _NAME)),
        package=release.package,
        version_name=release.version_name,
        version_code=release.version_code,
        tid=threads[0].tid if threads else None,
        abi=abi,
        build_fingerprint=fingerprint_of(event),
        timestamp=_timestamp(event),
        exception_type=outermost.type if outermost else None,
        exception_message=outermost.message if outermost else None,
        reason=_reason(event, exceptions, kind),
        threads=threads,
        exceptions=() if by_thread else chain,
        modules=images.modules(),
        details=_details(event, exceptions, images, stacks),
        **_signal(exceptions),
    )


def read_event(payload: bytes) -> dict[str, Any]:
    """The event as JSON. Raises MalformedPayload.

    `payload` is the event alone, or an envelope whose first item is the event.
    """
    _, _, rest = payload.partition(b"\n")
    line, _, body = rest.partition(b"\n")
    try:
        header = json_object(line)
    except MalformedPayload:
        return json_object(payload)
    length = integer(header.get("length"))
    if header.get("type") != "event" or length is None:
        return json_object(payload)
    return json_object(body[:length])


def kind_of(event: Mapping[str, Any]) -> CrashKind:
    """What went wrong: a hang, a crash of managed or native code, or only an error."""
    exceptions = list(_exceptions(event))
    mechanism = _mechanism(exceptions)
    thrown = text(exceptions[0].get("type"), _NAME) if exceptions else None
    words = {str(mechanism.get("type")).lower(), str(thrown).lower().replace(" ", "")}
    if words & _HANGS:
        return CrashKind.ANR
    if mechanism.get("handled") is True:
        return CrashKind.ERROR
    platform = str(event.get("platform")).lower()
    if platform in _JAVA and exceptions:
        return CrashKind.JAVA_CRASH
    if platform in _NATIVE and (exceptions or event.get("level") == "fatal"):
        native = any(_is_native(frame) for item in exceptions for frame in _raw_frames(item))
        if native or _is_signal(exceptions) or platform == "native":
            return CrashKind.NATIVE_CRASH
    return CrashKind.ERROR


def has_stack(event: Mapping[str, Any]) -> bool:
    """Whether the event brings a stack of its own."""
    sources = [*_exceptions(event), *_values(event.get("threads"))]
    return any(_raw_frames(source) for source in sources)


def release_of(event: Mapping[str, Any]) -> Release:
    """Package and version of the program, from `release`, `dist` and the app context."""
    app = _context(event, "app")
    said = _RELEASE.fullmatch(text(event.get("release"), _NAME) or "")
    package, version, code = said.group("package", "version", "code") if said else (None,) * 3
    codes = (integer(value) for value in (code, event.get("dist"), app.get("app_build")))
    return Release(
        package=text(app.get("app_identifier"), 200) or package,
        version_name=text(app.get("app_version"), 100) or version,
        version_code=next(
            (number for number in codes if number is not None and number < 2**63), None
        ),
    )


def fingerprint_of(event: Mapping[str, Any]) -> str | None:
    """Android's build fingerprint, where the app tags its events with it."""
    tags = event.get("tags")
    pairs = tags.items() if isinstance(tags, dict) else _pairs(tags)
    for name, value in pairs:
        found = text(value, 200)
        if name in {"build.fingerprint", "build_fingerprint"} and found:
            return found if _FINGERPRINT.fullmatch(found) else None
    return None


def _pairs(tags: Any) -> Iterator[tuple[Any, Any]]:
    """Tags as a list of pairs, which older SDKs send."""
    for tag in tags if isinstance(tags, list) else []:
        if isinstance(tag, list) and len(tag) == 2:  # noqa: PLR2004
            yield str(tag[0]), tag[1]


# Parts of an event ----------------------------------------------------------------------------


def _values(source: Any) -> list[dict[str, Any]]:
    """The members of an interface: `{"values": […]}`, the bare list, or a single one."""
    if isinstance(source, dict):
        values = source.get("values")
        return objects(values) if isinstance(values, list) else [source]
    return objects(source)


def _exceptions(event: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The exceptions, what was thrown first."""
    yield from reversed(_values(event.get("exception"))[-_MAX_EXCEPTIONS:])


def _mechanism(exceptions: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """How the exception was caught; hybrid SDKs say so on an inner one only."""
    said = [mapping(exception.get("mechanism")) for exception in exceptions]
    return next((mechanism for mechanism in said if mechanism), {})


def _context(event: Mapping[str, Any], name: str) -> dict[str, Any]:
    return mapping(mapping(event.get("contexts")).get(name))


def _raw_frames(source: Mapping[str, Any]) -> list[dict[str, Any]]:
    return objects(mapping(source.get("stacktrace")).get("frames"))


def _is_native(frame: Mapping[str, Any]) -> bool:
    return frame.get("instruction_addr") is not None


def _is_native_stack(exception: Mapping[str, Any]) -> bool:
    frames = _raw_frames(exception)
    return bool(frames) and all(_is_native(frame) for frame in frames)


def _is_signal(exceptions: Sequence[Mapping[str, Any]]) -> bool:
    return bool(_signal(exceptions))


def _signal(exceptions: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The signal's fields of a crash; empty when it was none."""
    said = mapping(mapping(_mechanism(exceptions).get("meta")).get("signal"))
    thrown = text(exceptions[0].get("type"), 40) if exceptions else None
    name = text(said.get("name"), 40) or (thrown if thrown and thrown.startswith("SIG") else None)
    if name is None:
        return {}
    return {
        "signal": name,
        "signal_number": integer(said.get("number")),
        "signal_code": text(said.get("code_name"), 40),
    }


def _reason(
    event: Mapping[str, Any], exceptions: Sequence[Mapping[str, Any]], kind: CrashKind
) -> str | None:
    """The sentence of a hang, or of an event that is a message."""
    if exceptions:
        return text(exceptions[0].get("value")) if kind is CrashKind.ANR else None
    said = event.get("logentry") or event.get("message")
    if isinstance(said, dict):
        return text(said.get("formatted")) or text(said.get("message"))
    return text(said)


def _timestamp(event: Mapping[str, Any]) -> str | None:
    said = event.get("timestamp")
    if isinstance(said, int | float) and not isinstance(said, bool):
        return str(said)
    return text(said, 40)


def _abi(event: Mapping[str, Any], exceptions: Sequence[Mapping[str, Any]]) -> str | None:
    """The processor, by the names of its registers, else by what the device context says."""
    for source in (*exceptions, *_values(event.get("threads"))):
        registers = mapping(mapping(source.get("stacktrace")).get("registers"))
        for name, abi in _REGISTERS:
            if name in registers:
                return abi
    device = _context(event, "device")
    archs = device.get("archs")
    first = archs[0] if isinstance(archs, list) and archs else None
    arch = text(device.get("arch"), 40) or text(first, 40)
    return _ABIS.get(arch.lower(), arch) if arch else None


# Modules --------------------------------------------------------------------------------------


class _Images:
    """Where modules are mapped."""

    def __init__(self, event: Mapping[str, Any]) -> None:
        listed = objects(mapping(event.get("debug_meta")).get("images"))
        found = (_image(image) for image in listed[:MAX_MODULES])
        self._images = sorted(filter(None, found), key=lambda image: image.start_addr)
        self._starts = [image.start_addr for image in self._images]
        self.mapping_ids = tuple(_mapping_ids(listed))

    def around(self, address: int) -> "_Image | None":
        """The image that holds an absolute address."""
        at = bisect_right(self._starts, address) - 1
        if at < 0:
            return None
        image = self._images[at]
        return image if image.size is None or address < image.start_addr + image.size else None

    def modules(self) -> tuple[Module, ...]:
        """All of them, by address."""
        return tuple(
            Module(
                path=image.path,
                build_id=image.build_id,
                start_addr=image.start_addr,
                end_addr=None if image.size is None else image.start_addr + image.size,
                debug_id=image.debug_id,
            )
            for image in self._images
            if image.path
        )


@dataclass(frozen=True, slots=True)
class _Image:
    path: str | None
    build_id: str | None
    debug_id: str | None
    start_addr: int
    size: int | None
    load_base: int


def _image(said: Mapping[str, Any]) -> _Image | None:
    start = integer(said.get("image_addr"))
    if start is None:
        return None
    return _Image(
        path=text(said.get("code_file"), _NAME) or text(said.get("name"), _NAME),
        build_id=_id(said, "code_id"),
        debug_id=_id(said, "debug_id"),
        start_addr=start,
        size=integer(said.get("image_size")) or None,
        load_base=integer(said.get("image_vmaddr")) or 0,
    )


def _id(said: Mapping[str, Any], name: str) -> str | None:
    found = text(said.get(name), 64)
    return found.lower() if found and not _ALL_ZERO.fullmatch(found) else None


def _mapping_ids(images: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """The ids of the R8 mappings that undo the names of this build."""
    for image in images[:MAX_MODULES]:
        found = text(image.get("uuid"), 40) or text(image.get("debug_id"), 40)
        if image.get("type") == "proguard" and found:
            yield found.lower()


# Stacks ---------------------------------------------------------------------------------------


class _Stacks:
    """Reads stack traces, and counts the frames it leaves out."""

    def __init__(self, images: _Images, abi: str | None) -> None:
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
        for frame in reversed(_raw_frames(source)):
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
        module = text(frame.get("package"), _NAME)
        return native_frame(
            index,
            address if image is None else _inside(image, address),
            module=(image.path if image else None) or module,
            function=text(frame.get("function"), 4096),
            function_offset=address - symbol if symbol and address >= symbol else None,
            build_id=image.build_id or image.debug_id if image else None,
            file=text(frame.get("filename"), _NAME),
            line=_line(frame),
        )


def _inside(image: _Image, address: int) -> int | None:
    inside = address - image.start_addr + image.load_base
    return inside if inside >= 0 else None


def _managed(index: int, frame: Mapping[str, Any]) -> Frame:
    function = text(frame.get("function"), 4096)
    module = text(frame.get("module"), 4096)
    return Frame(
        index=index,
        function=".".join(filter(None, (module, function))) or None,
        file=text(frame.get("filename"), _NAME) or text(frame.get("abs_path"), _NAME),
        line=_line(frame),
        status=FrameStatus.JAVA,
        native_method=frame.get("native") is True,
    )


def _line(frame: Mapping[str, Any]) -> int | None:
    line = integer(frame.get("lineno"))
    return line if line and line < 2**31 else None


def _chain(exceptions: Sequence[Mapping[str, Any]], stacks: _Stacks) -> Iterator[ExceptionInfo]:
    for place, exception in enumerate(exceptions):
        native = _is_native_stack(exception)
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


def _threads(
    event: Mapping[str, Any], exceptions: Sequence[Mapping[str, Any]], stacks: _Stacks
) -> tuple[Thread, ...]:
    """All threads, the crashing one first, with the stack of what it threw."""
    said = _values(event.get("threads"))[: 4 * MAX_THREADS]
    thrown = next((item for item in exceptions if _raw_frames(item)), None)
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
        lambda thread: not exceptions and bool(_raw_frames(thread)),
    )
    for test in tests:
        for at, thread in enumerate(threads):
            if test(thread):
                return at
    return None


def _thread(
    said: Mapping[str, Any],
    thrown: Mapping[str, Any] | None,
    stacks: _Stacks,
    *,
    crashing: bool = False,
) -> Thread:
    source = said if thrown is None else thrown
    registers = mapping(mapping(source.get("stacktrace")).get("registers"))
    values = {str(name)[:16]: integer(value) for name, value in list(registers.items())[:128]}
    return Thread(
        name=text(said.get("name"), _NAME),
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


# Details --------------------------------------------------------------------------------------


def _details(
    event: Mapping[str, Any],
    exceptions: Sequence[Mapping[str, Any]],
    images: _Images,
    stacks: _Stacks,
) -> dict[str, JsonValue]:
    mechanism = _mechanism(exceptions)
    handled = mechanism.get("handled")
    groups: dict[str, JsonValue] = {
        "sdk": picked(event.get("sdk"), _RUNTIME),
        "device": picked(_context(event, "device"), _DEVICE),
        "os": picked(_context(event, "os"), _OS),
        "app": picked(_context(event, "app"), _APP),
        "runtime": picked(_context(event, "runtime"), _RUNTIME),
    }
    return present(
        {
            "platform": text(event.get("platform"), 40),
            "level": text(event.get("level"), 40),
            "environment": text(event.get("environment"), 100),
            "release": text(event.get("release"), _NAME),
            "mechanism": text(mechanism.get("type"), 100),
            "handled": handled if isinstance(handled, bool) else None,
            "mapping_ids": list[JsonValue](images.mapping_ids),
            "frames_omitted": stacks.omitted or None,
            **{name: group for name, group in groups.items() if group},
        }
    )
