"""Upload payload files as a phone would, one report per file.

The format is found by content unless it is given; what the payload says about itself (kind,
process, package, version, build) fills the report unless an option says otherwise. An ingest key
uploads as a client without enrollment; together with --imei the phone enrolls first, allowing
development, and uploads with its own token. One JSON line per file tells what became of it:

    {"file": "tombstone_03", "report_id": "...", "status": "accepted"}
    {"file": "note.txt", "report_id": null, "code": "unknown_format"}

With --queue the reports wait in a folder, as on a phone, and --flush delivers what waits there: in
batches, with long pauses after failures, large payloads in pieces that are resumed. Without --patience
it leaves when it would have to wait; come again later. Its line is the last:

    {"outcome": "empty", "wait_seconds": 0, "accepted": 2, "attachments": 1}
"""

import base64
import hashlib
import json
import sys
import time
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from crashes.formats.errors import MalformedPayload
from crashes.formats.registry import parse_payload, sniff
from crashes.management.agent.delivery import Agent, Delivery, Outcome
from crashes.management.agent.disk_queue import AttachedFile, DiskQueue
from crashes.management.client import Answer, ServerUnreachable, UploadClient
from crashes.stack import Crash, CrashKind, PayloadFormat
from devices.credentials import DEVICE_PREFIX, INGEST_PREFIX

_HELP = __doc__
_STANDARD_INPUT = "-"
_INLINE_BYTES = 256 * 1024
"""A larger payload follows its report in pieces."""
_KINDS = {
    PayloadFormat.JAVA_STACKTRACE: CrashKind.JAVA_CRASH,
    PayloadFormat.LOGCAT: CrashKind.JAVA_CRASH,
    PayloadFormat.ACRA_JSON: CrashKind.JAVA_CRASH,
    PayloadFormat.TOMBSTONE_TEXT: CrashKind.NATIVE_CRASH,
    PayloadFormat.TOMBSTONE_PROTO: CrashKind.NATIVE_CRASH,
    PayloadFormat.MINIDUMP: CrashKind.NATIVE_CRASH,
    PayloadFormat.MICRODUMP: CrashKind.NATIVE_CRASH,
    PayloadFormat.CORE: CrashKind.NATIVE_CRASH,
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
        add(
            "--queue", type=Path, metavar="DIR", help="keep the reports here, to be delivered later"
        )
        add("--flush", action="store_true", help="deliver what waits in the queue")
        add("--patience", type=float, default=0.0, help="seconds to wait in all for that [0]")
        add("--packing", choices=["gzip", "zstd"], default="gzip", help="of batches [gzip]")
        add("files", nargs="*", metavar="FILE", help="payload file; - or none is stdin")

    def handle(self, *_args: Any, **options: Any) -> None:
        """Upload or queue each file; exit with 1 when any was not taken."""
        _check(options)
        options["files"] = options["files"] or ([] if options["flush"] else ["-"])
        if options["queue"] is not None:
            self._use_queue(options)
            return
        try:
            with UploadClient(options["url"]) as client:
                credential = _credential(client, options)
                lines = [self._send(client, name, credential, options) for name in options["files"]]
        except (ValueError, ServerUnreachable) as problem:
            raise CommandError(str(problem)) from problem
        if any("status" not in line for line in lines):
            sys.exit(1)

    def _use_queue(self, options: Mapping[str, Any]) -> None:
        """Queue each file, then deliver when that is asked for."""
        try:
            queue = DiskQueue(options["queue"], clock=_clock)
            lines = [_queued(queue, name, options) for name in options["files"]]
            for line in lines:
                self.stdout.write(json.dumps(line))
            is_done = all("status" in line for line in lines)
            if options["flush"]:
                delivery = _flush(queue, options)
                self.stdout.write(json.dumps(_summary(delivery)))
                is_done = is_done and delivery.outcome is Outcome.EMPTY and not delivery.codes
        except (ValueError, OSError) as problem:
            raise CommandError(str(problem)) from problem
        if not is_done:
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


def _check(options: Mapping[str, Any]) -> None:
    """Raises CommandError for options that contradict each other."""
    if options["flush"] and options["queue"] is None:
        raise CommandError("--flush: say which --queue")
    if not options["key"].startswith((INGEST_PREFIX, DEVICE_PREFIX)):
        raise CommandError("--key: give an ingest key (uxpi_...) or a device token (uxpd_...)")
    if options["imei"] is not None and not options["key"].startswith(INGEST_PREFIX):
        raise CommandError("--imei: a phone with a token has enrolled already")


def _queued(queue: DiskQueue, name: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Queue one file; its line."""
    try:
        content = _read(name)
    except OSError as problem:
        detail = problem.strerror
        return {"file": name, "report_id": None, "code": "unreadable_file", "detail": detail}
    document = _document(content, options)
    if document is None:
        return {"file": name, "report_id": None, "code": "unknown_format"}
    line = {"file": name, "report_id": document["report_id"]}
    if queue.add(*_with_payload(document, content)):
        return line | {"status": "queued"}
    return line | {"code": "queue_full"}


def _with_payload(
    document: dict[str, Any], content: bytes
) -> tuple[dict[str, Any], list[AttachedFile]]:
    """The report with its payload inside, or announced to follow when that is large."""
    text = as_text(content)
    if len(content) > _INLINE_BYTES:
        file = AttachedFile(hashlib.sha256(content).hexdigest(), content)
        announced = {
            "sha256": file.sha256,
            "size_bytes": len(content),
            "format": document["payload"]["format"],
        }
        return document | {"attachments": [announced], "payload": {"format": "none"}}, [file]
    if text is not None:
        document["payload"]["text"] = text
    else:
        document["payload"]["base64"] = base64.b64encode(content).decode()
    return document, []


def _flush(queue: DiskQueue, options: Mapping[str, Any]) -> Delivery:
    """Deliver with the token of an enrollment when there is an IMEI, else with the key."""
    with UploadClient(options["url"], attempts=1) as client:

        def enroll() -> Answer:
            return client.enroll(_enrollment(options), key=options["key"])

        agent = Agent(
            client,
            queue,
            credential=options["key"],
            clock=_clock,
            sleep=time.sleep,
            enroll=enroll if options["imei"] else None,
            must_enroll=bool(options["imei"]),
            packing=options["packing"],
        )
        return agent.flush(patience_seconds=options["patience"])


def _summary(delivery: Delivery) -> dict[str, Any]:
    summary: dict[str, Any] = {
        "outcome": delivery.outcome.value,
        "wait_seconds": round(delivery.wait_seconds),
    }
    return summary | delivery.statuses | {"attachments": delivery.attachments}


def _clock() -> float:
    return timezone.now().timestamp()


def _credential(client: UploadClient, options: Mapping[str, Any]) -> str:
    """What to upload with. Raises CommandError."""
    key: str = options["key"]
    if options["imei"] is None:
        return key
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
    document = _document(content, options)
    if document is None:
        return {"code": "unknown_format", "detail": "Say --format: the content tells nothing."}
    text = as_text(content)
    if text is not None:
        document["payload"]["text"] = text
    answer = client.send_report(document, content if text is None else None, credential=credential)
    if answer.is_ok:
        return {"report_id": document["report_id"], "status": answer.document.get("status")}
    return {"report_id": document["report_id"], "code": answer.code}


def _document(content: bytes, options: Mapping[str, Any]) -> dict[str, Any] | None:
    """The report around a payload; None when its format cannot be told."""
    said = options["format"]
    found = sniff(content) if said == "auto" else PayloadFormat(said)
    return None if found is None else report_of(found, parsed(found, content), options)


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
