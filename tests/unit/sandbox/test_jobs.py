"""What a job gives back, and how each way to fail is told."""

import contextlib
import os
import random
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest

from tests.unit.sandbox import hostile
from tests.unit.sandbox.conftest import JOBS
from uxp_diag.sandbox import FailureReason, JobRefused, Limits, PlainValue, Sandbox, SandboxFailure
from uxp_diag.sandbox.wire import MAX_FILES

SMALL = Limits(cpu_seconds=0.3, memory_bytes=64 << 20, output_bytes=1 << 20)
HASTY = Limits(cpu_seconds=2, wall_seconds=0.4)


def failure(sandbox: Sandbox, job: str, *arguments: PlainValue, limits: Limits) -> SandboxFailure:
    with pytest.raises(SandboxFailure) as caught:
        sandbox.run(f"{JOBS}:{job}", *arguments, limits=limits)
    return caught.value


@pytest.mark.parametrize("size", [0, 1, 64 << 10, 5 << 20])
def test_bytes_go_in_and_come_out(shared_sandbox, size):
    payload = os.urandom(size)

    assert shared_sandbox.run(f"{JOBS}:reverse", payload) == payload[::-1]


def test_plain_values_keep_their_types(shared_sandbox):
    values = [None, True, -1, 2**64 - 1, 1.5, "ü\0", b"\xff", [1, [2]], {"a": {"b": None}}]

    assert shared_sandbox.run(f"{JOBS}:echo", *values) == values


def test_an_answer_becomes_the_type_that_was_asked_for(shared_sandbox):
    @dataclass(frozen=True, slots=True)
    class Pair:
        left: int
        right: tuple[str, ...]

    answer = shared_sandbox.run(f"{JOBS}:echo", {"left": 1, "right": ["x"]}, into=list[Pair])

    assert answer == [Pair(1, ("x",))]


def test_an_answer_of_another_type_is_a_failure(shared_sandbox):
    with pytest.raises(SandboxFailure) as caught:
        shared_sandbox.run(f"{JOBS}:echo", "text", into=list[int])

    assert caught.value.reason is FailureReason.CRASHED


def test_every_job_has_a_child_of_its_own(shared_sandbox):
    pids = {shared_sandbox.run(f"{JOBS}:pid") for _ in range(3)}

    assert len(pids) == 3


@pytest.mark.parametrize("where", ["line 12", None])
def test_a_jobs_own_error_arrives_in_its_own_words(shared_sandbox, where):
    with pytest.raises(JobRefused) as caught:
        shared_sandbox.run(f"{JOBS}:refuse", "not_a_tombstone", "no header", where)

    refusal = caught.value
    assert (refusal.code, refusal.detail, refusal.where) == ("not_a_tombstone", "no header", where)


def test_an_unexpected_error_never_quotes_the_input(shared_sandbox):
    problem = failure(shared_sandbox, "quote_input", "490154203237518 and more", limits=SMALL)

    assert problem.reason is FailureReason.CRASHED
    assert problem.detail.startswith("ValueError at jobs.py:")
    assert "4901" not in str(problem)


@pytest.mark.parametrize(
    ("job", "arguments", "reason", "detail"),
    [
        ("spin", (), FailureReason.CPU, "CPU"),
        ("allocate", (1 << 30,), FailureReason.MEMORY, "MemoryError"),
        ("recurse", (), FailureReason.CRASHED, "RecursionError"),
        ("segfault", (), FailureReason.CRASHED, "SIGSEGV"),
        ("abort", (), FailureReason.CRASHED, "SIGABRT"),
        ("leave", (), FailureReason.CRASHED, "SystemExit"),
        ("exit_silently", (0,), FailureReason.CRASHED, "exited with 0"),
        ("exit_silently", (9,), FailureReason.CRASHED, "exited with 9"),
        ("make_unplain", (), FailureReason.CRASHED, "TypeError"),
        ("fill", (2 << 20,), FailureReason.OUTPUT_TOO_LARGE, "2097"),
        ("forge", (b"\xff\xff\xff\xff",), FailureReason.OUTPUT_TOO_LARGE, "announced"),
        ("forge", (b"\0\0\0\1?",), FailureReason.CRASHED, "unreadable"),
        ("forge", (b"\0\0\0\0",), FailureReason.CRASHED, "unreadable"),
    ],
)
def test_a_job_that_breaks_is_told_by_its_reason(shared_sandbox, job, arguments, reason, detail):
    problem = failure(shared_sandbox, job, *arguments, limits=SMALL)

    assert problem.reason is reason
    assert detail in problem.detail


def test_input_beyond_the_memory_limit_is_a_failure_of_memory(shared_sandbox):
    problem = failure(shared_sandbox, "reverse", bytes(128 << 20), limits=SMALL)

    assert problem.reason is FailureReason.MEMORY


@pytest.mark.parametrize(
    ("job", "arguments"), [("sleep", (60.0,)), ("spin", ()), ("hang_up", ()), ("forge", (b"\0",))]
)
def test_a_job_without_end_is_stopped_by_the_clock(shared_sandbox, job, arguments):
    problem = failure(shared_sandbox, job, *arguments, limits=HASTY)

    assert problem.reason is FailureReason.TIMEOUT


def test_the_elf_file_that_hangs_its_reader_ends_within_its_limits(shared_sandbox):
    assert shared_sandbox.run(f"{JOBS}:count_lines", hostile.endless_line_header(0)) == 0

    problem = failure(
        shared_sandbox, "count_lines", hostile.endless_line_header(), limits=Limits(cpu_seconds=0.5)
    )

    assert problem.reason in {FailureReason.CPU, FailureReason.MEMORY}


def test_two_hundred_damaged_elf_files_all_get_an_outcome(shared_sandbox):
    dice = random.Random(7)
    damaged = [(hostile.damage(hostile.endless_line_header(0), dice),) for _ in range(200)]

    outcomes = shared_sandbox.run_many(f"{JOBS}:count_lines", damaged, limits=SMALL)

    reasons = {outcome.reason for outcome in outcomes if isinstance(outcome, SandboxFailure)}
    assert len(outcomes) == 200
    assert reasons <= {FailureReason.CRASHED, FailureReason.CPU, FailureReason.MEMORY}
    assert shared_sandbox.run(f"{JOBS}:echo", 1) == [1]


def test_files_are_handed_over_in_order(shared_sandbox, tmp_path):
    fds = []
    for name in ("a", "b", "c"):
        (tmp_path / name).write_text(name)
        fds.append(os.open(tmp_path / name, os.O_RDONLY))

    content = shared_sandbox.run(f"{JOBS}:read_files", files=fds)

    assert content == [b"a", b"b", b"c"]
    for fd in fds:
        os.close(fd)


def test_a_job_writes_into_a_file_it_was_given_up_to_its_limit(shared_sandbox, tmp_path):
    (tmp_path / "in").write_bytes(b"x" * 1000)
    copied, refused = tmp_path / "copied", tmp_path / "refused"

    with (tmp_path / "in").open("rb") as source, copied.open("wb") as target:
        files = (source.fileno(), target.fileno())
        shared_sandbox.run(f"{JOBS}:copy", files=files, limits=Limits(file_bytes=1000))
    with (
        (tmp_path / "in").open("rb") as source,
        refused.open("wb") as target,
        pytest.raises(SandboxFailure) as caught,
    ):
        shared_sandbox.run(f"{JOBS}:copy", files=(source.fileno(), target.fileno()))

    assert copied.stat().st_size == 1000
    assert refused.stat().st_size == 0
    assert caught.value.reason is FailureReason.OUTPUT_TOO_LARGE


def test_one_poison_input_does_not_hurt_its_neighbors(shared_sandbox):
    words = ["a", "segfault", "b", "spin", "refuse", "leave", "leave", "c"]

    outcomes = shared_sandbox.run_many(f"{JOBS}:act", [(word,) for word in words], limits=SMALL)

    told = [
        outcome.reason if isinstance(outcome, SandboxFailure) else
        outcome.code if isinstance(outcome, JobRefused) else outcome
        for outcome in outcomes
    ]  # fmt: skip
    assert told == ["A", "crashed", "B", "cpu", "not_good", "crashed", "crashed", "C"]


def test_the_wall_clock_counts_for_each_input(shared_sandbox):
    limits = Limits(wall_seconds=1.0)

    outcomes = shared_sandbox.run_many(f"{JOBS}:sleep", [(0.3,)] * 4 + [(9.0,)], limits=limits)

    assert outcomes[:4] == ["awake"] * 4
    assert outcomes[4].reason is FailureReason.TIMEOUT


def test_an_input_does_not_pay_for_the_memory_of_those_before_it(shared_sandbox):
    outcomes = shared_sandbox.run_many(f"{JOBS}:hoard", [(25 << 20,)] * 4, limits=SMALL)

    assert not any(isinstance(outcome, SandboxFailure) for outcome in outcomes)


def test_inputs_without_trouble_share_one_child(shared_sandbox):
    outcomes = shared_sandbox.run_many(f"{JOBS}:pid", [()] * 20)

    assert len(set(outcomes)) == 1


def test_no_inputs_need_no_child(own_sandbox):
    assert own_sandbox.run_many(f"{JOBS}:pid", []) == []
    assert own_sandbox.server_pid is None


def test_threads_share_a_sandbox(shared_sandbox):
    together = threading.Barrier(8)

    def work(number: int) -> list[int]:
        together.wait()
        return [shared_sandbox.run(f"{JOBS}:echo", number, n)[0] for n in range(5)]

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(work, range(8)))

    assert answers == [[number] * 5 for number in range(8)]


@pytest.mark.parametrize(
    "job", ["os:getpid", "tests.unit.sandbox.jobs_extra:run", f"{JOBS}:no.name", JOBS, "", ":"]
)
def test_only_named_modules_may_be_called(shared_sandbox, job):
    with pytest.raises(ValueError, match="not a job"):
        shared_sandbox.run(job)


@pytest.mark.parametrize("function", ["nothing_of_this_name", "ELFFile", "BytesIO", "remembered"])
def test_only_functions_a_module_defines_may_be_called(shared_sandbox, function):
    problem = failure(shared_sandbox, function, limits=SMALL)

    assert problem.reason is FailureReason.UNAVAILABLE


def test_a_module_that_cannot_be_loaded_makes_the_sandbox_unavailable():
    with (
        Sandbox(("tests.unit.sandbox.absent",)) as sandbox,
        pytest.raises(SandboxFailure) as caught,
    ):
        sandbox.run("tests.unit.sandbox.absent:run")

    assert caught.value.reason is FailureReason.UNAVAILABLE
    assert "ModuleNotFoundError" in caught.value.detail


def test_a_closed_descriptor_is_the_callers_mistake(shared_sandbox, tmp_path):
    fd = os.open(tmp_path, os.O_RDONLY)
    os.close(fd)

    with pytest.raises(OSError, match="Bad file descriptor"):
        shared_sandbox.run(f"{JOBS}:read_files", files=(fd,))


def test_too_many_files_are_refused(shared_sandbox):
    with pytest.raises(ValueError, match="at most"):
        shared_sandbox.run(f"{JOBS}:read_files", files=(0,) * (MAX_FILES + 1))


def test_as_many_files_as_allowed_keep_their_order(shared_sandbox, tmp_path):
    with contextlib.ExitStack() as stack:
        files = [
            stack.enter_context((tmp_path / str(number)).open("w+b")) for number in range(MAX_FILES)
        ]
        for number, file in enumerate(files):
            file.write(f"{number} ".encode())
            file.seek(0)
        content = shared_sandbox.run(f"{JOBS}:read_files", files=[file.fileno() for file in files])

    assert content == [f"{number} ".encode() for number in range(MAX_FILES)]


def test_what_python_imports_late_is_there_already(shared_sandbox):
    answer = shared_sandbox.run(f"{JOBS}:use_lazy_corners", "a")

    assert answer == [2026, b"a\0", b"\xc9", "         a"]


def test_inputs_sent_ahead_and_large_answers_do_not_wait_for_each_other(shared_sandbox):
    sizes = (3 << 20, 10, 2 << 20, 150_000, 150_000, 5 << 20, 0)
    payloads = [os.urandom(size) for size in sizes]

    answers = shared_sandbox.run_many(f"{JOBS}:reverse", [(payload,) for payload in payloads])

    assert answers == [payload[::-1] for payload in payloads]


def test_the_server_is_warmed_up_once_for_all_its_children():
    warm_up = f"{JOBS}:remember_warmth"
    with Sandbox((JOBS,), warm_up=warm_up) as sandbox:
        answers = [sandbox.run(f"{JOBS}:recall") for _ in range(2)]

    assert answers == [[b"warm"], [b"warm"]]


def test_a_warm_up_that_is_not_allowed_leaves_no_sandbox():
    with Sandbox((JOBS,), warm_up="os:getcwd") as sandbox, pytest.raises(SandboxFailure) as caught:
        sandbox.run(f"{JOBS}:pid")

    assert caught.value.reason is FailureReason.UNAVAILABLE
