"""Folders without a manifest: what is found, what is left out, and the clips and the table that it makes."""

import os
import shutil
import time
import unicodedata
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from framegate.media import clips_from_files, clips_from_scans, scan_folder, with_splits
from framegate.media.manifest.file_clips import manifest_table
from framegate.media.manifest.folder_labels import label_by_folders
from framegate.media.manifest.manifest import Clip, ManifestError, read_manifest
from framegate.media.manifest.scan import Scan

PICTURE = cv2.imencode(".jpg", np.zeros((8, 8, 3), np.uint8))[1].tobytes()
SOUND = b"fLaC" + bytes(40)


def put(folder: Path, *names: str, content: bytes = PICTURE) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


def found(scan: Scan) -> dict[str, str]:
    return {each.path: each.kind for each in scan.found}


def test_each_video_picture_and_sound_is_a_clip_whatever_it_is_called(
    tmp_path: Path, make_video: Callable[..., Path], make_wave: Callable[..., Path]
) -> None:
    folder = tmp_path / "in"
    put(folder, "b.txt", "deep/er/c")
    shutil.copy(make_video(), folder / "deep" / "clip")
    shutil.copy(make_wave(), folder / "sound.mp4")
    put(folder, "letter.mp4", "notes", content=b"Dear Sir or Madam\n")
    put(folder, "page.jpg", content=b"<html>404</html>")
    scan = scan_folder(folder)
    assert found(scan) == {"b.txt": "picture", "deep/clip": "video", "deep/er/c": "picture", "sound.mp4": "audio"}
    assert scan.skipped.counts == {"no media": 3}
    assert "1 video, 2 pictures, 1 sound; left out: no media 3 ('letter.mp4', 'notes', 'page.jpg')" in scan.describe()
    by_file = {clip.file: clip for clip in clips_from_scans([scan])}
    assert by_file["sound.mp4"].video is None
    assert by_file["sound.mp4"].audio == folder / "sound.mp4"
    assert by_file["deep/er/c"].video == folder / "deep" / "er" / "c"
    assert by_file["deep/er/c"].id == "deep.er.c"


def test_a_damaged_medium_is_a_clip_that_can_fail_and_not_passed_over(tmp_path: Path) -> None:
    put(tmp_path, "torn.mp4", "torn", content=bytes(range(256)) * 4)
    assert found(scan_folder(tmp_path)) == {"torn.mp4": "video"}


def test_what_is_hidden_unfinished_or_of_the_system_is_left_out_and_counted(tmp_path: Path) -> None:
    put(tmp_path, "a.jpg", "b/a.jpg")
    put(tmp_path, ".hidden.jpg", "._a.jpg", ".git/a.jpg", "b/.DS_Store")
    put(tmp_path, "Thumbs.db", "b/desktop.ini", "@eaDir/a.jpg", "__MACOSX/a.jpg", "~$a.jpg", "a.jpg~")
    put(tmp_path, "c.mp4.part", "d.mp4.crdownload")
    put(tmp_path, "e.jpg", content=b"")
    os.mkfifo(tmp_path / "pipe")
    put(tmp_path, "store/extract.json", "store/a.jpg", "run/config.yaml", "run/metrics.jsonl", "run/media/a.jpg")
    put(tmp_path, "classifier/.framegate.json", "classifier/a.jpg")
    scan = scan_folder(tmp_path)
    assert list(found(scan)) == ["a.jpg", "b/a.jpg"]
    assert scan.skipped.counts == {
        "hidden files": 4,
        "files of the system": 6,
        "unfinished files": 2,
        "empty files": 1,
        "files that cannot be read": 1,
        "folders that framegate wrote": 3,
    }


def test_links_out_of_the_folder_are_counted_and_followed_only_if_allowed(tmp_path: Path) -> None:
    folder, outside = tmp_path / "in", tmp_path / "out"
    put(outside, "secret.jpg", "more/b.jpg")
    put(folder, "all/a.jpg")
    (folder / "link.jpg").symlink_to(outside / "secret.jpg")
    (folder / "more").symlink_to(outside / "more")
    (folder / "lost.jpg").symlink_to(folder / "nowhere")
    (folder / "again").symlink_to(folder / "all")
    (folder / "circle").symlink_to(folder)
    (folder / "best.jpg").symlink_to(folder / "all" / "a.jpg")
    scan = scan_folder(folder)
    assert list(found(scan)) == ["all/a.jpg", "best.jpg"]
    assert scan.skipped.counts == {
        "links out of the folder": 2,
        "links that lead nowhere": 1,
        "links to folders in it": 2,
    }
    first, second = clips_from_scans([scan])
    assert first.video == second.video
    assert first.programme == second.programme
    assert list(found(scan_folder(folder, allow_outside=True))) == ["all/a.jpg", "best.jpg", "link.jpg", "more/b.jpg"]


def test_with_sequences_each_folder_of_pictures_is_one_clip(tmp_path: Path) -> None:
    folder = tmp_path / "films"
    put(folder, "a/1.jpg", "a/2.jpg", "a/deep/1.jpg", "top.jpg", "b/1.jpg")
    put(folder, "a/sound.flac", content=SOUND)
    put(tmp_path, "secret.jpg")
    (folder / "b" / "2.jpg").symlink_to(tmp_path / "secret.jpg")
    scan = scan_folder(folder, sequences=True)
    assert found(scan) == {".": "sequence", "a": "sequence", "a/deep": "sequence", "a/sound.flac": "audio"}
    assert scan.skipped.counts["folders of pictures with links out of the folder"] == 1
    clips = clips_from_scans([scan])
    assert [clip.id for clip in clips] == ["films", "a", "a.deep", "a.sound.flac"]
    assert clips[1].video == folder / "a"


def test_an_empty_folder_is_an_error_that_says_what_lay_there(tmp_path: Path) -> None:
    put(tmp_path, "notes.txt", content=b"text")
    with pytest.raises(ManifestError, match=r"no media; left out: no media 1 \('notes\.txt'\)"):
        scan_folder(tmp_path)
    with pytest.raises(ManifestError, match="no such folder"):
        scan_folder(tmp_path / "nowhere")
    with pytest.raises(ManifestError, match="not a folder"):
        scan_folder(tmp_path / "notes.txt")


def test_a_name_that_is_not_utf8_is_counted_and_stops_nothing(tmp_path: Path) -> None:
    put(tmp_path, "a.jpg")
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.jpg")).write_bytes(PICTURE)
    scan = scan_folder(tmp_path)
    assert list(found(scan)) == ["a.jpg"]
    assert scan.skipped.counts == {"names that are not UTF-8": 1}
    scan.describe().encode()


NAMES = (
    *(
        "news/早间 1.jpg",
        "=1+1.jpg",
        "-",
        " a.jpg",
        "a b.jpg ",
        'quote".jpg',
        "line\nbreak.jpg",
        "a,b;c\td.jpg",
        "@x.jpg",
    ),
    *(f"{'long' * 50}/{'name' * 40}.jpg", "a|b.jpg", "http:x.jpg", "a.b.jpg", "a/b.jpg", "#.jpg", "'a.jpg", "sep=;"),
    unicodedata.normalize("NFD", "größe.jpg"),
)


@pytest.mark.parametrize("place", ["beside", "inside"])
def test_the_table_read_back_gives_the_same_clips(tmp_path: Path, place: str) -> None:
    folder = tmp_path / "in"
    put(folder, *NAMES)
    put(folder, "sound", content=SOUND)
    scan = scan_folder(folder)
    clips = with_splits(clips_from_scans([scan]), seed=0)
    assert len(clips) == len(NAMES) + 1
    table = (tmp_path if place == "beside" else folder) / "clips.csv"
    table.write_bytes(manifest_table(clips, prefix="in/" if place == "beside" else "").encode())
    assert [_plain(clip) for clip in read_manifest(table)] == [_plain(clip) for clip in clips]


def _plain(clip: Clip) -> tuple[object, ...]:
    return clip.id, clip.video, clip.audio, clip.label, clip.programme, clip.split


def test_labels_are_the_folders_with_ids_that_stay_as_long_as_the_paths_do(tmp_path: Path) -> None:
    tree = label_by_folders(["sport/ball games/a.jpg", "新闻/a.jpg", "a|b/x.jpg", "top.jpg", "sport/b.jpg"])
    assert tree.nodes == (
        ("a_b", "", "a_b"),
        ("sport", "", "sport"),
        ("sport.ball_games", "sport", "ball games"),
        ("新闻", "", "新闻"),
    )
    assert list(tree.labels.values()) == ["sport.ball_games", "新闻", "a_b", "", "sport"]
    fewer = label_by_folders(["sport/ball games/a.jpg"])
    assert fewer.labels["sport/ball games/a.jpg"] == "sport.ball_games"
    forms = label_by_folders([unicodedata.normalize(form, "größe/a.jpg") for form in ("NFC", "NFD")])
    assert [name for _, _, name in forms.nodes] == ["größe"]
    ids = [node for node, _, _ in label_by_folders(["a.b/x.jpg", "a/b/x.jpg"]).nodes]
    assert ids == ["a", "a.b", "a.b-2"]


def test_folders_called_like_splits_are_splits_and_no_categories(tmp_path: Path) -> None:
    put(tmp_path, "train/cat/a.jpg", "train/dog/a.jpg", "Validation/cat/a.jpg", "top.jpg")
    scan = scan_folder(tmp_path)
    tree = label_by_folders(found.path for found in scan.found)
    assert [node for node, _, _ in tree.nodes] == ["cat", "dog"]
    clips = with_splits(clips_from_scans([scan], labels=tree.labels, splits=tree.splits), seed=0)
    told = {clip.id: (clip.label, clip.split) for clip in clips}
    assert told["Validation.cat.a.jpg"] == ("cat", "val")
    assert told["train.dog.a.jpg"] == ("dog", "train")
    assert told["top.jpg"][0] == ""
    table = tmp_path / "clips.csv"
    table.write_text(manifest_table(clips), encoding="utf-8")
    assert [(clip.label, clip.split) for clip in read_manifest(table)] == [(clip.label, clip.split) for clip in clips]
    for tops in (("train", "news"), ("test",)):
        tree = label_by_folders(f"{top}/a.jpg" for top in tops)
        assert [name for _, _, name in tree.nodes] == sorted(tops)
        assert tree.splits == {}


def test_a_scan_divides_its_clips_as_a_manifest_does(tmp_path: Path) -> None:
    put(tmp_path, *(f"{number}.jpg" for number in range(20)))
    clips = clips_from_scans([scan_folder(tmp_path)])
    splits = [[clip.split for clip in with_splits(clips, seed=seed)] for seed in (3, 3, 4)]
    assert splits[0] == splits[1] != splits[2]
    assert {split: splits[0].count(split) for split in ("train", "val", "test")} == {"train": 14, "val": 3, "test": 3}


def test_a_scan_takes_less_than_a_millisecond_a_file(tmp_path: Path) -> None:
    for number in range(2000):
        put(tmp_path, f"{number % 40}/{number}.jpg")
    began = time.process_time()
    assert len(clips_from_scans([scan_folder(tmp_path)])) == 2000
    assert time.process_time() - began < 2


def test_a_sound_file_alone_is_sound_only(tmp_path: Path) -> None:
    put(tmp_path, "a.flac", content=SOUND)
    (clip,) = clips_from_files([tmp_path / "a.flac"])
    assert (clip.video, clip.audio, clip.file) == (None, tmp_path / "a.flac", str(tmp_path / "a.flac"))
