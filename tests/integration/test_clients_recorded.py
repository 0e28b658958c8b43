"""Every recorded request of a real client, replayed over a socket against the production server.

A recording is the head and the body as the client sent them; only host, program and key are
exchanged, and a body that came in chunks is sent in chunks again. What the platform has stored
afterwards is compared with the recording, read here once more by a few lines of its own.
"""

import base64
import csv
import gzip
import hashlib
import json
import socket
import sqlite3
import uuid
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest

from crashes.formats.jobs import clean_job
from crashes.packing import unpack
from crashes.selectors.sealed import raw_place
from devices.sealing.keys import parse_master_keys
from devices.sealing.values import key_of, open_value
from tests.journeys.platform import Platform

pytestmark = pytest.mark.own_servers

MASTER_KEYS = parse_master_keys("1:only-for-tests-" + "0" * 32)
RECORDED_KEY = "0123456789abcdef0123456789abcdef"
SPOKEN = ("acra-", "curl", "sentry-")
KEPT_ITEMS = {"event", "attachment", "client_report"}


@dataclass(frozen=True)
class Recording:
    """One row of the manifest and the files it names."""

    folder: Path
    name: str
    expect: dict

    @property
    def head(self):
        return (self.folder / "request.head").read_text().strip().splitlines()

    @property
    def body(self):
        path = self.folder / "request.body"
        return path.read_bytes() if path.exists() else b""

    @property
    def plain(self):
        packed = self.expect.get("content_encoding") == "gzip"
        return gzip.decompress(self.body) if packed else self.body

    @property
    def rows(self):
        """The parts of a form by name."""
        with (self.folder / "request.parts.tsv").open(newline="") as file:
            rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
        return {row["disposition"].split('name="')[1].split('"')[0]: row for row in rows}

    @property
    def parts(self):
        """Name and SHA-1 of every part of a form."""
        return {name: row["sha1"] for name, row in self.rows.items()}

    def part(self, name):
        """The content of a part of a form."""
        size = int(self.rows[name]["bytes"])
        at = self.plain.index(b"\r\n\r\n", self.plain.index(f'name="{name}"'.encode())) + 4
        content = self.plain[at : at + size]
        assert sha1(content) == self.parts[name]
        return content

    @property
    def is_spoken(self):
        """Whether the client is one that the platform speaks with."""
        return self.name.startswith(SPOKEN)

    @property
    def items(self):
        """The items of an envelope as (type, header, payload)."""
        body, found = self.plain, []
        at = body.index(b"\n") + 1
        while at < len(body):
            line = body[at:].partition(b"\n")[0]
            header = json.loads(line)
            at += len(line) + 1
            length = header.get("length", len(body[at:].partition(b"\n")[0]))
            found.append((header["type"], header, body[at : at + length]))
            at += length + 1
        return found

    @property
    def is_envelope(self):
        return self.expect["path"].endswith("/envelope/")

    def __str__(self):
        return self.name


def recordings(shared_dir):
    root = shared_dir / "samples" / "payloads"
    with (root / "MANIFEST.tsv").open(newline="") as file:
        rows = [
            row for row in csv.DictReader(file, delimiter="\t") if row["kind"] == "recorded-client"
        ]
    return [
        Recording(
            root / row["file"],
            row["file"].removeprefix("recorded-clients/").strip("/"),
            json.loads(row["expect"]),
        )
        for row in rows
    ]


# Sending --------------------------------------------------------------------------------------


class Replay:
    """A platform that runs, and what it answered to every recording."""

    def __init__(self, platform, found):
        self.platform = platform
        self.key = platform.ingest_key()
        self.token = platform.api_token("read", "symbols")
        self.recordings = found
        self.answers = {recording.name: self._send(recording) for recording in found}

    def _send(self, recording):
        request = self._request(recording)
        with socket.create_connection(("127.0.0.1", self.platform.port), timeout=30) as wire:
            wire.sendall(request)
            answer = b""
            while chunk := wire.recv(1 << 16):
                answer += chunk
        head, _, body = answer.partition(b"\r\n\r\n")
        return int(head.split(b" ", 2)[1]), body

    def _request(self, recording):
        first, *lines = recording.head
        method, path, version = first.split(" ")
        path = path.replace("/api/42/", "/api/1/").replace("/acra/report", "/api/1/acra")
        path = path.replace("/submit", f"/api/1/crashpad/?key={self.key}")
        headers = [line.split(": ", 1) for line in lines]
        kept = [
            self._header(name, value) for name, value in headers if name.lower() != "connection"
        ]
        head = "\r\n".join([f"{method} {path} {version}", *kept, "Connection: close", "", ""])
        head = head.replace(RECORDED_KEY, self.key[-32:])
        return head.encode() + (
            chunked(recording.body) if recording.expect.get("chunked") else recording.body
        )

    def _header(self, name, value):
        if name.lower() == "host":
            value = f"127.0.0.1:{self.platform.port}"
        if name.lower() == "authorization":
            pair = base64.b64encode(f"reporter:{self.key}".encode()).decode()
            value = f"Basic {pair}" if value.startswith("Basic") else f"Bearer {self.token}"
        return f"{name}: {value}"

    def envelopes(self):
        return [recording for recording in self.recordings if recording.is_envelope]

    def report(self, report_id):
        return self.platform.wait_for_report(uuid.UUID(str(report_id)), self.token)

    def rows(self, query, *values):
        with sqlite3.connect(self.platform.folder / "uxp.sqlite3") as database:
            return database.execute(query, values).fetchall()

    def raw(self, report_id):
        """The payload as it was stored."""
        ((pk, raw, blob),) = self.rows(
            "SELECT r.id, c.raw, c.raw_blob FROM crashes_reportcontent c"
            " JOIN crashes_report r ON r.id = c.report_id WHERE r.report_id = ?",
            uuid.UUID(str(report_id)).hex,
        )
        assert not blob
        rows = self.rows("SELECT id, master_key, wrapped FROM devices_datakey")
        keys = {
            uuid.UUID(key_id): MASTER_KEYS.unwrap(
                wrapped, key_id=uuid.UUID(key_id), master_key=master_key
            )
            for key_id, master_key, wrapped in rows
        }
        return unpack(open_value(raw, keys[key_of(raw)], about=raw_place(pk)))


def chunked(body, size=1000):
    pieces = [body[at : at + size] for at in range(0, len(body), size)]
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in [*pieces, b""])


@pytest.fixture(scope="module")
def replay(shared_dir, tmp_path_factory):
    platform = Platform(tmp_path_factory.mktemp("recorded"))
    platform.prepare()
    platform.start_web()
    platform.start_worker()
    try:
        yield Replay(platform, recordings(shared_dir))
    finally:
        platform.stop()


# What became of it ----------------------------------------------------------------------------


def test_the_recordings_are_what_their_rows_say(replay):
    assert replay.recordings
    for recording in replay.recordings:
        method, path, _ = recording.head[0].split(" ")
        assert method == recording.expect["method"], recording
        assert path.partition("?")[0] == recording.expect["path"], recording
        assert len(recording.body) == recording.expect["body_bytes"], recording


def test_every_request_of_a_client_we_speak_with_is_answered_so_that_it_is_content(replay):
    for recording in replay.recordings:
        status, body = replay.answers[recording.name]
        if recording.is_spoken:
            assert status in {200, 201}, (recording.name, status, body)
        else:
            assert status == 404, (recording.name, status)


def test_an_envelope_is_answered_with_the_id_of_its_event(replay):
    for recording in replay.envelopes():
        ids = [json.loads(data)["event_id"] for kind, _, data in recording.items if kind == "event"]
        if ids:
            answer = json.loads(replay.answers[recording.name][1])
            assert answer == {"id": uuid.UUID(ids[0]).hex}, recording


def test_every_event_is_stored_as_it_was_sent(replay):
    count = 0
    for recording in replay.envelopes():
        minidumps = [
            data for _, header, data in recording.items
            if header.get("attachment_type") == "event.minidump"
        ]  # fmt: skip
        for kind, _, data in recording.items:
            if kind != "event":
                continue
            count += 1
            event = json.loads(data)
            report = replay.report(event["event_id"])
            assert report["state"] == "done", (recording, report["failure"])
            raw = replay.raw(event["event_id"])
            has_stack = "exception" in event or "threads" in event
            dumps = [clean("minidump", dump) for dump in minidumps]
            if minidumps and not has_stack:
                assert raw == dumps[0], recording
            else:
                assert clean("none", bytes(data)) in raw, recording
                assert all(dump in raw for dump in dumps), recording
                compare(report["crash"], event, recording)
    assert count


def clean(payload_format, payload):
    """What may be kept of a payload."""
    return clean_job(payload_format, payload) or payload


def compare(crash, event, recording):
    """The parsed crash against the event that was sent."""
    version = event.get("release", "").rpartition("@")[2].partition("+")[0]
    assert crash["version_name"] == version, recording
    thrown = (event.get("exception") or {}).get("values", [])
    frames = crash["threads"][0]["frames"] if crash["threads"] else []
    if thrown and not thrown[-1].get("mechanism", {}).get("synthetic"):
        assert crash["exception_type"].endswith(thrown[-1]["type"]), recording
        assert crash["exception_message"] == thrown[-1]["value"], recording
    if thrown:
        sent = thrown[-1]["stacktrace"]["frames"]
        assert len([frame for frame in frames if not frame["inlined"]]) == len(sent), recording
        innermost = sent[-1].get("function") or ""
        assert innermost in (frames[0]["function"] or ""), recording
    signal = thrown[-1].get("mechanism", {}).get("meta", {}).get("signal", {}) if thrown else {}
    assert crash["signal"] == signal.get("name"), recording


def test_what_is_not_kept_is_counted(replay):
    sent: Counter[tuple[str, str]] = Counter()
    for recording in replay.envelopes():
        for kind, _, data in recording.items:
            if kind == "client_report":
                for lost in json.loads(data)["discarded_events"]:
                    sent[lost["reason"], lost["category"]] += lost["quantity"]
            elif kind not in KEPT_ITEMS:
                sent["not_kept", kind] += 1
    counted: Counter[tuple[str, str]] = Counter()
    for reason, category, count in replay.rows(
        "SELECT reason, category, count FROM crashes_clientloss WHERE category <> 'attachment'"
    ):
        counted[reason, category] += count

    assert counted == sent


def test_acra_reports_are_stored_as_they_were_sent(replay):
    found = [recording for recording in replay.recordings if recording.name.startswith("acra-")]
    assert found
    for recording in found:
        answer = json.loads(replay.answers[recording.name][1])
        report = replay.report(answer["report_id"])
        assert report["state"] == "done", report["failure"]
        raw = replay.raw(answer["report_id"])
        is_form = (recording.folder / "request.parts.tsv").exists()
        whole = recording.part("ACRA_REPORT") if is_form else recording.plain
        assert raw == clean("acra_json", whole), recording
        sent = json.loads(raw)
        crash = report["crash"]
        assert crash["package"] == sent["PACKAGE_NAME"]
        assert crash["version_code"] == sent["APP_VERSION_CODE"]
        assert crash["build_fingerprint"] == sent["BUILD"]["FINGERPRINT"]


def test_minidumps_in_forms_are_stored_as_they_were_sent(replay):
    found = [recording for recording in replay.recordings if recording.name.startswith("curl/")]
    assert found
    for recording in found:
        text = replay.answers[recording.name][1].decode()
        report_id = text.strip().removeprefix("CrashID=bp-")
        assert replay.report(report_id)["state"] == "done"
        dump = recording.part("upload_file_minidump")
        assert replay.raw(report_id) == clean("minidump", dump)
        ((package, version),) = replay.rows(
            "SELECT package, version_name FROM crashes_report WHERE report_id = ?",
            uuid.UUID(report_id).hex,
        )
        assert f'"prod"\r\n\r\n{package}\r\n'.encode() in recording.plain
        assert f'"ver"\r\n\r\n{version}\r\n'.encode() in recording.plain


def test_debug_files_and_mappings_are_there(replay):
    files = {
        (json.loads(facts)["debug_id"], kind)
        for facts, kind in replay.rows("SELECT facts, kind FROM crashes_debugfile")
    }
    wanted = set()
    for recording in replay.recordings:
        if recording.expect["path"].endswith("/difs/assemble/"):
            for sent in json.loads(recording.body).values():
                name = Path(sent["name"]).stem
                wanted.add(sent.get("debug_id") or name)
        if recording.expect["path"].endswith("proguard-artifact-releases"):
            wanted.add(json.loads(recording.body)["proguard_uuid"])

    assert wanted
    assert wanted == {debug_id for debug_id, _ in files}


def test_chunks_that_were_sent_are_missing_no_longer(replay):
    for recording in replay.recordings:
        if not recording.expect["path"].endswith("/difs/assemble/"):
            continue
        states = {item["state"] for item in json.loads(replay.answers[recording.name][1]).values()}
        assert states <= {"ok", "not_found"}, recording
        if int(recording.folder.name) > 3:  # the client has sent its chunks by then
            assert states == {"ok"}, recording


def sha1(data):
    return hashlib.sha1(data, usedforsecurity=False).hexdigest()
