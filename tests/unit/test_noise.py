"""The noise that counts get before developers of apps see them: what is proven, and what attacks find."""

import random

import pytest

from crashes.services import noise

REPEATS = 10_000


def test_the_privacy_map_is_what_is_promised():
    epsilon, delta = noise.privacy_loss()

    assert epsilon <= 1.0
    assert delta <= 4e-9


def test_a_cell_of_five_phones_is_never_told():
    counts = {f"cell {number}": 5 for number in range(REPEATS)}

    assert noise.release(counts) == {}


def test_a_large_cell_is_told_about_right():
    drawn = noise.release({f"cell {number}": 200 for number in range(2_000)})
    values = list(drawn.values())

    assert len(drawn) == 2_000
    assert all(value % noise.ROUNDED_TO == 0 for value in values)
    assert sum(values) / len(values) == pytest.approx(200, abs=1)
    spread = (sum((value - 200) ** 2 for value in values) / len(values)) ** 0.5
    assert 3.0 < spread < 6.0  # Laplace of scale 3 has 4.2, rounding adds a little


def test_nobody_can_tell_whether_one_phone_is_in_a_cell():
    """An attacker who knows all other phones guesses one phone's presence from the release (P-49)."""
    rng = random.Random(3)
    right = 0
    without = noise.release({f"{number}": 100 for number in range(REPEATS)})
    with_it = noise.release({f"{number}": 101 for number in range(REPEATS)})
    for number in range(REPEATS):
        is_in = rng.random() < 0.5
        seen = (with_it if is_in else without)[f"{number}"]
        right += (seen > 100) == is_in if seen != 100 else rng.random() < 0.5

    # The best guess of a (1, 4e-9)-private answer is right in e / (1 + e) = 73 of 100 at most; that
    # bound is for the worst count, and rounding leaves less.
    assert right / REPEATS < 0.60


def test_nothing_to_tell_is_told_as_nothing():
    assert noise.release({}) == {}
