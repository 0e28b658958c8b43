"""Nothing acknowledged is lost and nothing counts twice, whatever is killed when.

Web server, worker and, in the production shape, broker die in turn at random moments while clients
upload. Clients keep a history: what they tried, what they were promised, what a replay was told. In
the end every line of it is compared with the read API.

`UXP_TEST_KILLS` sets the number of kills for a long run by hand, which then waits as long for the
dead as production does; `--log-cli-level=INFO` shows its figures.
"""

import http.client
import logging
import os
import random
import threading
import time
from dataclasses import dataclass, field

import pytest

from tests.journeys.platform import Platform, report_document

pytestmark = pytest.mark.own_servers

logger = logging.getLogger(__name__)

KILLS = int(os.environ.get("UXP_TEST_KILLS") or 9)
IS_LONG = KILLS >= 100
CLIENTS = 4
STACK = """java.lang.IllegalStateException: {message}
\tat com.example.app{bug}.Main.step(Main.kt:{line})
\tat com.example.app{bug}.Main.run(Main.kt:10)
\tat android.os.Handler.dispatchMessage(Handler.java:106)
"""


@dataclass
class History:
    """What one client knows: `tried` and `promised` are messages by report id."""

    tried: dict = field(default_factory=dict)
    promised: dict = field(default_factory=dict)
    problems: list = field(default_factory=list)


class Client(threading.Thread):
    """Uploads until told to stop; sends the same report again until it is acknowledged."""

    def __init__(self, platform, token, seed):
        super().__init__(daemon=True)
        self.platform, self.token, self.name = platform, token, f"client {seed}"
        self.random = random.Random(seed)
        self.history = History()
        self.is_over = threading.Event()

    def run(self):
        while not self.is_over.is_set():
            message = f"{self.name} round {len(self.history.tried)}"
            bug, line = self.random.randrange(5), self.random.randrange(99)
            text = STACK.format(message=message, bug=bug, line=line)
            document = report_document("java_stacktrace", text)
            self.history.tried[document["report_id"]] = message
            if self._insist(document) is None:
                return
            self.history.promised[document["report_id"]] = message
            if self.random.random() < 0.1 and self._insist(document) not in {"duplicate", None}:
                self.history.problems.append(f"{message} was accepted twice")
            time.sleep(0.03)

    def _insist(self, document):
        """What the door says in the end; None when told to stop before."""
        while (status := self._send(document)) is None and not self.is_over.is_set():
            time.sleep(0.1)
        return status

    def _send(self, document):
        try:
            answer = self.platform.upload(self.token, document)
        except (OSError, http.client.HTTPException):
            return None
        if answer.status not in {202, 503}:
            self.history.problems.append((answer.status, answer.body))
        return answer.json["status"] if answer.status == 202 else None


@pytest.fixture(params=["embedded", "production"])
def victims(request, tmp_path):
    """A running platform, and how to kill and start again each of its parts."""
    patience = {"UXP_RECOVERY_SECONDS": "30"} if IS_LONG else {}
    if request.param == "embedded":
        made = Platform(tmp_path, patience)
        starts = {"web": made.start_web, "worker": made.start_worker}
        kills = {}
    else:
        broker = request.getfixturevalue("own_redis")
        database = request.getfixturevalue("fresh_postgres_url")
        made = Platform(tmp_path, {"DATABASE_URL": database, "REDIS_URL": broker.url} | patience)
        starts = {"web": made.start_web, "celery": made.start_celery, "broker": broker.start}
        kills = {"broker": broker.stop}
    made.prepare()
    for name, start in starts.items():
        if name not in kills:
            start()

    def strike(number):
        name = list(starts)[number % len(starts)]
        kills.get(name, lambda: made.kill(name))()
        starts[name]()

    yield made, strike
    made.stop()


def test_kills_lose_and_double_nothing(victims):
    platform, strike = victims
    key, token = platform.ingest_key(), platform.api_token("read")
    clients = [Client(platform, key, seed) for seed in range(CLIENTS)]
    chance = random.Random(7)
    for client in clients:
        client.start()
    for number in range(KILLS):
        time.sleep(chance.uniform(0.2, 0.9))
        strike(number)
    last_kill = time.monotonic()
    for client in clients:
        client.is_over.set()
    for client in clients:
        client.join()

    histories = [client.history for client in clients]
    tried = {key: text for history in histories for key, text in history.tried.items()}
    promised = {key for history in histories for key in history.promised}
    stored = platform.wait_until(lambda: all_settled(platform, token), "all settled")
    settled_seconds = time.monotonic() - last_kill
    told = {report_id: message_of(platform, report_id, token) for report_id in stored}
    counted = sum(issue["report_count"] for issue in pages(platform, "/api/v1/issues/", token))
    logger.info(
        "kills %d, promised %d, stored %d, lost %d, doubled %d, settled %.1f s after the last",
        KILLS, len(promised), len(stored), len(promised - stored.keys()),
        counted - len(stored), settled_seconds,
    )  # fmt: skip

    assert len(promised) > KILLS
    assert [history.problems for history in histories] == [[]] * CLIENTS
    assert set(stored.values()) == {"done"}
    assert promised - stored.keys() == set()
    assert counted == len(stored)
    assert {key: text for key, text in told.items() if tried.get(key) != text} == {}
    platform.wait_until(lambda: spool_files(platform) == [], "the spool is empty", seconds=90)


def all_settled(platform, token):
    """The state of every report by its id, once nothing is under way."""
    states = {}
    for report in pages(platform, "/api/v1/reports/", token):
        assert report["report_id"] not in states
        states[report["report_id"]] = report["state"]
    return states if states and not {"received", "processing"} & set(states.values()) else None


def message_of(platform, report_id, token):
    """What the stored crash says, as its client wrote it."""
    return platform.report(report_id, token)["crash"]["exception_message"]


def pages(platform, path, token):
    """The rows of all pages of a list."""
    cursor = ""
    while cursor is not None:
        query = f"?limit=200&cursor={cursor}" if cursor else "?limit=200"
        page = platform.request("GET", path + query, token=token).json
        yield from page["results"]
        cursor = page["next_cursor"]


def spool_files(platform):
    return list((platform.folder / "spool").glob("??/*.spool"))


def test_a_202_survives_the_death_of_web_and_workers(platform):
    platform.start_web()
    key, token = platform.ingest_key(), platform.api_token("read")
    document = report_document("java_stacktrace", STACK.format(message="one", bug=1, line=1))
    assert platform.upload(key, document).status == 202

    platform.kill("web")
    platform.start_web()
    assert platform.report(document["report_id"], token)["state"] == "received"
    if "REDIS_URL" in platform.extra_env:
        platform.start_celery()
    else:
        platform.start_worker()

    assert platform.wait_for_report(document["report_id"], token, seconds=120)["state"] == "done"
    assert platform.upload(key, document).json["status"] == "duplicate"
