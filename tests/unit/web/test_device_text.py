"""What would be invisible is shown, and everything else stays as it is."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crashes.web.device_text import is_hidden, pieces, visible


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain text, 100 %", "plain text, 100 %"),
        ("Ääkköset 日本語 שלום", "Ääkköset 日本語 שלום"),
        ("\x1b[31mred\x1b[0m", "⟨ESC⟩[31mred⟨ESC⟩[0m"),
        ("gpj.\u202efdp.exe", "gpj.⟨RLO⟩fdp.exe"),
        ("a\r\nb\tc", "a⟨CR⟩⟨LF⟩b⟨TAB⟩c"),
        ("zero\u200bwidth\ufeff", "zero⟨ZWSP⟩width⟨BOM⟩"),
        ("blank\u3164letter\u00a0", "blank⟨U+3164⟩letter⟨U+00A0⟩"),
        ("lone \ud800", "lone ⟨U+D800⟩"),
        ("tag \U000e0041", "tag ⟨U+E0041⟩"),
    ],
)
def test_characters_without_ink_become_marks(text, shown):
    assert visible(text) == shown


def test_line_ends_and_tabs_stay_in_blocks():
    assert [piece.text for piece in pieces("a\n\tb\r", is_multiline=True)] == ["a\n\tb", "⟨CR⟩"]


def test_a_mark_says_what_it_stands_for():
    (mark,) = pieces("\u202e")

    assert mark.meaning == "U+202E right-to-left override"


@given(st.text())
def test_nothing_hidden_is_left(text):
    categories = {unicodedata.category(letter) for letter in visible(text)}

    assert not categories & {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


@given(st.text())
def test_a_block_keeps_every_letter_that_has_ink(text):
    kept = "".join(piece.text for piece in pieces(text, is_multiline=True) if not piece.meaning)

    assert kept == "".join(letter for letter in text if letter in "\n\t" or not is_hidden(letter))
