"""Stack traces as text: our own pairs, R8's published ones, and a large library's."""

import json
import lzma
from pathlib import Path

import pytest

from crashes.symbolication.retrace.frames import NO_CONTEXT, Context
from crashes.symbolication.retrace.retracer import Retracer
from tests.conftest import ROOT

RETRACE = ROOT / "tests/data/retrace"
NAMES = sorted(path.name.partition(".")[0] for path in RETRACE.glob("*.stack.txt"))


@pytest.fixture(scope="module")
def samples(shared_dir: Path) -> Path:
    return shared_dir / "samples/symbolication/retrace"


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("verbose", [False, True])
def test_a_stack_becomes_what_stands_beside_it(name: str, verbose: bool) -> None:
    retracer = Retracer(RETRACE / f"{name}.mapping.txt")
    stack = (RETRACE / f"{name}.stack.txt").read_text()
    answer = RETRACE / f"{name}.{'expected-verbose' if verbose else 'expected'}.txt"

    assert retracer.retrace_text(stack, verbose=verbose) == answer.read_text()


def test_every_published_case_of_r8_comes_out_as_published(samples: Path) -> None:
    cases = json.loads((samples / "r8_retrace_cases.json").read_text())
    assert len(cases) >= 28

    for case in cases:
        for verbose, answer in ((False, case["retraced"]), (True, case["retraced_verbose"])):
            retracer = Retracer(case["mapping"].encode())
            found = retracer.retrace_lines(case["obfuscated"], verbose=verbose)
            assert [line for item in found for line in item.retraced] == answer, case["name"]


@pytest.mark.parametrize("form", ["", "-verbose"])
def test_every_frame_of_guava_comes_out_as_from_r8(samples: Path, form: str) -> None:
    mapping = lzma.decompress((samples / "guava-31.1.r8-9.0.32.mapping.txt.xz").read_bytes())
    stacks = (samples / "guava.obfuscated-stacks.txt").read_text()
    answer = lzma.decompress((samples / f"guava.retraced-by-r8{form}.txt.xz").read_bytes())

    assert Retracer(mapping).retrace_text(stacks, verbose=bool(form)) == answer.decode()


def test_lines_end_as_r8_prints_them_however_they_came() -> None:
    retracer = Retracer(b"x.Y -> a:\n")

    assert retracer.retrace_text("a: it is\r\na: it is\ra: it is") == "x.Y: it is\n" * 3
    assert retracer.retrace_text("") == ""
    assert retracer.retrace_text("\n") == "\n"


def test_a_retracer_answers_for_single_names() -> None:
    retracer = Retracer(b"x.Y -> a:\n    1:1:int run():5:5 -> b\n")

    answer = retracer.retrace_frame("a", "b", 1)

    assert [[call.function for call in calls] for calls in answer.alternatives] == [["x.Y.run"]]
    assert answer.alternatives[0][0].described_method == "int run()"
    assert retracer.retrace_class("a") == "x.Y"
    assert retracer.retrace_class("z") == "z"


def test_the_same_question_is_answered_from_memory() -> None:
    retracer = Retracer(b"x.Y -> a:\n    1:1:int run():5:5 -> b\n")

    assert retracer.retrace_frame("a", "b", 1) is retracer.retrace_frame("a", "b", 1)
    assert retracer.retrace_frame("a", "b", 1, Context("x")) is retracer.retrace_frame("a", "b", 1)
    assert retracer.retrace_frame("a", "b", 2) is not retracer.retrace_frame("a", "b", 1)


@pytest.mark.parametrize(
    ("thrown", "functions"),
    [
        ("z.Err", ["x.Y.run"]),
        ("z.Other", ["x.Q.in", "x.Y.run"]),
        (None, ["x.Q.in", "x.Y.run"]),
    ],
)
def test_inner_frames_go_only_below_the_exception_they_belong_to(
    thrown: str | None, functions: list[str]
) -> None:
    retracer = Retracer(
        b'# {"id":"com.android.tools.r8.mapping","version":"2.0"}\nx.Y -> a:\n'
        b"    1:1:void x.Q.in():1:1 -> b\n    1:1:void run():2 -> b\n"
        b'# {"id":"com.android.tools.r8.rewriteFrame","conditions":["throws(Lz/Err;)"],'
        b'"actions":["removeInnerFrames(1)"]}\n'
    )

    answer = retracer.retrace_frame("a", "b", 1, Context(thrown) if thrown else NO_CONTEXT)

    assert [call.function for call in answer.alternatives[0]] == functions


def test_an_outline_is_gone_and_moves_the_frame_below() -> None:
    retracer = Retracer(RETRACE / "compiler.mapping.txt")

    outline = retracer.retrace_frame("b.b", "a", 1)
    assert outline.alternatives == ()
    assert outline.next_context == Context(outline_line=1)
    caller = retracer.retrace_frame("b.a", "b", 8, outline.next_context)

    assert [(call.function, call.line) for call in caller.alternatives[0]] == [
        ("org.example.mail.Outbox.flush", 71)
    ]
    assert caller.next_context == NO_CONTEXT


def test_a_vague_range_is_shown_within_reason() -> None:
    retracer = Retracer(b"x.Y -> a:\n    1:1:void x():1:2000000000 -> b\n")

    answer = retracer.retrace_frame("a", "b", 1)

    assert 1_000 <= len(answer.alternatives) <= 10_000
