"""Reports as phones send them: 10 to 40 KB each, of a long-tailed set of some fifty crashes.

The crashes are those of the demo fleet: real stacks of made-up apps, tombstones of programs that
are compiled here. Three of four of a phone's managed crashes come as a DropBox entry with the end
of the system log behind the stack, the rest as a log with the crash in it, which is what makes
them 10 KB and more in the field. Tombstones and ANR traces are that long by themselves; those
shorter than 10 KB are left out. The same seed gives the same reports, whatever the day.
"""

import base64
import gzip
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from random import Random
from typing import Any
from uuid import uuid4

from crashes.management.fleet.bugs import make_bugs
from crashes.management.fleet.population import Device, make_population
from crashes.management.fleet.programs import compile_programs, find_toolchain
from crashes.management.fleet.scenario import PlannedReport, make_plans, make_reports
from crashes.stack import PayloadFormat

SMALLEST_BYTES = 10_000
LARGEST_BYTES = 40_000
_MEDIAN_BYTES = 20_000
_SPREAD = 0.45
_GZIP_LEVEL = 6  # what Android's GZIPOutputStream uses
_DAYS = 42
_SEED = 7
_SPARE = 2
_ID_PLACE = "00000000-0000-0000-0000-000000000000"
_MANAGED = frozenset({PayloadFormat.JAVA_STACKTRACE, PayloadFormat.DROPBOX, PayloadFormat.LOGCAT})
_CHATTER = (
    ("I", "ActivityTaskManager", "START u0 {act=android.intent.action.VIEW flg=0x@H@} from uid @N@"),
    ("D", "ConnectivityService", "requestNetwork for uid/pid:@N@/@N@ activeRequest: null"),
    ("W", "ActivityManager", "Slow operation: @N@ms so far, now at startProcess: done"),
    ("I", "WindowManager", "Relayout Window{@H@ u0 NotificationShade}: viewVisibility=4 req=@N@x@N@"),
    ("D", "SurfaceFlinger", "Layer @H@ missed vsync by @N@ us, pending transactions @N@"),
    ("V", "AlarmManager", "sending alarm {@H@ type 2 when @N@ com.android.phone}"),
    ("I", "art", "Background young concurrent copying GC freed @N@(@N@KB) AllocSpace objects"),
    ("W", "libc", "Access denied finding property \"vendor.debug.sf.@N@\""),
    ("D", "BatteryService", "level:@N@ scale:100 status:3 health:2 present:true voltage: @N@"),
    ("I", "wpa_supplicant", "wlan0: CTRL-EVENT-SIGNAL-CHANGE above=1 signal=-@N@ txrate=@N@"),
    ("D", "BluetoothAdapter", "isLeEnabled(): ON callback=@H@ clients=@N@"),
    ("E", "PackageSettings", "Could not parse package setting @N@ of user @N@: code path missing"),
    ("I", "chatty", "uid=1000(system) Binder:@N@_@N@ expire @N@ lines"),
    ("W", "JobScheduler", "Job @H@ for uid @N@ ran past its deadline by @N@ ms"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class CorpusReport:
    """One report. `document` lacks a report id of its own; `payload` is also in the document."""

    bug_key: str
    device: Device
    format: PayloadFormat
    payload: bytes = field(repr=False)
    document: dict[str, Any] = field(repr=False)

    def body(self, report_id: str) -> bytes:
        """The request's JSON under this id."""
        document = json.dumps(self.document, separators=(",", ":"))
        return document.replace(_ID_PLACE, report_id, 1).encode()


@dataclass(frozen=True, slots=True)
class Corpus:
    """Reports and the phones that send them."""

    reports: Sequence[CorpusReport]
    devices: Sequence[Device]

    @property
    def mean_bytes(self) -> float:
        """The size of a body before it is packed."""
        bodies = [len(report.body(_ID_PLACE)) for report in self.reports]
        return sum(bodies) / len(bodies)

    def packed_bodies(self, count: int) -> Iterator[tuple[CorpusReport, bytes]]:
        """`count` gzip bodies with fresh report ids, going round the corpus."""
        for number in range(count):
            report = self.reports[number % len(self.reports)]
            yield report, gzip.compress(report.body(str(uuid4())), _GZIP_LEVEL, mtime=0)


def make_corpus(count: int, *, devices: int = 200, seed: int = _SEED) -> Corpus:
    """`count` reports of `devices` phones."""
    toolchain = find_toolchain()
    bugs = make_bugs(compile_programs(toolchain) if toolchain else {})
    phones = make_population(devices, seed=seed)
    plans = make_plans(phones, bugs, count=count * _SPARE, days=_DAYS, seed=seed)
    random = Random(f"corpus {seed}")  # noqa: S311  a corpus, not a secret
    now = datetime(2026, 11, 20, 12, tzinfo=UTC)
    reports: list[CorpusReport] = []
    for planned in make_reports(plans, days=_DAYS, seed=seed, now=now):
        if planned.is_damaged or planned.is_replay:
            continue
        grown = _grown(planned, random)
        if SMALLEST_BYTES <= len(grown.payload) <= LARGEST_BYTES:
            reports.append(grown)
    random.shuffle(reports)
    return Corpus(reports[:count], phones)


def _grown(planned: PlannedReport, random: Random) -> CorpusReport:
    """The report with as much log around its stack as a phone would send."""
    payload_format, content = planned.dump.format, planned.dump.content
    if payload_format in _MANAGED and len(content) < SMALLEST_BYTES:
        wanted = _size(random) - len(content)
        if payload_format is PayloadFormat.LOGCAT:
            content = chatter(wanted // 2, random) + content + chatter(wanted // 2, random)
        else:
            if payload_format is PayloadFormat.JAVA_STACKTRACE:
                content = _entry_head(planned.document) + content
            payload_format = PayloadFormat.DROPBOX
            content += b"\n" + chatter(wanted, random)
    return CorpusReport(
        planned.bug_key,
        planned.device,
        payload_format,
        content,
        _document(planned.document, payload_format, content),
    )


def _size(random: Random) -> int:
    drawn = int(_MEDIAN_BYTES * random.lognormvariate(0.0, _SPREAD))
    return max(SMALLEST_BYTES + 500, min(drawn, LARGEST_BYTES - 500))


def _document(said: dict[str, Any], kind: PayloadFormat, content: bytes) -> dict[str, Any]:
    payload: dict[str, Any] = {"format": kind.value}
    if kind is PayloadFormat.TOMBSTONE_PROTO:
        payload["base64"] = base64.b64encode(content).decode()
    else:
        payload["text"] = content.decode()
    return {**said, "report_id": _ID_PLACE, "payload": payload}


def _entry_head(document: dict[str, Any]) -> bytes:
    """The header that ActivityManager writes before the stack of an app's crash."""
    app = document.get("app", {})
    lines = (
        f"Process: {document['process']}",
        "PID: 4242",
        "Flags: 0x20c8be44",
        f"Package: {app.get('package')} v{app.get('version_code')} ({app.get('version_name')})",
        f"Foreground: {'Yes' if app.get('foreground') else 'No'}",
        f"Build: {document['software']['build_fingerprint']}",
    )
    return ("\n".join(lines) + "\n\n").encode()


def chatter(size_bytes: int, random: Random) -> bytes:
    """Lines of a system log, at least so many bytes, with a time of the day that goes on."""
    lines: list[str] = []
    written, second = 0, random.randrange(80_000)
    while written < size_bytes:
        second += random.randrange(2)
        clock = f"{second // 3600:02d}:{second // 60 % 60:02d}:{second % 60:02d}"
        level, tag, message = random.choice(_CHATTER)
        while "@" in message:
            message = message.replace("@N@", str(random.randint(1, 4000)), 1)
            message = message.replace("@H@", f"{random.getrandbits(28):07x}", 1)
        pid = random.randint(400, 9000)
        line = f"11-20 {clock}.{random.randrange(1000):03d} {pid:5d} {pid + 7:5d} {level} {tag}: {message}\n"
        lines.append(line)
        written += len(line)
    return "".join(lines).encode()
