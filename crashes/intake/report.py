"""One report as a device sends it: which keys we know, how long they may be.

Decoding is an allow-list: what is not named here is dropped. The payload passes through as text or
bytes; nothing looks inside it before a worker does. Lengths are in characters.
"""

import base64
import binascii
import re
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

import msgspec

from crashes.intake.attachments import Announced
from crashes.stack import CrashKind, PayloadFormat
from devices.dropped_keys import objects_of
from devices.strict_json import NotStrict, refuse_depth, refuse_repeats

Text40 = Annotated[str, msgspec.Meta(max_length=40)]
Text100 = Annotated[str, msgspec.Meta(max_length=100)]
Text200 = Annotated[str, msgspec.Meta(max_length=200)]
Digits3 = Annotated[str, msgspec.Meta(pattern=r"^[0-9]{0,3}\Z")]
Annotations = Annotated[
    dict[Text100, Annotated[str, msgspec.Meta(max_length=1000)]], msgspec.Meta(max_length=100)
]
VersionCode = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]


class MalformedReport(Exception):
    """The report cannot be taken. `code` is stable; the detail names the field, not its value."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail


class Software(msgspec.Struct, frozen=True):
    """What the phone ran."""

    build_fingerprint: Text200 = ""
    os_version: Text40 = ""
    os_build: Text100 = ""
    security_patch: Text40 = ""
    kernel: Text200 = ""
    modem: Text200 = ""


class App(msgspec.Struct, frozen=True):
    """The app of the crashed process."""

    package: Text200 = ""
    version_name: Text100 = ""
    version_code: VersionCode | None = None
    foreground: bool | None = None


class Network(msgspec.Struct, frozen=True):
    """Country and operator codes."""

    mcc: Digits3 = ""
    mnc: Digits3 = ""


class Battery(msgspec.Struct, frozen=True):
    """The battery at that moment: percent, degrees Celsius."""

    level: float | None = None
    temperature_c: float | None = None
    charging: bool | None = None


class Payload(msgspec.Struct, frozen=True):
    """The dump inside the JSON form: text, or base64 for binary formats."""

    format: PayloadFormat = PayloadFormat.NONE
    text: str | None = None
    base64: str | None = None


Discarded = Annotated[
    dict[Text40, Annotated[int, msgspec.Meta(ge=0, le=1_000_000)]], msgspec.Meta(max_length=20)
]


class Report(msgspec.Struct, frozen=True):
    """One occurrence on one device.

    `sent_at` is the device's clock when it sends; with it a clock that is off can be set right.
    `sent_boot_id` is the boot it sends in. `discarded` says what the device had to throw away
    since its last report, by reason. `annotations` are facts of clients that exist already which
    have no field here: short texts by the client's own name for them. `attachments` are files that
    will follow by themselves.
    """

    report_id: UUID
    kind: CrashKind
    occurred_at: datetime | None = None
    uptime_ms: Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)] | None = None
    boot_id: Text100 = ""
    process: Text200 = ""
    software: Software = Software()
    app: App = App()
    network: Network = Network()
    battery: Battery = Battery()
    payload: Payload = Payload()
    sent_at: datetime | None = None
    sent_boot_id: Text100 = ""
    discarded: Discarded = {}
    annotations: Annotations = {}
    attachments: Announced = ()


_decoder = msgspec.json.Decoder(Report)
_ESCAPED_NUL = re.compile(rb"(?<!\\)((?:\\\\)*)\\u0000")
"""PostgreSQL cannot store NUL in text."""


def decode_report(document: bytes) -> Report:
    """The report in a JSON document. Raises MalformedReport."""
    try:
        if b"\\u0000" in document:  # the expression is slow, and nearly nobody needs it
            document = _ESCAPED_NUL.sub(rb"\1\\ufffd", document)
        return _decoder.decode(document)
    except msgspec.ValidationError as error:
        raise MalformedReport("invalid_field", _without_values(str(error))) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise MalformedReport("malformed_json", "the report is not valid JSON") from None


def count_unknown_keys(document: bytes) -> int:
    """How many keys of a report, and of the objects in it, are none of ours and were dropped.

    Raises MalformedReport for what `decode_report` does not look at: what is not UTF-8 or nests too
    deep where it is dropped, and keys that are there twice.
    """
    try:
        return _unknown_keys(document)
    except NotStrict as problem:
        raise MalformedReport("malformed_json", str(problem)) from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise MalformedReport("malformed_json", "the report is not valid JSON") from None


def _unknown_keys(document: bytes) -> int:
    objects = list(objects_of(document, Report))
    dropped = [
        bytes(value)
        for keys, known in objects
        if known is not None
        for name, value in keys.items()
        if name not in known
    ]
    for value in dropped:
        value.decode()  # the decoder skips these bytes without a look
        refuse_depth(value)
    refuse_repeats(document, keys=sum(len(keys) for keys, _ in objects), skipped=dropped)
    return len(dropped)


def without_nul(value: Any) -> Any:
    """JSON values with U+FFFD for NUL, which PostgreSQL cannot store in text."""
    if isinstance(value, str):
        return value.replace("\0", "\ufffd")
    if isinstance(value, list):
        return [without_nul(item) for item in value]
    if isinstance(value, dict):
        return {without_nul(key): without_nul(item) for key, item in value.items()}
    return value


def _without_values(message: str) -> str:
    """Msgspec's message less anything the sender wrote, which could hold an identifier."""
    reason, separator, place = message.rpartition(" - at ")
    if not separator:
        reason, place = message, "`$`"
    return f"{reason.partition(' value ')[0].strip()} at {place}"


def payload_bytes(payload: Payload) -> bytes:
    """The dump of the JSON form as bytes. Raises MalformedReport for damaged base64."""
    if payload.base64 is not None:
        try:
            return base64.b64decode(payload.base64, validate=True)
        except (binascii.Error, ValueError):
            raise MalformedReport("invalid_field", "not base64 at `$.payload.base64`") from None
    return (payload.text or "").encode("utf-8", "surrogatepass")


def occurred_at(report: Report, *, received_at: datetime) -> datetime:
    """The moment of the occurrence in UTC: what the device's clock said, set right if it was off.

    A device that says when it sends shows how far its clock is off; beyond a minute the
    difference is applied, unless it has booted since, as a clock may change then. What is still
    before 2015 or more than a day ahead is not believed: then it is the moment of arrival. The
    envelope keeps the device's own words (payloads.md 4.7).
    """
    said = _utc(report.occurred_at)
    if said is None:
        return received_at
    offset = _clock_offset(report, received_at)
    try:
        said += offset
    except OverflowError:
        return received_at
    if said.year < _FIRST_BELIEVABLE_YEAR or said - received_at > _FURTHEST_AHEAD:
        return received_at
    return said


_FIRST_BELIEVABLE_YEAR = 2015
_FURTHEST_AHEAD = timedelta(days=1)
_CLOCK_TOLERANCE = timedelta(seconds=60)


def _clock_offset(report: Report, received_at: datetime) -> timedelta:
    """How much the device's clock was behind; zero when it is nearly right or cannot be told."""
    sent_at = _utc(report.sent_at)
    has_booted = bool(report.sent_boot_id and report.sent_boot_id != report.boot_id)
    if sent_at is None or has_booted:
        return timedelta()
    offset = received_at - sent_at
    return offset if abs(offset) > _CLOCK_TOLERANCE else timedelta()


def _utc(moment: datetime | None) -> datetime | None:
    """A moment in UTC; one without a zone is UTC, one at the calendar's edge is none."""
    if moment is None:
        return None
    try:
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except OverflowError:
        return None


def envelope_of(report: Report) -> dict[str, Any]:
    """Everything of the report but the payload's bytes, as JSON values."""
    document: dict[str, Any] = msgspec.to_builtins(report)
    document["payload"] = {"format": report.payload.format.value}
    if not report.attachments:
        del document["attachments"]
    return document


def report_from_envelope(envelope: dict[str, Any]) -> Report:
    """The report that `envelope_of` wrote. Raises MalformedReport."""
    try:
        return msgspec.convert(envelope, Report)
    except msgspec.ValidationError as error:
        raise MalformedReport("invalid_field", _without_values(str(error))) from None
