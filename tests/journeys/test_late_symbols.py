"""Crashes arrive first, their symbols later: the same reports and issues get names.

A real stripped program and a Java stack that R8 renamed, through the platform's own door, on the
embedded shape and on PostgreSQL with Celery.
"""

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.integration.late_symbols import LOAD, PARSE, breakpad, tombstone
from tests.journeys.platform import PATIENCE_SECONDS, report_document
from tests.journeys.test_native_crash import build_program, crash_of

pytestmark = pytest.mark.own_servers

MAPPING = b"""# compiler: R8
# compiler_version: 8.5.35
# pg_map_id: 77aa01f
# {"id":"com.android.tools.r8.mapping","version":"2.2"}
org.example.shop.CartFragment -> a.a:
# {"id":"sourceFile","fileName":"CartFragment.kt"}
    1:1:void org.example.shop.Prices.total(java.util.List):31:31 -> a
    1:1:void refresh():88 -> a
org.example.shop.Main -> a.b:
# {"id":"sourceFile","fileName":"Main.kt"}
    1:2:void run():12:13 -> a
"""
STACK = """java.lang.IllegalStateException: no prices
\tat a.a.a(r8-map-id-77aa01f:1)
\tat a.b.a(r8-map-id-77aa01f:2)
\tat android.os.Handler.dispatchMessage(Handler.java:106)
"""
BURST = 60
COUNTS = ("report_count", "device_count", "first_seen_at", "last_seen_at", "state")


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    return build_program(tmp_path_factory.mktemp("program"))


def functions(report):
    return [frame["function"] for frame in report["crash"]["threads"][0]["frames"]]


def issue_of(platform, report, token):
    return platform.request("GET", f"/api/v1/issues/{report['issue_id']}/", token=token).json


def add_debug_file(platform, content, token):
    answer = platform.request(
        "POST", "/api/v1/debug-files/", content, token=token,
        headers={"Content-Type": "application/octet-stream"},
    )  # fmt: skip
    assert answer.status == 201, answer.body


def test_symbols_that_come_late_name_what_was_there(running, program):
    shipped, debug = program
    key, token = running.ingest_key(), running.api_token("read", "symbols")
    device = running.enroll(key)
    native = report_document("tombstone_text", crash_of(shipped), kind="native_crash")
    managed = report_document("java_stacktrace", STACK)
    again = report_document("java_stacktrace", STACK)
    for document in (native, managed, again):
        assert running.upload(device["device_token"], document).status == 202
    before = [running.wait_for_report(one["report_id"], token) for one in (native, managed)]
    running.wait_for_report(again["report_id"], token)
    issues = [issue_of(running, report, token) for report in before]
    missing = running.request("GET", "/api/v1/debug-files/missing/", token=token).json

    assert "camera::process" not in str(functions(before[0]))
    assert functions(before[1])[0] == "a.a.a"
    assert {row["build_id"] for row in missing["results"]} >= {"77aa01f"}

    add_debug_file(running, debug.read_bytes(), token)
    add_debug_file(running, MAPPING, token)
    after = [
        running.wait_until(
            lambda document=document, name=name: named(running, document, name, token),
            f"a stack with {name}",
            seconds=PATIENCE_SECONDS,
        )
        for document, name in ((native, "camera::process"), (managed, "CartFragment.refresh"))
    ]

    assert functions(after[1])[:3] == [
        "org.example.shop.Prices.total",
        "org.example.shop.CartFragment.refresh",
        "org.example.shop.Main.run",
    ]
    assert after[1]["crash"]["threads"][0]["frames"][1]["file"] == "CartFragment.kt"
    assert [report["issue_id"] for report in after] == [report["issue_id"] for report in before]
    now = [issue_of(running, report, token) for report in after]
    assert [[issue[name] for name in COUNTS] for issue in now] == [
        [issue[name] for name in COUNTS] for issue in issues
    ]
    assert [issue["report_count"] for issue in now] == [1, 2]
    assert all(old["signature"] != new["signature"] for old, new in zip(issues, now, strict=True))
    assert "Prices.total" in now[1]["signature"]
    assert running.request("GET", "/api/v1/debug-files/missing/", token=token).json["count"] == 0
    assert_a_burst_adds_up(running, device["device_token"], token)


def assert_a_burst_adds_up(platform, device_token, token):
    """Symbols that arrive in the middle of a burst name all of it, and every report counts once."""
    documents = [
        report_document("tombstone_text", tombstone(address), kind="native_crash")
        for address in (PARSE, LOAD) * (BURST // 2)
    ]
    with ThreadPoolExecutor(4) as senders:
        sent = [senders.submit(platform.upload, device_token, one) for one in documents]
        add_debug_file(platform, breakpad(), token)
    assert {answer.result().status for answer in sent} == {202}

    for document, name in zip(documents, ("parse", "load") * (BURST // 2), strict=True):
        platform.wait_until(
            lambda document=document, name=name: named(platform, document, name, token),
            f"a stack with {name}",
            seconds=PATIENCE_SECONDS,
        )
    found = platform.request("GET", "/api/v1/issues/?q=kind:native_crash", token=token).json
    counts = {issue["signature"]: issue["report_count"] for issue in found["results"]}
    burst = {name: count for name, count in counts.items() if "libcamera.so" in name}
    assert sorted(burst.values()) == [BURST // 2, BURST // 2], counts


def named(platform, document, name, token):
    """The report, once a function of its crashing thread has this name."""
    report = platform.report(document["report_id"], token)
    if report is None or report["crash"] is None:
        return None
    return report if any(name in (function or "") for function in functions(report)) else None
