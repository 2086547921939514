"""Re-uploads in a frame store: planted in real files, beside files that merely look alike."""

import csv
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from framegate.media import ExtractOptions, FrameStore, extract, read_manifest
from framegate.media.manifest.splits import assign_splits
from framegate.media.store.duplicates import Duplicate, find_duplicates, group_duplicates, split_by_duplicates

WIDTH, HEIGHT, RATE = 192, 144, 10
LOGO = "drawbox=x=iw*0.8:y=ih*0.06:w=iw*0.14:h=ih*0.14:color=yellow:t=fill"


def scene(seed: int, seconds: float) -> Iterator[np.ndarray]:
    """Pictures of one shot: a camera that pans over blots of colour."""
    rng = np.random.default_rng(seed)
    rough = rng.integers(0, 255, (14, 18, 3), dtype=np.uint8)
    wall = cv2.resize(rough, (WIDTH * 2, HEIGHT * 2), interpolation=cv2.INTER_CUBIC)
    start, stop = rng.uniform(0, 1, (2, 2)) * (WIDTH, HEIGHT)
    for number in range(round(seconds * RATE)):
        along = number / (seconds * RATE)
        x, y = (start * (1 - along) + stop * along).astype(int)
        yield wall[y : y + HEIGHT, x : x + WIDTH]


def film(path: Path, *scenes: tuple[int, float]) -> Path:
    """Write shots one after the other, each given by its seed and its seconds."""
    with av.open(str(path), "w") as out:
        video = out.add_stream("libx264", rate=RATE, options={"preset": "ultrafast", "crf": "20"})
        video.width, video.height, video.pix_fmt, video.gop_size = WIDTH, HEIGHT, "yuv420p", RATE
        for seed, seconds in scenes:
            for picture in scene(seed, seconds):
                out.mux(video.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")))
        out.mux(video.encode())
    return path


def copy(source: Path, path: Path, *options: str, before: tuple[str, ...] = ()) -> Path:
    encoding = ["-c:v", "libx264", "-preset", "ultrafast", "-g", "10"]
    subprocess.run(["ffmpeg", "-v", "error", *before, "-i", source, *encoding, *options, path], check=True)
    return path


def store_of(
    folder: Path, rows: list[dict[str, str]], *, fill_splits: bool = True, split_seed: int | None = None
) -> FrameStore:
    manifest = folder / "clips.csv"
    with manifest.open("w", newline="") as file:
        columns = ["id", "video", "title", "programme", "label", "split", "start", "end"]
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(rows)
    clips = read_manifest(manifest, fill_splits=fill_splits)
    extract(clips, folder / "store", options=ExtractOptions(mode="exact"), workers=2, split_seed=split_seed)
    return FrameStore(folder / "store")


def named(store: FrameStore, pairs: list[Duplicate]) -> dict[tuple[str, str], Duplicate]:
    ids = store.videos["id"].to_pylist()
    return {(ids[pair.first], ids[pair.second]): pair for pair in pairs}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> FrameStore:
    if shutil.which("ffmpeg") is None:
        pytest.skip("needs ffmpeg: apt-get install ffmpeg")
    folder = tmp_path_factory.mktemp("films")
    for number in range(5):
        film(folder / f"film{number}.mp4", (number, 4), (number + 50, 3))
    copy(folder / "film0.mp4", folder / "rate.mp4", "-b:v", "60k")
    copy(folder / "film1.mp4", folder / "crop.mp4", "-vf", "crop=iw*0.95:ih*0.95,scale=160:120")
    copy(folder / "film2.mp4", folder / "logo.mp4", "-vf", LOGO)
    copy(folder / "film3.mp4", folder / "trim.mp4", before=("-ss", "2"))
    copy(folder / "film4.mp4", folder / "mirror.mp4", "-vf", "hflip")
    shutil.copy(folder / "film0.mp4", folder / "same.mp4")
    film(folder / "episode1.mp4", (90, 3), (91, 6))  # a series' opening, then something else
    film(folder / "episode2.mp4", (90, 3), (92, 6))
    for name in ("black1", "black2"):
        subprocess.run(
            ["ffmpeg", "-v", "error", "-f", "lavfi", "-i", "color=black:s=192x144:r=10:d=3", folder / f"{name}.mp4"],
            check=True,
        )
    rows = [{"id": path.stem, "video": path.name} for path in sorted(folder.glob("*.mp4"))]
    cuts = [("cut1", "0", "5"), ("cut2", "1", "6"), ("cut3", "6", "7")]
    film(folder / "long.mp4", (200, 4), (201, 3))
    rows += [{"id": name, "video": "long.mp4", "start": start, "end": end} for name, start, end in cuts]
    rows += [{"id": "text1", "title": "no pictures"}, {"id": "text2", "title": "no pictures"}]
    return store_of(folder, rows)


def test_planted_copies_and_nothing_else_are_found(store: FrameStore) -> None:
    found = named(store, find_duplicates(store))
    assert set(found) == {
        ("film0", "rate"),
        ("film0", "same"),
        ("rate", "same"),
        ("crop", "film1"),
        ("film2", "logo"),
        ("film3", "trim"),
        ("film4", "mirror"),
        ("cut1", "cut2"),
    }
    assert all(pair.score >= 0.8 for pair in found.values())
    assert found["film3", "trim"].offset == pytest.approx(-2, abs=0.1)
    assert [name for name, pair in found.items() if pair.mirrored] == [("film4", "mirror")]
    assert [name for name, pair in found.items() if pair.kind == "cut"] == [("cut1", "cut2")]
    assert found["cut1", "cut2"].score == pytest.approx(0.8, abs=0.05)


def test_pairs_that_share_a_clip_are_one_group(store: FrameStore) -> None:
    ids = store.videos["id"].to_pylist()
    groups = [[ids[row] for row in rows] for rows in group_duplicates(find_duplicates(store), len(ids))]
    assert ["film0", "rate", "same"] in groups
    assert sorted(map(len, groups)) == [2, 2, 2, 2, 2, 3]


def test_splits_that_are_given_stay_and_others_follow_the_copies(tmp_path: Path) -> None:
    for number in range(4):
        film(tmp_path / f"film{number}.mp4", (number, 3))
        shutil.copy(tmp_path / f"film{number}.mp4", tmp_path / f"copy{number}.mp4")
    rows = [{"id": path.stem, "video": path.name} for path in sorted(tmp_path.glob("*.mp4"))]
    given = {"film0": "test", "film1": "train", "copy1": "test"}
    for row in rows:
        row["split"] = given.get(row["id"], "")
    store = store_of(tmp_path, rows, fill_splits=False, split_seed=1)
    splits = dict(zip(store.videos["id"].to_pylist(), store.videos["split"].to_pylist(), strict=True))
    assert {name: splits[name] for name in given} == given
    assert splits["copy0"] == "test"
    assert splits["film2"] == splits["copy2"]
    assert splits["film3"] == splits["copy3"]
    assert all(splits.values())
    assert store.frame(0).video_id == "copy0"
    assert not (tmp_path / "store" / ".extract").exists()


def test_programmes_that_share_a_copy_are_on_one_side_and_others_as_they_would_be(tmp_path: Path) -> None:
    for number in range(6):
        film(tmp_path / f"film{number}.mp4", (number, 2))
    shutil.copy(tmp_path / "film0.mp4", tmp_path / "film6.mp4")
    paths = sorted(tmp_path.glob("*.mp4"))
    rows = [{"id": path.stem, "video": path.name, "programme": f"show {int(path.stem[4:]) // 2}"} for path in paths]
    store = store_of(tmp_path, rows, fill_splits=False)
    assert set(store.videos["split"].to_pylist()) == {""}
    for seed in range(5):
        splits = split_by_duplicates(store, seed=seed)
        assert splits[0] == splits[1] == splits[6]
        assert splits[2] == splits[3]
        joined = ["show 0" if row["id"] == "film6" else row["programme"] for row in rows]
        assert splits == assign_splits([(programme, "") for programme in joined], seed=seed)
