"""`send_report` and `demo_fleet` against the real server, over real sockets."""

import io
import json
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
from django.core.management import CommandError, call_command

from crashes.formats.tombstone_writer import write_proto
from crashes.models import Report
from crashes.services.spooled import SpoolReader
from devices.models import ConsentEntry, Device, IngestKey, Program
from tests.factories import make_api_token, make_crash
from uxp_diag.roles import Scope

pytestmark = pytest.mark.django_db(transaction=True)

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
IMEI = "490154203237518"
TRACE = """\
java.lang.IllegalStateException: no session
\tat com.example.Feed.load(Feed.java:12)
\tat com.example.Main.onCreate(Main.java:30)
"""


@pytest.fixture
def program():
    return Program.objects.create(name="program", created_at=NOW)


@pytest.fixture
def ingest_key(program):
    key = "uxpi_" + "b" * 32
    return IngestKey.objects.create(program=program, key=key, created_at=NOW).key


@pytest.fixture
def trace_file(tmp_path):
    path = tmp_path / "crash.txt"
    path.write_text(TRACE)
    return str(path)


@pytest.fixture
def send_report(live_server, ingest_key):
    def run(*files, key=ingest_key, **options):
        out, code = io.StringIO(), 0
        try:
            call_command("send_report", *files, url=live_server.url, key=key, stdout=out, **options)
        except SystemExit as problem:
            code = int(problem.code or 0)
        lines = [json.loads(line) for line in out.getvalue().splitlines()]
        return SimpleNamespace(lines=lines, code=code)

    return run


def payload_of(report):
    return SpoolReader().read(report)[1]


def test_a_client_without_enrollment_uploads_with_the_ingest_key(send_report, trace_file, settings):
    done = send_report(trace_file, os_build="V3.420", package="com.example")

    report = Report.objects.get()
    assert done.code == 0
    assert done.lines == [
        {"file": trace_file, "report_id": str(report.report_id), "status": "accepted"}
    ]
    assert (report.kind, report.os_build, report.package) == ("java_crash", "V3.420", "com.example")
    assert payload_of(report) == TRACE.encode()


def test_a_phone_with_an_imei_enrolls_first(send_report, trace_file):
    done = send_report(trace_file, trace_file, imei=IMEI, model="Nokia G42 5G")

    device = Device.objects.get()
    assert done.code == 0
    assert {line["status"] for line in done.lines} == {"accepted"}
    assert set(Report.objects.values_list("device_id", "model")) == {(device.pk, "Nokia G42 5G")}
    assert list(ConsentEntry.objects.values_list("purposes", flat=True)) == [["development"]]


def test_a_binary_payload_arrives_unchanged(send_report, tmp_path, settings):
    path = tmp_path / "tombstone_00.pb"
    content = write_proto(make_crash(kind="native_crash", process="/system/bin/rild", pid=4, tid=4))
    path.write_bytes(content)

    done = send_report(str(path), format="tombstone_proto")

    report = Report.objects.get()
    assert done.code == 0
    assert report.kind == "native_crash"
    assert report.process == "/system/bin/rild"
    assert payload_of(report) == content


def test_standard_input_is_a_file_too(send_report, monkeypatch):
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(TRACE.encode())))

    done = send_report("-")

    assert done.code == 0
    assert done.lines[0]["file"] == "-"


def test_one_bad_file_does_not_keep_the_others_back(send_report, trace_file, tmp_path):
    note = tmp_path / "note.txt"
    note.write_text("nothing to see")

    done = send_report(str(note), str(tmp_path / "absent"), trace_file)

    assert done.code == 1
    assert [line.get("code") or line["status"] for line in done.lines] == [
        "unknown_format", "unreadable_file", "accepted",
    ]  # fmt: skip


def test_a_given_format_and_kind_go_before_what_the_content_tells(send_report, tmp_path):
    path = tmp_path / "x"
    path.write_text("nothing that a parser knows")

    done = send_report(str(path), format="minidump", kind="error", process="daemon")

    assert done.code == 0
    assert Report.objects.get().kind == "error"


def test_an_unknown_key_is_told_per_file(send_report, trace_file):
    done = send_report(trace_file, key="uxpd_" + "0" * 32)

    assert done.code == 1
    assert "status" not in done.lines[0]
    assert done.lines[0]["code"]


def test_a_key_of_another_sort_is_refused_at_once(send_report, trace_file):
    with pytest.raises(CommandError, match="uxpi_"):
        send_report(trace_file, key="uxpa_nothing")


def test_an_imei_with_a_wrong_check_digit_is_refused(send_report, trace_file):
    with pytest.raises(CommandError, match="invalid_imei"):
        send_report(trace_file, imei="490154203237519")


def test_a_small_fleet_enrolls_uploads_and_is_recognised_again(live_server, program, ingest_key):
    def run():
        out = io.StringIO()
        call_command(
            "demo_fleet",
            url=live_server.url,
            key=ingest_key,
            symbols_token=make_api_token(program, Scope.SYMBOLS),
            devices=5,
            reports=15,
            threads=1,
            now=NOW.isoformat(),
            stdout=out,
        )
        return out.getvalue()

    run()
    second = run()

    assert Device.objects.count() == 5
    assert Report.objects.count() == 15
    assert set(Report.objects.values_list("model", flat=True)) <= set(
        Device.objects.values_list("model", flat=True)
    )
    total = next(line for line in second.splitlines() if line.startswith("total"))
    assert total.split()[1] == "0"
