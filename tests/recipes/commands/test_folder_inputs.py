"""Folders and media files in the place of a manifest: from the command line to predictions that name each file."""

import csv
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import openpyxl
import pytest

from framegate.finetune.classifier import ClassifierConfig, GatedFusionClassifier
from framegate.finetune.fusion.fusion import FusionConfig
from framegate.finetune.streams.streams import FramesConfig, StreamsConfig
from framegate.finetune.taxonomy.taxonomy import Taxonomy
from framegate.media import FrameStore
from framegate.recipes.config.finetune_config import FinetuneConfig
from framegate.recipes.config.recipe import dump_recipe, read_recipe

Framegate = Callable[..., int]
QUICK = ("--workers", "1", "--audio-seconds", "1", "--size", "64", "--frames", "2", "--no-layout")


def put_pictures(folder: Path, *names: str) -> None:
    for number, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        picture = np.random.default_rng(number).integers(0, 256, (48, 64, 3), dtype=np.uint8)
        (folder / name).write_bytes(cv2.imencode(".jpg", picture)[1].tobytes())


@pytest.fixture
def videos(corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of videos in folders, one of them at the top, as the working folder has it."""
    for name, video in zip(("sport/a.mp4", "新闻/早间 1.mp4", "top.mp4"), (corpus / "videos").iterdir(), strict=False):
        (tmp_path / "videos" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(video, tmp_path / "videos" / name)
    (tmp_path / "videos" / "notes.txt").write_text("no video")
    monkeypatch.chdir(tmp_path)
    return Path("videos")


def labels(store: Path) -> dict[str, str]:
    table = FrameStore(store).videos
    return dict(zip(table["id"].to_pylist(), table["label"].to_pylist(), strict=True))


def test_a_folder_becomes_a_store_with_labels_only_if_they_are_asked_for(
    videos: Path, framegate: Framegate, capsys: pytest.CaptureFixture[str]
) -> None:
    assert framegate("extract", videos, "--label-from-folders", *QUICK) == 0
    printed = capsys.readouterr()
    assert "videos: 3 videos; left out: no media 1 ('notes.txt')" in printed.err
    assert "in no folder: 1" in printed.err
    assert "no labels" not in printed.out
    assert labels(Path("store")) == {"sport.a.mp4": "sport", "top.mp4": "", "新闻.早间_1.mp4": "新闻"}
    assert Taxonomy.read("store/taxonomy.csv").ids == ("sport", "新闻")
    assert framegate("extract", videos, "--out", "plain", *QUICK) == 0
    assert "the road ends with a backbone" in capsys.readouterr().out
    assert set(labels(Path("plain")).values()) == {""}
    assert not Path("plain/taxonomy.csv").exists()
    assert framegate("finetune", "fusion_small", "data.store=plain", "log.wandb_project=null") == 2
    assert "no clip has a label, so the road ends with the backbone" in capsys.readouterr().err


def test_the_table_that_manifest_writes_gives_the_same_store(videos: Path, framegate: Framegate) -> None:
    assert framegate("manifest", videos, "--label-from-folders", "--out", "clips.csv") == 0
    assert framegate("extract", "clips.csv", "--out", "from-table", *QUICK) == 0
    assert framegate("extract", videos, "--label-from-folders", "--out", "from-folder", *QUICK) == 0
    table, folder = FrameStore("from-table").videos, FrameStore("from-folder").videos
    assert table.equals(folder)
    assert Path("from-table/taxonomy.csv").read_text() == Path("from-folder/taxonomy.csv").read_text()


def test_manifest_prints_a_table_for_beside_the_folder_and_replaces_no_file(
    videos: Path, framegate: Framegate, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert framegate("manifest", videos.absolute()) == 0
    printed = capsys.readouterr()
    rows = list(csv.DictReader(printed.out.splitlines()))
    assert [(row["id"], row["video"]) for row in rows] == [
        ("sport.a.mp4", "videos/sport/a.mp4"),
        ("top.mp4", "videos/top.mp4"),
        ("新闻.早间_1.mp4", "videos/新闻/早间 1.mp4"),
    ]
    assert f"relative to {Path.cwd()}" in printed.err
    monkeypatch.chdir(videos / "sport")
    for folder, first in (("..", "videos/sport/a.mp4"), (".", "a.mp4")):
        assert framegate("manifest", folder) == 0
        assert capsys.readouterr().out.splitlines()[1].split(",")[1] == first
    monkeypatch.chdir("../..")
    Path("taxonomy.csv").write_text("mine")
    assert framegate("manifest", videos, "--label-from-folders", "--out", "clips.csv") == 2
    assert "taxonomy.csv exists" in capsys.readouterr().err
    assert not Path("clips.csv").exists()
    assert framegate("manifest", videos, "--out", "elsewhere/clips.csv") == 2
    assert "does not lie in" in capsys.readouterr().err


def test_predictions_and_failures_carry_the_name_of_each_file(
    videos: Path, framegate: Framegate, capsys: pytest.CaptureFixture[str]
) -> None:
    (videos / "सिर्फ टूटा.mp4").write_bytes(bytes(range(256)))
    put_pictures(videos, "新闻/照片.jpg")
    _classifier("classifier")
    assert framegate("predict", "classifier", videos, "--out", "p.jsonl", "--json", "r.json", "--workers", 1) == 0
    lines = [json.loads(line) for line in Path("p.jsonl").read_text(encoding="utf-8").splitlines()]
    assert {line["id"]: line["video"] for line in lines} == {
        "sport.a.mp4": "sport/a.mp4",
        "top.mp4": "top.mp4",
        "新闻.早间_1.mp4": "新闻/早间 1.mp4",
        "新闻.照片.jpg": "新闻/照片.jpg",
    }
    (failure,) = json.loads(Path("r.json").read_text(encoding="utf-8"))["failures"]
    assert (failure["id"], failure["video"], failure["status"]) == ("सिर्फ_टूटा.mp4", "सिर्फ टूटा.mp4", "failed")
    Path("clips.csv").write_text("id,video,shelf\nmine,videos/top.mp4,7\n")
    capsys.readouterr()
    assert framegate("predict", "classifier", "clips.csv", "--workers", 1) == 0
    line = json.loads(capsys.readouterr().out)
    assert (line["id"], line["video"], line["shelf"]) == ("mine", "videos/top.mp4", "7")


def test_predict_reads_spreadsheets_and_old_encodings_as_extract_does(
    videos: Path, framegate: Framegate, capsys: pytest.CaptureFixture[str]
) -> None:
    _classifier("classifier")
    sheet = openpyxl.Workbook()
    for row in (("ID", "Video ", "TITLE"), (1, "videos/sport/a.mp4", "天気予報"), (2, "videos/top.mp4", 7)):
        sheet.active.append(row)
    sheet.save("clips.xlsx")
    Path("clips.csv").write_text(
        "id,video,title\n1,videos/sport/a.mp4,天気予報\n2,videos/top.mp4,7\n", encoding="shift_jis"
    )

    def predicted(*call: str) -> list[dict[str, object]]:
        assert framegate("predict", "classifier", *call, "--workers", 1) == 0
        return [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    from_sheet = predicted("clips.xlsx")
    assert [line["video"] for line in from_sheet] == ["videos/sport/a.mp4", "videos/top.mp4"]
    assert predicted("clips.csv", "--encoding", "shift_jis") == from_sheet
    assert framegate("predict", "classifier", "clips.csv") == 2
    message = capsys.readouterr().err
    assert "--encoding" in message and len(message) < 300


def _classifier(folder: str) -> None:
    """A classifier of frames with random weights."""
    Path("tree.csv").write_text("id,parent,name\na,,A\nb,,B\n")
    streams = StreamsConfig(frames=FramesConfig(backbone="test_resnet"), audio=None, text=None)
    config = ClassifierConfig(streams=streams, fusion=FusionConfig(width=16))
    GatedFusionClassifier.create(config, Taxonomy.read("tree.csv"), image_size=32).save_pretrained(folder)


def test_with_sequences_a_folder_of_pictures_is_one_clip(
    tmp_path: Path, framegate: Framegate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    put_pictures(tmp_path / "films", "sport/match/1.jpg", "sport/match/2.jpg", "sport/match/3.jpg")
    assert framegate("extract", "films", "--sequences", "--label-from-folders", "--workers", "1", "--no-layout") == 0
    assert labels(Path("store")) == {"sport.match": "sport"}
    assert FrameStore("store").videos["frames"].to_pylist() == [3]


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (("extract", "empty"), "empty: no media"),
        (("extract", "flat", "--label-from-folders"), "needs folders in it"),
        (("extract", "clips.csv", "--sequences"), "--sequences is for folders"),
        (("extract", "clips.csv", "flat"), "a manifest comes alone"),
        (("extract", "flat", "--taxonomy", "clips.csv"), "--taxonomy is for the labels of a manifest"),
        (("extract", "nowhere"), "nowhere: No such file"),
        (("manifest", "clips.csv"), "not a folder"),
    ],
)
def test_what_cannot_be_taken_is_refused_in_a_sentence(
    tmp_path: Path,
    framegate: Framegate,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    call: tuple[str, ...],
    words: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("empty").mkdir()
    put_pictures(Path("flat"), "a.jpg")
    Path("clips.csv").write_text("id,title\na,t\n")
    assert framegate(*call) == 2
    message = capsys.readouterr().err
    assert words in message
    assert len(message) < 300
    assert not Path("store").exists()


def test_finetune_takes_the_backbone_of_the_newest_pretraining_where_there_is_one(tmp_path: Path) -> None:
    def read(*overrides: str) -> FinetuneConfig:
        config = read_recipe(FinetuneConfig, "fusion_small", [f"run_dir={tmp_path}", *overrides])
        assert read_recipe(FinetuneConfig, _written(tmp_path, dump_recipe(config))) == config
        return config

    assert read().frame_backbone.startswith("frames: resnet18 with random weights; framegate pretrain auto")
    folder = tmp_path / "moco_small" / "backbone"
    folder.mkdir(parents=True)
    assert read().frame_backbone == f"frames: {folder}"
    newer = tmp_path / "auto" / "backbone"
    newer.mkdir(parents=True)
    os.utime(folder, (10, 10))
    assert read().frame_backbone == f"frames: {newer}"
    os.utime(newer, (5, 5))
    assert read().frame_backbone == f"frames: {folder}"
    assert read("streams.frames.backbone=resnet34").frame_backbone.startswith("frames: resnet34 with random weights")
    assert read("streams.frames=null").frame_backbone == ""


def _written(folder: Path, recipe: str) -> Path:
    path = folder / "config.yaml"
    path.write_text(recipe)
    return path


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_mixed_files_in_named_folders_go_all_the_way_without_another_word(
    corpus: Path, tmp_path: Path, framegate: Framegate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for number, video in enumerate(sorted((corpus / "videos").iterdir())[:12]):
        folder = tmp_path / "mixed" / ("sport/ball", "sport/water", "新闻", "alone")[3 if number == 0 else number % 3]
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(video, folder / f"{number} x{video.suffix}")
    put_pictures(
        tmp_path / "mixed", *(f"{leaf}/p{n}.jpg" for leaf in ("新闻", "sport/ball", "pictures") for n in range(5))
    )
    short = ("optim.epochs=1", "log.wandb_project=null")
    assert framegate("extract", "mixed", "--label-from-folders") == 0
    assert framegate("pretrain", "moco_small", *short) == 0
    assert framegate("finetune", "fusion_small", *short) == 0
    assert "moco_small/backbone" in Path("runs/fusion_small/config.yaml").read_text()
    assert framegate("predict", "runs/fusion_small/classifier", "mixed", "--out", "p.jsonl") == 0
    assert len(Path("p.jsonl").read_text(encoding="utf-8").splitlines()) == 27
