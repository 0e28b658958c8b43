"""Sentences of the system without what changes from device to device."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crashes.grouping import reasons


@pytest.mark.parametrize(
    ("sentence", "process", "state"),
    [
        (
            "Low on memory -- com.android.systemui native 41220kB",
            "com.android.systemui",
            "native",
        ),
        (
            "Kill 'com.example:sync' (4711), uid 10123, oom_score_adj 905 to free 1kB",
            "com.example:sync",
            "cached",
        ),
        (
            "Out of memory: Killed process 812 (cameraserver) oom_score_adj:0",
            "cameraserver",
            "foreground",
        ),
        ("Killed process 812 (com.example), adj ignored", "com.example", ""),
        ("nothing of the kind", "", ""),
        ("", "", ""),
    ],
)
def test_a_kill_names_its_victim_and_the_state_it_was_in(sentence, process, state):
    assert reasons.killed(sentence) == (process, state)


@pytest.mark.parametrize(
    ("score", "state"),
    [
        (-1000, "system"),
        (-1, "system"),
        (0, "foreground"),
        (100, "visible"),
        (200, "perceptible"),
        (500, "service"),
        (700, "home or previous"),
        (900, "cached"),
        (1000, "cached"),
    ],
)
def test_the_score_of_the_killer_is_a_state(score, state):
    assert reasons.kill_state(score) == state


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Sync of 12 rows failed", "Sync of 7 rows failed"),
        ("bob@example.org was refused", "eve@example.org was refused"),
        ("cannot open '/a/b'", "cannot open '/c'"),
        (
            "lost 123e4567-e89b-12d3-a456-426614174000 again",
            "lost 0f3e4567-e89b-12d3-a456-42661417abcd again",
        ),
        ("fault at 0x7f00", "fault at 0x8e11"),
        ("GET https://a.example/x failed", "GET https://b.example/y failed"),
        ("Broken\nsecond line", "\nbroken"),
    ],
)
def test_what_changes_in_an_error_changes_no_key(one, other):
    assert reasons.error_key(one) == reasons.error_key(other) != ""


def test_other_words_are_another_error():
    assert reasons.error_key("disk is full") != reasons.error_key("disk is gone")


@given(st.text(max_size=200))
def test_any_text_has_a_key_or_none(text):
    assert len(reasons.error_key(text)) in (0, 16)
    assert reasons.killed(text) is not None
