"""Folders of pictures, with the names that people and cameras give them."""

import json
import os
import unicodedata
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import cv2
import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from framegate.media import Clip, ExtractOptions, FrameStore, MediaError, clip_frames, decode_jpeg, extract, read_frames
from framegate.media.decoding.packets import Deadline
from framegate.media.decoding.picture_folder import FolderReader, picture_times
from framegate.media.extraction.clip_extract import extract_clip


@dataclass
class Extracted:
    times: list[float]
    jpegs: list[bytes]
    row: Any
    failure: Any


def extracted(video: Path, *, start: float | None = None, end: float | None = None, **options: object) -> Extracted:
    """What an extraction of one clip writes, without its worker processes."""
    clip = Clip(id="a", video=video, programme="p", split="train", start=start, end=end)
    with TemporaryDirectory() as folder:
        options = {"mode": "exact", **options}
        extract_clip(0, clip, folder=Path(folder), options=ExtractOptions(**options), layout=None)  # type: ignore[arg-type]
        frames = pa.ipc.open_stream((Path(folder) / "00000000.frames").read_bytes()).read_all()
        told = json.loads((Path(folder) / "00000000.json").read_text(encoding="utf-8"))
    return Extracted(frames["time"].to_pylist(), frames["jpeg"].to_pylist(), told["row"], told["failure"])


def pictures(folder: Path, names: list[str]) -> Path:
    folder.mkdir()
    for level, name in enumerate(names):
        _, data = cv2.imencode(Path(name).suffix or ".png", np.full((32, 48, 3), level * 20, np.uint8))
        (folder / name).write_bytes(data.tobytes())
    return folder


def order(*names: str) -> list[str]:
    """The names in the order of their times, which are one a second."""
    timed = picture_times([Path(name) for name in names])
    assert [time for time, _ in timed] == list(range(len(names)))
    return [path.name for _, path in timed]


def test_a_folder_of_pictures_is_one_a_second_unless_names_end_in_seconds(tmp_path: Path) -> None:
    plain = extracted(pictures(tmp_path / "plain", ["b.png", "a.jpg", "c.bmp"]), every=0.5)
    timed = extracted(pictures(tmp_path / "timed", ["x_0.5s.png", "x_2s.png", "x_10s.png"]), every=0.5)
    assert (plain.times, timed.times) == ([0, 1, 2], [0.5, 2, 10])
    assert [decode_jpeg(jpeg)[0, 0, 0] for jpeg in plain.jpegs] == pytest.approx([20, 0, 40], abs=3)
    assert (plain.row["duration"], timed.row["duration"]) == (3.0, 17.5)
    assert (plain.row["status"], plain.failure) == ("ok", None)


@pytest.mark.parametrize(
    "names",
    [
        ["0012.5s.jpg", "0003s.jpg", "0100.25s.PNG"],
        ["clip-12.5s.jpg", "clip-3s.jpg", "clip-100.25s.jpg"],
        ["12.5s.jpg", "3s.jpg", "100.25s.webp"],
    ],
)
def test_seconds_in_names_that_say_so_are_the_times(names: list[str]) -> None:
    assert [time for time, _ in picture_times(map(Path, names))] == [3.0, 12.5, 100.25]


@pytest.mark.parametrize(
    "names",
    [
        ["frame_000123.jpg", "frame_000124.jpg", "frame_000200.jpg"],
        ["IMG_20240101_120000.jpg", "IMG_20240101_120010.jpg", "IMG_20240102_080000.jpg"],
        ["0001.png", "0002.png", "0010.png"],
        ["20261129120000.png", "20261129120001.png", "99999999999999.png"],
        ["1.5.jpg", "2.5.jpg", "10.5.jpg"],
        ["3s.jpg", "4s.jpg", "x.jpg"],  # not all
        ["1s.jpg", "1s.png", "2s.png"],  # not different
        ["100ms.jpg", "200ms.jpg", "1000ms.jpg"],
        ["1,5s.jpg", "2,7s.jpg", "11,1s.jpg"],
        ["1m05s.jpg", "2m03s.jpg", "10m01s.jpg"],
        ["20261129120000s.png", "20261129120001s.png", "99999999999999s.png"],
    ],
)
def test_all_other_numbers_are_counters(names: list[str]) -> None:
    assert order(*reversed(names)) == names


def test_names_are_sorted_as_people_read_them() -> None:
    assert order("frame10.jpg", "frame9.jpg", "frame1.jpg") == ["frame1.jpg", "frame9.jpg", "frame10.jpg"]
    assert order("a1.jpg", "a.jpg", "A2.JPG") == ["a.jpg", "a1.jpg", "A2.JPG"]
    assert order("s2e10.jpg", "s10e1.jpg", "s2e9.jpg") == ["s2e9.jpg", "s2e10.jpg", "s10e1.jpg"]
    assert order("10.jpg", "2.jpg", "intro.jpg") == ["2.jpg", "10.jpg", "intro.jpg"]
    assert order("画像10.jpg", "画像2.jpg") == ["画像2.jpg", "画像10.jpg"]
    composed, parted = "é1.jpg", unicodedata.normalize("NFD", "é2.jpg")
    assert order(parted, composed, "é10.jpg") == [composed, parted, "é10.jpg"]
    assert order("007.jpg", "7.jpg", "07.jpg") == ["007.jpg", "07.jpg", "7.jpg"]
    assert order("9" * 240 + ".jpg", "1" * 240 + ".jpg")[0].startswith("1")


def test_pictures_go_by_their_content_and_what_else_lies_there_is_skipped_and_counted(tmp_path: Path) -> None:
    folder = pictures(tmp_path / "p", ["1.JPG", "2.jpeg", "3", "4.Png"])
    (folder / "5.jpg").write_bytes((folder / "4.Png").read_bytes())
    for name in ("._1.JPG", ".hidden.jpg", "Thumbs.db", ".DS_Store", "6.jpg.part", "desktop.ini", "notes.txt"):
        (folder / name).write_bytes((folder / "1.JPG").read_bytes() if "jpg" in name.lower() else b"other")
    (folder / "sub").mkdir()
    os.mkfifo(folder / "pipe")
    reader = FolderReader(folder, size=None, max_pixels=1 << 20)
    assert [time for time, _ in reader.frames_at(range(9))] == [0, 1, 2, 3, 4]
    assert reader.damage == []
    assert reader.skipped == 8


def test_pictures_that_do_not_decode_cost_themselves_only_and_are_counted(tmp_path: Path) -> None:
    folder = pictures(tmp_path / "p", ["a.png", "b.png", "c.jpg", "d.png", "notes.jpg"])
    (folder / "b.png").write_bytes(b"rubbish")
    (folder / "c.jpg").write_bytes((folder / "c.jpg").read_bytes()[:300])
    (folder / "notes.jpg").write_bytes(b"")
    (folder / "info.txt").write_text("no picture")
    found = extracted(folder)
    assert found.times == [0, 3]
    told = found.failure
    assert (told["status"], found.row["status"]) == ("partial", "partial")
    assert told["error"].startswith("3 of 5 pictures do not decode: 'b.png': ")
    assert "(1 other file in it skipped)" in told["error"]
    assert len(told["error"]) < 300


def test_a_folder_without_pictures_says_so(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "a.txt").write_text("text")
    (tmp_path / "texts" / "b.md").write_text("text")
    told = [extracted(tmp_path / name).failure for name in ("empty", "texts")]
    assert [line["error"] for line in told] == [
        "no pictures in this folder",
        "no pictures in this folder (2 other files in it skipped)",
    ]
    assert {line["status"] for line in told} == {"failed"}


def test_each_picture_keeps_its_own_size_and_an_animated_one_gives_its_first(tmp_path: Path) -> None:
    folder = tmp_path / "p"
    folder.mkdir()
    Image.new("RGB", (60, 40), "red").save(folder / "1.png")
    Image.new("RGB", (40, 60), "red").save(folder / "2.jpg")
    frames = [Image.new("RGB", (20, 20), (level, 0, 0)) for level in (40, 200)]
    frames[0].save(folder / "3.gif", save_all=True, append_images=frames[1:], duration=100)
    found = read_frames(folder, [0.0, 1.0, 2.0, 9.0])
    assert [picture.shape[:2] for _, picture in found] == [(40, 60), (60, 40), (20, 20)]
    assert found[2][1].max() < 60


def test_pictures_that_ffmpeg_alone_reads_are_read(ffmpeg, tmp_path: Path) -> None:
    folder = tmp_path / "p"
    folder.mkdir()
    for number, suffix in enumerate(["ppm", "dpx", "exr", "jp2", "qoi"], start=1):
        ffmpeg("-f", "lavfi", "-i", "color=red:s=64x48", "-frames:v", 1, folder / f"{number}.{suffix}")
    reader = FolderReader(folder, size=None, max_pixels=1 << 20)
    shown = [picture.frame for _, picture in reader.frames_at(range(5))]
    assert reader.damage == []
    assert [picture.shape for picture in shown] == [(48, 64, 3)] * 5
    assert all(np.abs(picture[8, 8].astype(int) - [254, 0, 0]).max() <= 4 for picture in shown)


def test_a_video_is_no_picture_of_a_folder_whatever_it_is_called(make_video, tmp_path: Path) -> None:
    folder = pictures(tmp_path / "p", ["1.jpg"])
    make_video("a.mp4", seconds=0.4).rename(folder / "2.jpg")
    reader = FolderReader(folder, size=None, max_pixels=1 << 20)
    assert [time for time, _ in reader.frames_at([0, 1])] == [0]
    assert reader.damage == ["1 of 2 pictures does not decode: '2.jpg': not a picture that is known here"]


def test_a_gap_of_days_between_named_seconds_is_stepped_over(tmp_path: Path) -> None:
    folder = pictures(tmp_path / "p", ["0s.png", "86400s.png", "172800s.png"])
    assert extracted(folder).times == [0, 86400, 172800]
    assert extracted(folder).failure is None


def test_a_folder_stops_at_its_time_limit_and_a_clip_at_its_bounds(tmp_path: Path) -> None:
    folder = pictures(tmp_path / "p", ["1.png", "2.png", "3.png", "4.png"])
    with pytest.raises(MediaError, match="timed out"):
        list(FolderReader(folder, size=None, max_pixels=1 << 20, deadline=Deadline(0.0)).frames_at([0.0]))
    assert extracted(folder, start=1.0, end=3.0).times == [1, 2]
    assert extracted(folder, start=9.0).failure["error"] == "ends at 4.00 s, before the clip's start at 9 s"


def test_a_picture_is_a_clip_of_one_frame_however_it_is_sampled(tmp_path: Path) -> None:
    pictures(tmp_path / "p", ["a.jpg", "b.png"])
    for video in (tmp_path / "p" / "a.jpg", tmp_path / "p" / "b.png"):
        for options in ({}, {"every": 0.1}, {"frames": 8}, {"mode": "keyframe"}, {"start": 5.0, "end": 9.0}):
            found = extracted(video, **options)
            assert (found.times, found.row["status"], found.row["duration"]) == ([0], "ok", 0), options


def test_an_animation_is_sampled_like_a_video(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (32, 32), (level, 0, 0)) for level in (0, 80, 160, 240)]
    path = tmp_path / "a.webp"
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=[1000, 500, 2500, 1000], lossless=True)
    whole, part = extracted(path), extracted(path, start=1.2, end=4.5)
    assert whole.times == pytest.approx([0, 1.0, 1.5, 3.0, 4.0])  # what stays longer is there again, as asked for
    assert part.times == pytest.approx([1.0, 1.5, 3.2, 4.0])
    assert [whole.row["duration"], part.row["duration"]] == pytest.approx([5.0, 3.3])
    assert whole.failure is part.failure is None
    assert extracted(path, frames=5).times == pytest.approx([0, 1.5, 2.5, 3.5, 4.0])  # of 0.5, 1.5, 2.5, 3.5, 4.5 s


def test_a_store_of_pictures_is_made_by_worker_processes(tmp_path: Path) -> None:
    folder = pictures(tmp_path / "p", ["1.jpg", "2.jpg"])
    clips = [
        Clip(id=str(number), video=video, programme="p", split="train")
        for number, video in enumerate([folder, folder / "1.jpg", folder / "missing.jpg"])
    ]
    extract(clips, tmp_path / "out", workers=1)
    store = FrameStore(tmp_path / "out")
    assert store.times.tolist() == [0, 1, 0]
    assert clip_frames(store, 0).shape == (2, 32, 48, 3)
    told = json.loads((tmp_path / "out" / "failures.jsonl").read_text())
    assert (told["id"], told["error"]) == ("2", "No such file or directory")


def test_no_error_is_longer_than_one_takes_in(tmp_path: Path) -> None:
    list_of_files = tmp_path / "list.jpg"
    list_of_files.write_text("ffconcat version 1.0\nfile " + "x" * 200 + ".jpg\n")
    folder = pictures(tmp_path / "p", [f"{'x' * 200}{number}.jpg" for number in range(3)])
    for path in folder.iterdir():
        path.write_bytes(list_of_files.read_bytes())
    for video in (list_of_files, folder):
        assert 10 < len(extracted(video).failure["error"]) < 300
