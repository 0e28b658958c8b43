"""Faults of machines: a disk without room, a broker without memory, a crowd, power that fails."""

import os
import subprocess
import sys
import threading
import uuid
from pathlib import Path

import pytest
import redis

from crashes import storage
from crashes.storage import BlobStore, Spool
from tests.conftest import skip_or_fail
from tests.journeys.platform import ROOT, Platform, report_document
from tests.journeys.test_outages import STACK, production, send_some, settle  # noqa: F401

pytestmark = pytest.mark.own_servers


def test_a_flushed_broker_and_one_without_memory_lose_nothing(production):  # noqa: F811
    platform, _, redis_server = production
    key, token = platform.ingest_key(), platform.api_token("read")
    broker = redis.Redis.from_url(redis_server.url)

    promised = send_some(platform, key, 5)
    broker.flushall()
    promised += send_some(platform, key, 5)
    broker.config_set("maxmemory", "1")  # noeviction: every write is refused
    with pytest.raises(redis.exceptions.OutOfMemoryError):
        broker.set("key", "value")
    promised += send_some(platform, key, 10)
    broker.config_set("maxmemory", "0")
    broker.close()

    settle(platform, token, promised)


# One upload, a hundred times at once ----------------------------------------------------------


@pytest.mark.parametrize("platform", ["production"], indirect=True)
def test_one_upload_a_hundred_times_at_once_is_one_report(running):
    platform = running
    key, token = platform.ingest_key(), platform.api_token("read")
    document = report_document("java_stacktrace", STACK.format(number=1))
    answers, barrier = [], threading.Barrier(100)

    def send():
        barrier.wait()
        answers.append(platform.upload(key, document))

    threads = [threading.Thread(target=send) for _ in range(100)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    platform.wait_for_report(document["report_id"], token)

    assert [answer.status for answer in answers] == [202] * 100
    assert sorted(answer.json["status"] for answer in answers) == ["accepted"] + ["duplicate"] * 99
    assert {answer.json["report_id"] for answer in answers} == {document["report_id"]}
    assert len(platform.request("GET", "/api/v1/reports/", token=token).json["results"]) == 1
    issues = platform.request("GET", "/api/v1/issues/", token=token).json["results"]
    assert [issue["report_count"] for issue in issues] == [1]


# A volume without room ------------------------------------------------------------------------

SMALL_VOLUME = """
set -e
mount -t tmpfs -o size=24m tmpfs "$UXP_DATA_DIR"
cp -a "$PREPARED/." "$UXP_DATA_DIR/"
exec 3<"$GATE"
dd if=/dev/zero of="$UXP_DATA_DIR/ballast" bs=64k 2>/dev/null || true
"$PYTHON" manage.py web --port "$PORT" &
read -r _ <&3 || true
rm "$UXP_DATA_DIR/ballast"
exec "$PYTHON" manage.py work --reconcile
"""


@pytest.fixture
def small_volume(tmp_path):
    """The embedded platform on a volume of 24 MiB that something else has filled to the brim.

    Writing a line to the pipe `gate` makes room and starts the worker.
    """
    if subprocess.run(["unshare", "-rm", "true"], capture_output=True, check=False).returncode:
        skip_or_fail("a volume of one's own: this machine has no user namespaces")
    prepared = Platform(tmp_path / "prepared")
    prepared.prepare()
    key, token = prepared.ingest_key(), prepared.api_token("read")
    made = Platform(
        tmp_path / "volume", {"PREPARED": str(prepared.folder), "PYTHON": sys.executable}
    )
    made.folder.mkdir()
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    made.extra_env["GATE"] = str(gate)
    log = (tmp_path / "log").open("wb")
    made.processes["all"] = subprocess.Popen(
        ["unshare", "-rm", "sh", "-c", SMALL_VOLUME],
        cwd=ROOT, env=made.env, stdout=log, stderr=log, start_new_session=True,
    )  # fmt: skip
    with gate.open("w") as opened:
        yield made, key, token, opened
    made.kill("all")
    log.close()


def test_a_full_volume_refuses_and_recovers_by_itself(small_volume):
    platform, key, token, gate = small_volume
    document = report_document("java_stacktrace", STACK.format(number=1))
    platform.wait_until(lambda: answers(platform), "the web server answers")

    refused = [platform.upload(key, document) for _ in range(3)]
    health = platform.request("GET", "/health/ready")
    gate.write("\n")
    gate.flush()
    platform.wait_until(lambda: platform.upload(key, document).status == 202, "there is room again")

    assert {(answer.status, answer.json["code"]) for answer in refused} <= {
        (503, "intake_unavailable"), (503, "database_away"),
    }  # fmt: skip
    assert all(answer.json["retry"] for answer in refused)
    assert health.status == 503
    assert platform.wait_for_report(document["report_id"], token)["state"] == "done"


def answers(platform):
    try:
        return platform.request("GET", "/health/live").status == 200
    except OSError:
        return False


# Power that fails between any two steps -------------------------------------------------------

STEPS = ("open", "write", "fsync", "rename", "folder")


def die_at(step):
    """Make this process end, as if power failed, when writing a file comes to a step."""
    real_open = Path.open

    def end(*_, **__):
        os._exit(9)

    def half_written(self, mode="r", *args, **kwargs):
        file = real_open(self, mode, *args, **kwargs)
        if "x" in mode and step == "write":
            os.write(file.fileno(), b"half")
            end()
        if "x" in mode and step == "open":
            end()
        return file

    Path.open = half_written  # type: ignore[method-assign]
    if step == "fsync":
        os.fsync = end
    elif step == "rename":
        Path.rename = end  # type: ignore[method-assign]
    elif step == "folder":
        storage._sync_folder = end


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("kind", ["spool", "blob"])
def test_power_that_fails_at_any_step_leaves_a_whole_file_or_none(tmp_path, step, kind):
    data, key = b"acknowledged" * 1000, f"payloads/00/{uuid.uuid4().hex}"
    Spool(tmp_path).write(b"before")
    (tmp_path / "payloads" / "00").mkdir(parents=True)
    for folder in range(256):
        (tmp_path / f"{folder:02x}").mkdir(exist_ok=True)
    before = {name for name, _ in Spool(tmp_path).names()}

    child = os.fork()
    if child == 0:
        die_at(step)
        if kind == "spool":
            Spool(tmp_path).write(data)
        else:
            BlobStore(tmp_path).put(key, [data])
        os._exit(0)
    _, status = os.waitpid(child, 0)

    assert os.waitstatus_to_exitcode(status) == 9
    found = [name for name, _ in Spool(tmp_path).names() if name not in before]
    if kind == "spool":
        assert [Spool(tmp_path).read_all(name) for name in found] in ([], [data])
        assert bool(found) is (step == "folder")
    elif BlobStore(tmp_path).path(key).exists():
        assert BlobStore(tmp_path).path(key).read_bytes() == data
    else:
        assert step != "folder"
    assert Spool(tmp_path).read_all(next(iter(before))) == b"before"
