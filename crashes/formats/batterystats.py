"""Battery statistics, as `dumpsys batterystats -c` and bugreports write them.

    9,0,i,vers,34,186,QP1A.191005.007.A3,QP1A.191005.007.A3       versions and builds
    9,0,i,uid,1000,android                                        which package has which uid
    9,hsp,6,1000,"*alarm*"                                        string pool of the history
    9,h,2761,Bcc=2791,-w,-s                                       history: ms since the line before
    9,0,l,kwl,"IPA_WS",5021,33,-1,-1                              statistics

The first column is the format (9), then uid, mode and kind. Of the modes only `l` (since the last
charge) and `i` (information) are read; `c` and `u` count from moments nobody knows. Kinds come
and go with the version, and columns are only ever added at the end, so rows are read by position
and a row that is too short or not a number is counted and left out.
Source: AOSP frameworks/base core/java/android/os/BatteryStats.java, `dumpCheckinLocked`.

This is no crash: the `Crash` has kind `error`, neither reason nor threads, and everything in
`details`: checkin_version, parcel_version, start_build, end_build, history_records,
history_seconds, first_time_ms, last_time_ms, first_battery_level, last_battery_level, packages,
battery, discharge, power, misc, network, brightness_ms, signal_ms, and by amount, the largest
first, power_use, kernel_wake_locks, wake_locks, partial_wake_time, wakeup_reasons,
wakeup_alarms, jobs, syncs, network_use; rows (by kind), rows_unread.
"""

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite

from crashes.formats.errors import MalformedPayload
from crashes.formats.lines import text_lines
from crashes.stack import Crash, CrashKind, JsonValue

__all__ = ["MAX_LINES", "is_row", "parse"]

MAX_LINES = 1_000_000  # the largest seen has 30,000
_LARGEST = 32
_MAX_UIDS = 4_096
_MAX_LIST = 100_000
_MAX_NUMBER_CHARS = 32
_SINCE_CHARGE, _INFORMATION = "l", "i"

_ROW = re.compile(r"9,(?:hsp|h|[0-9]{1,10},[icul]),|[5-8],[0-9]{1,10},[iclut],[a-z]{1,6},")
"""Before Android 4.4 the first column is the version of the form, since then it is 9."""
_FIRST_COLUMNS = ("9,", "8,", "7,", "6,", "5,")
_QUOTED = re.compile(r'"(?P<name>.*)"(?:,(?P<rest>.*))?')
_TIME = re.compile(r":TIME:(?P<time>[0-9]{1,18})")
_LEVEL = re.compile(r",Bl=(?P<level>[0-9]{1,3})(?=,|$)")
_DELTA = re.compile(r"9,h,(?P<delta>-?[0-9]{1,12})")

_BATTERY = (
    "start_count",
    "realtime_ms",
    "uptime_ms",
    "total_realtime_ms",
    "total_uptime_ms",
    "start_clock_ms",
    "screen_off_realtime_ms",
    "screen_off_uptime_ms",
    "estimated_capacity_mah",
    "least_capacity_uah",
    "most_capacity_uah",
    "screen_doze_ms",
)
_DISCHARGE = ("low_percent", "high_percent", "screen_on_percent", "screen_off_percent")
_MISC = (
    "screen_on_ms",
    "phone_on_ms",
    "full_wake_lock_ms",
    "partial_wake_lock_ms",
    "mobile_active_ms",
    "mobile_active_adjusted_ms",
    "interactive_ms",
    "power_save_ms",
    "connectivity_changes",
)
_NETWORK = ("mobile_rx_bytes", "mobile_tx_bytes", "wifi_rx_bytes", "wifi_tx_bytes")
_POWER = ("capacity_mah", "computed_mah", "least_drained_mah", "most_drained_mah")

Row = dict[str, JsonValue]


@dataclass(slots=True)
class _Stats:
    """What is known so far; lists hold rows with the amount by which they are put in order."""

    details: dict[str, JsonValue] = field(default_factory=dict)
    uids: dict[int, list[str]] = field(default_factory=dict)
    lists: dict[str, list[tuple[float, Row]]] = field(default_factory=dict)
    rows: Counter[str] = field(default_factory=Counter)
    history_ms: int = 0
    records: int = 0
    unread: int = 0

    def add(self, name: str, amount: float, row: Row) -> None:
        """One row of a list that is put in order at the end; rows of nothing are left out."""
        rows = self.lists.setdefault(name, [])
        if amount > 0 and len(rows) < _MAX_LIST:
            rows.append((amount, row))


def is_row(line: str) -> bool:
    """Whether `line` is a row of battery statistics."""
    return _ROW.match(line) is not None


def parse(payload: bytes) -> Crash:
    """The statistics in a text. Raises MalformedPayload `not_batterystats` when no row is there."""
    stats = _Stats()
    found = False
    for line in text_lines(payload)[:MAX_LINES]:
        if line.startswith(_FIRST_COLUMNS) and is_row(line):
            found = True
            _take(stats, line)
    if not found:
        raise MalformedPayload(
            "not_batterystats", "no row begins with 9, and a mode", where="line 1"
        )
    return Crash(kind=CrashKind.ERROR, details=_details(stats))


def _take(stats: _Stats, line: str) -> None:
    if line.startswith("9,h,"):
        _take_history(stats, line)
        return
    if line.startswith("9,hsp,"):
        stats.rows["hsp"] += 1
        return
    _, uid, mode, rest = line.split(",", 3)
    kind, _, values = rest.partition(",")
    if line[0] != "9":
        stats.details.setdefault("checkin_version", int(line[0]))
    stats.rows[kind[:16]] += 1
    read = _READERS.get((mode, kind))
    if read is None:
        return
    try:
        # Of what was counted by then only the first two columns of "m" mean the same.
        read(stats, int(uid), _columns(values)[: 2 if kind == "m" and line[0] != "9" else None])
    except (ValueError, IndexError):
        stats.unread += 1


def _columns(values: str) -> list[str]:
    """The columns of a row; a quoted first one may hold commas and quotes."""
    quoted = _QUOTED.fullmatch(values) if values.startswith('"') else None
    if quoted is None:
        return values.split(",")
    return [quoted["name"], *(quoted["rest"] or "").split(",")]


def _take_history(stats: _Stats, line: str) -> None:
    stats.records += 1
    if found := _DELTA.match(line):
        stats.history_ms += int(found["delta"])
    if ":TIME:" in line and (found := _TIME.search(line)):
        stats.details.setdefault("first_time_ms", int(found["time"]))
        stats.details["last_time_ms"] = int(found["time"])
    if ",Bl=" in line and (found := _LEVEL.search(line)):
        stats.details.setdefault("first_battery_level", int(found["level"]))
        stats.details["last_battery_level"] = int(found["level"])


# --- Rows ------------------------------------------------------------------------------------

_Reader = Callable[[_Stats, int, Sequence[str]], None]


def _versions(stats: _Stats, _: int, columns: Sequence[str]) -> None:
    stats.details |= {"checkin_version": _whole(columns[0]), "parcel_version": _whole(columns[1])}
    stats.details |= {"start_build": columns[2][:128], "end_build": columns[3][:128]}


def _package(stats: _Stats, _: int, columns: Sequence[str]) -> None:
    uid = _whole(columns[0])
    if len(stats.uids) < _MAX_UIDS or uid in stats.uids:
        names = stats.uids.setdefault(uid, [])
        if len(names) < _LARGEST:
            names.append(columns[1][:256])


def _named(name: str, words: Sequence[str]) -> _Reader:
    """A row whose numbers have a name each."""

    def read(stats: _Stats, _: int, columns: Sequence[str]) -> None:
        values: dict[str, JsonValue] = {
            word: _amount(column)
            for word, column in zip(words, columns, strict=False)
            if column != "N/A"
        }
        stats.details[name] = values

    return read


def _series(name: str) -> _Reader:
    """A row of milliseconds, from the least to the most."""

    def read(stats: _Stats, _: int, columns: Sequence[str]) -> None:
        values: list[JsonValue] = [_whole(column) for column in columns[:16] if column]
        stats.details[name] = values

    return read


def _timed(name: str, *, by_uid: bool) -> _Reader:
    """A name, how long and how often."""

    def read(stats: _Stats, uid: int, columns: Sequence[str]) -> None:
        time_ms, count = _whole(columns[1]), _whole(columns[2])
        row: Row = {"name": columns[0][:512], "time_ms": time_ms, "count": count}
        stats.add(name, time_ms + count / 1e6, row | ({"uid": uid} if by_uid else {}))

    return read


def _counted(stats: _Stats, uid: int, columns: Sequence[str]) -> None:
    count = _whole(columns[-1])
    stats.add(
        "wakeup_alarms", count, {"name": ",".join(columns[:-1])[:512], "count": count, "uid": uid}
    )


def _wake_lock(stats: _Stats, uid: int, columns: Sequence[str]) -> None:
    """The partial part: the time stands in front of its letter, the count behind it."""
    partial = columns.index("p", 2)
    time_ms, count = _whole(columns[partial - 1]), _whole(columns[partial + 1])
    row: Row = {"name": columns[0][:512], "time_ms": time_ms, "count": count, "uid": uid}
    stats.add("wake_locks", time_ms + count / 1e6, row)


def _wake_time(stats: _Stats, uid: int, columns: Sequence[str]) -> None:
    time_ms = _whole(columns[0])
    stats.add("partial_wake_time", time_ms, {"time_ms": time_ms, "uid": uid})


def _power_use(stats: _Stats, uid: int, columns: Sequence[str]) -> None:
    amount = _fraction(columns[1])
    row: Row = {"label": columns[0][:64], "mah": amount}
    stats.add("power_use", amount, row | ({"uid": uid} if columns[0] == "uid" else {}))


def _network_use(stats: _Stats, uid: int, columns: Sequence[str]) -> None:
    row: Row = {word: _whole(column) for word, column in zip(_NETWORK, columns, strict=False)}
    amounts = [value for value in row.values() if isinstance(value, int)]
    stats.add("network_use", sum(amounts), row | {"uid": uid})


def _whole(column: str) -> int:
    """A whole number of at most 64 bits. Raises ValueError for anything else."""
    number = int(column[:_MAX_NUMBER_CHARS])
    if abs(number) >> 63 or not column.isascii():
        raise ValueError
    return number


def _fraction(column: str) -> float:
    """A finite number. Raises ValueError for anything else."""
    number = float(column[:_MAX_NUMBER_CHARS])
    if not isfinite(number):
        raise ValueError
    return number


def _amount(column: str) -> JsonValue:
    return _fraction(column) if "." in column else _whole(column)


_READERS: Mapping[tuple[str, str], _Reader] = {
    (_INFORMATION, "vers"): _versions,
    (_INFORMATION, "uid"): _package,
    (_SINCE_CHARGE, "bt"): _named("battery", _BATTERY),
    (_SINCE_CHARGE, "dc"): _named("discharge", _DISCHARGE),
    (_SINCE_CHARGE, "m"): _named("misc", _MISC),
    (_SINCE_CHARGE, "gn"): _named("network", _NETWORK),
    (_SINCE_CHARGE, "pws"): _named("power", _POWER),
    (_SINCE_CHARGE, "br"): _series("brightness_ms"),
    (_SINCE_CHARGE, "sgt"): _series("signal_ms"),
    (_SINCE_CHARGE, "pwi"): _power_use,
    (_SINCE_CHARGE, "kwl"): _timed("kernel_wake_locks", by_uid=False),
    (_SINCE_CHARGE, "wr"): _timed("wakeup_reasons", by_uid=False),
    (_SINCE_CHARGE, "jb"): _timed("jobs", by_uid=True),
    (_SINCE_CHARGE, "sy"): _timed("syncs", by_uid=True),
    (_SINCE_CHARGE, "wl"): _wake_lock,
    (_SINCE_CHARGE, "awl"): _wake_time,
    (_SINCE_CHARGE, "wua"): _counted,
    (_SINCE_CHARGE, "nt"): _network_use,
}


# --- Details ---------------------------------------------------------------------------------


def _details(stats: _Stats) -> dict[str, JsonValue]:
    details = dict(stats.details)
    details["history_records"] = stats.records
    details["history_seconds"] = stats.history_ms / 1000
    details["packages"] = sum(len(names) for names in stats.uids.values())
    for name, rows in stats.lists.items():
        rows.sort(key=lambda row: -row[0])
        details[name] = [_with_packages(stats, row) for _, row in rows[:_LARGEST]]
    details["rows"] = dict(stats.rows.most_common(128))
    if stats.unread:
        details["rows_unread"] = stats.unread
    return details


def _with_packages(stats: _Stats, row: Row) -> JsonValue:
    """The row with the packages of its uid."""
    uid = row.get("uid")
    if not isinstance(uid, int):
        return row
    names = stats.uids.get(uid, [])
    packages: list[JsonValue] = list(names)
    return row | ({"packages": packages} if packages else {})
