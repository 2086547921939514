"""Tables as people have them: separators, line breaks, headers, and what spreadsheets add."""

import json
import logging
import time
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

from framegate.media.manifest.manifest import Clip, ManifestError, read_manifest


def read(folder: Path, text: str | bytes, name: str = "clips.csv", **options: object) -> list[Clip]:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_manifest(path, **options)  # type: ignore[arg-type]


def refused(folder: Path, text: str | bytes, name: str = "clips.csv") -> list[str]:
    with pytest.raises(ManifestError) as error:
        read(folder, text, name)
    place = f"{folder / name}:"
    for problem in error.value.problems:
        assert problem.startswith(place)
        assert len(problem) < 300
    return [problem.removeprefix(place) for problem in error.value.problems]


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_the_header_tells_the_separator(tmp_path: Path, separator: str, end: str) -> None:
    rows = [["id", "title", "label", "mood, or so"], ["a", "one; two", "news", "calm\t"], ["b", "x,y", "", ""]]
    quotes = [separator.join(f'"{cell}"' for cell in row) for row in rows]
    first, second = read(tmp_path, end.join(quotes) + end)
    assert (first.title, first.label, first.extra) == ("one; two", "news", {"mood, or so": "calm\t"})
    assert (second.title, second.label) == ("x,y", "")


@pytest.mark.parametrize("first_line", ["sep=;\r\n", '"sep=;"\n', "SEP=;\r", "sep=;;;;\n"])
def test_excels_first_line_names_the_separator(tmp_path: Path, first_line: str) -> None:
    (clip,) = read(tmp_path, f"{first_line}id;video;title\na;x.mp4;A, B\n")
    assert (clip.video, clip.title, clip.line) == (tmp_path.resolve() / "x.mp4", "A, B", 3)
    assert "separated by '#'" in refused(tmp_path, "sep=#\nid#title\na#b\n")[0]


def test_a_title_is_what_stands_between_its_quotes(tmp_path: Path) -> None:
    title = " one\r\ntwo\rthree\nfour\u2028five\x85six\x0bseven\x0ceight\u2029nine\x1cten "
    first, second = read(tmp_path, f'id,title\na,"{title}"\nb, "after, a space"\n')
    assert first.title == title
    assert (second.title, second.line) == ("after, a space", 6)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_a_mark_tells_the_encoding(tmp_path: Path, encoding: str) -> None:
    mark = "\ufeff" if encoding in ("utf-16-le", "utf-16-be") else ""
    (clip,) = read(tmp_path, f"{mark}id\ttitle\na\t今日\n".encode(encoding))
    assert clip.title == "今日"


def test_headers_are_known_in_any_case_and_with_space_around_them(tmp_path: Path) -> None:
    (clip,) = read(tmp_path, "ID, Video ,\u00a0TITLE\u00a0, Mood \na,x.mp4,T,calm\n")
    assert clip.video is not None
    assert (clip.title, clip.extra) == ("T", {"Mood": "calm"})
    (clip,) = read(tmp_path, '{"Id": "a", "TITLE ": "T"}', "clips.jsonl")
    assert clip.title == "T"
    assert "column 'title' twice ('Title' and 'TITLE')" in refused(tmp_path, "id,Title,TITLE\na,b,c\n")[0]
    assert "column 'title' twice" in refused(tmp_path, '{"id": "a", "title": "b", "Title": "c"}', "clips.jsonl")[0]


@pytest.mark.parametrize(
    ("header", "what"),
    [
        ("filename,class", "lacks id (wanted: id,video"),
        ("filename,class", "'filename': call it 'video', 'class': call it 'label'"),
        ("name,title", "'name': call it 'id'"),
        ("id,File Name", "nearest: 'File Name', if it is the video call it 'video'"),
        ("id,title,path", "no column 'video', but 'path': call it 'video'"),
        ("video", "nearest: add a column 'id')"),
        ("id|video", "columns are separated by commas, semicolons or tabs"),
        ("id,split", "the header has none of video, audio, title, description"),
    ],
)
def test_a_column_under_another_name_is_named_with_what_to_call_it(tmp_path: Path, header: str, what: str) -> None:
    (problem,) = refused(tmp_path, header + "\n" + "a,b\n" * 3)
    assert what in problem


def test_a_column_that_seems_to_be_meant_for_another_is_warned_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        (clip,) = read(tmp_path, "id,video,Category,Titel\na,x.mp4,news,T\n")
    assert clip.extra == {"Category": "news", "Titel": "T"}
    assert ["'Category'" in caplog.text, "call it 'label'" in caplog.text, "call it 'title'" in caplog.text] == [
        True
    ] * 3


def test_empty_columns_rows_and_cells_of_spreadsheets_are_nothing(tmp_path: Path) -> None:
    first, second = read(tmp_path, ",,\nid,video,,,\na,x.mp4,,,\n,,,,\n\nb,y.mp4,,,,,,,\n,,,,,,\n")
    assert (first.extra, second.extra, second.line) == ({}, {}, 6)
    assert "4 cells under a header of 2" in refused(tmp_path, "id,title\na,b,,d\n")[0]
    assert "text in two columns without a name" in refused(tmp_path, "id,title,,\na,b,c,d\n")[0]


def test_numbers_are_written_as_a_spreadsheet_shows_them(tmp_path: Path) -> None:
    rows = [{"id": 1.0, "title": 7, "start": 0.5, "label": ["a", None, 2.0], "seen": True, "big": 10**18}]
    (clip,) = read(tmp_path, json.dumps(rows[0]), "clips.jsonl")
    assert (clip.id, clip.title, clip.start, clip.label) == ("1", "7", 0.5, "a|2")
    assert clip.extra == {"seen": "true", "big": "1" + "0" * 18}
    (clip,) = read(tmp_path, "id,title\n1.0,2.0\n")  # text stays what it is
    assert (clip.id, clip.title) == ("1.0", "2.0")


def test_nan_and_null_are_absent(tmp_path: Path) -> None:
    line = (
        '{"id": "a", "video": NaN, "audio": null, "title": "T", "label": NaN, "split": null, "start": NaN, "mood": NaN}'
    )
    (clip,) = read(tmp_path, line, "clips.jsonl")
    assert (clip.video, clip.audio, clip.own_audio, clip.label, clip.start) == (None, None, True, "", None)
    assert clip.extra == {"mood": ""}
    assert clip.split == "train"


def test_a_json_array_reads_as_its_lines_do(tmp_path: Path) -> None:
    first, second = read(tmp_path, '[\n {"id": "a", "title": "x"},\n\n {"id": "b",\n "title": "y"}\n]\n', "clips.json")
    assert (first.line, second.line, second.title) == (2, 4, "y")
    (clip,) = read(tmp_path, '{"id": "a", "title": "x"}\n', "clips.json")  # lines under the array's suffix
    assert clip.title == "x"
    for text, what in {
        '[{"id": "a", "title": "x"}, {"id"': "1: not JSON",
        '[{"id": "a", "title": "x"} {"id": "b"}]': "no comma or ]",
        '[{"id": "a", "title": "x"}] more': "text after the array's end",
        "[" * 50_000: "nested too deep",
        '[1, "x"]': "not a JSON object",
    }.items():
        assert what in refused(tmp_path, text, "clips.json")[0]


def test_a_decimal_comma_is_a_number_where_commas_separate_nothing(tmp_path: Path) -> None:
    (clip,) = read(tmp_path, 'id;title;start;end\na;t;"1,5";12,25\n')
    assert (clip.start, clip.end) == (1.5, 12.25)
    assert "(nearest: 1.5)" in refused(tmp_path, 'id,title,start\na,t,"1,5"\n')[0]


@pytest.mark.parametrize(
    ("start", "like"),
    [("1:30", "90"), ("01:02:03.5", "3723.5"), ("NaN", "an empty cell"), ("90 s", "90"), ("x", "12.5")],
)
def test_a_time_in_another_form_is_answered_with_its_seconds(tmp_path: Path, start: str, like: str) -> None:
    assert refused(tmp_path, f"id,title,start\na,t,{start}\n")[0].endswith(f"(nearest: {like})")


def test_broken_quotes_are_told_of_each_row(tmp_path: Path) -> None:
    found = refused(tmp_path, 'id,title\na,"5" TV"\nb,fine\nc,"x"y\n')
    assert [problem.split(":")[0] for problem in found] == ["2", "4"]
    assert "write quotes inside a quoted cell twice" in found[0]
    assert "never closed" in refused(tmp_path, 'id,title\na,b\nc,"open\nd,e\n')[0]
    assert "never closed?" in refused(tmp_path, f'id,title\na,"{"x" * 200_000}\n')[0]


def test_a_parquet_file_reads_as_csv_does(tmp_path: Path) -> None:
    columns = {"ID": [1.0, 2.0], "title": ["x", None], "video": [None, "y.mp4"], "label": [["a", "b"], []]}
    columns["__index_level_0__"] = [0, 1]
    parquet.write_table(pa.table(columns), tmp_path / "clips.parquet")
    first, second = read_manifest(tmp_path / "clips.parquet")
    assert (first.id, first.title, first.label, first.line, first.extra) == ("1", "x", "a|b", 1, {})
    assert (second.id, second.title, second.label) == ("2", "", "")
    parquet.write_table(pa.table({"id": ["a"], "title": [{"x": 1}]}), tmp_path / "clips.parquet")
    with pytest.raises(ManifestError, match="column 'title' holds an object"):
        read_manifest(tmp_path / "clips.parquet")
    assert "not a whole Parquet file" in refused(tmp_path, b"PAR1 and no more", "clips.parquet")[0]


def test_an_error_stays_short_wherever_the_manifest_lies(tmp_path: Path) -> None:
    folder = tmp_path.joinpath(*["a folder with a long name " * 4] * 4)
    folder.mkdir(parents=True)
    (folder / "clips.csv").write_text(f"id,video,split,start\n{'é ' * 90},../{'x' * 90},{'y' * 99},{'z' * 99}\n")
    with pytest.raises(ManifestError) as error:
        read_manifest(folder / "clips.csv")
    assert len(error.value.problems) == 4
    assert all(len(problem) < 300 and "clips.csv:2: " in problem for problem in error.value.problems)
    assert all(problem.endswith(")") for problem in error.value.problems)


WRONG = [
    "a{},../{}.mp4,train,1,2,news",
    "a{},http://x/{}.mp4,train,1,2,news",
    "a{},{}.mp4,tra{},1:{},zwölf,news",
    "a {},é{}/ü.mp4,train,1,2,news",
    'a{},"x"y,train,,,',
    "a{},pictures,train,5,3,{}",
    "a,x.mp4,,,,",
]


def test_twenty_thousand_wrong_rows_are_answered_soon(tmp_path: Path) -> None:
    (tmp_path / "pictures").mkdir()
    for number in range(200):
        (tmp_path / "pictures" / f"{number}.png").touch()
    rows = "".join(WRONG[number % len(WRONG)].replace("{}", str(number)) + "\n" for number in range(20_000))
    (tmp_path / "clips.csv").write_text("id,video,split,start,end,label\n" + rows)
    began = time.process_time()
    with pytest.raises(ManifestError) as error:
        read_manifest(tmp_path / "clips.csv")
    assert len({problem.split(": ")[0] for problem in error.value.problems}) == 20_000 - 1
    assert time.process_time() - began < 8
