"""One interval of one device: battery, counters, apps, as a device sends it.

Decoding is an allow-list with bounds; what is not named here is dropped. Durations are seconds
(`_s`) or milliseconds (`_ms`), drains are percent of a full battery, temperatures degrees Celsius.
"""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

import msgspec

from devices.strict_json import NotStrict, refuse_ambiguity

Text40 = Annotated[str, msgspec.Meta(max_length=40)]
Text100 = Annotated[str, msgspec.Meta(max_length=100)]
Text200 = Annotated[str, msgspec.Meta(max_length=200)]
Digits3 = Annotated[str, msgspec.Meta(pattern=r"^[0-9]{0,3}\Z")]
Count = Annotated[int, msgspec.Meta(ge=0, le=2**53)]
Percent = Annotated[float, msgspec.Meta(ge=0, le=1000)]
Seconds = Annotated[float, msgspec.Meta(ge=0, le=366 * 86400)]
Millis = Annotated[float, msgspec.Meta(ge=0, le=3_600_000)]

MAX_INTERVAL = timedelta(days=8)
_OLDEST_YEAR = 2015
_AHEAD = timedelta(days=1)


class MalformedSample(Exception):
    """The line is no sample. `code` is stable; the detail names the field, not its value."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail


class Software(msgspec.Struct, frozen=True):
    """What the phone ran during the interval."""

    build_fingerprint: Text200 = ""
    os_version: Text40 = ""
    os_build: Text100 = ""
    security_patch: Text40 = ""
    kernel: Text200 = ""
    modem: Text200 = ""


class Network(msgspec.Struct, frozen=True):
    """Country and operator codes."""

    mcc: Digits3 = ""
    mnc: Digits3 = ""


class Battery(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the battery went through."""

    screen_on_drain_pct: Percent | None = None
    screen_on_s: Seconds | None = None
    screen_off_drain_pct: Percent | None = None
    screen_off_s: Seconds | None = None
    charge_cycles: Count | None = None
    health_pct: Percent | None = None
    temperature_max_c: Annotated[float, msgspec.Meta(ge=-100, le=200)] | None = None


class Counters(msgspec.Struct, frozen=True, omit_defaults=True):
    """What happened, and how often. None is "not counted", which is not zero."""

    java_crashes: Count | None = None
    native_crashes: Count | None = None
    anrs: Count | None = None
    kernel_panics: Count | None = None
    reboots_unexpected: Count | None = None
    low_memory_kills: Count | None = None
    wakeups: Count | None = None
    partial_wake_lock_s: Seconds | None = None


class AppUse(msgspec.Struct, frozen=True, omit_defaults=True):
    """One app during the interval."""

    package: Text200
    version_code: Count | None = None
    foreground_s: Seconds | None = None
    launches: Count | None = None
    cold_start_ms: Annotated[list[Millis], msgspec.Meta(max_length=200)] = []
    battery_pct: Percent | None = None
    wake_lock_s: Seconds | None = None
    frozen_frames: Count | None = None
    slow_frames: Count | None = None
    frames: Count | None = None


class Installed(msgspec.Struct, frozen=True, omit_defaults=True):
    """One installed app."""

    package: Text200
    version_code: Count | None = None


class Sample(msgspec.Struct, frozen=True):
    """One interval of one device."""

    sample_id: UUID
    interval_start: datetime
    interval_end: datetime
    software: Software = Software()
    network: Network = Network()
    battery: Battery = Battery()
    counters: Counters = Counters()
    apps: Annotated[list[AppUse], msgspec.Meta(max_length=1000)] = []
    installed: Annotated[list[Installed], msgspec.Meta(max_length=2000)] = []


_decoder = msgspec.json.Decoder(Sample)


def decode_sample(line: bytes, *, received_at: datetime) -> Sample:
    """The sample in a JSON line, its interval in UTC. Raises MalformedSample."""
    try:
        sample = _decoder.decode(line)
        refuse_ambiguity(line)
        start, end = _utc(sample.interval_start), _utc(sample.interval_end)
    except msgspec.ValidationError as error:
        _, separator, place = str(error).rpartition(" - at ")
        where = place if separator else "`$`"
        raise MalformedSample("invalid_field", f"the value at {where} cannot be used") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, NotStrict):
        raise MalformedSample("malformed_json", "the line is not valid JSON") from None
    except OverflowError:
        raise MalformedSample("bad_interval", "the interval is outside the calendar") from None
    _check_interval(start, end, received_at)
    return msgspec.structs.replace(sample, interval_start=start, interval_end=end)


def _utc(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _check_interval(start: datetime, end: datetime, received_at: datetime) -> None:
    """An interval has an end after its start, is short, and is not of a clock that was not set."""
    if not start < end or end - start > MAX_INTERVAL:
        raise MalformedSample("bad_interval", "an interval has more than 0 s and at most 8 days")
    if start.year < _OLDEST_YEAR or end > received_at + _AHEAD:
        raise MalformedSample("bad_clock", "the interval is not of this time")


def content_of(sample: Sample) -> dict[str, Any]:
    """What is measured in a sample, as JSON values: battery, counters, apps, installed."""
    document: dict[str, Any] = msgspec.to_builtins(sample)
    return {name: document[name] for name in ("battery", "counters", "apps", "installed")}
