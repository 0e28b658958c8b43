"""What reports announce, and which bytes a piece is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crashes.intake.attachments import (
    AnnouncedFile,
    ContentRange,
    MalformedRange,
    name_kind,
    parse_range,
    payload_among,
)


def announced(**more):
    return AnnouncedFile(sha256="a" * 64, size_bytes=1, **more)


def test_the_first_file_in_a_format_of_ours_is_the_payload():
    dump, log = announced(format="minidump"), announced(format="logcat")

    assert payload_among([announced(), dump, log]) is dump
    assert payload_among([announced()]) is None


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("tombstone_07", "tombstone"),
        ("Anna's bugreport.zip", "bugreport"),
        ("Anna's letter.txt", "other"),
        ("", ""),
    ],
)
def test_of_a_name_only_its_kind_is_kept(name, kind):
    assert name_kind(name) == kind


def test_a_range_says_which_bytes_of_how_many():
    found = parse_range(" bytes 100-199/700 ")

    assert found == ContentRange(start=100, stop=200, total=700)
    assert found.length == 100


def test_a_range_without_bytes_asks_to_finish():
    assert parse_range("bytes */700") == ContentRange(start=None, stop=0, total=700)
    assert parse_range("bytes */700").length == 0


@pytest.mark.parametrize(
    "text",
    ["", "bytes", "bytes 1-0/5", "bytes 0-5/5", "bytes -1/5", "bytes 0-1/*", "bytes \uff10-1/5"],
)
def test_what_is_no_range_is_refused(text):
    with pytest.raises(MalformedRange):
        parse_range(text)


@given(st.text(max_size=40) | st.from_regex(r"bytes \d+-\d+/\d+", fullmatch=True))
def test_a_range_is_one_or_refused(text):
    try:
        found = parse_range(text)
    except MalformedRange:
        return
    assert found.start is None or 0 <= found.start < found.stop <= found.total
