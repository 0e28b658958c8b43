"""Exact keys, terms, scores and decisions of v1."""

from dataclasses import replace

import pytest

from crashes.grouping.mechanisms import v1
from crashes.grouping.values import Candidate, FrameStats, GroupingInput
from crashes.stack import Crash, CrashKind, Frame, Thread
from tests.unit.grouping.builders import anr, java_chain, java_crash, native_crash

GAME = "/data/app/~~a==/com.example-b==/lib/arm64/libgame.so"
FUNCTIONS = [f"com.example.{name}.run" for name in ("A", "B", "C", "D", "E")]
NO_STATS = FrameStats()


def prepared(crash: Crash) -> GroupingInput:
    return v1.prepare(crash, package=None)


@pytest.mark.parametrize(
    "other",
    [
        java_crash(*FUNCTIONS[:3], raised="java.lang.NullPointerException"),
        java_crash(*FUNCTIONS[1:4]),
        java_crash(*FUNCTIONS[:3], package="com.other"),
    ],
    ids=["type", "frames", "program"],
)
def test_another_type_stack_or_program_is_another_key(other):
    assert prepared(other).exact_key != prepared(java_crash(*FUNCTIONS[:3])).exact_key


def test_foreign_frames_are_no_part_of_the_key():
    one = java_crash("java.util.ArrayList.get", FUNCTIONS[0], "android.view.View.layout")

    assert prepared(one).exact_key == prepared(java_crash(FUNCTIONS[0])).exact_key


def test_another_root_cause_is_another_key():
    keys = {
        prepared(java_chain(("a.LoadFailed", ("com.example.Feed.load",)), (cause, ()))).exact_key
        for cause in ("java.io.IOException", "java.lang.NullPointerException")
    }

    assert len(keys) == 2


def test_another_lock_holder_or_deadline_is_another_key():
    crashes = [
        anr("com.example.Main.wait", holder=("com.example.Sync.write",)),
        anr("com.example.Main.wait", holder=("com.example.Backup.read",)),
        anr("com.example.Main.wait", holder=("com.example.Sync.write",), reason="broadcast"),
        anr("com.example.Main.wait"),
    ]

    assert len({prepared(crash).exact_key for crash in crashes}) == 4


def test_without_own_frames_nothing_joins_but_an_equal_stack():
    item = prepared(native_crash((None, GAME), ("abort", "/system/lib64/libc.so")))

    decision = v1.best_match(item, [Candidate(1, item)], NO_STATS)

    assert v1.index_terms(item) == ()
    assert decision.joined is None
    assert decision.explanation


def test_a_renamed_function_of_the_same_class_does_not_split_an_issue():
    old = prepared(java_crash("com.example.Feed.row", "com.example.Main.draw"))
    new = prepared(java_crash("com.example.Feed.bindRow", "com.example.Main.draw"))
    match = v1.score(old, new, stats=NO_STATS)

    assert match.total >= v1.THRESHOLD
    assert match.kinships == 2


def test_a_common_frame_is_worth_less_than_a_rare_one():
    left = prepared(java_crash("com.example.A.run", "com.example.Z.loop"))
    right = prepared(java_crash("com.example.B.run", "com.example.Z.loop"))
    common = FrameStats(100, {v1.term("com.example.Z.loop"): 90})

    assert v1.score(left, right, stats=common).total < v1.score(left, right, stats=NO_STATS).total


def c_frames(*functions, file="media/decode.c"):
    frames = tuple(Frame(at, function=name, file=file) for at, name in enumerate(functions))
    return Crash(
        kind=CrashKind.NATIVE_CRASH,
        package="com.example",
        signal="SIGSEGV",
        threads=(Thread(crashing=True, frames=frames),),
    )


def test_functions_have_no_kin_for_merely_standing_in_one_file():
    left, right = prepared(c_frames("decode_layer")), prepared(c_frames("free_buffers"))

    assert v1.score(left, right, stats=NO_STATS).kinships == 0
    assert v1.best_match(left, [Candidate(1, right)], NO_STATS).joined is None


def test_a_renamed_function_of_the_same_file_has_its_old_self_for_kin():
    left = prepared(c_frames("decode_layer", "run"))
    right = prepared(c_frames("decode_layer_impl", "run"))
    elsewhere = prepared(c_frames("decode_layer_impl", "run", file="other/decode.c"))

    assert v1.score(left, right, stats=NO_STATS).kinships == 2
    assert v1.best_match(left, [Candidate(1, right)], NO_STATS).joined == 1
    assert v1.score(left, elsewhere, stats=NO_STATS).kinships == 0


def test_a_long_rare_message_is_worth_more_than_a_short_or_frequent_one():
    long = replace(prepared(java_crash(FUNCTIONS[0])), words=tuple(range(12)))
    short = replace(long, words=(1,))
    often = FrameStats(60, {v1.term(v1.said_text(long.words)): 50})

    def message(item, stats=NO_STATS):
        return v1.score(item, item, stats=stats).message

    assert message(long) > message(short) > v1.WORDS_GAIN
    assert message(long, often) == pytest.approx(v1.WORDS_GAIN, abs=0.01)


def test_an_equal_message_is_an_index_term():
    item = prepared(java_chain(("a.Broken", (FUNCTIONS[0],)), message="row is gone"))

    assert v1.term(v1.said_text(item.words)) in v1.index_terms(item)


def test_one_equal_frame_is_weaker_evidence_than_three():
    one, three = prepared(java_crash(FUNCTIONS[0])), prepared(java_crash(*FUNCTIONS[:3]))

    def total(item):
        return v1.score(item, item, stats=NO_STATS).total

    assert total(three) > total(one) > v1.LINK


def test_a_decision_explains_itself_and_names_the_runner_up():
    item = prepared(java_crash(*FUNCTIONS))
    other = replace(item, exception_type="java.lang.NullPointerException")

    decision = v1.best_match(item, [Candidate(1, other), Candidate(2, item)], NO_STATS)

    assert decision.joined == 2
    assert decision.next_best is not None
    assert decision.next_best[0] == 1
    assert decision.match is not None
    assert [pair.token for pair in decision.match.pairs] == FUNCTIONS
    assert any("5 of 5 own frames equal" in line for line in decision.explanation)


def test_a_second_variant_that_is_very_alike_is_a_link():
    item = prepared(java_crash(*FUNCTIONS))

    decision = v1.best_match(item, [Candidate(1, item), Candidate(2, item)], NO_STATS)

    assert decision.joined == 1
    assert decision.links == (2,)


def test_an_empty_store_has_nothing_alike():
    decision = v1.best_match(prepared(java_crash(*FUNCTIONS)), [], NO_STATS)

    assert decision.joined is None
    assert decision.ranked == ()
