"""Media files with bits flipped, cut, spliced and repeated: each is a clip with its frames, or a line that helps.

``FRAMEGATE_FUZZ=2000`` tries as many, and prints what the lines said.
"""

import json
import os
import re
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import psutil
import pytest

from framegate.media import Clip, ExtractOptions, FrameStore, extract
from framegate.media.extraction.clip_extract import extract_clip
from tests.media.extraction.damaged_media import SOUNDS, Damaged, damaged_files, write_seeds

COUNT = int(os.environ.get("FRAMEGATE_FUZZ", "100"))
FIRST = int(os.environ.get("FRAMEGATE_FUZZ_FIRST", "0"))  # number of the first damaged file
OPTIONS = ExtractOptions(timeout=10, every=0.25)
GROWTH_MB = 50


def clip_of(path: Path, name: str) -> Clip:
    column = {"audio": path} if name in SOUNDS else {"video": path}
    return Clip(id=path.name, programme="p", split="train", **column)  # type: ignore[arg-type]


def write(folder: Path, files: list[Damaged]) -> list[Clip]:
    folder.mkdir()
    clips = []
    for number, file in enumerate(files):
        path = folder / f"{number:04d}-{file.name}"
        path.write_bytes(file.content)
        clips.append(clip_of(path, file.name))
    return clips


def kinds_of(errors: list[str]) -> Counter[str]:
    """Count errors that differ in numbers, names and times alone as one."""
    return Counter(re.sub(r"0x[0-9a-f]+|\d+(\.\d+)?", "N", error) for error in errors)


def faults_of(store: FrameStore, row: int) -> list[str]:
    """Tell what an ``ok`` row lacks of what it tells to hold."""
    video = store.video(row)
    span = store.frame_range(row)
    faults = []
    if len(span) != video.frames or video.frames < 0.95 * video.asked_frames:
        faults.append(f"{len(span)} frames in the store, {video.frames} told, {video.asked_frames} asked for")
    shapes = {frame.shape for frame in store.frames(list(span))} if span else set()  # decodes them
    if len(shapes) > 1:
        faults.append(f"frames of several sizes: {shapes}")
    if video.has_audio != bool(sum(len(window.pcm) for window in store.audio(row))):
        faults.append(f"has_audio is {video.has_audio}, windows: {len(store.audio(row))}")
    if not video.frames and not video.has_audio:
        faults.append("neither frames nor sound")
    return faults


def has_sound(path: Path) -> bool:
    """Tell whether ffmpeg gets half a second of sound out of a file."""
    command = ["ffmpeg", "-v", "quiet", "-i", path, "-map", "0:a:0", "-ac", "1", "-ar", "8000", "-f", "s16le", "-"]
    return len(subprocess.run(command, capture_output=True, timeout=60, check=False).stdout) > 8000


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_a_damaged_file_is_a_clip_with_its_frames_or_a_line_that_helps(ffmpeg, tmp_path: Path) -> None:
    seeds = write_seeds(tmp_path / "seeds", ffmpeg)
    whole = [Damaged(name, content, "") for name, content in seeds.items()]
    files = [*whole, *damaged_files(seeds, COUNT, seed="media", first=FIRST)]
    clips = write(tmp_path / "files", files)
    began = time.monotonic()
    summary = extract(clips, tmp_path / "out", options=OPTIONS, workers=2)
    seconds = time.monotonic() - began
    told = [json.loads(line) for line in (tmp_path / "out" / "failures.jsonl").read_text("utf-8").splitlines()]
    assert (summary.ok + summary.partial + summary.failed, summary.partial + summary.failed) == (len(files), len(told))
    assert not {line["id"] for line in told} & {clip.id for clip in clips[: len(whole)]}, "the seeds are whole"

    store = FrameStore(tmp_path / "out")
    assert sum(bool(store.video(row).frames) for row in range(summary.ok + summary.partial)) > 0
    wrong = {}
    for row in range(summary.ok + summary.partial):
        video = store.video(row)
        if video.status == "ok":
            faults = faults_of(store, row)
            if not video.has_audio and has_sound(tmp_path / "files" / video.id):
                faults.append("sound is missing")
            if faults:
                wrong[video.id] = faults
    assert not wrong

    for line in told:
        assert len(line["error"]) <= 300
        assert len(line["error"].splitlines()) == 1
        assert "decoding process" not in line["error"], line
        assert "without an answer" not in line["error"], line
    if "FRAMEGATE_FUZZ" in os.environ:
        print(f"\n{summary}, {seconds:.0f} s; files by damage:")
        print(*kinds_of([line["error"] for line in told]).most_common(), sep="\n")


def growth(paths: list[tuple[Path, str]], out: Path, *, warm: int) -> float:
    """Extract clips one after the other in this process; return by how many MB it grows after the first ``warm``."""
    out.mkdir()
    before = 0
    for number, (path, name) in enumerate(paths):
        if number == warm:
            before = psutil.Process().memory_info().rss
        extract_clip(number, clip_of(path, name), folder=out, options=OPTIONS, layout=None)
    return (psutil.Process().memory_info().rss - before) / 1024**2


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_damaged_files_leave_no_memory_behind(ffmpeg: Callable[..., bytes], tmp_path: Path) -> None:
    seeds = write_seeds(tmp_path / "seeds", ffmpeg)
    files = list(damaged_files(seeds, COUNT, seed="memory", first=FIRST))
    clips = write(tmp_path / "files", files)
    paths = [(tmp_path / "files" / clip.id, file.name) for clip, file in zip(clips, files, strict=True)]
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        grown = process.submit(growth, paths, tmp_path / "parts", warm=min(COUNT // 2, 100)).result()
    if "FRAMEGATE_FUZZ" in os.environ:
        print(f"\n{COUNT} files in one process: {grown:.1f} MB more")
    assert grown <= GROWTH_MB
