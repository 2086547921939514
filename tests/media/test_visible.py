"""What strangers write is shown, not obeyed."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from framegate.media.visible import quoted, visible, visible_lines

BIDI_CONTROL = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred\x1b]0;title\x07", r"\x1b[31mred\x1b]0;title\x07"),
        ("a\nb\rc\td", r"a\nb\rc\td"),
        ("\x7f\x85\x9b31m", r"\x7f\x85\x9b31m"),
        ("gpj.\u202efile", r"gpj.\u202efile"),
        ("a\u2028b\u2029c", r"a\u2028b\u2029c"),
        ("caf\udce9.mp4", r"caf\udce9.mp4"),
        ("x\U000e0041\U000e007f", r"x\U000e0041\U000e007f"),
        ("\ufeffid\u3164", r"\ufeffid\u3164"),
    ],
)
def test_what_hides_moves_or_reorders_text_is_escaped(text: str, shown: str) -> None:
    assert visible(text) == shown
    assert visible(shown) == shown


def test_each_of_unicodes_bidirectional_controls_is_escaped() -> None:
    assert len(BIDI_CONTROL) == 12
    assert visible(BIDI_CONTROL) == "".join(f"\\u{ord(control):04x}" for control in BIDI_CONTROL)


@pytest.mark.parametrize("text", ["Überschrift", "می‌خواهم", "👩‍🚀 ❤️", "ภาษา​ไทย", "Donau­dampf", "C:\\x1b", "日本語󠄀", ""])
def test_scripts_and_emoji_stay_as_they_are(text: str) -> None:
    assert visible(text) == visible_lines(text) == text


def test_lines_of_our_own_stay_lines() -> None:
    assert visible_lines("a\n\tb\r\x1b\u2028") == "a\n\tb\\r\\x1b\\u2028"


@given(st.text(st.characters()))
def test_no_control_is_left_in_what_is_shown(text: str) -> None:
    assert not {unicodedata.category(character) for character in visible(text)} & {"Cc", "Cs", "Zl", "Zp"}
    visible(text).encode()
    assert len(visible(text).splitlines()) <= 1


def test_a_quoted_text_is_short_and_on_one_line() -> None:
    assert quoted("a\n'b") == '"a\\n\'b"'
    assert len(quoted("x" * 1_000_000)) < 100
