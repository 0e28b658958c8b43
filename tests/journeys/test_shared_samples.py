"""Every real dump of the shared samples goes through HTTP and comes out as its manifest says."""

import csv
import json

import pytest

from tests.journeys.platform import multipart, report_document

pytestmark = pytest.mark.own_servers

FORMATS = {
    "tombstone-text": ("tombstone_text", "native_crash"),
    "tombstone-proto": ("tombstone_proto", "native_crash"),
    "anr-trace": ("anr_traces", "anr"),
    "dropbox": ("dropbox", "java_crash"),
    "java-crash": ("java_stacktrace", "java_crash"),
}
SAME = ("process", "pid", "tid", "abi", "build_fingerprint", "timestamp", "signal")


def rows(shared_dir):
    manifest = shared_dir / "samples" / "payloads" / "MANIFEST.tsv"
    with manifest.open(newline="") as file:
        for row in csv.DictReader(file, delimiter="\t"):
            if row["kind"] in FORMATS:
                yield row, json.loads(row["expect"])


def send(platform, token, shared_dir, row):
    payload_format, kind = FORMATS[row["kind"]]
    document = report_document(payload_format, kind=kind)
    data = (shared_dir / "samples" / "payloads" / row["file"]).read_bytes()
    body, content_type = multipart(document, data)
    answer = platform.request(
        "POST", "/api/v1/reports/", body, token=token, headers={"Content-Type": content_type}
    )
    assert answer.status == 202, (row["file"], answer.body)
    return document["report_id"]


def test_the_samples_come_out_as_their_manifest_says(running, shared_dir):
    key, token = running.ingest_key(), running.api_token("read")
    sent = [(send(running, key, shared_dir, row), row, expect) for row, expect in rows(shared_dir)]

    for report_id, row, expect in sent:
        report = running.wait_for_report(report_id, token)
        if expect.get("must_reject"):
            assert report["state"] == "quarantined", row["file"]
            assert report["failure"]["code"], row["file"]
            continue
        assert report["state"] == "done", (row["file"], report)
        crash = report["crash"]
        for name in SAME:
            if expect.get(name) is not None:
                assert crash[name] == expect[name], (row["file"], name)
        if "exception" in expect:
            assert crash["exception_type"] == expect["exception"], row["file"]
        if "thread_headers" in expect:
            assert len(crash["threads"]) == expect["thread_headers"], row["file"]
        assert report["signature"], row["file"]


def test_the_five_entries_of_one_crash_are_one_issue(running, shared_dir):
    key, token = running.ingest_key(), running.api_token("read")
    entries = [row for row, _ in rows(shared_dir) if "system_app_crash" in row["file"]]
    assert len(entries) > 1

    issues = {
        running.wait_for_report(send(running, key, shared_dir, row), token)["issue_id"]
        for row in entries
    }

    assert len(issues) == 1
