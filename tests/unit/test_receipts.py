"""Receipts: what anybody can check, and what no change gets past."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.receipts import (
    BadReceipt,
    WeakReceiptKey,
    hash_of,
    public_key_of,
    sign,
    signing_key,
    verify,
)

KEY = signing_key("a secret of this test, long enough to sign")
CONTENT = {"request_id": "7d", "stores": {"reports": {"before": 3, "after": 0}}, "previous": None}
SIGNED = sign(CONTENT, KEY)


def test_a_receipt_is_what_was_signed():
    assert verify(SIGNED, public_key=public_key_of(KEY)) == {**CONTENT, "version": 1}
    assert verify(json.loads(json.dumps(SIGNED, indent=3))) == {**CONTENT, "version": 1}


def test_the_same_secret_is_the_same_key_and_another_is_another():
    other = signing_key("another secret of this test, as long as it")

    assert public_key_of(
        signing_key("a secret of this test, long enough to sign")
    ) == public_key_of(KEY)
    with pytest.raises(BadReceipt, match="another key"):
        verify(sign(CONTENT, other), public_key=public_key_of(KEY))


@given(st.integers(0, len(json.dumps(SIGNED).encode()) - 1), st.integers(1, 255))
def test_no_flipped_byte_verifies(place, flip):
    data = bytearray(json.dumps(SIGNED).encode())
    data[place] ^= flip
    try:
        changed = json.loads(data)
    except ValueError:
        return
    if changed == SIGNED:  # another spelling of the same document
        return

    with pytest.raises(BadReceipt):
        verify(changed)


@pytest.mark.parametrize(
    "given",
    [None, [], {}, {"receipt": {}}, {**SIGNED, "more": 1}, {**SIGNED, "algorithm": "none"},
     {**SIGNED, "public_key": 5}, {**SIGNED, "signature": ""}],
)  # fmt: skip
def test_what_is_no_receipt_is_refused(given):
    with pytest.raises(BadReceipt):
        verify(given)


def test_a_receipt_names_the_one_before_it():
    following = sign({**CONTENT, "previous": hash_of(SIGNED)}, KEY)

    assert following["receipt"]["previous"] == hash_of(json.loads(json.dumps(SIGNED)))


def test_a_short_secret_signs_nothing():
    with pytest.raises(WeakReceiptKey):
        signing_key("short")
