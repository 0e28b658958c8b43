"""Spool records: only the private key opens them, whole, unchanged and in their place."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.sealing import BrokenSeal, InvalidSealingKeys
from devices.sealing.spool import (
    SealedRecord,
    SpoolKeyMissing,
    SpoolOpener,
    parse_private_keys,
    parse_public_key,
    public_half,
    seal_records,
    sealed_records,
)

OLD, NEW = f"1:{'11' * 32}", f"2:{'22' * 32}"
KEYS = parse_private_keys(f"{OLD},{NEW}")
PUBLIC = public_half(KEYS)
LONG = bytes(range(256)) * 5000  # more than one chunk


def opener():
    return SpoolOpener(KEYS)


@given(st.lists(st.binary(max_size=200), min_size=1, max_size=5))
def test_what_is_sealed_opens(records):
    sealed = seal_records(records, PUBLIC)

    assert [opener().open(item) for item in sealed] == records


def test_a_record_of_several_chunks_opens():
    (sealed,) = seal_records([LONG], PUBLIC)

    assert opener().open(sealed) == LONG


def test_the_newest_key_seals_and_older_ones_still_open():
    (old,) = seal_records([b"old"], public_half(parse_private_keys(OLD)))

    assert PUBLIC.key_id == 2
    assert opener().open(old) == b"old"


def test_who_has_the_public_key_only_opens_nothing():
    (sealed,) = seal_records([b"text"], PUBLIC)

    assert b"text" not in sealed
    with pytest.raises(BrokenSeal):
        SpoolOpener({PUBLIC.key_id: PUBLIC.key}).open(sealed)
    with pytest.raises(SpoolKeyMissing, match="key 2"):
        SpoolOpener({1: KEYS[1]}).open(sealed)


def test_every_flipped_byte_is_seen_and_neighbors_open():
    one, two = seal_records([b"first record", b"second record"], PUBLIC)

    for at in range(len(one)):
        broken = one[:at] + bytes([one[at] ^ 1]) + one[at + 1 :]
        with pytest.raises((BrokenSeal, SpoolKeyMissing)):
            opener().open(broken)
    assert opener().open(two) == b"second record"


@pytest.mark.parametrize("size", [0, 10, 60, -1, -16, -(1 << 20)])
def test_a_record_that_was_cut_does_not_open(size):
    (sealed,) = seal_records([LONG], PUBLIC)

    with pytest.raises(BrokenSeal):
        opener().open(sealed[:size])


def test_chunks_cannot_change_places():
    chunk = (1 << 20) + 16
    (sealed,) = seal_records([bytes(2 << 20)], PUBLIC)
    head = sealed[: len(sealed) - 2 * chunk]

    with pytest.raises(BrokenSeal):
        opener().open(head + sealed[-chunk:] + sealed[len(head) : -chunk])


def test_the_last_record_of_a_file_is_marked():
    sealed = seal_records([b"a", b"", b"c"], PUBLIC)
    whole = b"".join(sealed)

    found = list(sealed_records(whole))

    assert [item.is_last for item in found] == [False, False, True]
    assert [whole[item.offset :][: item.length] for item in found] == sealed
    assert len(list(sealed_records(whole[:-1]))) == 2


@given(st.binary(max_size=300))
def test_any_bytes_are_refused(data):
    assert all(isinstance(item, SealedRecord) for item in sealed_records(data))
    with pytest.raises((BrokenSeal, SpoolKeyMissing)):
        opener().open(data)


@given(st.binary(max_size=80))
def test_any_bytes_behind_the_mark_are_refused(data):
    list(sealed_records(b"UXE1" + data))
    with pytest.raises((BrokenSeal, SpoolKeyMissing)):
        opener().open(b"UXE1" + data)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "holds no key"),
        ("11" * 32, "no whole number"),
        ("x:" + "11" * 32, "no whole number"),
        ("1:" + "11" * 31, "64 hexadecimal digits"),
        ("1:" + "zz" * 32, "64 hexadecimal digits"),
        (f"{OLD},1:{'33' * 32}", "twice"),
    ],
)
def test_keys_that_cannot_be_used_are_named(text, problem):
    with pytest.raises(InvalidSealingKeys, match=problem):
        parse_private_keys(text)


def test_a_public_key_is_read_as_it_is_written():
    assert parse_public_key(PUBLIC.text) == PUBLIC
    with pytest.raises(InvalidSealingKeys, match="usable"):
        parse_public_key("1:" + "00" * 32)
