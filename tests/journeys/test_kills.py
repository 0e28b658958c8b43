"""Nothing acknowledged is lost and nothing counts twice, whatever is killed when.

Clients keep what they were promised in a list; the end state is compared with that list.
`UXP_TEST_KILLS` sets the number of kills for a long run by hand; `--log-cli-level=INFO` shows its
figures.
"""

import http.client
import logging
import os
import random
import threading
import time

import pytest

from tests.journeys.platform import report_document

pytestmark = pytest.mark.own_servers

logger = logging.getLogger(__name__)

KILLS = int(os.environ.get("UXP_TEST_KILLS") or 8)
CLIENTS = 4
STACK = """java.lang.IllegalStateException: round {number}
\tat com.example.app{bug}.Main.step(Main.kt:{line})
\tat com.example.app{bug}.Main.run(Main.kt:10)
\tat android.os.Handler.dispatchMessage(Handler.java:106)
"""


class Client(threading.Thread):
    """Uploads until told to stop; sends the same report again until it is acknowledged."""

    def __init__(self, platform, token, seed):
        super().__init__(daemon=True)
        self.platform, self.token = platform, token
        self.random = random.Random(seed)
        self.promised, self.problems = [], []
        self.is_over = threading.Event()

    def run(self):
        while not self.is_over.is_set():
            bug = self.random.randrange(5)
            text = STACK.format(number=len(self.promised), bug=bug, line=self.random.randrange(99))
            document = report_document("java_stacktrace", text)
            while not self._send(document):
                if self.is_over.is_set():
                    return
                time.sleep(0.1)
            self.promised.append(document["report_id"])
            time.sleep(0.03)

    def _send(self, document):
        try:
            answer = self.platform.upload(self.token, document)
        except (OSError, http.client.HTTPException):
            return False
        if answer.status >= 500 and answer.status != 503:
            self.problems.append(answer.body)
        return answer.status == 202


def restart(platform, name):
    if name == "web":
        platform.start_web()
    elif name == "worker":
        platform.start_worker()
    else:
        platform.start_celery()


def test_kills_lose_and_double_nothing(running):
    platform = running
    key, token = platform.ingest_key(), platform.api_token("read")
    clients = [Client(platform, key, seed) for seed in range(CLIENTS)]
    chance = random.Random(7)
    for client in clients:
        client.start()
    for number in range(KILLS):
        time.sleep(chance.uniform(0.2, 0.9))
        victim = "web" if number % 2 else next(n for n in platform.processes if n != "web")
        platform.kill(victim)
        restart(platform, victim)
    last_kill = time.monotonic()
    for client in clients:
        client.is_over.set()
    for client in clients:
        client.join()

    promised = {report_id for client in clients for report_id in client.promised}
    states = platform.wait_until(lambda: all_settled(platform, token), "all settled", seconds=90)
    logger.info(
        "kills %d, promised %d, stored %d, lost %d, doubled %d, settled %.1f s after the last",
        KILLS, len(promised), len(states), len(promised - states.keys()),
        counted(platform, token) - len(states), time.monotonic() - last_kill,
    )  # fmt: skip

    assert len(promised) > KILLS
    assert [client.problems for client in clients] == [[]] * CLIENTS
    assert set(states.values()) == {"done"}
    assert promised <= states.keys()
    assert counted(platform, token) == len(states)
    platform.wait_until(lambda: spool_files(platform) == [], "the spool is empty", seconds=90)


def all_settled(platform, token):
    """The state of every report by its id, once nothing is under way."""
    states = {}
    for report in pages(platform, "/api/v1/reports/", token):
        assert report["report_id"] not in states
        states[report["report_id"]] = report["state"]
    return states if states and not {"received", "processing"} & set(states.values()) else None


def counted(platform, token):
    """Reports as the issues count them."""
    return sum(issue["report_count"] for issue in pages(platform, "/api/v1/issues/", token))


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
    document = report_document("java_stacktrace", STACK.format(number=1, bug=1, line=1))
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
