"""`framegate duplicates`, the warning at the end of `extract`, and planted re-uploads of the corpus."""

import csv
import json
import shutil
import subprocess
from pathlib import Path

import pytest

LOGO = "drawbox=x=iw*0.80:y=ih*0.06:w=iw*0.14:h=ih*0.12:color=yellow:t=fill"
CHANGES: dict[str, tuple[list[str], list[str]]] = {  # ffmpeg's options before and after the input
    "rate": ([], ["-b:v", "40k"]),
    "crop": ([], ["-vf", "crop=iw*0.95:ih*0.95"]),
    "crop-a-side": ([], ["-vf", "crop=iw*0.9:ih*0.9,scale=320:180"]),
    "crop-a-corner": ([], ["-vf", "crop=iw*0.95:ih*0.95:0:0"]),
    "logo": ([], ["-vf", LOGO]),
    "trim": (["-ss", "2"], []),
    "small": ([], ["-vf", "scale=160:90", "-b:v", "40k"]),
    "all": (["-ss", "2"], ["-vf", f"crop=iw*0.95:ih*0.95,scale=192:108,{LOGO}", "-b:v", "50k"]),
}
COLUMNS = ["id", "video", "programme", "label", "split"]


def write_manifest(path: Path, rows: list[dict[str, str]]) -> Path:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)
    return path


def corpus_rows(corpus: Path) -> list[dict[str, str]]:
    with (corpus / "manifest.csv").open() as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def folder(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three clips of the corpus, and copies of two: one on another side, one with another label."""
    folder = tmp_path_factory.mktemp("copies")
    rows = corpus_rows(corpus)[:3]
    videos = [row["video"] for row in rows]
    (folder / "videos").mkdir()
    for row, video in zip(rows, videos, strict=True):
        shutil.copy(corpus / video, folder / video)
        row |= {"split": "train", "label": "news"}
    for number in (0, 1):
        shutil.copy(corpus / videos[number], folder / f"videos/copy{number}.mp4")
    rows.append({"id": "elsewhere", "video": "videos/copy0.mp4", "split": "test", "label": "news"})
    rows.append({"id": "otherwise", "video": "videos/copy1.mp4", "split": "train", "label": "sport"})
    write_manifest(folder / "clips.csv", rows)
    return folder


def test_extract_warns_of_re_uploads_across_splits(folder: Path, framegate, capsys) -> None:
    out = ["--out", folder / "store", "--workers", 1, "--json", folder / "told.json"]
    assert framegate("extract", folder / "clips.csv", *out) == 0
    said = capsys.readouterr().out
    assert "warning: 1 clip of test is a re-upload of clips in train" in said
    assert f"framegate duplicates {folder / 'store'}" in said
    assert json.loads((folder / "told.json").read_text())["leaks"] == {"test": 1}
    assert framegate("extract", folder / "clips.csv", *out, "--no-duplicates") == 0
    assert "re-upload" not in capsys.readouterr().out


def test_pairs_across_splits_come_first_then_those_with_other_labels(folder: Path, framegate, capsys) -> None:
    assert framegate("extract", folder / "clips.csv", "--out", folder / "store", "--workers", 1) == 0
    capsys.readouterr()
    assert framegate("duplicates", folder / "store", "--json", folder / "duplicates.json") == 0
    said = capsys.readouterr().out
    assert said.index("elsewhere (test)") < said.index("otherwise (train)")
    assert "labels differ" in said
    told = json.loads((folder / "duplicates.json").read_text())
    assert [pair["second"]["id"] for pair in told["pairs"]] == ["elsewhere", "otherwise"]
    first, second = told["pairs"]
    assert (first["across_splits"], first["labels_differ"]) == (True, False)
    assert (second["across_splits"], second["labels_differ"]) == (False, True)
    assert first["first"]["video"].endswith(".mp4")
    assert first["score"] == 1.0
    assert (told["across_splits"], told["labels_differ"], told["leaks"]) == (1, 1, {"test": 1})
    assert [len(group) for group in told["groups"]] == [2, 2]


def test_splits_are_made_by_duplicates_on_demand(folder: Path, tmp_path: Path, framegate, capsys) -> None:
    with (folder / "clips.csv").open() as file:
        rows = [row | {"split": "", "programme": ""} for row in csv.DictReader(file)]
    manifest = write_manifest(folder / "unsplit.csv", rows)
    call = ["extract", manifest, "--out", tmp_path / "store", "--workers", 1, "--split", "by-duplicates"]
    assert framegate(*call) == 0
    assert framegate(*call) == 0  # again: it is the same extraction
    assert "re-upload" not in capsys.readouterr().out
    assert framegate(*call, "--seed", 5) == 2
    assert framegate("duplicates", tmp_path / "store", "--json", tmp_path / "found.json") == 0
    told = json.loads((tmp_path / "found.json").read_text())
    assert (len(told["pairs"]), told["across_splits"]) == (2, 0)


def test_a_store_without_copies_says_so(store: Path, framegate, capsys) -> None:
    assert framegate("duplicates", store) == 0
    assert "no re-uploads among 40 clips" in capsys.readouterr().out


@pytest.mark.slow
def test_planted_re_uploads_of_the_corpus_are_found(corpus: Path, tmp_path: Path, framegate) -> None:
    """Clips of one programme look alike: what is found must be copies, and nearly all of them."""
    if shutil.which("ffmpeg") is None:
        pytest.skip("needs ffmpeg: apt-get install ffmpeg")
    shutil.copytree(corpus / "videos", tmp_path / "videos")
    rows = corpus_rows(corpus)
    planted = set()
    for number, row in enumerate(list(rows)):
        change = list(CHANGES)[number % len(CHANGES)]
        before, after = CHANGES[change]
        copy = {"id": f"{row['id']}-{change}", "video": f"videos/{row['id']}-{change}.mp4"}
        encode = ["-c:v", "libx264", "-preset", "veryfast", "-threads", "1", "-an", tmp_path / copy["video"]]
        subprocess.run(["ffmpeg", "-v", "error", *before, "-i", corpus / row["video"], *after, *encode], check=True)
        rows.append(copy)
        planted.add((row["id"], copy["id"]))
    manifest = write_manifest(tmp_path / "clips.csv", rows)
    call = ["extract", manifest, "--out", tmp_path / "store", "--mode", "exact", "--no-layout", "--no-duplicates"]
    assert framegate(*call, "--workers", 2) == 0
    assert framegate("duplicates", tmp_path / "store", "--json", tmp_path / "found.json") == 0
    pairs = json.loads((tmp_path / "found.json").read_text())["pairs"]
    found = {tuple(sorted((pair["first"]["id"], pair["second"]["id"]))) for pair in pairs}
    assert len(found & planted) >= 0.95 * len(planted), planted - found
    assert len(found & planted) >= 0.95 * len(found), found - planted
