"""What the agent does with each answer, against a server that fails by a script."""

import hashlib
import uuid
from typing import Any

import pytest

from crashes.management.agent.backoff import FullJitter
from crashes.management.agent.delivery import OWN_PROCESS, Agent, Outcome
from crashes.management.agent.disk_queue import AttachedFile, DiskQueue
from crashes.management.client import Answer, UploadClient
from tests.unit.agent.twin import CUT, Twin

DAY = 86_400.0
Step = tuple[int, dict[str, Any], dict[str, str]]


class Clock:
    def __init__(self):
        self.now = 1_800_000_000.0
        self.slept = []

    def __call__(self):
        return self.now

    def sleep(self, seconds):
        self.slept.append(seconds)
        self.now += seconds


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def twin():
    server = Twin()
    yield server
    server.close()


@pytest.fixture
def queue(tmp_path, clock):
    return DiskQueue(tmp_path / "queue", clock=clock)


@pytest.fixture
def agent(twin, queue, clock):
    clients = []

    def make(**more):
        client = UploadClient(twin.url, attempts=1)
        clients.append(client)
        backoff = FullJitter(uniform=lambda low, high: high)
        settings: dict[str, Any] = {"credential": "uxpd_old", "backoff": backoff} | more
        return Agent(client, queue, clock=clock, sleep=clock.sleep, **settings)

    yield make
    for client in clients:
        client.close()


def report(**more):
    return {"report_id": str(uuid.uuid4()), "kind": "java_crash", "app": {"package": "a"}} | more


def attached(size=3_000_000):
    content = hashlib.sha256(b"seed").digest() * (size // 32)
    file = AttachedFile(hashlib.sha256(content).hexdigest(), content)
    announced = {"sha256": file.sha256, "size_bytes": len(content), "format": "minidump"}
    return report(attachments=[announced]), file


@pytest.mark.parametrize("packing", ["gzip", "zstd"])
def test_what_waits_is_delivered_in_order_and_forgotten(twin, queue, agent, clock, packing):
    documents = [report() for _ in range(3)]
    for document in documents:
        clock.now += 1
        queue.add(document)

    delivery = agent(packing=packing).flush()

    assert delivery.outcome is Outcome.EMPTY
    assert delivery.statuses == {"accepted": 3}
    assert list(twin.reports) == [document["report_id"] for document in documents]
    assert queue.entries() == []


def test_a_batch_that_was_cut_off_comes_again_under_its_name(twin, queue, agent, clock):
    queue.add(report())
    twin.script.append(lambda body: twin._batch({"Content-Encoding": "gzip", "Idempotency-Key": "1st"}, body) and CUT)  # fmt: skip

    first = agent().flush()
    clock.now += first.wait_seconds
    again = agent().flush()

    assert (first.outcome, first.wait_seconds) == (Outcome.WAITING, 30.0)
    assert again.statuses == {"duplicate": 1}
    assert queue.entries() == []


def test_the_name_of_a_batch_is_that_of_its_reports(twin, queue, agent):
    queue.add(report())
    named = []

    def away(headers):
        named.append(headers["Idempotency-Key"])
        return 503, {}, {}

    twin.on_batch.extend([away, away])
    agent().flush(patience_seconds=1e6)
    ((name, _),) = twin.batches

    assert named == [name, name]


@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_is_honored_by_the_next_process_too(twin, queue, agent, clock, status):
    queue.add(report())
    twin.script.append((status, {"code": "program_budget"}, {"Retry-After": "1000"}))

    first = agent().flush(patience_seconds=999)
    early = agent().flush(patience_seconds=999)
    clock.now += 1000
    late = agent().flush()

    assert first.wait_seconds == early.wait_seconds == 1000
    assert (early.outcome, late.outcome) == (Outcome.WAITING, Outcome.EMPTY)
    assert len(twin.calls) == 2


def test_pauses_double_up_to_six_hours_and_start_over_after_a_success(twin, queue, agent, clock):
    queue.add(report())
    twin.script.extend([(503, {}, {})] * 12)

    agent().flush(patience_seconds=1e9)
    queue.add(report())
    twin.script.append((503, {}, {}))
    agent().flush(patience_seconds=1e9)

    assert clock.slept[:4] == [30, 60, 120, 240]
    assert clock.slept[9:12] == [15_360, 21_600, 21_600]
    assert clock.slept[12:] == [30]


def test_a_batch_that_is_too_large_is_halved(twin, queue, agent, clock):
    for _ in range(8):
        clock.now += 1
        queue.add(report())
    twin.script.extend([(413, {"code": "body_too_large"}, {})] * 2)

    delivery = agent().flush()

    assert [len(lines) for _, lines in twin.batches] == [2, 4, 2]
    assert delivery.statuses == {"accepted": 8}


def test_the_one_unreadable_report_is_found_buried_and_told(twin, queue, agent, clock, tmp_path):
    documents = [report() for _ in range(4)]
    for document in documents:
        clock.now += 1
        queue.add(document)
    twin.script.extend([(422, {"code": "invalid_field", "retry": False}, {})] * 3)

    delivery = agent().flush()

    dead = [path.name for path in (tmp_path / "queue" / "dead").iterdir()]
    assert len(dead) == 1
    assert documents[0]["report_id"] in dead[0]
    assert delivery.codes == {"invalid_field": 1}
    told = [item for item in twin.reports.values() if item.get("process") == OWN_PROCESS]
    assert [item["annotations"] for item in told] == [{"undelivered.invalid_field": "1"}]
    assert set(twin.reports) >= {document["report_id"] for document in documents[1:]}
    assert queue.entries() == []


def test_a_rejected_line_is_buried_and_its_neighbors_are_not(twin, queue, agent, clock):
    for _ in range(2):
        clock.now += 1
        queue.add(report())
    rejected = {"status": "rejected", "code": "invalid_field"}
    twin.script.append((200, {"results": [rejected, {"status": "accepted"}]}, {}))

    delivery = agent().flush()

    assert delivery.codes == {"invalid_field": 1}
    assert len(twin.reports) == 1  # the small report about it


def test_an_agent_whose_own_report_is_refused_is_silent(twin, queue, agent):
    queue.add(report())
    twin.script.extend([(400, {"code": "malformed_json", "retry": False}, {})] * 2)

    agent().flush()

    assert len(twin.calls) == 2
    assert queue.entries() == []


@pytest.mark.parametrize("status", [401, 403])
def test_an_unknown_token_is_replaced_once_a_day(twin, queue, agent, clock, status):
    enrolled = []

    def enroll():
        enrolled.append(clock.now)
        return Answer(201, {"device_token": f"uxpd_{len(enrolled)}"})

    queue.add(report())
    twin.script.extend([(status, {"code": "bad_credentials"}, {})] * 3)
    first = agent(enroll=enroll).flush()
    clock.now += DAY
    second = agent(enroll=enroll).flush()

    assert first.outcome is Outcome.WAITING
    assert second.outcome is Outcome.EMPTY
    assert [token for _, _, token in twin.calls] == ["uxpd_old", "uxpd_1", "uxpd_1", "uxpd_2"]
    assert len(enrolled) == 2


def test_a_token_that_cannot_be_replaced_keeps_everything(twin, queue, agent):
    queue.add(report())
    twin.script.append((401, {"code": "bad_credentials"}, {}))

    assert agent().flush().outcome is Outcome.WAITING
    assert len(queue.entries()) == 1


@pytest.mark.parametrize(
    "step",
    [
        (403, {"code": "consent_withdrawn"}, {}),
        (200, {"results": [{"status": "rejected", "code": "consent_withdrawn"}]}, {}),
    ],
)
def test_a_withdrawal_leaves_nothing(twin, queue, agent, tmp_path, step):
    document, file = attached()
    queue.add(document, [file])
    twin.script.append(step)

    delivery = agent().flush()

    assert delivery.outcome is Outcome.STOPPED
    left = [path.name for path in (tmp_path / "queue").rglob("*") if path.is_file()]
    assert {name for name in left if not name.startswith(".")} == set()


def test_losses_are_told_once_however_often_they_are_sent(twin, queue, agent, clock):
    queue.lose("queue_full", count=2)
    queue.lose("too_old")
    queue.add(report())
    clock.now += 1
    queue.add(report())
    twin.script.extend([(503, {}, {}), CUT])

    agent().flush(patience_seconds=1e6)
    queue.add(report())
    agent().flush()

    told = [item["discarded"] for item in twin.reports.values() if "discarded" in item]
    assert told == [{"queue_full": 2, "too_old": 1}]


def test_an_attachment_goes_on_where_the_network_was_cut(twin, queue, agent, clock, tmp_path):
    document, file = attached()
    queue.add(document, [file])

    def half(body):
        twin.files[file.sha256] += body[: len(body) // 2]
        return CUT

    agent_once = agent()
    twin.script.extend([lambda body: twin._batch(_headers(), body), _progress(twin, file)])
    twin.script.append(half)
    first = agent_once.flush()
    clock.now += first.wait_seconds
    again = agent().flush()

    assert first.outcome is Outcome.WAITING
    assert again.attachments == 1
    assert bytes(twin.files[file.sha256]) == file.content
    assert not (tmp_path / "queue" / "attachments" / document["report_id"]).exists()
    assert queue.uploads() == []


def _headers():
    return {"Content-Encoding": "gzip", "Idempotency-Key": "key"}


def _progress(twin, file):
    def answer(_):
        twin.files[file.sha256] = bytearray()
        return 200, {"received_bytes": 0, "size_bytes": 1, "is_complete": False}, {}

    return answer


def test_an_attachment_follows_the_offset_that_the_server_expects(twin, queue, agent):
    document, file = attached()
    queue.add(document, [file])
    twin.files[file.sha256] = bytearray(file.content[:500])
    lie: Step = (200, {"received_bytes": 0, "size_bytes": 1, "is_complete": False}, {})
    twin.script.extend([lambda body: twin._batch(_headers(), body), lie])

    delivery = agent().flush()

    assert delivery.attachments == 1
    assert bytes(twin.files[file.sha256]) == file.content


@pytest.mark.parametrize(
    ("steps", "reason"),
    [
        ([(413, {"code": "body_too_large"}, {})], "too_large"),
        ([(422, {"code": "checksum_mismatch"}, {})] * 2, "storage_error"),
    ],
)
def test_an_attachment_that_cannot_be_taken_is_given_up(twin, queue, agent, steps, reason):
    document, file = attached()
    queue.add(document, [file])
    twin.script.extend([lambda body: twin._batch(_headers(), body), *steps])

    agent().flush(patience_seconds=1e6)
    queue.add(report())
    agent().flush()

    assert queue.uploads() == []
    assert [item.get("discarded") for item in twin.reports.values()] == [None, {reason: 1}]


def test_an_attachment_that_the_server_does_not_know_yet_holds_up_no_report(twin, queue, agent):
    document, file = attached()
    queue.add(document, [file])
    unknown: Step = (404, {"code": "not_found"}, {})
    twin.script.extend([lambda body: twin._batch(_headers(), body), unknown])

    first = agent().flush()
    queue.add(report())
    second = agent().flush()

    assert first.outcome is Outcome.WAITING
    assert second.statuses == {"accepted": 1}
    assert len(queue.uploads()) == 1


def test_a_server_that_keeps_no_piece_is_waited_for(twin, queue, agent):
    document, file = attached()
    queue.add(document, [file])
    nothing = {"received_bytes": 0, "size_bytes": 1, "is_complete": False}
    twin.script.extend([lambda body: twin._batch(_headers(), body), (200, nothing, {})])
    twin.script.append((202, nothing, {}))

    assert agent().flush().outcome is Outcome.WAITING


def test_only_one_process_delivers(queue, agent):
    queue.add(report())

    with queue.delivering():
        assert agent().flush().outcome is Outcome.BUSY


def test_a_server_that_is_gone_is_waited_for(queue, clock, tmp_path):
    queue.add(report())
    client = UploadClient("http://127.0.0.1:9", attempts=1)

    delivery = Agent(client, queue, credential="x", clock=clock, sleep=clock.sleep).flush()

    assert delivery.outcome is Outcome.WAITING
    assert 0 < delivery.wait_seconds <= 30
