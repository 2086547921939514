"""Stores that somebody else wrote: whatever their files claim, reading them is an error or right."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow as pa
import pytest

from framegate.media import ExtractOptions, FrameStore, MediaError
from framegate.media.store.frame_index import write_indexes
from framegate.media.store.schema import AUDIO, FRAMES, VIDEOS

JPEG = cv2.imencode(".jpg", np.zeros((16, 16, 3), np.uint8))[1].tobytes()


def frame_row(clip: str, time: float) -> dict[str, Any]:
    row = {"video_id": clip, "source": "/a.mp4", "time": time, "shot": 0}
    return row | {"jpeg": JPEG, "width": 16, "height": 16}


def video_row(clip: str, **changes: object) -> dict[str, Any]:
    texts = {name: name * 20 for name in ("source", "programme", "label", "title", "description")}
    row = {"id": clip, **texts, "split": "train", "duration": 2.0, "frames": 2, "has_audio": True, "status": "ok"}
    row |= {"asked_frames": 2}
    return row | {"borders": [0.0, 0.0, 1.0, 1.0], "logos": [[0.1, 0.1, 0.2, 0.2, 1.0]], "subtitles": []} | changes


def write(path: Path, schema: pa.Schema, rows: list[dict], **options: object) -> None:
    with pa.ipc.new_stream(str(path), schema, options=pa.ipc.IpcWriteOptions(**options)) as out:
        out.write_table(pa.Table.from_pylist(rows, schema=schema))


@pytest.fixture
def store(tmp_path: Path) -> Path:
    path = tmp_path / "store"
    path.mkdir()
    write(path / "frames-00000.arrow", FRAMES, [frame_row(clip, time) for clip in "ab" for time in (0.0, 1.0)])
    pcm = np.zeros(1600, np.int16).tobytes()
    write(path / "audio-00000.arrow", AUDIO, [{"video_id": c, "start": 0.0, "rate": 16_000, "pcm": pcm} for c in "ab"])
    write(path / "videos.arrow", VIDEOS, [video_row("a"), video_row("b")])
    return path


def read_all(path: Path) -> None:
    store = FrameStore(path)
    for index in range(len(store)):
        store.frame(index)
    assert len(store.video_of) == len(store.times)
    for row in range(store.videos.num_rows):
        store.video(row)
        store.audio(row)
        store.frame_range(row)
    store.videos.to_pylist()


def test_the_store_of_these_tests_is_sound(store: Path) -> None:
    read_all(store)
    write_indexes(store, FrameStore(store).videos)
    assert len(list(store.glob("*.npy"))) == 2
    read_all(store)


READING = """
import random, sys
from pathlib import Path
from framegate.media import MediaError
from tests.media.store.test_hostile_stores import read_all

path, table = Path(sys.argv[1]), sys.argv[2]
random_, file = random.Random(table), path / table
whole, told = file.read_bytes(), 0
for _ in range(400):
    harmed = bytearray(whole)
    for _ in range(random_.randrange(1, 5)):
        harmed[random_.randrange(len(whole))] = random_.choice((0, 1, 127, 128, 255, random_.randrange(256)))
    file.write_bytes(harmed)
    try:
        read_all(path)
    except (MediaError, IndexError):
        told += 1
print("told of", told)
"""


@pytest.mark.parametrize("table", ["videos.arrow", "frames-00000.arrow", "audio-00000.arrow"])
def test_a_damaged_table_is_an_error_and_never_the_end_of_the_process(store: Path, table: str) -> None:
    root = Path(__file__).parents[3]
    command = [sys.executable, "-c", READING, store, table]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, f"exit code {done.returncode}: {done.stderr[-2000:]}"
    assert int(done.stdout.split()[-1]) > 50


def test_an_offset_out_of_its_buffer_is_named(store: Path) -> None:
    file = store / "videos.arrow"
    data, titles = bytearray(file.read_bytes()), "title" * 20
    column = next(c for c in FrameStore(store).videos["title"].chunks)
    mapped = pa.py_buffer(file.read_bytes())
    (offsets,) = (at for at in [mapped.to_pybytes().index(np.array([0, 100, 200], "<i4").tobytes())])
    data[offsets + 4 : offsets + 8] = np.array([1 << 30], "<i4").tobytes()
    file.write_bytes(data)
    assert column[0].as_py() == titles
    with pytest.raises(MediaError, match=r"videos\.arrow is no whole Arrow stream"):
        FrameStore(store)


def compressed(path: Path) -> None:
    write(path / "videos.arrow", VIDEOS, [video_row("a" * 20), video_row("b")], compression="zstd")


def of_another_type(path: Path) -> None:
    large = pa.schema([pa.field("id", pa.large_string()), *list(VIDEOS)[1:]])
    write(path / "videos.arrow", large, [video_row("a"), video_row("b")])


def without_a_column(path: Path) -> None:
    write(path / "videos.arrow", pa.schema(list(VIDEOS)[1:]), [video_row("a"), video_row("b")])


def without_ids(path: Path) -> None:
    write(path / "videos.arrow", VIDEOS, [video_row("a"), video_row("b", id=None)])


def of_endless_logos(path: Path) -> None:
    write(path / "videos.arrow", VIDEOS, [video_row("a"), video_row("b", logos=[[0.0, 0.0, 1.0, 1.0, 1.0]] * 2000)])


def of_a_layout_beyond_the_frame(path: Path) -> None:
    write(path / "videos.arrow", VIDEOS, [video_row("a"), video_row("b", borders=[0.5, 0.5, 0.5, float("nan")])])


def of_a_negative_count(path: Path) -> None:
    write(path / "videos.arrow", VIDEOS, [video_row("a", frames=-2), video_row("b", frames=6)])


def of_a_rate_that_no_sound_has(path: Path) -> None:
    write(path / "audio-00000.arrow", AUDIO, [{"video_id": "a", "start": 0.0, "rate": 999_983, "pcm": b"\0\0"}])


def of_half_a_sample(path: Path) -> None:
    write(path / "audio-00000.arrow", AUDIO, [{"video_id": "a", "start": 0.0, "rate": 16_000, "pcm": b"\0"}])


def with_a_pipe_for_a_shard(path: Path) -> None:
    (path / "frames-00000.arrow").unlink()
    os.mkfifo(path / "frames-00000.arrow")


def with_a_link_for_a_shard(path: Path) -> None:
    (path / "frames-00000.arrow").rename(path.parent / "elsewhere.arrow")
    (path / "frames-00000.arrow").symlink_to(path.parent / "elsewhere.arrow")


def with_a_link_for_its_table(path: Path) -> None:
    (path / "videos.arrow").rename(path.parent / "elsewhere.arrow")
    (path / "videos.arrow").symlink_to(path.parent / "elsewhere.arrow")


@pytest.mark.parametrize(
    "harm",
    [
        with_a_link_for_a_shard,
        with_a_link_for_its_table,
        compressed,
        of_another_type,
        without_a_column,
        without_ids,
        of_endless_logos,
        of_a_layout_beyond_the_frame,
        of_a_negative_count,
        of_a_rate_that_no_sound_has,
        of_half_a_sample,
        with_a_pipe_for_a_shard,
    ],
)
def test_a_store_is_refused(harm: Callable[[Path], None], store: Path) -> None:
    harm(store)
    with pytest.raises(MediaError) as caught:
        read_all(store)
    assert len(str(caught.value)) < 300 + len(str(store))


def test_a_store_in_the_hubs_cache_opens(store: Path) -> None:
    """There files are links to ``blobs``."""
    repository = store.parent / "datasets--someone--clips"
    (repository / "blobs").mkdir(parents=True)
    snapshot = repository / "snapshots" / "0123"
    snapshot.mkdir(parents=True)
    for number, file in enumerate(sorted(store.iterdir())):
        file.rename(repository / "blobs" / str(number))
        (snapshot / file.name).symlink_to(Path("..", "..", "blobs", str(number)))
    read_all(snapshot)


def test_texts_that_others_leave_out_are_empty(store: Path) -> None:
    write(store / "videos.arrow", VIDEOS, [video_row("a", title=None, label=None, borders=None), video_row("b")])
    video = FrameStore(store).video(0)
    assert (video.title, video.label, video.layout.borders) == ("", "", (0.0, 0.0, 1.0, 1.0))


@pytest.mark.parametrize(
    ("column", "value"), [("video", 7), ("video", -1), ("shard", 3), ("shard", -1), ("offset", 1 << 40), ("length", -5)]
)
def test_an_index_that_points_elsewhere_is_refused(column: str, value: int, store: Path) -> None:
    write_indexes(store, FrameStore(store).videos)
    (index,) = store.glob("frames-*.npy")
    rows = np.load(index)
    rows[column][1] = value
    np.save(index, rows)
    with pytest.raises(MediaError):
        read_all(store)


def test_an_index_of_another_kind_is_refused(store: Path) -> None:
    write_indexes(store, FrameStore(store).videos)
    (index,) = store.glob("frames-*.npy")
    for array in (np.zeros((4, 2)), np.zeros(4, [("video", "<i4")]), np.array([{}] * 4, dtype=object)):
        np.save(index, array, allow_pickle=True)
        with pytest.raises(MediaError, match="damaged: delete it"):
            FrameStore(store)


def test_a_store_sets_no_limits_of_its_reader(store: Path) -> None:
    options = ExtractOptions(every=2.0).identity() | {"timeout": 1e9, "memory_mb": 1 << 20, "max_pixels": 1 << 40}
    (store / "extract.json").write_text(json.dumps({"options": options}))
    assert FrameStore(store).extraction == (ExtractOptions(every=2.0), True)


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        '{"options": ' + "[" * 100_000,
        '{"options": {"size": 1000000000}}',
        '{"options": {"frames": "many"}}',
        '{"options": {"every": 1' + "0" * 5000 + "}}",
        '{"options": {"run": "code"}}',
        '{"options": []',
        " " * (2 << 20),
    ],
)
def test_what_a_store_says_of_its_extraction_is_bounded(text: str, store: Path) -> None:
    (store / "extract.json").write_text(text)
    with pytest.raises(MediaError, match=r"extract\.json"):
        _ = FrameStore(store).extraction
