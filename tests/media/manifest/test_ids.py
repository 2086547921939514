"""Ids of clips: letters of every script stay, and a path always gives the same valid id."""

import unicodedata
from pathlib import Path

import pytest

from framegate.media.manifest.file_clips import clips_from_files
from framegate.media.manifest.ids import MAX_ID, is_valid_id, path_id
from framegate.media.manifest.manifest import ManifestError, read_manifest


@pytest.mark.parametrize(
    "name",
    ["早间新闻", "الأخبار", "हिन्दी", "ข่าวเช้า", "한국뉴스", "Привет", "größe", "二〇二四年", "١٢٣", "a_b-c.d"],
)
def test_letters_marks_and_digits_of_every_script_belong_into_ids(tmp_path: Path, name: str) -> None:
    assert is_valid_id(name)
    assert path_id(f"{name}/{name}.mp4") == f"{name}.{name}.mp4"
    (tmp_path / "clips.csv").write_text(f"id,title\n{name},t\n", encoding="utf-8")
    assert [clip.id for clip in read_manifest(tmp_path / "clips.csv")] == [name]


@pytest.mark.parametrize(
    "name", ["", "a b", "a/b", "a\nb", "a\u202eb", "a\u3164b", "a\ufe0f", "a😀", "a" * 129, "a,b", "½"]
)
def test_ids_have_no_spaces_signs_emoji_or_letters_that_nobody_sees(tmp_path: Path, name: str) -> None:
    assert not is_valid_id(name)
    assert is_valid_id(path_id(name)) or not name
    (tmp_path / "clips.csv").write_text(f'id,title\n"{name}",t\n', encoding="utf-8")
    with pytest.raises(ManifestError, match="id"):
        read_manifest(tmp_path / "clips.csv")


def test_an_id_is_the_path_with_dots_for_slashes_and_underscores_for_what_an_id_may_not_have() -> None:
    assert path_id("sport/cup final (1).mp4") == "sport.cup_final__1_.mp4"
    assert path_id(unicodedata.normalize("NFD", "Köln/für.mp4")) == "Köln.für.mp4"


def test_a_long_path_keeps_its_beginning_and_is_told_apart_by_its_hash() -> None:
    first, second = path_id("新" * 300 + "a.mp4"), path_id("新" * 300 + "b.mp4")
    assert len(first) == len(second) == MAX_ID
    assert first[:120] == second[:120] == "新" * 119 + "-"
    assert first != second
    assert set(first[120:]) <= set("0123456789abcdef")
    assert path_id("a" * MAX_ID) == "a" * MAX_ID


def test_equal_ids_are_numbered_in_the_order_of_the_paths_whatever_the_order_of_the_call() -> None:
    files = ["b/x.mp4", "a/x.mp4", "c/x.mp4"]
    ids = {clip.file: clip.id for clip in clips_from_files(files)}
    assert ids == {"a/x.mp4": "x.mp4", "b/x.mp4": "x.mp4-2", "c/x.mp4": "x.mp4-3"}
    assert {clip.file: clip.id for clip in clips_from_files(files[::-1])} == ids
