"""Upload payload files as a phone would, one report per file.

The format is found by content unless it is given; what the payload says about itself (kind,
process, package, version, build) fills the report unless an option says otherwise. An ingest key
uploads as a client without enrollment; together with --imei the phone enrolls first, allowing
development, and uploads with its own token. One JSON line per file tells what became of it:

    {"file": "tombstone_03", "report_id": "...", "status": "accepted"}
    {"file": "note.txt", "report_id": null, "code": "unknown_format"}
"""

import json
import sys
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from crashes.formats.errors import MalformedPayload
from crashes.formats.registry import parse_payload, sniff
from crashes.management.client import ServerUnreachable, UploadClient
from crashes.stack import Crash, CrashKind, PayloadFormat
from devices.credentials import DEVICE_PREFIX, INGEST_PREFIX

_HELP = __doc__
_STANDARD_INPUT = "-"
_KINDS = {
    PayloadFormat.JAVA_STACKTRACE: CrashKind.JAVA_CRASH,
    PayloadFormat.LOGCAT: CrashKind.JAVA_CRASH,
    PayloadFormat.ACRA_JSON: CrashKind.JAVA_CRASH,
    PayloadFormat.TOMBSTONE_TEXT: CrashKind.NATIVE_CRASH,
    PayloadFormat.TOMBSTONE_PROTO: CrashKind.NATIVE_CRASH,
    PayloadFormat.MINIDUMP: CrashKind.NATIVE_CRASH,
    PayloadFormat.MICRODUMP: CrashKind.NATIVE_CRASH,
    PayloadFormat.ANR_TRACES: CrashKind.ANR,
    PayloadFormat.KERNEL_LOG: CrashKind.KERNEL_PANIC,
}


class Command(BaseCommand):
    """`manage.py send_report --url U --key K FILE...`."""

    help = _HELP
    requires_system_checks = ()

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        """A parser that keeps the lines of the help text."""
        kwargs["formatter_class"] = RawDescriptionHelpFormatter
        return super().create_parser(prog_name, subcommand, **kwargs)

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Where to, as whom, and what the phone knows beside the payload."""
        add = parser.add_argument
        add("--url", required=True, help="the server, such as http://127.0.0.1:8000")
        add("--key", required=True, help="ingest key (uxpi_...) or device token (uxpd_...)")
        add("--imei", help="enroll this phone first; needs an ingest key")
        add("--model", default="unknown", help="the phone's model, said when it enrolls")
        add("--kind", choices=[*CrashKind], help="what happened [what the payload tells]")
        formats = ["auto", *PayloadFormat]
        add("--format", choices=formats, default="auto", help="the payload's format [auto]")
        add("--process", help="the process that crashed [what the payload tells]")
        add("--package", help="the app's package [what the payload tells]")
        add("--version-name", help="the app's version")
        add("--version-code", type=int, help="the app's version code")
        add("--build-fingerprint", help="the phone's build fingerprint")
        add("--os-version", default="", help="the Android release, such as 14")
        add("--os-build", default="", help="the maker's build number, such as V3.420")
        add("--mcc", default="", help="country code of the network")
        add("--mnc", default="", help="operator code of the network")
        add("files", nargs="+", metavar="FILE", help="payload file; - reads standard input")

    def handle(self, *_args: Any, **options: Any) -> None:
        """Upload each file; exit with 1 when any was not taken."""
        try:
            with UploadClient(options["url"]) as client:
                credential = _credential(client, options)
                lines = [self._send(client, name, credential, options) for name in options["files"]]
        except (ValueError, ServerUnreachable) as problem:
            raise CommandError(str(problem)) from problem
        if any("status" not in line for line in lines):
            sys.exit(1)

    def _send(
        self, client: UploadClient, name: str, credential: str, options: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Upload one file and print its line."""
        line: dict[str, Any] = {"file": name, "report_id": None}
        try:
            content = _read(name)
        except OSError as problem:
            line |= {"code": "unreadable_file", "detail": problem.strerror}
        else:
            line |= _upload(client, content, credential, options)
        self.stdout.write(json.dumps(line))
        return line


def _credential(client: UploadClient, options: Mapping[str, Any]) -> str:
    """What to upload with. Raises CommandError."""
    key: str = options["key"]
    if not key.startswith((INGEST_PREFIX, DEVICE_PREFIX)):
        raise CommandError("--key: give an ingest key (uxpi_...) or a device token (uxpd_...)")
    if options["imei"] is None:
        return key
    if not key.startswith(INGEST_PREFIX):
        raise CommandError("--imei: a phone with a token has enrolled already")
    answer = client.enroll(_enrollment(options), key=key)
    if not answer.is_ok:
        raise CommandError(f"enrollment was refused: {answer.code}")
    return str(answer.document["device_token"])


def _enrollment(options: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "imei": options["imei"],
        "model": options["model"],
        "build_fingerprint": options["build_fingerprint"] or "",
        "os_version": options["os_version"],
        "os_build": options["os_build"],
        "mcc": options["mcc"],
        "mnc": options["mnc"],
        "consent": {
            "policy_version": "2023-04-17",
            "purposes": ["development"],
            "given_at": timezone.now().isoformat(),
        },
    }


def _read(name: str) -> bytes:
    return sys.stdin.buffer.read() if name == _STANDARD_INPUT else Path(name).read_bytes()


def _upload(
    client: UploadClient, content: bytes, credential: str, options: Mapping[str, Any]
) -> dict[str, Any]:
    """Report one payload: `report_id` with `status` or `code`."""
    said = options["format"]
    found = sniff(content) if said == "auto" else PayloadFormat(said)
    if found is None:
        return {"code": "unknown_format", "detail": "Say --format: the content tells nothing."}
    document = report_of(found, parsed(found, content), options)
    text = as_text(content)
    if text is not None:
        document["payload"]["text"] = text
    answer = client.send_report(document, content if text is None else None, credential=credential)
    if answer.is_ok:
        return {"report_id": document["report_id"], "status": answer.document.get("status")}
    return {"report_id": document["report_id"], "code": answer.code}


def parsed(payload_format: PayloadFormat, content: bytes) -> Crash | None:
    """What the payload says about itself; None for one that only the server may judge."""
    try:
        return parse_payload(payload_format, content)
    except MalformedPayload:
        return None


def as_text(content: bytes) -> str | None:
    """The payload as JSON can carry it unchanged, or None: then it travels as a file part."""
    try:
        text = content.decode()
    except UnicodeDecodeError:
        return None
    return None if "\0" in text else text


def report_of(
    payload_format: PayloadFormat, crash: Crash | None, options: Mapping[str, Any]
) -> dict[str, Any]:
    """The report around a payload, without its content. Options go before what the dump says."""
    kind = _KINDS.get(payload_format, CrashKind.ERROR)
    said: Crash = crash or Crash(kind=kind)
    return {
        "report_id": str(uuid4()),
        "occurred_at": timezone.now().isoformat(),
        "kind": options["kind"] or said.kind.value,
        "process": options["process"] or said.process or "",
        "software": {
            "build_fingerprint": options["build_fingerprint"] or said.build_fingerprint or "",
            "os_version": options["os_version"],
            "os_build": options["os_build"],
        },
        "app": _without_none(
            package=options["package"] or said.package or "",
            version_name=options["version_name"] or said.version_name or "",
            version_code=_first(options["version_code"], said.version_code),
        ),
        "network": {"mcc": options["mcc"], "mnc": options["mnc"]},
        "payload": {"format": payload_format.value},
    }


def _first(*values: int | None) -> int | None:
    return next((value for value in values if value is not None), None)


def _without_none(**values: object) -> dict[str, object]:
    return {name: value for name, value in values.items() if value is not None}
