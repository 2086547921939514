"""Manifests that mean harm: each is refused by plain lines, soon, and nothing outside their folder is named."""

import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from framegate.media.manifest.file_clips import clips_from_files
from framegate.media.manifest.manifest import ManifestError, read_manifest


def problems(folder: Path, text: str, name: str = "clips.jsonl") -> tuple[str, ...]:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ManifestError) as error:
        read_manifest(path)
    for problem in error.value.problems:
        assert problem.startswith(f"{path}:")
        assert len(problem.removeprefix(str(path))) < 300
        assert len(problem.splitlines()) == 1
    return tuple(problem.removeprefix(f"{path}:") for problem in error.value.problems)


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("[" * 100_000, "nested too deep"),
        ('{"id":' * 100_000, "nested too deep"),
        ('{"id": "a", "title": ' + "[" * 900 + "]" * 900 + "}", "column 'title' holds a list of lists"),
        ('{"id": "a", "title": ' + "9" * 5000 + "}", "a number too long"),
        ('{"id": "a", "title": "t", "start": ' + "9" * 4000 + "}", "is not a number of seconds"),
        ('{"id": "a", "title": 1e400}', "column 'title' holds a number beyond all bounds"),
        ('{"id": "a", "title": {"x": 1}}', "column 'title' holds an object"),
        ('{"id": "a", "title": ["x", ["y"]]}', "column 'title' holds a list of lists"),
        ('{"id": "a", "title": [{"x": 1}]}', "column 'title' holds an object"),
        (json.dumps({"id": "a", "title": "x" * 100_001}), "column 'title' holds more than 100000 characters"),
        (json.dumps({"id": "a", "x" * 100_001: "b"}), "holds more than 100000 characters"),
        (json.dumps({"id": "a", "title": "x" * 1_000_001}), "a line of 1000025 characters, more than 1000000"),
        (json.dumps({str(number): "" for number in range(1001)}), "1001 columns, more than 1000"),
        ('{"id": "a", "title": "x\\u0000y"}', "a NUL belongs to no text"),
        ('{"id": "a", "video": "\\ud83d.mp4"}', "half of a surrogate pair"),
        ('{"id": "a", "video": "' + "x" * 50_000 + '://y"}', "is an address"),
        (json.dumps({"id": "x " * 40_000, "title": "t"}), "is not made of 1 to 128"),
        (json.dumps({"id": "a", "title": "t", "split": "x" * 50_000}), "unknown split"),
    ],
)
def test_a_hostile_row_is_one_plain_problem_with_its_line(tmp_path: Path, line: str, what: str) -> None:
    (problem,) = problems(tmp_path, f'{{"id": "good", "title": "t"}}\n{line}\n')
    assert problem.startswith("2: ")
    assert what in problem


def test_hostile_cells_of_csv_are_problems_with_their_lines(tmp_path: Path) -> None:
    assert "holds more than 100000" in problems(tmp_path, f"id,title\na,{'x' * 100_001}\n", "clips.csv")[0]
    assert "a NUL belongs" in problems(tmp_path, "id,title\na,x\0y\n", "clips.csv")[0]
    columns = [f"c{number}" for number in range(20)]
    wide = f"id,title,{','.join(columns)}\na,t{f',{99_000 * chr(120)}' * 20}\n"
    assert "a row of more than 1000000 characters" in problems(tmp_path, wide, "clips.csv")[0]
    assert "1: 200001 columns" in problems(tmp_path, f"id{',x' * 200_000}\n", "clips.csv")[0]


def test_an_unnamed_columns_text_is_data_and_no_message_of_ours(tmp_path: Path) -> None:
    path = tmp_path / "clips.csv"
    path.write_text("id,title,\na,t,all is lost\n")
    assert read_manifest(path)[0].extra == {"": "all is lost"}


def test_a_line_break_in_a_manifests_name_starts_no_line_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "a\nframegate: all rows are fine.csv"
    path.write_text("id\n")
    for text in ("id\n", "id,title\na,\n", "", "x\n"):
        path.write_text(text)
        with pytest.raises(ManifestError) as error:
            read_manifest(path)
        assert len(str(error.value).splitlines()) == 1


def test_names_that_no_file_can_have_are_missing_files(tmp_path: Path) -> None:
    path = tmp_path / "clips.csv"
    path.write_text(f"id,video\na,{'x' * 300}.mp4\nb,{'x/' * 3000}y.mp4\n")
    assert [clip.id for clip in read_manifest(path)] == ["a", "b"]


@pytest.mark.parametrize("video", ["circle", "circle/x.mp4", "circle/../out", "no/../circle/../out", "no/../out", "by"])
def test_links_in_a_circle_lead_nowhere(tmp_path: Path, video: str) -> None:
    """``circle/../out`` was taken for ``out``, and not for what that links to."""
    (tmp_path / "secret.mp4").write_bytes(b"")
    inside = tmp_path / "in"
    inside.mkdir()
    (inside / "circle").symlink_to("round")
    (inside / "round").symlink_to("circle")
    (inside / "out").symlink_to(tmp_path / "secret.mp4")
    (inside / "by").symlink_to("no/../circle/../out")
    path = inside / "clips.csv"
    path.write_text(f"id,video\na,{video}\n")
    with pytest.raises(ManifestError, match=r"leads (back|out)"):
        read_manifest(path)


def test_a_way_through_a_folder_that_is_missing_hides_nothing(tmp_path: Path) -> None:
    (tmp_path / "secret.png").write_bytes(b"")
    (tmp_path / "data" / "pictures").mkdir(parents=True)
    (tmp_path / "data" / "pictures" / "a.png").symlink_to(tmp_path / "secret.png")
    (tmp_path / "data" / "zero").symlink_to("/dev/zero")
    assert "holds a link out" in problems(tmp_path / "data", '{"id": "a", "video": "no/../pictures"}')[0]
    path = tmp_path / "data" / "clips.jsonl"
    path.write_text('{"id": "a", "video": "no/../zero"}')
    with pytest.raises(ManifestError, match="device"):
        read_manifest(path, allow_outside=True)


def test_a_picture_folder_with_links_in_a_circle_is_refused(tmp_path: Path) -> None:
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / "a.png").symlink_to("a.png")
    assert "holds a link" in problems(tmp_path, '{"id": "a", "video": "pictures"}')[0]


def least_seconds(work: Callable[[], object]) -> float:
    def once() -> float:
        before = time.process_time()
        work()
        return time.process_time() - before

    return min(once() for _ in range(3))


def test_duplicate_ids_take_time_in_proportion_to_their_number(tmp_path: Path) -> None:
    def refuse(rows: int) -> None:
        taken = "".join(f"a-{number},t\n" for number in range(2, rows))
        found = problems(tmp_path, f"id,title\na,t\n{taken}" + "a,t\n" * rows, "clips.csv")
        assert [problem.endswith(f"(nearest: 'a-{rows}')") for problem in found] == [True] * rows

    assert least_seconds(lambda: refuse(4000)) < 20 * least_seconds(lambda: refuse(500))


def test_files_of_one_name_take_time_in_proportion_to_their_number() -> None:
    def name(files: int) -> None:
        clips = clips_from_files([f"/{number}/a.mp4" for number in range(files)])
        assert {"a.mp4", "a.mp4-2", f"a.mp4-{files}"} <= {clip.id for clip in clips}

    assert least_seconds(lambda: name(4000)) < 20 * least_seconds(lambda: name(500))
