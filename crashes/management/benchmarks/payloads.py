"""Payloads of every format that can be made here, and what a script would do with each."""

import importlib
import json
import re
from random import Random
from typing import Any

from crashes.management.benchmarks import dumps
from crashes.management.benchmarks.corpus import Corpus, chatter
from crashes.stack import PayloadFormat

_JAVA_FRAME = re.compile(r"\sat ([\w.$<>]+)\.([\w$<>-]+)\(([^():]*)(?::(\d+))?\)")
_NATIVE_FRAME = re.compile(
    r"#(\d+) pc ([0-9a-f]+)\s+(\S+)(?: \((.*?)(?:\+(\d+))?\))?(?: \(BuildId: ([0-9a-f]+)\))?"
)
_KERNEL_FRAME = re.compile(r"([\w.]+)\+0x([0-9a-f]+)/0x([0-9a-f]+)")

WITHOUT_FRAMES = frozenset(
    {"tombstone_proto", "minidump", "microdump", "core", "bugreport", "batterystats"}
)
"""Where no expression finds frames: binary, packed, or not about stacks."""


def scan(payload_format: str, payload: bytes) -> int:
    """What people write first: one expression for frames; how many it finds."""
    if payload_format in {PayloadFormat.SENTRY_EVENT, PayloadFormat.ACRA_JSON}:
        return len(json.loads(payload))
    text = payload.decode(errors="replace")
    if payload_format.startswith("tombstone"):
        return len(_NATIVE_FRAME.findall(text))
    if payload_format == PayloadFormat.KERNEL_LOG:
        return len(_KERNEL_FRAME.findall(text))
    return len(_JAVA_FRAME.findall(text))


def parse_one(payload_format: str, payload: str) -> bool:
    """Parse one payload in this fresh process."""
    from base64 import b64decode  # noqa: PLC0415  part of the start

    jobs: Any = importlib.import_module("crashes.formats.jobs")
    return bool(jobs.parse_job(payload_format, b64decode(payload)))


def payloads_by_format(corpus: Corpus, each: int) -> dict[str, list[bytes]]:
    """Up to `each` payloads of every format."""
    found: dict[str, list[bytes]] = {}
    for report in corpus.reports:
        some = found.setdefault(report.format.value, [])
        if len(some) < each:
            some.append(report.payload)
    java = [payload for payload in found.get("dropbox", []) if b"\n\tat " in payload]
    traces = [_trace(payload) for payload in java]
    found["java_stacktrace"] = traces
    found["acra_json"] = [_acra(trace) for trace in traces]
    found["sentry_event"] = [sentry_event(trace, number) for number, trace in enumerate(traces)]
    found["kernel_log"] = [_oops(number) for number in range(each)]
    found["minidump"] = [dumps.minidump(number) for number in range(each)]
    found["microdump"] = [dumps.microdump(number) for number in range(each)]
    found["core"] = [dumps.core(number) for number in range(each)]
    found["batterystats"] = [dumps.batterystats(number) for number in range(each)]
    log = chatter(200_000, Random(0))  # noqa: S311  made up, not secret
    found["bugreport"] = [
        dumps.bugreport(number, log=log, trace=trace) for number, trace in enumerate(traces[:each])
    ]
    return found


def _trace(entry: bytes) -> bytes:
    """The stack of a DropBox entry, less its header and the log behind it."""
    return entry.partition(b"\n\n")[2].partition(b"\n\n")[0] + b"\n"


def _acra(trace: bytes) -> bytes:
    document = {
        "REPORT_ID": "6a6ad2b0-0000-4000-8000-000000000000",
        "PACKAGE_NAME": "com.example.app",
        "APP_VERSION_CODE": 12,
        "APP_VERSION_NAME": "1.2",
        "ANDROID_VERSION": "14",
        "STACK_TRACE": trace.decode(),
        "LOGCAT": "N/A",
    }
    return json.dumps(document).encode()


def sentry_event(trace: bytes, number: int) -> bytes:
    """The event that Sentry's Android SDK would send for a Java stack, breadcrumbs included."""
    random = Random(number)  # noqa: S311  made up, not secret
    title = trace.decode().split("\n", 1)[0]
    kind, _, message = title.partition(": ")
    frames = [
        {
            "function": method,
            "module": cls,
            "filename": file,
            "lineno": int(line) if line else None,
            "in_app": cls.startswith("com."),
        }
        for cls, method, file, line in _JAVA_FRAME.findall(trace.decode())
    ]
    crumbs = chatter(9_000, random).decode().splitlines()
    document = {
        "event_id": f"{random.getrandbits(128):032x}",
        "platform": "java",
        "level": "fatal",
        "timestamp": 1_795_000_000.0 + number,
        "release": "com.example.app@1.2+12",
        "contexts": {"os": {"name": "Android", "version": "14"}, "device": {"model": "G42"}},
        "breadcrumbs": {"values": [{"category": "log", "message": line} for line in crumbs]},
        "exception": {
            "values": [
                {
                    "type": kind.rpartition(".")[2],
                    "module": kind.rpartition(".")[0],
                    "value": message,
                    "mechanism": {"type": "UncaughtExceptionHandler", "handled": False},
                    "stacktrace": {"frames": frames[::-1]},
                }
            ]
        },
    }
    return json.dumps(document).encode()


def _oops(number: int) -> bytes:
    """A kernel's last words: a fault in a driver, with its stack and registers."""
    random = Random(f"oops {number}")  # noqa: S311  made up, not secret
    names = ("sensor_irq_work", "process_one_work", "worker_thread", "kthread", "ret_from_fork")
    head = [
        "Unable to handle kernel NULL pointer dereference at virtual address 0000000000000018",
        "Internal error: Oops: 96000005 [#1] PREEMPT SMP",
        f"CPU: {number % 8} PID: {random.randrange(9000)} Comm: kworker/u16:3 Tainted: G W 5.15.148",
        "pc : sensor_irq_work+0x48/0x1c0 [sensor_hub]",
        "lr : process_one_work+0x1e8/0x360",
        "Call trace:",
    ]
    calls = [
        f" {name}+0x{random.randrange(16, 400):x}/0x{random.randrange(400, 900):x}"
        for name in names
    ]
    quiet = [
        f"usb {n}-1: new high-speed USB device number {random.randrange(99)}" for n in range(60)
    ]
    lines = [*quiet, *head, *calls, "---[ end trace 0000000000000000 ]---"]
    return "\n".join(f"[{100 + at / 10:12.6f}] {line}" for at, line in enumerate(lines)).encode()
