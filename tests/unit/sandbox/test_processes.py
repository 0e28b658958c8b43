"""Servers and children come and go; nothing stays behind."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests.unit.sandbox.conftest import JOBS
from tests.unit.sandbox.processes import children_of, eventually, exists
from uxp_diag.sandbox import FailureReason, Limits, Sandbox, SandboxFailure

ROOT = Path(__file__).resolve().parents[3]

OWNER = f"""
import sys, threading, time
sys.path.insert(0, {str(ROOT)!r})
from uxp_diag.sandbox import Sandbox
sandbox = Sandbox(({JOBS!r},))
threading.Thread(target=lambda: sandbox.run({JOBS + ":sleep"!r}, 60.0), daemon=True).start()
while sandbox.server_pid is None:
    time.sleep(0.01)
print(sandbox.server_pid, flush=True)
time.sleep(60)
"""


def test_no_child_stays_behind_after_any_kind_of_end(own_sandbox):
    hasty = Limits(cpu_seconds=0.2, wall_seconds=0.3)
    words = ["fine", "segfault", "spin", "sleep", "leave", "refuse"]

    own_sandbox.run_many(f"{JOBS}:act", [(word,) for word in words], limits=hasty)

    server = own_sandbox.server_pid
    assert eventually(lambda: not children_of(server))


def test_a_child_is_dead_when_its_timeout_is_told(own_sandbox):
    with pytest.raises(SandboxFailure):
        own_sandbox.run(f"{JOBS}:sleep", 60.0, limits=Limits(wall_seconds=0.2))

    assert not children_of(own_sandbox.server_pid)


def test_closing_ends_the_server_and_leaves_no_zombie(own_sandbox):
    own_sandbox.run(f"{JOBS}:pid")
    server = own_sandbox.server_pid

    own_sandbox.close()

    assert server not in children_of(os.getpid())


def test_a_closed_sandbox_opens_again(own_sandbox):
    own_sandbox.run(f"{JOBS}:pid")
    own_sandbox.close()

    assert own_sandbox.run(f"{JOBS}:echo", 1) == [1]


def test_a_forgotten_sandbox_takes_its_server_along():
    sandbox = Sandbox((JOBS,))
    sandbox.run(f"{JOBS}:pid")
    server = sandbox.server_pid
    assert server is not None

    del sandbox

    assert eventually(lambda: not exists(server))


def test_a_killed_server_is_replaced(own_sandbox):
    own_sandbox.run(f"{JOBS}:pid")
    first = own_sandbox.server_pid

    os.kill(first, signal.SIGKILL)

    assert own_sandbox.run(f"{JOBS}:echo", 1) == [1]
    assert own_sandbox.server_pid != first
    assert first not in children_of(os.getpid())


def child_of(server: int | None) -> int:
    """A child of the server, as soon as there is one."""
    assert server is not None
    found: list[int] = []

    def look() -> bool:
        found.extend(children_of(server))
        return bool(found)

    assert eventually(look)
    return found[0]


def test_the_job_of_a_killed_server_fails_and_its_child_dies(own_sandbox):
    own_sandbox.run(f"{JOBS}:pid")
    server = own_sandbox.server_pid
    assert eventually(lambda: not children_of(server))  # the first job's child is gone
    seen: list[SandboxFailure] = []

    def work() -> None:
        try:
            own_sandbox.run(f"{JOBS}:sleep", 60.0)
        except SandboxFailure as failure:
            seen.append(failure)

    worker = threading.Thread(target=work)
    worker.start()
    child = child_of(server)
    os.kill(server, signal.SIGKILL)
    worker.join()

    assert [failure.reason for failure in seen] == [FailureReason.KILLED]
    assert eventually(lambda: not exists(child))


def test_signals_meant_for_the_group_do_not_reach_the_server(own_sandbox):
    own_sandbox.run(f"{JOBS}:pid")
    server = own_sandbox.server_pid

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        os.kill(server, number)

    own_sandbox.run(f"{JOBS}:pid")
    assert own_sandbox.server_pid == server
    assert os.getpgid(server) != os.getpgid(0)


def test_the_server_outlives_the_thread_that_started_it(own_sandbox):
    starter = threading.Thread(target=lambda: own_sandbox.run(f"{JOBS}:pid"))
    starter.start()
    starter.join()
    server = own_sandbox.server_pid

    own_sandbox.run(f"{JOBS}:pid")

    assert own_sandbox.server_pid == server


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_nothing_survives_the_owner(number):
    owner = subprocess.Popen([sys.executable, "-c", OWNER], stdout=-1, stderr=-3, text=True)
    assert owner.stdout is not None
    server = int(owner.stdout.readline())
    child = child_of(server)

    owner.send_signal(number)
    owner.communicate()

    assert eventually(lambda: not exists(server) and not exists(child))


def test_a_fork_of_the_owner_starts_a_server_of_its_own(own_sandbox):
    own_sandbox.run(f"{JOBS}:pid")
    ours = own_sandbox.server_pid
    reader, writer = os.pipe()

    pid = os.fork()
    if pid == 0:
        try:
            answer = own_sandbox.run(f"{JOBS}:echo", "forked")
            os.write(writer, f"{answer[0]} {own_sandbox.server_pid}".encode())
            own_sandbox.close()
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as told:
        word, theirs = told.read().split()
    os.waitpid(pid, 0)

    assert word == "forked"
    assert int(theirs) != ours
    assert not exists(int(theirs))
    assert own_sandbox.run(f"{JOBS}:echo", 1) == [1]
    assert own_sandbox.server_pid == ours


def test_a_fork_while_a_job_runs_does_not_inherit_a_held_lock(own_sandbox):
    own_sandbox.run(f"{JOBS}:pid")

    with own_sandbox._lock:
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                code = 0 if own_sandbox.run(f"{JOBS}:echo", 1) == [1] else 1
                own_sandbox.close()
            finally:
                os._exit(code)
    _, status = os.waitpid(pid, 0)

    assert os.waitstatus_to_exitcode(status) == 0
