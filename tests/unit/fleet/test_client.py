"""The upload client against a small server of the test's own."""

import gzip
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from crashes.management.client import (
    Answer,
    FilePart,
    ServerUnreachable,
    UploadClient,
    multipart,
)

Reply = tuple[int, dict[str, str], bytes]
ACCEPTED: Reply = (202, {}, b'{"status": "accepted"}')


class Recorder(ThreadingHTTPServer):
    """Answers what it was told to, and remembers what it was asked."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers: list[Reply | None] = []
        self.requests: list[tuple[str, dict[str, str], bytes]] = []
        self.connections: set[tuple[str, int]] = set()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Recorder
    client_address: tuple[str, int]

    def do_POST(self):
        self.server.connections.add(self.client_address)
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.requests.append((self.path, dict(self.headers), body))
        answer = self.server.answers.pop(0) if self.server.answers else ACCEPTED
        if answer is None:
            self.close_connection = True
            return
        status, headers, content = answer
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        """Nothing: the test reads `requests`."""


@pytest.fixture
def server():
    recorder = Recorder()
    thread = threading.Thread(target=recorder.serve_forever, args=(0.02,))
    thread.start()
    yield recorder
    recorder.shutdown()
    thread.join()
    recorder.server_close()


@pytest.fixture
def pauses():
    return []


@pytest.fixture
def client(server, pauses):
    with UploadClient(server.url, attempts=3, sleep=pauses.append) as made:
        yield made


def test_a_report_goes_out_as_json_with_its_credential(server, client):
    answer = client.send_report({"report_id": "x"}, credential="uxpd_1")

    path, headers, body = server.requests[0]
    assert answer == Answer(202, {"status": "accepted"})
    assert path == "/api/v1/reports/"
    assert headers["Authorization"] == "Bearer uxpd_1"
    assert json.loads(body) == {"report_id": "x"}


def test_a_long_body_is_packed(server, client):
    client.send_report({"text": "x" * 5000}, credential="uxpd_1")

    _, headers, body = server.requests[0]
    assert headers["Content-Encoding"] == "gzip"
    assert json.loads(gzip.decompress(body)) == {"text": "x" * 5000}


def test_a_binary_payload_goes_out_as_a_part(server, client):
    client.send_report({"report_id": "x"}, b"\x00\x01\r\n", credential="uxpd_1")

    _, headers, body = server.requests[0]
    boundary = headers["Content-Type"].partition("boundary=")[2]
    assert body == multipart(
        [
            FilePart("report", "report.json", b'{"report_id": "x"}'),
            FilePart("payload", "payload.bin", b"\x00\x01\r\n"),
        ],
        boundary=boundary,
    )


def test_a_file_name_cannot_break_out_of_its_header():
    body = multipart([FilePart("file", 'a"\r\nb', b"")], boundary="b")

    assert b'filename="a%22%0D%0Ab"' in body


def test_one_connection_serves_many_calls(server, client):
    for _ in range(5):
        client.enroll({"imei": "0"}, key="uxpi_1")

    assert len(server.connections) == 1


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_a_busy_server_is_asked_again(server, client, pauses, status):
    server.answers = [(status, {"Retry-After": "2"}, b"{}"), ACCEPTED]

    answer = client.send_report({}, credential="uxpd_1")

    assert answer.status == 202
    assert len(pauses) == 1
    assert 2.0 <= pauses[0] <= 2.5


def test_pauses_grow_and_the_last_answer_counts(server, client, pauses):
    server.answers = [(503, {}, b'{"code": "intake_unavailable"}')] * 3

    answer = client.send_report({}, credential="uxpd_1")

    assert answer.code == "intake_unavailable"
    assert not answer.is_ok
    assert len(server.requests) == 3
    assert pauses[0] <= 0.5
    assert pauses[1] <= 1.0


def test_a_broken_connection_is_opened_again(server, client):
    server.answers = [None, ACCEPTED]

    assert client.send_report({}, credential="uxpd_1").status == 202
    assert len(server.connections) == 2


@pytest.mark.parametrize("status", [400, 403, 413, 422, 500])
def test_other_refusals_are_final(server, client, pauses, status):
    server.answers = [(status, {}, b"not json")]

    answer = client.send_report({}, credential="uxpd_1")

    assert answer == Answer(status)
    assert answer.code == f"http_{status}"
    assert pauses == []


def test_a_strange_retry_after_is_ignored(server, client, pauses):
    server.answers = [(503, {"Retry-After": "Fri, 20 Nov 2026 12:00:00 GMT"}, b"[]"), ACCEPTED]

    assert client.send_report({}, credential="uxpd_1").is_ok
    assert pauses[0] <= 0.5


def test_no_answer_at_all_is_an_error(server, pauses):
    server.answers = [None] * 3

    with (
        UploadClient(server.url, attempts=3, sleep=pauses.append) as client,
        pytest.raises(ServerUnreachable),
    ):
        client.send_report({}, credential="uxpd_1")

    assert len(pauses) == 2


def test_a_debug_file_goes_out_with_its_name(server, client):
    client.send_debug_file("libfoo.so.debug", b"\x7fELF", token="uxpa_1")

    path, headers, body = server.requests[0]
    assert path == "/api/v1/debug-files/"
    assert headers["Authorization"] == "Bearer uxpa_1"
    assert b'name="file"; filename="libfoo.so.debug"' in body


@pytest.mark.parametrize("url", ["ftp://x", "127.0.0.1:8000", "http://", ""])
def test_an_address_that_is_none_is_refused(url):
    with pytest.raises(ValueError, match="no http"):
        UploadClient(url)


def test_a_path_prefix_is_kept(server):
    with UploadClient(f"{server.url}/diag/") as client:
        client.enroll({}, key="uxpi_1")

    assert server.requests[0][0] == "/diag/api/v1/devices/enroll/"
