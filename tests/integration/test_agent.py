"""The agent and `send_report --queue` against the real server, over real sockets."""

import io
import json
import socket
import time
from types import SimpleNamespace

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from crashes.management.agent.delivery import PIECE_BYTES
from crashes.management.agent.disk_queue import DiskQueue
from crashes.management.client import UploadClient
from crashes.models import Attachment, ClientLoss, Issue, Report, ReportContent
from crashes.selectors.sealed import read_blob
from devices.models import Device, DeviceToken
from tests.integration.conftest import IMEI, enrollment
from tests.integration.test_pipeline import STACK, work

pytestmark = pytest.mark.django_db(transaction=True)

LARGE = STACK + "".join(f"\tat com.example.Padding.f{n}(Padding.java:{n})\n" for n in range(60_000))


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "queue"


@pytest.fixture
def run(live_server, key, folder):
    def call(*files, **options):
        out, code = io.StringIO(), 0
        settings = {"url": live_server.url, "key": key, "queue": folder} | options
        try:
            call_command("send_report", *map(str, files), stdout=out, **settings)
        except SystemExit as problem:
            code = int(problem.code or 0)
        lines = [json.loads(line) for line in out.getvalue().splitlines()]
        return SimpleNamespace(lines=lines, code=code)

    return call


@pytest.fixture
def files(tmp_path):
    small, large = tmp_path / "small.txt", tmp_path / "large.txt"
    small.write_text(STACK)
    large.write_text(LARGE)
    return small, large


@pytest.mark.parametrize("packing", ["gzip", "zstd"])
def test_reports_wait_in_the_queue_and_are_delivered_by_the_phone(run, files, folder, packing):
    queued = run(*files)
    DiskQueue(folder, clock=time.monotonic).lose("queue_full", count=3)
    delivered = run(flush=True, imei=IMEI, packing=packing)
    work(timezone.now())

    assert [line["status"] for line in queued.lines] == ["queued", "queued"]
    assert delivered.lines == [
        {"outcome": "empty", "wait_seconds": 0, "accepted": 2, "attachments": 1}
    ]
    assert set(Report.objects.values_list("state", "device_id")) == {
        ("done", Device.objects.get().pk)
    }
    assert sum(Issue.objects.values_list("report_count", flat=True)) == 2
    assert max(ReportContent.objects.values_list("raw_bytes", flat=True)) == len(LARGE)
    assert ClientLoss.objects.get(reason="queue_full").count == 3
    assert not list(folder.glob("*-*.json")) + list(folder.glob("attachments/*/*"))


def test_a_second_delivery_uses_the_token_of_the_first(run, files):
    for _ in range(2):
        run(files[0], flush=True, imei=IMEI)

    assert DeviceToken.objects.count() == 1
    assert Report.objects.count() == 2


def test_the_imei_is_nowhere_on_the_disk(run, files, folder):
    run(files[0], flush=True, imei=IMEI)

    content = b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())

    assert IMEI.encode() not in content


def test_a_withdrawal_empties_the_queue(run, files, folder):
    run(files[0], flush=True, imei=IMEI)
    Device.objects.update(allows_development=False)

    done = run(*files, flush=True)

    assert (done.code, done.lines[-1]["outcome"]) == (1, "consent_withdrawn")
    assert not list(folder.glob("*-*.json"))


def test_an_upload_that_was_cut_in_the_middle_of_a_piece_is_resumed(
    run, files, folder, live_server, monkeypatch
):
    seen = []
    original = UploadClient.send_attachment

    def cut(self, report_id, sha256, piece, **more):
        """Half of the first piece arrives, then the network is gone."""
        seen.append(more["offset"])
        if len(seen) > 1:
            return original(self, report_id, sha256, piece, **more)
        head = (
            f"PUT /api/v1/reports/{report_id}/attachments/{sha256}/ HTTP/1.1\r\nHost: localhost\r\n"
            f"Authorization: Bearer {more['credential']}\r\nContent-Length: {len(piece)}\r\n"
            f"Content-Range: bytes 0-{len(piece) - 1}/{more['size_bytes']}\r\n\r\n"
        )
        address = (live_server.thread.host, live_server.thread.port)
        with socket.create_connection(address) as connection:
            connection.sendall(head.encode() + piece[: len(piece) // 2])
            connection.shutdown(socket.SHUT_WR)
            connection.recv(65_536)
        raise ConnectionResetError

    def through_the_client(self, *arguments, **more):
        try:
            return cut(self, *arguments, **more)
        except ConnectionResetError:
            return original(UploadClient("http://127.0.0.1:9", attempts=1), *arguments, **more)

    monkeypatch.setattr(UploadClient, "send_attachment", through_the_client)
    first = run(files[1], flush=True)
    state = folder / "state.json"
    state.write_text(json.dumps(json.loads(state.read_text()) | {"not_before": 0}))
    again = run(flush=True)
    work(timezone.now())

    assert first.lines[-1]["outcome"] == "waiting"
    assert again.lines[-1]["attachments"] == 1
    assert seen[:2] == [0, PIECE_BYTES // 2]
    kept = Attachment.objects.get()
    assert read_blob(kept.blob, max_bytes=len(LARGE)) == LARGE.encode()
    assert Report.objects.get().state == "done"


def test_options_that_make_no_sense_are_refused(run):
    with pytest.raises(CommandError, match="--queue"):
        run(flush=True, queue=None)


def test_a_report_of_another_phone_gets_no_attachment(live_server, key, run, files):
    run(files[1], flush=True, imei=IMEI)
    kept = Attachment.objects.get()
    with UploadClient(live_server.url) as client:
        other = enrollment(imei="356938035643809")
        token = client.enroll(other, key=key).document["device_token"]

        answer = client.attachment_progress(str(kept.report_id), kept.sha256, credential=token)

    assert answer.status == 404
