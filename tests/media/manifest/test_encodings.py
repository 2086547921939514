"""Text that is not UTF-8: named, and read where the caller says how."""

from pathlib import Path

import pytest

from framegate.media.manifest.manifest import ManifestError, read_manifest
from framegate.media.manifest.tables.guess_encoding import guess_encoding
from framegate.media.manifest.tables.text_file import EncodingError, check_encoding

TITLES = {
    "shift_jis": ["今日のニュース", "天気予報", "カタカナ", "料理番組 東京"],
    "gbk": ["晚间新闻", "电影", "体育/足球比赛"],
    "big5": ["晚間新聞", "電影", "台灣料理"],
    "euc_kr": ["뉴스", "날씨 예보", "축구 경기"],
    "euc_jp": ["今日のニュース"],
    "cp1251": ["Новости", "Погода сегодня", "Кино"],
    "cp1252": ["Küche", "Übersicht", "L’été à la plage", "señor", "Garçon – déjà"],
    "utf-16-le": ["Wetter", "天気"],
    "utf-16-be": ["Wetter", "天気"],
}


@pytest.mark.parametrize(("encoding", "title"), [(name, title) for name, titles in TITLES.items() for title in titles])
def test_the_encoding_is_named_and_reads_the_file(tmp_path: Path, encoding: str, title: str) -> None:
    path = tmp_path / "clips.csv"
    path.write_bytes(f"id,video,title\na,clips/a.mp4,{title}\n".encode(encoding))
    with pytest.raises(ManifestError, match=f"not UTF-8 .* looks like .* --encoding {encoding}$"):
        read_manifest(path)
    assert read_manifest(path, encoding=encoding)[0].title == title


def test_a_mark_and_utf8_win_over_the_encoding_that_is_named(tmp_path: Path) -> None:
    path = tmp_path / "clips.csv"
    for encoding in ("utf-8", "utf-16"):
        path.write_bytes("id,title\na,今日のニュース\n".encode(encoding))
        assert read_manifest(path, encoding="shift_jis")[0].title == "今日のニュース"
    path.write_bytes("id,title\na,今日\n".encode("iso2022_jp"))  # ASCII bytes alone
    assert read_manifest(path, encoding="iso2022_jp")[0].title == "今日"


def test_another_encoding_than_the_named_one_is_refused_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "clips.csv"
    path.write_bytes("id,title\nb,x\na,Küche\n".encode("cp1252"))
    with pytest.raises(ManifestError, match=r"clips\.csv:3: not ascii text \(byte 0xfc\)"):
        read_manifest(path, encoding="ascii")


def test_damage_in_utf8_is_called_so(tmp_path: Path) -> None:
    path = tmp_path / "clips.csv"
    text = "id,title\n" + "".join(f"{number},Übergröße\n" for number in range(9))
    for content in (text.encode() + b"b,\xe4\n", text.encode()[:-3] + "ß".encode()[:1]):
        path.write_bytes(content)
        with pytest.raises(ManifestError, match="though the rest is: the file is damaged or cut off"):
            read_manifest(path)


@pytest.mark.parametrize(
    "name", ["shift-jis2", "rot13", "base64", "idna", "unicode_escape", "x\0y", "", "é" * 99, "../x"]
)
def test_what_is_no_encoding_of_text_is_refused_with_the_nearest(name: str) -> None:
    with pytest.raises(EncodingError, match=r"is no encoding of text \(nearest: '[a-z0-9_]+'\)") as error:
        check_encoding(name)
    assert len(str(error.value)) < 300


def test_noise_looks_like_no_encoding() -> None:
    assert guess_encoding(bytes(range(128, 256)) * 40) is None
