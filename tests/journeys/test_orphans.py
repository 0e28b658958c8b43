"""Whatever is killed, nothing of it goes on working unseen."""

import os
import signal

import pytest

pytestmark = pytest.mark.own_servers


@pytest.mark.parametrize("platform", ["embedded"], indirect=True)
def test_a_web_worker_ends_with_its_main_process(platform):
    platform.start_web()

    os.kill(platform.processes["web"].pid, signal.SIGKILL)

    platform.wait_until(lambda: not platform.is_ready(), "nobody answers", seconds=10)
