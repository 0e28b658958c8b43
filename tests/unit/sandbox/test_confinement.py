"""What a child cannot do."""

import os
from collections.abc import Callable

import pytest

from tests.unit.sandbox import jobs
from tests.unit.sandbox.conftest import JOBS
from uxp_diag.sandbox import (
    Limits,
    Protection,
    Sandbox,
    SandboxFailure,
    child,
    confinement,
    wire,
)


def test_the_layers_that_need_no_privilege_hold_on_this_machine(shared_sandbox):
    assert shared_sandbox.protection() >= {
        Protection.RLIMITS,
        Protection.NO_NEW_PRIVS,
        Protection.NO_CAPABILITIES,
        Protection.SECCOMP,
    }


@pytest.mark.parametrize("attempt", jobs.attempts())
def test_a_child_cannot(shared_sandbox, attempt):
    assert shared_sandbox.run(f"{JOBS}:attempt", attempt) != "done"


@pytest.mark.parametrize("attempt", ["tcp socket", "fork", "exec", "write a file", "read a file"])
def test_a_reach_outside_is_forbidden_rather_than_impossible(shared_sandbox, attempt):
    assert shared_sandbox.run(f"{JOBS}:attempt", attempt) == "PermissionError"


def test_memory_never_becomes_code(shared_sandbox):
    with pytest.raises(SandboxFailure) as caught:
        shared_sandbox.run(f"{JOBS}:run_code_from_the_heap")

    assert "PermissionError" in caught.value.detail


def test_the_secrets_of_the_worker_stay_with_the_worker(monkeypatch):
    monkeypatch.setenv("SECRET_KEY", "canary")
    monkeypatch.setenv("DATABASE_URL", "postgres://canary")
    monkeypatch.setenv("PYTHONSTARTUP", "canary")

    with Sandbox((JOBS,)) as sandbox:
        seen = sandbox.run(f"{JOBS}:environment")
        with open(f"/proc/{sandbox.server_pid}/environ", "rb") as environ:  # noqa: PTH123
            server = environ.read()

    assert set(seen) <= {"LANG", "TZ", "LC_CTYPE", "LD_LIBRARY_PATH"}
    assert b"canary" not in server


def test_only_the_stream_and_the_given_files_are_open(shared_sandbox, tmp_path):
    fd = os.open(tmp_path, os.O_RDONLY)

    seen = shared_sandbox.run(f"{JOBS}:open_descriptors", files=(fd,))

    os.close(fd)
    assert seen == [0, 1, 2, 3, 4]


def test_no_framework_is_loaded(shared_sandbox):
    loaded = set(shared_sandbox.run(f"{JOBS}:loaded_modules"))

    assert loaded.isdisjoint({"django", "celery", "redis", "psycopg", "crashes", "devices"})


def exit_code_of(work: Callable[[], int]) -> int:
    """Run it in a fork of this process, which it may ruin."""
    pid = os.fork()
    if pid == 0:
        code = 99
        try:
            code = work()
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def test_a_child_with_less_protection_than_announced_does_no_work():
    parent, null = os.getpid(), os.open(os.devnull, os.O_RDWR)
    stream, other = os.pipe()

    def work() -> int:
        child.live(
            jobs.pid,
            Limits(),
            1,
            descriptors=[stream],
            null=null,
            server_pid=parent,
            expected=frozenset({Protection.NETWORK_NAMESPACE}),  # not in a child's power
        )

    assert exit_code_of(work) == wire.EXIT_NOT_CONFINED
    for fd in (null, stream, other):
        os.close(fd)


def test_without_seccomp_the_answer_says_so_and_landlock_still_closes_the_files(monkeypatch):
    monkeypatch.setattr(confinement, "_ARCH", None)

    def work() -> int:
        held = confinement.confine(Limits(), items=1)
        refused = jobs.attempt("read a file") == jobs.attempt("write a file") == "PermissionError"
        return int(Protection.SECCOMP in held) + 2 * int(
            refused is not (Protection.LANDLOCK in held)
        )

    assert exit_code_of(work) == 0
