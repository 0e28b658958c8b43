"""What the screen says is nowhere in a text is nowhere in it, for every expression by itself."""

from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.scrubbing import expressions
from devices.scrubbing.expressions import Screen, expression
from devices.scrubbing.kinds import Text
from tests.unit.scrubbing.corpus import positives
from tests.unit.scrubbing.lookalikes import negatives

SEED = 20260102


@pytest.fixture(scope="module")
def screen():
    return Screen()


def wrongly_absent(screen: Screen, text: bytes) -> list[bytes]:
    absent = screen.absent(text)
    return [
        pattern
        for pattern, compiled in expressions._screened
        if (next(compiled.finditer(text), None) is None) != (compiled in absent)
    ]


def test_the_screen_agrees_with_every_expression(screen):
    texts = [
        *(case.text for case in islice(positives(SEED), 0, None, 5)),
        *(case.text for case in islice(negatives(SEED), 0, None, 20)),
        b"",
        b"\xff\n".join(case.text for case in islice(positives(SEED), 0, None, 40)),
    ]

    assert [found for text in texts if (found := wrongly_absent(screen, text))] == []
    assert all(screen.absent(b"nothing at all"))


@given(st.binary(max_size=80))
def test_the_screen_agrees_on_any_bytes(screen, text):
    assert wrongly_absent(screen, text) == []


def test_of_a_large_text_nothing_is_said(screen):
    assert screen.absent(b"x" * (expressions._LARGEST + 1)) == frozenset()


def test_a_screen_without_memory_lets_every_rule_look(monkeypatch):
    group = expressions._Group(expressions._screened[:3])
    monkeypatch.setattr(group, "_set", _Exhausted())

    assert group.absent(b"imei 490154203237518") == frozenset()


class _Exhausted:
    def Match(self, text: bytes) -> list[int]:  # noqa: N802  the library's name
        del text
        return []


def test_an_expression_that_is_not_screened_is_looked_for(screen):
    text = Text.of(b"abc", screen)

    assert [match.group() for match in text.find(expression(rb"b"))] == [b"b"]
