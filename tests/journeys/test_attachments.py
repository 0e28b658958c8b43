"""Large payloads arrive whole and count once, whatever is killed while they are on their way."""

import hashlib
import random
import threading
import time
import uuid

import pytest

from crashes.management.agent.backoff import FullJitter
from crashes.management.agent.delivery import Agent, Delivery, Outcome
from crashes.management.agent.disk_queue import AttachedFile, DiskQueue
from crashes.management.client import UploadClient

pytestmark = pytest.mark.own_servers

KILLS = 4
REPORTS = 4
LINE = "\tat com.example.app.Main.step{n}(Main.kt:{n})\n"


def queue_report(queue, number):
    frames = "".join(LINE.format(n=n) for n in range(12_000))
    content = f"java.lang.IllegalStateException: round {number}\n{frames}".encode()
    file = AttachedFile(hashlib.sha256(content).hexdigest(), content)
    announced = {"sha256": file.sha256, "size_bytes": len(content), "format": "java_stacktrace"}
    document = {
        "report_id": str(uuid.uuid4()), "kind": "java_crash", "attachments": [announced],
    }  # fmt: skip
    assert queue.add(document, [file])
    return document["report_id"]


class Phone(threading.Thread):
    """Delivers its queue until it is empty."""

    def __init__(self, platform, queue, credential):
        super().__init__(daemon=True)
        self.platform, self.queue, self.credential = platform, queue, credential
        self.delivery = Delivery()

    def run(self):
        with UploadClient(self.platform.url, attempts=1, timeout_seconds=5) as client:
            backoff = FullJitter(base_seconds=0.2, cap_seconds=0.5)
            agent = Agent(
                client, self.queue, credential=self.credential, clock=time.monotonic,
                sleep=time.sleep, backoff=backoff,
            )  # fmt: skip
            self.delivery = agent.flush(patience_seconds=120)


def test_kills_in_the_middle_of_large_payloads_lose_and_double_nothing(
    running, tmp_path, monkeypatch
):
    monkeypatch.setattr("crashes.management.agent.delivery.PIECE_BYTES", 32_768)
    platform, chance = running, random.Random(5)
    key, token = platform.ingest_key(), platform.api_token("read")
    queue = DiskQueue(tmp_path / "phone", clock=time.monotonic)
    promised = [queue_report(queue, number) for number in range(REPORTS)]
    phone = Phone(platform, queue, key)

    phone.start()
    for number in range(KILLS):
        time.sleep(chance.uniform(0.1, 0.5))
        platform.kill("web")
        platform.start_web()
        promised.append(queue_report(queue, REPORTS + number))
    phone.join(timeout=120)
    last = Phone(platform, queue, key)
    last.run()  # what was queued after the first had found it empty
    reports = [platform.wait_for_report(report_id, token) for report_id in promised]

    assert last.delivery.outcome is Outcome.EMPTY
    assert {report["state"] for report in reports} == {"done"}
    assert {report["crash"]["exception_type"] for report in reports} == {
        "java.lang.IllegalStateException"
    }
    listed = platform.request("GET", "/api/v1/reports/?limit=100", token=token).json["results"]
    assert sorted(item["report_id"] for item in listed) == sorted(promised)
    issues = platform.request("GET", "/api/v1/issues/", token=token).json["results"]
    assert sum(issue["report_count"] for issue in issues) == len(promised)
    assert (queue.entries(), queue.uploads()) == ([], [])
