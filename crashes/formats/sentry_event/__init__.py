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

`members` are the parts that all ask for, `images` the modules, `stacks` frames and threads.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from crashes.formats.errors import MalformedPayload
from crashes.formats.json_values import integer, json_object, mapping, picked, text
from crashes.formats.sentry_event.images import Images
from crashes.formats.sentry_event.members import (
    NAME,
    is_native,
    raw_frames,
    values,
)
from crashes.formats.sentry_event.stacks import Stacks, exception_chain, threads_of
from crashes.formats.tombstone_parts import package_of, present
from crashes.stack import (
    Crash,
    CrashKind,
    JsonValue,
)

_MAX_EXCEPTIONS = 64
_HANGS = frozenset({"anr", "anrv2", "appexitinfo", "apphang", "applicationnotresponding"})
_JAVA = frozenset({"java", "kotlin", "android"})
_NATIVE = frozenset({"native", "c", "cocoa", "other"})
_RELEASE = re.compile(r"(?:(?P<package>[^@]+)@)?(?P<version>[^+@]+)(?:\+(?P<code>.+))?")
_FINGERPRINT = re.compile(r"[^\s/:]+/[^\s/:]+/[^\s/:]+:[^\s]+")
_REGISTERS = (
    ("rip", "x86_64"), ("eip", "x86"), ("x28", "arm64"), ("r12", "arm"),  # x86_64 has r12 too
)  # fmt: skip
_ABIS = {
    "arm64-v8a": "arm64", "aarch64": "arm64", "armeabi-v7a": "arm", "armeabi": "arm",
    "x86_64": "x86_64", "x64": "x86_64", "x86": "x86", "arm64": "arm64", "arm": "arm",
    "riscv64": "riscv64",
}  # fmt: skip
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
    images = Images(event)
    exceptions = list(_exceptions(event))
    abi = _abi(event, exceptions)
    stacks = Stacks(images, abi)
    kind = kind_of(event)
    chain = tuple(exception_chain(exceptions, stacks))
    threads = threads_of(event, exceptions, stacks)
    by_thread = kind is CrashKind.ANR or _is_signal(exceptions)  # the exception only wraps it
    outermost = chain[0] if chain and not by_thread else None
    release = release_of(event)
    return Crash(
        kind=kind,
        process=package_of(text(_context(event, "app").get("app_identifier"), NAME)),
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
    thrown = text(exceptions[0].get("type"), NAME) if exceptions else None
    words = {str(mechanism.get("type")).lower(), str(thrown).lower().replace(" ", "")}
    if words & _HANGS:
        return CrashKind.ANR
    if mechanism.get("handled") is True:
        return CrashKind.ERROR
    platform = str(event.get("platform")).lower()
    if platform in _JAVA and exceptions:
        return CrashKind.JAVA_CRASH
    if platform in _NATIVE and (exceptions or event.get("level") == "fatal"):
        native = any(is_native(frame) for item in exceptions for frame in raw_frames(item))
        if native or _is_signal(exceptions) or platform == "native":
            return CrashKind.NATIVE_CRASH
    return CrashKind.ERROR


def has_stack(event: Mapping[str, Any]) -> bool:
    """Whether the event brings a stack of its own."""
    sources = [*_exceptions(event), *values(event.get("threads"))]
    return any(raw_frames(source) for source in sources)


def release_of(event: Mapping[str, Any]) -> Release:
    """Package and version of the program, from `release`, `dist` and the app context."""
    app = _context(event, "app")
    said = _RELEASE.fullmatch(text(event.get("release"), NAME) or "")
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


def _exceptions(event: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The exceptions, what was thrown first."""
    yield from reversed(values(event.get("exception"))[-_MAX_EXCEPTIONS:])


def _mechanism(exceptions: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """How the exception was caught; hybrid SDKs say so on an inner one only."""
    said = [mapping(exception.get("mechanism")) for exception in exceptions]
    return next((mechanism for mechanism in said if mechanism), {})


def _context(event: Mapping[str, Any], name: str) -> dict[str, Any]:
    return mapping(mapping(event.get("contexts")).get(name))


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
    for source in (*exceptions, *values(event.get("threads"))):
        registers = mapping(mapping(source.get("stacktrace")).get("registers"))
        for name, abi in _REGISTERS:
            if name in registers:
                return abi
    device = _context(event, "device")
    archs = device.get("archs")
    first = archs[0] if isinstance(archs, list) and archs else None
    arch = text(device.get("arch"), 40) or text(first, 40)
    return _ABIS.get(arch.lower(), arch) if arch else None


# Details --------------------------------------------------------------------------------------


def _details(
    event: Mapping[str, Any],
    exceptions: Sequence[Mapping[str, Any]],
    images: Images,
    stacks: Stacks,
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
            "release": text(event.get("release"), NAME),
            "mechanism": text(mechanism.get("type"), 100),
            "handled": handled if isinstance(handled, bool) else None,
            "mapping_ids": list[JsonValue](images.mapping_ids),
            "frames_omitted": stacks.omitted or None,
            **{name: group for name, group in groups.items() if group},
        }
    )
