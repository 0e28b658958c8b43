"""Crashes that a tombstone can hold, for round trips, and answers without what is absent."""

import string
from typing import Any

from hypothesis import strategies as st

from crashes.formats.tombstone_parts import native_frame, package_of, present, stack_details
from crashes.stack import Crash, CrashKind, Frame, Module, Thread, to_json

# Path, build id and map offset belong together, as on a device.
FILES = [
    ("/apex/com.android.runtime/lib64/bionic/libc.so", "61a049a7ad18156ebc52d8d483539df9", None),
    ("/system/lib64/libutils.so", "0c", None),
    ("/data/app/~~x==/com.example-1/lib/arm64/libapp.so", None, None),
    ("/data/app/My App (2)/lib/libspace.so", "abcdef", None),
    ("/data/app/~~x==/com.example-1/base.apk!libinner.so", "123456", 0x4F000),
    ("/memfd:jit-cache (deleted)", None, 0x2000000),
    ("[anon:dalvik-main space (region space)]", None, None),
    ("<anonymous:7a1b2c3d40>", None, None),
    (None, None, None),
]
REGISTERS = {
    "arm": ["r0", "r1", "r10", "ip", "lr", "sp", "pc", "pst"],
    "arm64": ["x0", "x1", "x29", "lr", "sp", "pc", "pst"],
    "x86": ["eax", "ebx", "edi", "ebp", "esp", "eip"],
    "x86_64": ["rax", "r8", "r15", "rbp", "rsp", "rip"],
    "riscv64": ["t0", "s11", "ra", "sp", "pc"],
}
NASTY_FUNCTIONS = [
    "operator()",
    "operator+(A const&, A const&)",
    "operator<<(std::ostream&, char const*)",
    "operator new[](unsigned long)",
    "(anonymous namespace)::run(void (*)(int), int)",
    "a::b(int)::$_0::operator()(char const*) const",
    "a::f(a::Map<std::string, (a::Kind)2>)::'lambda'(auto)::operator()<int>(int) const",
    "std::__1::function<void ()>::operator()() const (.cfi)",
    "com.example.Main.lambda$onCreate$0",
    "android.os.Looper.loop [DEDUPED]",
    "!!!0000!5468ec4f!e4a2ccdb56!",
    "f(int)+3",
    "_ZN3art11interpreterL7ExecuteEPNS_6ThreadE.llvm.1678810448002216699",
]
SIGNALS = [(11, "SIGSEGV", "SEGV_MAPERR"), (6, "SIGABRT", "SI_TKILL"), (7, "SIGBUS", None)]
REQUESTED = (35, "BIONIC_SIGNAL_DEBUGGER", "SI_QUEUE")
NO_NAMES = {"?", "???", "UNKNOWN", "<unknown>", "<name unknown>"}

_letters = st.characters(exclude_categories=["C", "Zl", "Zp"])


def compact(value: Any) -> Any:
    """The JSON form of a value without its absent parts."""
    return _without_absent(to_json(value))


def _without_absent(value: Any) -> Any:
    if isinstance(value, dict):
        kept = {key: _without_absent(item) for key, item in value.items()}
        return {key: item for key, item in kept.items() if not _is_absent(item)}
    return [_without_absent(item) for item in value] if isinstance(value, list) else value


def _is_absent(value: Any) -> bool:
    return value is None or value is False or value in ("", [], {})


def names(size: int) -> st.SearchStrategy[str]:
    """A name as a process may choose it."""
    text = st.text(_letters, min_size=1, max_size=size)
    return text.filter(lambda s: s == s.strip() and s not in NO_NAMES and ">>>" not in s)


def _is_holdable(name: str) -> bool:
    """Names a line of a backtrace has room for; the others exist in no symbol table."""
    return ")/" not in name and "(BuildId: " not in name and not name.startswith("deleted)")


functions = st.one_of(st.sampled_from(NASTY_FUNCTIONS), names(40).filter(_is_holdable))


@st.composite
def frames(draw: st.DrawFn, index: int, bits: int) -> Frame:
    module, build_id, map_offset = draw(st.sampled_from(FILES))
    function = draw(st.none() | functions)
    return native_frame(
        index,
        draw(st.integers(0, 2**bits - 1)),
        module=module,
        function=function,
        function_offset=draw(st.integers(0, 2**31)) if function else None,
        map_offset=map_offset,
        build_id=build_id,
    )


@st.composite
def backtraces(draw: st.DrawFn, bits: int) -> tuple[Frame, ...]:
    return tuple(draw(frames(index, bits)) for index in range(draw(st.integers(0, 4))))


@st.composite
def threads(draw: st.DrawFn, abi: str, tid: int, *, crashing: bool) -> Thread:
    bits = 32 if abi in ("arm", "x86") else 64
    registers = draw(st.lists(st.sampled_from(REGISTERS[abi]), unique=True))
    return Thread(
        name=draw(st.none() | names(15)),
        tid=tid,
        crashing=crashing,
        frames=draw(backtraces(bits)),
        registers={name: draw(st.integers(0, 2**bits - 1)) for name in registers},
    )


@st.composite
def modules(draw: st.DrawFn) -> tuple[Module, ...]:
    files = [file for file in FILES if file[0] and file[0].startswith("/") and not file[2]]
    chosen = draw(st.lists(st.sampled_from(files), unique=True))
    return tuple(
        Module(
            path=path or "",
            build_id=build_id,
            start_addr=0x70000000 + place * 0x100000,
            end_addr=0x70000000 + place * 0x100000 + draw(st.integers(1, 0xFF)) * 0x1000,
            map_offset=draw(st.none() | st.integers(1, 0xFF).map(lambda page: page * 0x1000)),
        )
        for place, (path, build_id, _) in enumerate(chosen)
    )


@st.composite
def abort_messages(draw: st.DrawFn) -> str | None:
    text = draw(st.none() | st.text("abc XYZ'\"(){}%=,;é\n", min_size=1))
    return text or None


@st.composite
def crashes(draw: st.DrawFn, *, as_proto: bool = False) -> Crash:
    """A crash of which the format has a word for every part."""
    abi = draw(st.sampled_from(sorted(REGISTERS)))
    bits = 32 if abi in ("arm", "x86") else 64
    tids = draw(st.lists(st.integers(1, 99_999), min_size=1, max_size=3, unique=True))
    tids = [tids[0], *sorted(tids[1:])]
    process = draw(
        st.sampled_from(["com.example.app", "com.example.app:sync", "/system/bin/sh", "zygote64"])
    )
    maps = draw(modules())
    number, signal, code = draw(st.sampled_from([*SIGNALS, REQUESTED]))
    causes = draw(st.lists(names(30), max_size=3))
    details: dict[str, Any] = {
        "command_line": f"{process} --flag",
        "uid": draw(st.integers(0, 99_999)),
        "uptime_s": draw(st.none() | st.integers(1, 10**6)),
        "page_size_bytes": draw(st.sampled_from([None, 4096, 16384])),
        "has_been_16kb_mode": draw(st.sampled_from([None, True])),
        "revision": draw(st.sampled_from([None, "0", "rev 1.0"])),
        "guest_architecture": draw(st.sampled_from([None, "arm64"])),
        "tagged_addr_ctrl": draw(st.sampled_from([None, "0x1"])),
        "signal_code_number": draw(st.integers(-10, 10)),
        "sender": draw(st.sampled_from([None, {"pid": 1, "uid": 0}])),
        "requested_dump": True if number == REQUESTED[0] else None,
        "causes": causes,
        "crash_details": draw(st.lists(_crash_details, max_size=2)),
        "backtrace_notes": draw(st.lists(st.sampled_from(["one", "two (three)"]), max_size=2)),
        "memory_mappings": len(maps) + draw(st.integers(0, 3)) or None,
        "open_fds": draw(st.integers(0, 3)) or None,
        "guest_threads": [stack_details(None, tids[0], draw(backtraces(bits)))]
        if draw(st.booleans())
        else [],
        "heap_stacks": draw(_heap_stacks(bits)) if causes else [],
    }
    if as_proto:
        details["selinux_label"] = draw(st.sampled_from([None, "u:r:untrusted_app:s0"]))
        details["memory_errors"] = [_MEMORY_ERROR] if details["heap_stacks"] else []
    return Crash(
        kind=CrashKind.NATIVE_CRASH,
        process=process,
        package=package_of(process),
        pid=draw(st.integers(1, 2**31 - 1)),
        tid=tids[0],
        abi=abi,
        build_fingerprint="example/phone/phone:14/UP1A/1:user/release-keys",
        timestamp=draw(st.sampled_from([None, "2026-03-02 08:15:07.778508017+0200"])),
        signal=signal,
        signal_number=number,
        signal_code=code,
        fault_addr=draw(st.none() | st.integers(0, 2**bits - 1)),
        abort_message=draw(abort_messages()),
        reason=causes[0] if causes else None,
        threads=tuple(
            draw(threads(abi, tid, crashing=place == 0)) for place, tid in enumerate(tids)
        ),
        modules=maps,
        details=present(details),
    )


_MEMORY_ERROR = {"tool": "Scudo", "type": "double_free", "address": "0x7b00", "size": 24}
_printable = st.text(string.ascii_letters + string.digits + " ,:;'\"()", max_size=20)
_crash_details = st.fixed_dictionaries(
    {"name": st.text("abc_", min_size=1, max_size=8), "data": _printable}
)


@st.composite
def _heap_stacks(draw: st.DrawFn, bits: int) -> list[Any]:
    roles = draw(st.sampled_from([[], ["deallocated"], ["deallocated", "allocated"]]))
    return [
        stack_details(role, 1 + place, (draw(frames(0, bits)),)) for place, role in enumerate(roles)
    ]
