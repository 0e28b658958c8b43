"""What an event of a Sentry SDK says beside its stack: the facts of the report.

Only what is named here is kept: the software, the app, the battery, and a few words about the
client. User, tags, extras, breadcrumbs, the phone's name and its identifiers are left out.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from crashes.intake.client_text import flag_of, moment_of, number_of, object_of, text_of
from crashes.intake.report import App, Battery, Payload, Report, Software
from crashes.stack import CrashKind, PayloadFormat

_MAX_ANNOTATION = 300


@dataclass(frozen=True, slots=True)
class Findings:
    """What reading the event as a payload tells: its kind, program and build."""

    kind: CrashKind
    package: str | None = None
    version_name: str | None = None
    version_code: int | None = None
    build_fingerprint: str | None = None


def report_of_event(
    event: Mapping[str, Any],
    *,
    report_id: UUID,
    findings: Findings,
    payload_format: PayloadFormat,
    client: str,
) -> Report:
    """The report that an event becomes."""
    app = _context(event, "app")
    return Report(
        report_id=report_id,
        kind=findings.kind,
        occurred_at=_occurred_at(event),
        process=text_of(app.get("app_identifier"), limit=200),
        software=_software(event, findings),
        app=App(
            package=text_of(findings.package, limit=200),
            version_name=text_of(findings.version_name, limit=100),
            version_code=number_of(findings.version_code),
            foreground=flag_of(app.get("in_foreground")),
        ),
        battery=_battery(event),
        payload=Payload(format=payload_format),
        annotations=_annotations(event, client),
    )


def model_of_event(event: Mapping[str, Any]) -> str:
    """The phone's model, empty when the event does not say it."""
    return text_of(_context(event, "device").get("model"), limit=100)


def client_of(*headers: Any) -> str:
    """Name and version of an SDK, `sentry.java/8.53.0`, from the first header that has them."""
    for header in headers:
        sdk = object_of(object_of(header).get("sdk"))
        name = text_of(sdk.get("name"), limit=60)
        if name:
            return f"{name}/{text_of(sdk.get('version'), limit=40)}".rstrip("/")
    return ""


def _context(event: Mapping[str, Any], name: str) -> dict[str, Any]:
    return object_of(object_of(event.get("contexts")).get(name))


def _occurred_at(event: Mapping[str, Any]) -> datetime | None:
    return moment_of(event.get("timestamp"))


def _software(event: Mapping[str, Any], findings: Findings) -> Software:
    system = _context(event, "os")
    return Software(
        build_fingerprint=text_of(findings.build_fingerprint, limit=200),
        os_version=text_of(system.get("version"), limit=40),
        os_build=text_of(system.get("build"), limit=100),
        kernel=text_of(system.get("kernel_version"), limit=200),
    )


def _battery(event: Mapping[str, Any]) -> Battery:
    device = _context(event, "device")
    return Battery(
        level=_percent(device.get("battery_level")), charging=flag_of(device.get("charging"))
    )


def _percent(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if 0 <= value <= 100 else None  # noqa: PLR2004


def _annotations(event: Mapping[str, Any], client: str) -> dict[str, str]:
    device = _context(event, "device")
    said = {
        "client": client,
        "release": event.get("release"),
        "environment": event.get("environment"),
        "level": event.get("level"),
        "device.manufacturer": device.get("manufacturer"),
        "device.family": device.get("family"),
        "os.name": _context(event, "os").get("name"),
    }
    texts = {name: text_of(value, limit=_MAX_ANNOTATION) for name, value in said.items()}
    return {name: text for name, text in texts.items() if text}
