"""Which scripts the fonts of a machine draw, and what a name's letters say about its language."""

from pathlib import Path

import matplotlib
import pytest

from framegate.recipes.commands.data.doctor import examine
from framegate.recipes.reports import fonts
from framegate.recipes.reports.fonts import SCRIPTS, font_families, language, missing_scripts
from framegate.recipes.reports.page import drawn_name

DEJAVU = [str(path) for path in (Path(matplotlib.get_data_path()) / "fonts" / "ttf").glob("DejaVu*.ttf")]


def test_the_scripts_that_no_font_draws_are_named(tmp_path: Path) -> None:
    broken = tmp_path / "broken.ttf"
    broken.write_bytes(b"no font")
    assert missing_scripts([]) == [script.name for script in SCRIPTS]
    missing = missing_scripts([*DEJAVU, str(broken), str(tmp_path / "gone.ttf")])
    assert {"Chinese", "Japanese", "Korean", "Devanagari (Hindi)", "Thai"} <= set(missing)
    assert not {"Arabic", "Hebrew"} & set(missing)


def test_doctor_says_what_to_install_for_scripts_without_a_font(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("matplotlib.font_manager.findSystemFonts", lambda: DEJAVU)
    result = examine(tmp_path)
    assert "Chinese" in result.values["missing_scripts"]
    last = result.text.splitlines()[-1]
    assert "Chinese" in last
    assert "fonts-noto-cjk" in last
    assert len(fonts.missing_fonts_advice(missing_scripts([]))) < 300


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("天気", "zh"),
        ("天気予報のニュース", "ja"),
        ("날씨 天", "ko"),
        ("أخبار", "und-Arab"),
        ("मौसम", "und-Deva"),
        ("อากาศ", "th"),
        ("חדשות", "he"),
        ("ﾆｭｰｽ", "ja"),
        ("Новости 2024", ""),
        ("news, اليوم", "und-Arab"),
        ("", ""),
    ],
)
def test_a_name_declares_the_language_of_its_letters(text: str, expected: str) -> None:
    assert language(text) == expected


def test_fonts_for_a_names_own_language_come_first_and_emoji_last() -> None:
    assert font_families("ニュース")[0] == "Noto Sans CJK JP"
    assert font_families("뉴스")[0] == "Noto Sans CJK KR"
    assert font_families("news")[0] == "Noto Sans CJK SC"
    assert font_families()[-4] == "sans-serif"


@pytest.mark.parametrize(
    ("name", "drawn"),
    [
        ("a name", "a name"),
        ("x" * 300, "x" * 39 + "…"),
        ("新" * 300, "新" * 19 + "…"),
        ("a\nb\u202ec", r"a\nb\u202ec"),
        ("x" * 38 + "e\u0301\u0301" + "yz", "x" * 38 + "e\u0301\u0301…"),
        ("x" * 37 + "👩‍👧" + "yz", "x" * 37 + "…"),
        ("e" + "\u0301" * 10_000 + "z", "e" + "\u0301" * 8 + "z"),
        ("أخبار", "\u2068أخبار\u2069"),
        ("ab\uffff", r"ab\uffff"),
    ],
)
def test_a_name_in_a_figure_is_cut_between_whole_characters(name: str, drawn: str) -> None:
    assert drawn_name(name) == drawn
