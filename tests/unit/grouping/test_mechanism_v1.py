"""Exact keys, terms, scores and decisions of v1."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crashes.grouping.mechanisms import CURRENT, MECHANISMS, v1
from crashes.grouping.values import Candidate, FrameStats, GroupingInput
from crashes.stack import Crash, CrashKind, Frame, Thread
from tests.unit.grouping.builders import anr, java_chain, java_crash, native_crash

GAME = "/data/app/~~a==/com.example-b==/lib/arm64/libgame.so"
FUNCTIONS = [f"com.example.{name}.run" for name in ("A", "B", "C", "D", "E")]
NO_STATS = FrameStats()


def prepared(crash: Crash) -> GroupingInput:
    return v1.prepare(crash, package=None)


@st.composite
def inputs(draw: st.DrawFn) -> GroupingInput:
    """Any input: own and foreign frames, repeated ones, with or without a message."""
    frames = draw(
        st.lists(
            st.tuples(
                st.sampled_from("abcdef"), st.sampled_from(["", "H", "file x/k.c"]), st.booleans()
            ),
            max_size=12,
        )
    )
    return GroupingInput(
        mechanism="v1",
        scope="managed/com.example",
        signature="x",
        exact_key=draw(st.text(max_size=4)),
        exception_type=draw(st.sampled_from(["T", "U"])),
        tokens=tuple(token for token, _, _ in frames),
        homes=tuple(home for _, home, _ in frames),
        in_app=tuple(own for _, _, own in frames),
        words=tuple(sorted(draw(st.sets(st.integers(0, 6))))),
        culprit=draw(st.sampled_from(["", "lock held at a", "lock held at b"])),
        explanation=("line",),
    )


stats = st.builds(
    FrameStats,
    total=st.integers(20, 90),
    frequency=st.dictionaries(st.sampled_from([v1.term(x) for x in "abcdef"]), st.integers(1, 20)),
)


@st.composite
def noisy_pairs(draw: st.DrawFn) -> tuple[Crash, Crash]:
    """The same native crash twice: other addresses, pids, times, lines and install paths."""
    names = draw(st.lists(st.sampled_from(["ns::f()", "ns::g(int)", "abort", None]), max_size=8))
    return _noisy(draw, names), _noisy(draw, names)


def _noisy(draw: st.DrawFn, names: list[str | None]) -> Crash:
    number = st.integers(0, 2**48)
    frames = tuple(
        Frame(
            index,
            function=name,
            module=f"/data/app/~~{draw(number):x}==/com.example/lib/arm64/libgame.so",
            address=draw(number),
            line=draw(number),
            function_offset=draw(number),
            build_id=f"{draw(number):x}",
        )
        for index, name in enumerate(names)
    )
    return Crash(
        kind=CrashKind.NATIVE_CRASH,
        package="com.example",
        pid=draw(number),
        tid=draw(number),
        timestamp=str(draw(number)),
        signal="SIGSEGV",
        fault_addr=draw(number),
        abort_message=f"object {draw(number):#x} is gone",
        version_code=draw(number),
        threads=(Thread(name="t", tid=draw(number), crashing=True, frames=frames),),
    )


@given(noisy_pairs())
def test_addresses_pids_times_and_lines_change_nothing(pair):
    one, other = (prepared(crash) for crash in pair)

    assert one == other


@given(inputs())
def test_an_input_survives_its_json_form(item):
    document = json.loads(json.dumps(item.to_json()))

    assert GroupingInput.from_json(document) == item


@given(inputs(), st.integers(1, 2**40))
def test_a_candidate_survives_its_json_form(item, number):
    candidate = Candidate(number, item)

    assert Candidate.from_json(json.loads(json.dumps(candidate.to_json()))) == candidate


@given(inputs(), inputs(), stats)
def test_the_score_is_symmetric(left, right, stats):
    there = v1.score(left, right, stats=stats)
    back = v1.score(right, left, stats=stats)

    assert there.total == pytest.approx(back.total)


@given(inputs(), inputs(), stats)
def test_nothing_is_more_alike_than_the_same(left, right, stats):
    if not left.tokens:
        return
    self_score = v1.score(left, left, stats=stats).total

    assert self_score + 1e-9 >= v1.score(left, right, stats=stats).total


@given(inputs(), inputs(), stats)
def test_the_parts_add_up_to_the_total(left, right, stats):
    match = v1.score(left, right, stats=stats)

    assert match.total == pytest.approx(
        match.frames + match.type + match.message + match.brevity + match.culprit
    )
    assert -1.0 - 1e-9 <= match.frames <= 1.0 + 1e-9


@given(inputs(), st.lists(inputs(), max_size=24), stats)
def test_a_decision_is_reproducible_and_sorted(item, others, stats):
    candidates = [Candidate(number, other) for number, other in enumerate(others)]

    decision = v1.best_match(item, candidates, stats)

    assert decision == v1.best_match(item, candidates, stats)
    scores = [total for _, total in decision.ranked]
    assert scores == sorted(scores, reverse=True)
    assert len(scores) <= v1.GATE
    assert decision.joined is None or scores[0] >= v1.THRESHOLD


@given(inputs())
def test_index_terms_fit_a_signed_64_bit_column(item):
    terms = v1.index_terms(item)

    assert len(set(terms)) == len(terms)
    assert all(-(2**63) <= term < 2**63 for term in terms)
    assert bool(terms) == any(item.in_app)


def test_the_current_mechanism_is_registered_under_its_name():
    assert MECHANISMS[CURRENT].NAME == CURRENT


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
