"""Data keys, and what is sealed with them."""

import io
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.sealing import BrokenSeal, InvalidSealingKeys
from devices.sealing.keys import DataKey, MasterKeyMissing, parse_master_keys
from devices.sealing.streams import CHUNK, PieceSealer, open_file, read_head, seal_file
from devices.sealing.values import is_sealed, key_of, open_value, seal

OLD, NEW = "1:" + "a" * 32, "2:" + "b" * 32
KEY = DataKey.fresh()


def test_the_newest_master_key_wraps_and_older_ones_unwrap():
    old, both, new = map(parse_master_keys, (OLD, f"{OLD},{NEW}", NEW))
    wrapped = old.wrap(KEY)

    assert both.newest == 2
    assert both.unwrap(wrapped, key_id=KEY.id, master_key=1) == KEY
    assert new.unwrap(both.wrap(KEY), key_id=KEY.id, master_key=2) == KEY
    with pytest.raises(MasterKeyMissing, match="master key 1"):
        new.unwrap(wrapped, key_id=KEY.id, master_key=1)
    with pytest.raises(BrokenSeal):
        both.unwrap(wrapped, key_id=uuid.uuid4(), master_key=1)
    with pytest.raises(BrokenSeal):
        both.unwrap(b"", key_id=KEY.id, master_key=1)
    assert KEY.secret.hex() not in repr(KEY)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "no key"),
        ("1:short", "shorter"),
        ("x:" + "a" * 32, "whole number"),
        (f"{OLD},{OLD}", "twice"),
    ],
)
def test_master_keys_that_cannot_be_used_are_named(text, problem):
    with pytest.raises(InvalidSealingKeys, match=problem):
        parse_master_keys(text)


@given(st.binary(max_size=200))
def test_a_value_opens_in_its_place_with_its_key(value):
    sealed = seal(value, KEY, about="table/1")

    assert is_sealed(sealed)
    assert key_of(sealed) == KEY.id
    assert open_value(sealed, KEY, about="table/1") == value
    for key, about in ((KEY, "table/2"), (DataKey.fresh(), "table/1")):
        with pytest.raises(BrokenSeal):
            open_value(sealed, key, about=about)


def test_every_flipped_or_missing_byte_of_a_value_is_seen():
    sealed = seal(b"what a phone said", KEY, about="table/1")

    for at in range(len(sealed)):
        for broken in (sealed[:at], sealed[:at] + bytes([sealed[at] ^ 128]) + sealed[at + 1 :]):
            with pytest.raises(BrokenSeal):
                open_value(broken, KEY, about="table/1")


def opened(data, about="file"):
    source = io.BytesIO(data)
    head = read_head(source.read(36))
    assert head
    with open_file(source, head, KEY, about=about) as stream:
        return stream.read()


@pytest.mark.parametrize("size", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK])
def test_a_file_opens_whole(size):
    content = bytes(number % 251 for number in range(size))

    pieces = (content[at : at + 1000] for at in range(0, size, 1000))

    assert opened(b"".join(seal_file(pieces, KEY, about="file"))) == content


def test_a_file_that_was_cut_changed_or_renamed_does_not_open():
    whole = b"".join(seal_file([bytes(2 * CHUNK)], KEY, about="file"))
    head, one, two = whole[:36], whole[36 : 52 + CHUNK], whole[52 + CHUNK :]

    for broken in (head, head + one, head + two, head + two + one, whole + b"x", whole[:-1]):
        with pytest.raises(BrokenSeal):
            opened(broken)
    with pytest.raises(BrokenSeal):
        opened(whole, about="another file")


def test_pieces_of_a_growing_file_stay_in_their_order():
    sealer = PieceSealer.fresh(KEY, about="file")
    sealed = sealer.seal(b"first", number=0, offset=0)

    head = read_head(sealer.head.packed)
    assert head == sealer.head
    again = PieceSealer.of(head, KEY, "file")
    assert again.open(sealed, number=0, offset=0) == b"first"
    for number, offset in ((1, 0), (0, 5)):
        with pytest.raises(BrokenSeal):
            again.open(sealed, number=number, offset=offset)
