"""Who was killed for memory, as logs of phones tell it."""

import pytest

from crashes.formats.registry import parse_payload, sniff
from crashes.stack import CrashKind, PayloadFormat

LOG = "02-13 11:43:44.123  root   500   500 I lowmemorykiller: "
EVENT = "02-13 11:43:44.223  1000  1500  1600 I am_kill : "
APP = "com.example.app"


@pytest.mark.parametrize(
    ("line", "pid", "reason", "score"),
    [
        (LOG + f"Kill '{APP}' (4711), uid 10123, oom_score_adj 900 to free 123456kB rss, 2345kB "
         "swap; reason: device is low on swap (1kB < 2kB)", 4711,
         "device is low on swap (1kB < 2kB)", 900),
        (LOG + f"Kill '{APP}' (4711), uid 10123, oom_adj 906 to free 1kB", 4711, "low memory", 906),
        (EVENT + f"[0,4711,{APP},900,low memory]", 4711, "low memory", 900),
        (f"<3>[ 12.5] lowmemorykiller: Killing '{APP}' (4711), adj 906,\n<3>[ 12.6]   to free 1kB",
         4711, "low memory", 906),
        (f"[ 12.500000] lowmemorykiller: send sigkill to 4711 ({APP}), adj 12, size 999", 4711,
         "low memory", 12),
        (f"[ 12.500000][  T70] Out of memory: Killed process 4711 ({APP}) total-vm:1kB, "
         "UID:10123 pgtables:12kB oom_score_adj:900", 4711, "Out of memory", 900),
    ],
)  # fmt: skip
def test_a_kill_for_memory(line: str, pid: int, reason: str, score: int):
    payload = line.encode()
    found = sniff(payload)
    assert found in {PayloadFormat.LOGCAT, PayloadFormat.KERNEL_LOG}

    crash = parse_payload(found, payload)

    assert crash.kind is CrashKind.LOW_MEMORY_KILL
    assert (crash.process, crash.package, crash.pid) == (APP, APP, pid)
    assert crash.reason == reason
    assert crash.details["oom_score_adj"] == score


def test_a_kill_for_another_reason():
    crash = parse_payload(
        PayloadFormat.LOGCAT, (EVENT + f"[0,4711,{APP},700,excessive cpu 5000]").encode()
    )

    assert (crash.kind, crash.reason) == (CrashKind.BACKGROUND_KILL, "excessive cpu 5000")
