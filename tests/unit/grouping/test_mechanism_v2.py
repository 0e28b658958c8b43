"""What v2 says otherwise than v1: namesakes, and the edge of stacks that were cut."""

from dataclasses import replace

import pytest

from crashes.grouping.mechanisms import v1, v2
from crashes.grouping.mechanisms.v2_score import method_name, name_text, term
from crashes.grouping.values import Candidate, FrameStats, GroupingInput
from crashes.stack import Crash
from tests.unit.grouping.builders import java_crash, native_crash

GAME = "/data/app/~~a==/com.example-b==/lib/arm64/libgame.so"
CALLERS = [f"com.example.Scene.{name}" for name in ("layout", "render", "loop")]
NO_STATS = FrameStats()


def prepared(crash: Crash) -> GroupingInput:
    return v2.prepare(crash, package=None)


def native(*functions: str) -> GroupingInput:
    return prepared(native_crash(*((name, GAME) for name in functions)))


def drawn(shape: str, *words: int) -> GroupingInput:
    item = prepared(java_crash(f"com.example.{shape}.drawShadow", CALLERS[0]))
    return replace(item, words=words)


@pytest.mark.parametrize(
    ("token", "name"),
    [
        ("com.example.Feed.loadMore", "loadMore"),
        ("ns::Link::close", "close"),
        ("close_link", ""),
        ("com.example.Feed.<init>", ""),
        ("ns::Link::operator()", ""),
        ("a.b.c.a", ""),
        ("libgame.so??", ""),
        ("cause java.lang.IllegalStateException", ""),
        ("lock held at com.example.Disk.write", ""),
    ],
)
def test_only_methods_of_a_class_have_a_name_of_their_own(token, name):
    assert method_name(token) == name


def test_a_method_of_the_same_name_in_a_sibling_class_explains_a_difference():
    circle, square = drawn("Circle"), drawn("Square")
    other = prepared(java_crash("com.example.Square.fillBorder", CALLERS[0]))

    assert v2.best_match(circle, [Candidate(1, square)], NO_STATS).joined == 1
    assert v2.best_match(circle, [Candidate(1, other)], NO_STATS).joined is None
    assert v1.best_match(circle, [Candidate(1, square)], NO_STATS).joined is None


def test_namesakes_that_complain_of_different_things_are_different_bugs():
    circle, square = drawn("Circle", 1, 2, 3), drawn("Square", 4, 5, 6)
    alike = drawn("Square", 1, 2, 4)

    assert v2.score(circle, square, stats=NO_STATS).kinships == 0
    assert v2.score(circle, alike, stats=NO_STATS).kinships == 2


def test_a_name_that_everything_has_on_top_explains_little():
    circle, square = drawn("Circle"), drawn("Square")
    often = FrameStats(100, {term(name_text("drawShadow")): 90})

    rare = v2.score(circle, square, stats=NO_STATS).frames
    common = v2.score(circle, square, stats=often).frames

    assert common < rare - 0.3


def test_namesakes_find_one_another_by_an_index_term():
    circle, square = drawn("Circle"), drawn("Square")

    assert term(name_text("drawShadow")) in v2.index_terms(circle)
    assert set(v2.index_terms(circle)) & set(v2.index_terms(square))


def test_what_lies_beyond_a_window_of_fixed_depth_is_no_difference():
    deep = native("audio_fill", "audio_mix", "audio_pull", "audio_run")
    shallow = native("audio_mix", "audio_pull", "audio_run", "thread_main")
    longer = native("audio_mix", "audio_pull", "audio_run", "thread_main", "clone_entry")

    cut = v2.score(deep, shallow, stats=NO_STATS)

    assert cut.frames > v1.score(deep, shallow, stats=NO_STATS).frames + 0.1
    assert cut.frames < 1.0  # the innermost frame is always seen
    assert v2.score(deep, longer, stats=NO_STATS).frames < cut.frames


def test_one_equal_frame_makes_no_window():
    one, other = native("audio_fill", "audio_mix"), native("audio_mix", "thread_main")

    here, before = (mechanism.score(one, other, stats=NO_STATS) for mechanism in (v2, v1))

    assert here.frames == pytest.approx(before.frames)


def test_what_v2_adds_leaves_all_other_scores_as_they_were():
    one = prepared(java_crash(*CALLERS))
    other = prepared(java_crash(*CALLERS[1:], raised="java.lang.NullPointerException"))

    assert v2.score(one, other, stats=NO_STATS).total == pytest.approx(
        v1.score(one, other, stats=NO_STATS).total
    )
