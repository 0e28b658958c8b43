"""What happens when a part is away: Redis, the database, the disk, the network.

`UXP_TEST_OUTAGE_SECONDS` sets how long the database is away, for a long run by hand.
"""

import json
import logging
import os
import resource
import signal
import socket
import subprocess
import sys
import time
from urllib.parse import urlsplit

import pytest

from tests.journeys.platform import ROOT, Platform, multipart, report_document
from tests.journeys.proxy import Relay

pytestmark = pytest.mark.own_servers

logger = logging.getLogger(__name__)

OUTAGE_SECONDS = float(os.environ.get("UXP_TEST_OUTAGE_SECONDS") or 1)
STACK = """java.lang.IllegalStateException: {number}
\tat com.example.outage.Main.step(Main.kt:7)
\tat android.os.Handler.dispatchMessage(Handler.java:106)
"""


def send_some(platform, key, count):
    """Upload reports one after the other; the ids of those that were acknowledged."""
    promised = []
    for number in range(count):
        document = report_document("java_stacktrace", STACK.format(number=number))
        answer = platform.upload(key, document)
        assert answer.status == 202, answer.body
        promised.append(document["report_id"])
    return promised


def settle(platform, token, promised):
    for report_id in promised:
        report = platform.wait_for_report(report_id, token, seconds=90)
        assert report["state"] == "done"


@pytest.fixture
def production(tmp_path, fresh_postgres_url, own_redis):
    server = urlsplit(fresh_postgres_url)
    cable = Relay((server.hostname or "127.0.0.1", server.port or 5432))
    user = server.netloc.rpartition("@")[0]
    url = f"postgresql://{user}@127.0.0.1:{cable.port}{server.path}"
    made = Platform(tmp_path, {"DATABASE_URL": url, "REDIS_URL": own_redis.url})
    made.prepare()
    made.start_web()
    made.start_celery()
    yield made, cable, own_redis
    made.stop()
    cable.close()


def test_nobody_notices_that_redis_is_away(production):
    platform, _, redis_server = production
    key, token = platform.ingest_key(), platform.api_token("read")
    promised = send_some(platform, key, 5)

    redis_server.stop()
    promised += send_some(platform, key, 20)
    redis_server.start()
    promised += send_some(platform, key, 5)

    settle(platform, token, promised)


def test_a_stalled_redis_holds_up_no_upload_for_long(production):
    platform, _, redis_server = production
    key, token = platform.ingest_key(), platform.api_token("read")
    send_some(platform, key, 1)

    redis_server.process.send_signal(signal.SIGSTOP)
    started = time.monotonic()
    promised = send_some(platform, key, 10)
    stalled = time.monotonic() - started
    redis_server.process.send_signal(signal.SIGCONT)

    assert stalled < 30  # ten uploads: far from a hang
    settle(platform, token, promised)


def test_reports_of_a_database_outage_come_in_afterwards(production):
    platform, cable, _ = production
    key, token = platform.ingest_key(), platform.api_token("read")
    promised = send_some(platform, key, 3)

    cable.cut()
    over_at = time.monotonic() + OUTAGE_SECONDS
    while time.monotonic() < over_at:
        promised += send_some(platform, key, 10)
        time.sleep(0.5)
    stranger = platform.upload("uxpi_" + "0" * 32, report_document("none"))
    signed_out = platform.request("GET", "/sign-in/")
    session = {"Cookie": "uxp_session=" + "a" * 32}
    page = platform.request("GET", "/", headers=session)
    health = platform.request("GET", "/health/ready")
    cable.mend()

    assert (stranger.status, stranger.json["code"]) == (503, "database_away")
    assert health.status == 503
    assert signed_out.status == 200
    assert page.status == 503
    assert b"The database does not answer" in page.body
    mended_at = time.monotonic()
    platform.wait_until(platform.is_ready, "the database is back")
    settle_through_reconciler(platform, token, promised)
    logger.info(
        "database away %d s, promised %d, all settled %.0f s after it was back",
        OUTAGE_SECONDS, len(promised), time.monotonic() - mended_at,
    )  # fmt: skip


def settle_through_reconciler(platform, token, promised):
    """The reconciler adopts what is a minute old; then workers do the rest."""
    for report_id in promised:
        report = platform.wait_until(
            lambda report_id=report_id: (
                found
                if (found := platform.report(report_id, token)) and found["state"] == "done"
                else None
            ),
            f"report {report_id} came in",
            seconds=200,
        )
        assert report["issue_id"]


@pytest.fixture
def embedded(tmp_path):
    made = Platform(tmp_path)
    made.prepare()
    yield made
    made.stop()


def test_a_full_disk_refuses_whole_uploads_and_recovers(embedded):
    key = embedded.ingest_key()
    token = embedded.api_token("read")
    limited = (
        "import resource, runpy, sys; resource.setrlimit(resource.RLIMIT_FSIZE, "
        f"({4 << 20}, {resource.RLIM_INFINITY})); sys.argv = ['manage.py', 'web', '--port', "
        f"'{embedded.port}']; runpy.run_path('manage.py', run_name='__main__')"
    )
    embedded.start("web", "-c", limited)
    embedded.wait_until(embedded.is_ready, "the web server answers")
    embedded.start_worker()
    big = "x" * (5 << 20)

    small = send_some(embedded, key, 1)
    refused = embedded.upload(key, report_document("java_stacktrace", big))
    small += send_some(embedded, key, 1)

    assert (refused.status, refused.json["code"]) == (503, "intake_unavailable")
    assert refused.headers.get("Retry-After") or refused.headers.get("retry-after")
    settle(embedded, token, small)
    leftovers = [path for path in (embedded.folder / "spool").rglob("*") if path.is_file()]
    assert leftovers == []


def raw_request(key, body, content_type):
    head = (
        "POST /api/v1/reports/ HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        f"Authorization: Bearer {key}\r\nContent-Type: {content_type}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def chunked_request(key, body, content_type):
    head = (
        "POST /api/v1/reports/ HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        f"Authorization: Bearer {key}\r\nContent-Type: {content_type}\r\n"
        "Transfer-Encoding: chunked\r\n\r\n"
    )
    chunks = [body[start : start + 1000] for start in range(0, len(body), 1000)]
    framed = b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks)
    return head.encode() + framed + b"0\r\n\r\n"


@pytest.mark.parametrize("frame", [raw_request, chunked_request])
@pytest.mark.parametrize("shape", ["json", "multipart"])
def test_an_upload_cut_anywhere_is_whole_or_absent(embedded, frame, shape):
    embedded.start_web()
    key, token = embedded.ingest_key(), embedded.api_token("read")
    document = report_document("java_stacktrace", STACK.format(number=1) + "#" * 12_000)
    if shape == "json":
        body, content_type = json.dumps(document).encode(), "application/json"
    else:
        text = document["payload"].pop("text")
        body, content_type = multipart(document, text.encode())
    message = frame(key, body, content_type)

    for end in range(200, len(message), 1024):
        with socket.create_connection(("127.0.0.1", embedded.port)) as client:
            client.sendall(message[:end])
            client.shutdown(socket.SHUT_RDWR)
    time.sleep(0.5)
    after_cuts = embedded.report(document["report_id"], token)
    whole = embedded.upload(key, document)

    assert after_cuts is None
    assert whole.json["status"] == "accepted"
    assert embedded.request("GET", "/api/v1/reports/", token=token).json["results"] != []


SLOW_HEADER = "POST /api/v1/reports/ HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: "
SLOW_BODY = (
    "POST /api/v1/reports/ HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {key}\r\n"
    "Content-Length: 10000\r\n\r\n{{"
)


@pytest.mark.parametrize("beginning", [SLOW_HEADER, SLOW_BODY], ids=["header", "body"])
def test_five_hundred_slow_senders_leave_the_door_free(platform, beginning):
    platform.start_web()
    key = platform.ingest_key()
    slow = []
    for _ in range(500):
        client = socket.create_connection(("127.0.0.1", platform.port))
        client.sendall(beginning.format(key=key).encode())
        slow.append(client)
    time.sleep(1)

    answers = [platform.upload(key, report_document("none", kind="reboot")) for _ in range(20)]

    for client in slow:
        client.close()
    assert [answer.status for answer in answers] == [202] * 20


def test_the_supervisor_stops_all_its_children(tmp_path):
    platform = Platform(tmp_path)
    serve = subprocess.Popen(
        [sys.executable, "manage.py", "serve", "--port", str(platform.port)],
        cwd=ROOT, env=platform.env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        start_new_session=True,
    )  # fmt: skip
    platform.wait_until(platform.is_ready, "the platform answers")
    children = children_of(serve.pid)

    os.killpg(serve.pid, signal.SIGINT)
    output, _ = serve.communicate(timeout=60)

    assert len(children) == 3
    assert serve.returncode == 0, output
    assert [pid for pid in children if is_running(pid)] == []


def children_of(pid):
    listing = subprocess.run(
        ["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True, check=True
    )
    return [int(line) for line in listing.stdout.split()]


def is_running(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
