"""Reports of ACRA: one JSON object, or a form whose objects are flattened to lines.

As a form, the value of BUILD is a text of `KEY=value` lines with dotted keys
(`VERSION.SDK_INT=30`); such values become objects again, so that one parser reads both forms.
"""

from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

import msgspec

from crashes.intake.client_ids import report_id_of
from crashes.intake.client_text import moment_of, number_of, object_of, text_of
from crashes.intake.report import App, Network, Payload, Report, Software
from crashes.stack import CrashKind, PayloadFormat

_KNOWN_BY = ("REPORT_ID", "STACK_TRACE", "PACKAGE_NAME")
_OBJECTS = frozenset({"BUILD", "CRASH_CONFIGURATION", "INITIAL_CONFIGURATION", "THREAD_DETAILS"})
_MAX_LINES = 1000
_MAX_DEPTH = 4
_TWO_DIGITS = 100


class NotAcra(Exception):
    """The document has no field of an ACRA report."""


def document_of_form(fields: Iterable[tuple[str, str]]) -> bytes:
    """The report in a form as the JSON document it would have been."""
    document: dict[str, Any] = {}
    for name, value in fields:
        document[name] = _unflattened(value) if name in _OBJECTS else value
    return msgspec.json.encode(document)


def _unflattened(value: str) -> dict[str, Any] | str:
    """The object in lines of dotted keys; the text itself when it has none."""
    found: dict[str, Any] = {}
    for line in value.splitlines()[:_MAX_LINES]:
        name, equals, text = line.partition("=")
        if equals:
            _put(found, name.split(".", _MAX_DEPTH), text)
    return found or value


def _put(into: dict[str, Any], path: list[str], text: str) -> None:
    for name in path[:-1]:
        inner = into.setdefault(name, {})
        if not isinstance(inner, dict):
            return
        into = inner
    into.setdefault(path[-1], text)


def report_of_acra(
    document: Mapping[str, Any], *, report_id: UUID | None, content_id: UUID
) -> Report:
    """The report's facts. Raises NotAcra.

    The id is the one in the document, else `report_id` (from the address), else `content_id`.
    """
    if not any(name in document for name in _KNOWN_BY):
        raise NotAcra("no field of an ACRA report is there")
    package = text_of(document.get("PACKAGE_NAME"), limit=200)
    is_silent = str(document.get("IS_SILENT")).lower() == "true"
    return Report(
        report_id=report_id_of(document.get("REPORT_ID")) or report_id or content_id,
        kind=CrashKind.ERROR if is_silent else CrashKind.JAVA_CRASH,
        occurred_at=moment_of(document.get("USER_CRASH_DATE")),
        process=package,
        software=_software(document),
        app=App(
            package=package,
            version_name=text_of(document.get("APP_VERSION_NAME"), limit=100),
            version_code=number_of(document.get("APP_VERSION_CODE")),
        ),
        network=_network(object_of(document.get("CRASH_CONFIGURATION"))),
        payload=Payload(format=PayloadFormat.ACRA_JSON),
        annotations={"client": "acra"},
    )


def model_of_acra(document: Mapping[str, Any]) -> str:
    """The phone's model, empty when it is not said."""
    return text_of(document.get("PHONE_MODEL"), limit=100)


def _software(document: Mapping[str, Any]) -> Software:
    build = object_of(document.get("BUILD"))
    version = object_of(build.get("VERSION"))
    return Software(
        build_fingerprint=text_of(build.get("FINGERPRINT"), limit=200),
        os_version=text_of(document.get("ANDROID_VERSION"), limit=40),
        os_build=text_of(build.get("DISPLAY"), limit=100),
        security_patch=text_of(version.get("SECURITY_PATCH"), limit=40),
        modem=text_of(build.get("RADIO"), limit=200),
    )


def _network(configuration: Mapping[str, Any]) -> Network:
    """Country and operator. Android's numbers have lost their leading zeros.

    A country code has three digits. An operator code has two or three, which a number below 100
    does not tell; two is what most of the world has.
    """
    mcc, mnc = number_of(configuration.get("mcc")), number_of(configuration.get("mnc"))
    if not mcc or mcc > 999 or mnc is None or mnc > 999:  # noqa: PLR2004 - three digits
        return Network()
    return Network(mcc=f"{mcc:03d}", mnc=f"{mnc:02d}" if mnc < _TWO_DIGITS else str(mnc))
