"""Extraction survives what files, workers and machines do to it."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pyarrow as pa
import pytest

from framegate.media import Clip, ExtractOptions, FrameStore, Layout, extract
from framegate.media.extraction.clip_extract import extract_clip

EXACT = ExtractOptions(mode="exact", every=0.2, size=64)


def clip(name: str, video: Path | None = None, **fields: object) -> Clip:
    return Clip(id=name, video=video, programme="p", split="train", **fields)  # type: ignore[arg-type]


def rows(store: Path, table: str) -> list[dict]:
    shards = sorted(store.glob(f"{table}*.arrow"))
    return [row for shard in shards for row in pa.ipc.open_stream(shard.read_bytes()).read_all().to_pylist()]


def failures(store: Path) -> dict[str, dict]:
    lines = (store / "failures.jsonl").read_text().splitlines()
    return {line["id"]: line for line in map(json.loads, lines)}


def die_of_red(frames: list[np.ndarray]) -> Layout:
    if frames[0][:, :, 0].mean() > 200:
        os.kill(os.getpid(), signal.SIGKILL)
    return Layout()


def hang_on_red(frames: list[np.ndarray]) -> Layout:
    if frames[0][:, :, 0].mean() > 200:
        time.sleep(600)
    return Layout()


def red(index: int, width: int, height: int) -> np.ndarray:
    noise = np.random.default_rng(index).integers(0, 200, (height, width, 3), dtype=np.uint8)
    noise[:, :, 0] = 255
    return noise


def test_a_worker_that_dies_takes_no_neighbour_along_and_leaves_its_frames(make_video, tmp_path: Path) -> None:
    killer = make_video("killer.mp4", picture=red, size=(640, 480), seconds=4)
    others = [clip(f"c{index}", make_video(f"{index}.mp4", seconds=1)) for index in range(5)]
    clips = [*others[:2], clip("killer", killer), *others[2:]]
    options = ExtractOptions(mode="exact", every=0.04, size=480, quality=100)
    summary = extract(clips, tmp_path / "out", options=options, layout=die_of_red, workers=2)
    assert (summary.ok, summary.partial, summary.failed) == (5, 1, 0)
    assert failures(tmp_path / "out")["killer"]["error"].startswith("the decoding process died (signal 9); convert it")
    store = FrameStore(tmp_path / "out")
    assert [store.video(row).frames for row in (0, 1, 3)] == [25, 25, 25]
    assert 0 < store.video(2).frames < 100


@pytest.mark.slow
def test_a_clip_that_hangs_is_killed_when_its_time_is_over(make_video, tmp_path: Path) -> None:
    clips = [clip("a", make_video("a.mp4", picture=red)), clip("b", make_video("b.mp4"))]
    options = ExtractOptions(timeout=1.0)
    began = time.monotonic()
    summary = extract(clips, tmp_path / "out", options=options, layout=hang_on_red, workers=1)
    assert time.monotonic() - began < 30
    assert (summary.ok, summary.partial + summary.failed) == (1, 1)
    assert "killed after" in failures(tmp_path / "out")["a"]["error"]


def test_a_clip_that_is_slow_keeps_what_was_read_in_time(make_video, tmp_path: Path) -> None:
    video = make_video(seconds=8, size=(640, 480))
    options = ExtractOptions(mode="exact", every=0.01, timeout=0.3)
    extract([clip("a", video)], tmp_path / "out", options=options, workers=1)
    line = failures(tmp_path / "out")["a"]
    assert (line["stage"], line["status"]) == ("video", "partial")
    assert "timed out after 0.3 s" in line["error"]
    assert FrameStore(tmp_path / "out").video(0).status == "partial"


def test_hostile_files_are_failures_in_ffmpegs_words_and_nothing_more(make_video, tmp_path: Path, capfd) -> None:
    whole = make_video("whole.mkv", seconds=6, audio="aac", options={"b": "2M"}).read_bytes()
    files = {
        "empty.mp4": b"",
        "text.mp4": b"this is no video\n" * 50,
        "list.mp4": b"ffconcat version 1.0\nfile 'whole.mkv'\n",
        "playlist.mp4": b"#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\nwhole.mkv\n#EXT-X-ENDLIST\n",
        "short.mkv": whole[: len(whole) // 2],
    }
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    big = make_video("big.avi", seconds=0.04, size=(4096, 4096), codec="rawvideo", picture=lambda i, w, h: BIG)
    clips = [clip(name.split(".")[0], tmp_path / name) for name in files] + [
        clip("big", big),
        clip("dir", tmp_path / "d"),
    ]
    (tmp_path / "d").mkdir()
    options = ExtractOptions(mode="exact", every=0.5, max_pixels=2048 * 2048)
    summary = extract(clips, tmp_path / "out", options=options, workers=2)
    assert (summary.ok, summary.partial, summary.failed) == (0, 1, 6)
    said = failures(tmp_path / "out")
    assert said["short"]["status"] == "partial"
    assert "Invalid data found" in said["text"]["error"]
    assert {line["stage"] for name, line in said.items() if name in ("empty", "text", "list", "playlist")} == {"open"}
    assert capfd.readouterr() == ("", "")


BIG = np.zeros((4096, 4096, 3), np.uint8)

KILLED_RUN = """
import sys
from pathlib import Path
import framegate.media.store.store_writer as store_writer
from framegate.media import ExtractOptions, extract, read_manifest
store_writer.SHARD_BYTES = 60_000
if __name__ == "__main__":
    options = ExtractOptions(mode="exact", every=0.2, size=64)
    extract(read_manifest(sys.argv[1]), sys.argv[2], options=options, workers=2)
"""


def progress(store: Path) -> int:
    """Clips that a running extraction has finished, committed or not."""
    state = store / ".extract" / "state.json"
    committed = json.loads(state.read_text())["clips"] if state.exists() else 0
    return max(committed, *(int(path.stem) + 1 for path in store.glob(".extract/[0-9]*.json")), 0)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_store_killed_at_ten_moments_and_resumed_equals_an_uninterrupted_one(make_video, tmp_path: Path) -> None:
    for index in range(40):
        make_video(f"{index}.mp4", seconds=1 + index % 3, audio="aac" if index % 2 else None)
    (tmp_path / "7.mp4").write_bytes((tmp_path / "7.mp4").read_bytes()[:3000])
    (tmp_path / "clips.csv").write_text("id,video\n" + "".join(f"c{i},{i}.mp4\n" for i in range(41)))
    (tmp_path / "run.py").write_text(KILLED_RUN)

    def start(out: str) -> subprocess.Popen:
        return subprocess.Popen([sys.executable, "run.py", "clips.csv", out], cwd=tmp_path)

    assert start("whole").wait(timeout=120) == 0
    moments = random.Random(0)
    for _ in range(10):
        run = start("killed")
        begun = progress(tmp_path / "killed")
        while run.poll() is None and progress(tmp_path / "killed") < begun + moments.randrange(3):
            time.sleep(0.002)
        time.sleep(moments.uniform(0, 0.1))
        assert run.poll() is None
        run.send_signal(signal.SIGKILL)
        run.wait()
    assert start("killed").wait(timeout=120) == 0
    for table in ("frames", "audio", "videos"):
        assert rows(tmp_path / "killed", table) == rows(tmp_path / "whole", table)
    assert failures(tmp_path / "killed") == failures(tmp_path / "whole")
    first, second = (json.loads((tmp_path / out / "summary.json").read_text()) for out in ("whole", "killed"))
    assert [first[name] for name in ("ok", "partial", "failed")] == [second[n] for n in ("ok", "partial", "failed")]
    assert len(list((tmp_path / "killed").glob("frames-*.arrow"))) > 3


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_memory_after_two_thousand_extractions_is_that_after_two_hundred(make_video, tmp_path: Path) -> None:
    whole = make_video("a.mp4", seconds=1, audio="aac")
    torn = tmp_path / "b.mp4"
    torn.write_bytes(whole.read_bytes()[:-2000])
    clips = [clip("a", whole), clip("b", torn), clip("c", make_video("c.webm", seconds=0.5, codec="libvpx"))]
    (tmp_path / "parts").mkdir()
    process, resident = psutil.Process(), {}
    for number in range(1, 2001):
        extract_clip(0, clips[number % 3], folder=tmp_path / "parts", options=EXACT, layout=None)
        resident[number] = process.memory_info().rss
    assert resident[2000] < 1.1 * resident[200]


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_two_hundred_damaged_files_are_all_accounted_for(make_video, ffmpeg, tmp_path: Path) -> None:
    whole = [
        make_video("h264.mp4", seconds=3, audio="aac"),
        make_video("mpeg4.avi", seconds=3, codec="mpeg4", audio="mp2"),
        make_video("mpeg2.mpg", seconds=3, codec="mpeg2video", audio="mp2"),
        make_video("vp9.webm", seconds=3, codec="libvpx-vp9", options={"deadline": "realtime", "cpu-used": "8"}),
        make_video("mjpeg.mkv", seconds=3, codec="mjpeg", pix_fmt="yuvj420p", audio="aac"),
    ]
    theora = tmp_path / "theora.ogv"  # which PyAV decodes, and does not encode
    ffmpeg("-i", whole[0], "-c:v", "libtheora", "-c:a", "libvorbis", theora)
    whole.append(theora)
    random_ = random.Random(1)
    clips = []
    for number in range(200):
        source = whole[number % len(whole)]
        path = tmp_path / f"{number}{source.suffix}"
        path.write_bytes(damaged(source.read_bytes(), random_, kind=number // len(whole) % 3))
        clips.append(clip(f"c{number}", path))
    for mode in ("exact", "keyframe"):
        out = tmp_path / mode
        options = ExtractOptions(mode=mode, every=0.5, size=64, timeout=30)
        summary = extract(clips, out, options=options, workers=2)
        assert summary.ok + summary.partial + summary.failed == 200
        told = {row["id"] for row in rows(out, "videos")} | failures(out).keys()
        assert told == {f"c{number}" for number in range(200)}
        assert not any("died" in line["error"] or "killed" in line["error"] for line in failures(out).values())


def damaged(data: bytes, random_: random.Random, *, kind: int) -> bytes:
    if kind == 0:
        return data[: random_.randrange(len(data))]
    harmed = bytearray(data)
    if kind == 1:
        for _ in range(random_.randrange(1, 60)):
            harmed[random_.randrange(len(data))] ^= 1 << random_.randrange(8)
    else:
        start = random_.randrange(200)
        harmed[start : start + 100] = random_.randbytes(100)
    return bytes(harmed)
