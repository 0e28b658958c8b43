"""Frames from a child that may have been taken over."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from uxp_diag.sandbox import FailureReason, JobRefused, SandboxFailure, wire

plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False)
    | st.text(max_size=300)
    | st.binary(max_size=300),
    lambda inner: st.lists(inner, max_size=20) | st.dictionaries(st.text(), inner, max_size=20),
    max_leaves=60,
)


def count(value):
    if isinstance(value, list):
        return 1 + sum(count(member) for member in value)
    if isinstance(value, dict):
        return 1 + sum(2 - 1 + count(member) for member in value.values())
    return 1


@given(plain)
def test_values_survive_the_journey(value):
    assert wire.decode_answer(wire.encode_value(value), object) == value


@given(plain)
def test_a_walk_counts_every_value(value):
    data = memoryview(msgspec.msgpack.encode(value))
    nodes = count(value)

    assert wire.has_few_nodes(data, nodes)
    assert not wire.has_few_nodes(data, nodes - 1) or len(data) <= nodes - 1


@given(st.binary(max_size=200))
def test_arbitrary_frames_raise_nothing(frame):
    wire.decode_answer(frame, object)
    wire.has_few_nodes(memoryview(frame), 1)


@pytest.mark.parametrize(
    "bomb",
    [
        pytest.param(b"\xdd\x00\x20\x00\x00" + b"\x80" * (1 << 21), id="two million empty maps"),
        pytest.param(b"\xdd\x7f\xff\xff\xff" + b"\xc0" * (1 << 21), id="more announced than sent"),
        pytest.param(b"\x91" * (1 << 21), id="nested"),
    ],
)
def test_an_answer_that_unfolds_too_far_is_not_decoded(bomb):
    outcome = wire.decode_answer(b"V" + bomb, object)

    assert isinstance(outcome, SandboxFailure)
    assert outcome.reason is FailureReason.OUTPUT_TOO_LARGE


def test_deep_nesting_is_unreadable_rather_than_an_end():
    outcome = wire.decode_answer(b"V" + b"\x91" * 100_000 + b"\xc0", object)

    assert isinstance(outcome, SandboxFailure)
    assert outcome.reason is FailureReason.CRASHED


def test_a_refusal_may_hold_any_text():
    refusal = wire.decode_answer(wire.encode_refusal("code", "\ud800" + "x" * 9000, None), object)

    assert isinstance(refusal, JobRefused)
    assert refusal.detail.startswith("?x")
    assert len(refusal.detail) < 5000
