"""Files that are missing, whatever is in their names: they stop no other row, and the nearest is named."""

import json
import unicodedata
from pathlib import Path

import av
import numpy as np
import pytest

from framegate.media.extraction.extract import extract
from framegate.media.manifest.manifest import read_manifest
from framegate.media.manifest.missing import missing_files, unusable

MISSING = [
    "12:30 news.mp4",
    "News: part 1.mp4",
    "what?.mp4",
    "a#1.mp4",
    "100%25.mp4",
    "%2e%2e%2fsecret.mp4",
    r"clips\a.mp4",
    r"C:\clips\a.mp4",
    "C:/clips/a.mp4",
    "x" * 300 + ".mp4",
    "x/" * 2500 + "a.mp4",
    "~/a.mp4",
    "$HOME/a.mp4",
    "*.mp4",
    "'a'.mp4",
    "data: x.mp4",
    "file: x.mp4",
    "mailto:me",
    "data:1.mp4",
    "cache,1.mp4",
    "unix:a",
    "a.mp4\t",
    "\u202ea.mp4",
    "a.mp4/b.mp4",
    "🎬.mp4",
]


def film(path: Path) -> Path:
    path.parent.mkdir(exist_ok=True)
    with av.open(str(path), "w", format="mp4") as container:
        stream = container.add_stream("mpeg4", rate=5, width=64, height=48)
        for _ in range(5):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8))))
        container.mux(stream.encode())
    return path


def test_missing_files_of_any_name_stop_no_other_row(tmp_path: Path) -> None:
    film(tmp_path / "clips" / "a.mp4")
    rows = [{"id": f"c{number}", "video": name} for number, name in enumerate(MISSING)]
    rows.append({"id": "there", "video": "clips/a.mp4"})
    (tmp_path / "clips.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    summary = extract(read_manifest(tmp_path / "clips.jsonl"), tmp_path / "store", workers=1)
    assert (summary.ok, summary.failed) == (1, len(MISSING))
    lines = (tmp_path / "store" / "failures.jsonl").read_text(encoding="utf-8").splitlines()
    errors = {line["id"]: line["error"] for line in map(json.loads, lines)}
    assert all(len(error) < 300 for error in errors.values())
    for name in (r"clips\a.mp4", r"C:\clips\a.mp4"):
        assert "is missing (nearest: 'clips/a.mp4')" in errors[f"c{MISSING.index(name)}"]


@pytest.mark.parametrize("name", ["12:30 news.mp4", "News: part 1.mp4", "what?#1.mp4", "100%25.mp4", r"back\slash.mp4"])
def test_files_of_any_name_are_found(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()
    (tmp_path / "clips.jsonl").write_text(json.dumps({"id": "a", "video": name}))
    assert read_manifest(tmp_path / "clips.jsonl")[0].video == tmp_path.resolve() / name


@pytest.mark.parametrize(("on_disk", "written"), [("NFD", "NFC"), ("NFC", "NFD")])
def test_names_match_in_any_normal_form(tmp_path: Path, on_disk: str, written: str) -> None:
    folder, name = (unicodedata.normalize(on_disk, text) for text in ("Über Café", "한국 é.mp4"))
    (tmp_path / folder).mkdir()
    (tmp_path / folder / name).touch()
    video = unicodedata.normalize(written, f"{folder}/{name}")
    (tmp_path / "clips.csv").write_text(f"id,video\na,{video}\nb,{folder}/{name}\n", encoding="utf-8")
    first, second = read_manifest(tmp_path / "clips.csv")
    assert first.video == second.video == tmp_path.resolve() / folder / name
    assert first.programme == second.programme, "clips of one file would fall into two splits"


def test_a_file_as_it_is_written_wins_over_other_spellings(tmp_path: Path) -> None:
    for form in ("NFC", "NFD"):
        (tmp_path / unicodedata.normalize(form, "é.mp4")).touch()
        (tmp_path / "clips.csv").write_text(f"id,video\na,{unicodedata.normalize(form, 'é.mp4')}\n", encoding="utf-8")
        assert read_manifest(tmp_path / "clips.csv")[0].video.name == unicodedata.normalize(form, "é.mp4")
    (tmp_path / "a.mp4").touch()
    (tmp_path / "clips.csv").write_text('id,video\na,"a.mp4 "\n')
    assert read_manifest(tmp_path / "clips.csv")[0].video.name == "a.mp4"
    (tmp_path / "a.mp4 ").touch()
    assert read_manifest(tmp_path / "clips.csv")[0].video.name == "a.mp4 "


def test_another_spelling_leads_nowhere_outside(tmp_path: Path) -> None:
    inside = tmp_path / "in"
    inside.mkdir()
    (tmp_path / "secret.mp4").touch()
    (inside / unicodedata.normalize("NFD", "é.mp4")).symlink_to(tmp_path / "secret.mp4")
    (inside / "clips.csv").write_text("id,video\na,é.mp4\n", encoding="utf-8")
    with pytest.raises(ValueError, match="leads out of the manifest's folder"):
        read_manifest(inside / "clips.csv")
    assert missing_files([inside / "%2e%2e%2fsecret.mp4"]) == ""


def test_the_nearest_file_is_named(tmp_path: Path) -> None:
    for name in ("two words.mp4", "clip_01.mp4", "other.wav"):
        (tmp_path / name).touch()
    assert (
        missing_files([tmp_path / "two%20words.mp4", None]) == "'two%20words.mp4' is missing (nearest: 'two words.mp4')"
    )
    assert "(nearest: 'clip_01.mp4')" in missing_files([tmp_path / "other.wav", tmp_path / "clip-01.mp4"])
    assert missing_files([tmp_path / "quite another thing"]) == ""
    both = missing_files([tmp_path / "two words.mp4", tmp_path / "quite another thing"])
    assert both == "'quite another thing' is missing", "which of the two"
    assert missing_files([tmp_path / "clip_01.mp4"]) == ""


def test_what_cannot_be_opened_says_why(tmp_path: Path) -> None:
    (tmp_path / "empty.mp4").touch()
    assert unusable(tmp_path / "empty.mp4") == "an empty file"
    assert unusable(tmp_path) is None
    assert unusable(Path("/dev/null")) == "not a plain file"
    assert unusable(tmp_path / ("x" * 300)) == "File name too long"
