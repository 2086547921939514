"""What a user names as an output is written over only where framegate wrote it; recognised by a sign in the file."""

import json
import os
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

import framegate.recipes.reports.class_table as class_table
from framegate.finetune.taxonomy.taxonomy import Taxonomy
from framegate.media import FrameStore
from framegate.recipes.reports.outputs import (
    CLASS_COLUMNS,
    OutputError,
    claim_output,
    json_bytes,
    signed_picture,
    write_output,
)
from framegate.recipes.reports.page import Page
from framegate.ssl.backbones.backbone import Backbone
from framegate.ssl.backbones.backbone_export import export_backbone

LINE = {"id": "a", "path": [], "probabilities": [], "top": [], "reliabilities": {}, "present": []}
PICTURE = np.zeros((8, 8, 3), np.uint8)


def page_bytes() -> bytes:
    return Page("title")._html()


OURS = {
    "x.json": json_bytes({"rows": []}),
    "x.html": page_bytes(),
    "x.png": signed_picture(cv2.imencode(".png", PICTURE)[1].tobytes()),
    "x.jpg": signed_picture(cv2.imencode(".jpg", PICTURE)[1].tobytes()),
    "x.csv": ",".join(class_table.COLUMNS).encode() + b"\n",
    "x.jsonl": json.dumps({"shelf": 7, **LINE}).encode() + b"\n{}\n",
    "empty": b"",
}
MINE = {
    "clips.csv": b"id,video,title\na,a.mp4,x\n",
    "clips.jsonl": b'{"id": "a", "video": "a.mp4"}\n',
    "x.json": b'{"rows": [], "framegate": 1}',
    "deep.json": b"[" * 100_000,
    "x.html": b"<!doctype html>\n<html><head></head><body>framegate</body></html>",
    "x.png": cv2.imencode(".png", PICTURE)[1].tobytes(),
    "x.jpg": cv2.imencode(".jpg", PICTURE)[1].tobytes(),
    "videos.arrow": b"\xff\xff\xff\xff\x00\x00",
    "blank": b"\n",
}


@pytest.mark.parametrize("name", OURS)
def test_what_framegate_wrote_is_replaced(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(OURS[name])
    claim_output(tmp_path / name)
    write_output(tmp_path / name, b"new")
    assert (tmp_path / name).read_bytes() == b"new"


@pytest.mark.parametrize("name", MINE)
def test_what_it_did_not_write_is_refused_and_kept(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(MINE[name])
    for refuse in (claim_output, lambda path: write_output(path, b"new")):
        with pytest.raises(OutputError, match=f"{name} exists, and framegate did not write it: name another file"):
            refuse(tmp_path / name)
    assert (tmp_path / name).read_bytes() == MINE[name]
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_signed_pictures_are_the_same_pictures() -> None:
    picture = np.random.default_rng(0).integers(0, 255, (9, 7, 3), dtype=np.uint8)
    for ending in (".png", ".jpg"):
        plain = cv2.imencode(ending, picture)[1].tobytes()
        decoded = [cv2.imdecode(np.frombuffer(data, np.uint8), 1) for data in (plain, signed_picture(plain))]
        assert np.array_equal(*decoded)


def test_the_sign_of_a_table_of_classes_begins_its_header() -> None:
    assert class_table.COLUMNS[: len(CLASS_COLUMNS)] == CLASS_COLUMNS


def test_links_folders_and_devices_are_no_outputs(tmp_path: Path) -> None:
    (tmp_path / "ours.json").write_bytes(OURS["x.json"])
    (tmp_path / "link").symlink_to("ours.json")
    (tmp_path / "dangling").symlink_to("nowhere")
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "link", tmp_path / "dangling", tmp_path / "pipe", tmp_path, Path(os.devnull)):
        with pytest.raises(OutputError, match="exists, and framegate did not write it"):
            claim_output(path)


def test_nothing_new_is_put_into_a_store_or_a_model_folder(store: Path, tmp_path: Path) -> None:
    export_backbone(Backbone("test_resnet", image_size=32), tmp_path / "backbone", card="")
    (tmp_path / "link").symlink_to(store)
    for folder in (store, store / "features", tmp_path / "link"):
        with pytest.raises(OutputError, match="a frame store: name a file outside"):
            claim_output(folder / "new.json")
    with pytest.raises(OutputError, match="a model folder: name a file outside"):
        claim_output(tmp_path / "backbone" / "new.json")
    claim_output(tmp_path / "new" / "x.json")


def test_json_is_written_over_json_and_over_nothing_else(framegate, store: Path, tmp_path: Path, capsys) -> None:
    manifest = tmp_path / "clips.csv"
    manifest.write_bytes(MINE["clips.csv"])
    table = (store / "videos.arrow").read_bytes()
    for wrong in (manifest, store / "videos.arrow", store / "new.json"):
        assert framegate("doctor", "--json", wrong) == 2
        printed = capsys.readouterr()
        assert printed.err.startswith(f"framegate: {wrong} ")
        assert printed.out == ""  # refused before the work
    assert manifest.read_bytes() == MINE["clips.csv"]
    assert (store / "videos.arrow").read_bytes() == table
    for _ in range(2):
        assert framegate("doctor", "--json", tmp_path / "d.json") == 0
    assert json.loads((tmp_path / "d.json").read_text())["framegate"].keys() == {"version"}


def test_views_replace_views_alone(framegate, store: Path, tmp_path: Path, capsys) -> None:
    for name in ("sheet.png", "sheet.jpg"):
        for _ in range(2):
            assert framegate("views", store, "--out", tmp_path / name, "--frames", 1, "--image-size", 16) == 0
        (tmp_path / name).write_bytes(MINE["x.png"])
        assert framegate("views", store, "--out", tmp_path / name, "--frames", 1) == 2
        assert "framegate did not write it" in capsys.readouterr().err
        assert (tmp_path / name).read_bytes() == MINE["x.png"]


def test_an_audit_replaces_no_picture_of_the_user(framegate, store: Path, tmp_path: Path, capsys) -> None:
    picture = tmp_path / "holiday.png"
    picture.write_bytes(MINE["x.png"])
    call = ("audit", "test_resnet", store, "--image-size", 32, "--frames", 60, "--page", tmp_path / "holiday.html")
    assert framegate(*call) == 2
    assert "holiday.png exists, and framegate did not write it" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["holiday.png"]


def test_predict_refuses_before_it_opens_the_classifier(framegate, tmp_path: Path, capsys) -> None:
    manifest = tmp_path / "clips.jsonl"
    manifest.write_text(json.dumps({"title": "t", **LINE}) + "\n", encoding="utf-8")  # predictions, labelled since
    assert framegate("predict", tmp_path / "none", manifest, "--out", manifest) == 2
    assert "clips.jsonl is an input of this call" in capsys.readouterr().err
    for wrong in ("--classes", "--page"):
        assert framegate("evaluate", tmp_path / "none", tmp_path / "store", wrong, tmp_path / "mine.csv") == 2
    (tmp_path / "mine.csv").write_bytes(MINE["clips.csv"])
    for call in (("predict", "none", "a.mp4", "--out"), ("evaluate", "none", "s", "--classes")):
        assert framegate(*call, tmp_path / "mine.csv") == 2
        assert "mine.csv exists, and framegate did not write it" in capsys.readouterr().err
    assert (tmp_path / "mine.csv").read_bytes() == MINE["clips.csv"]


def test_the_taxonomy_in_a_store_is_not_written_through_a_link(corpus: Path, store: Path, tmp_path: Path) -> None:
    from framegate.recipes.commands.data.extract_command import extract_manifest

    mine = tmp_path / "mine"
    mine.write_text("precious")
    shutil.copytree(store, tmp_path / "store")
    (tmp_path / "store" / "taxonomy.csv").unlink()
    (tmp_path / "store" / "taxonomy.csv").symlink_to(mine)
    extract_manifest(corpus / "manifest.csv", tmp_path / "store")
    assert mine.read_text() == "precious"
    assert Taxonomy.read(tmp_path / "store" / "taxonomy.csv")
    assert FrameStore(store)
