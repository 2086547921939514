"""Media files with bits flipped, cut, spliced and repeated: each is a clip with its frames, or a line that helps.

``FRAMEGATE_FUZZ=2000`` tries as many, and prints what the lines said.
"""

import json
import os
import re
import struct
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


def told_of(path: Path, out: Path, **options: object) -> tuple[str, str, dict]:
    """Extract one file in this process, and return its status, its error and its row, which may be empty."""
    out.mkdir()
    options = {"every": 0.25, "timeout": 2, **options}
    extract_clip(0, clip_of(path, path.name), folder=out, options=ExtractOptions(**options), layout=None)  # type: ignore[arg-type]
    part = json.loads((out / "00000000.json").read_text("utf-8"))
    failure = part["failure"] or {"status": "ok", "error": ""}
    return failure["status"], failure["error"], part["row"] or {}


def video_tags(content: bytes | bytearray) -> list[int]:
    """Where the tags with pictures begin in an FLV file."""
    found, at = [], 13
    while at < len(content):
        if content[at] == 9:
            found.append(at)
        at += 15 + int.from_bytes(content[at + 1 : at + 4], "big")
    return found


def test_what_cannot_be_read_says_what_to_do_even_behind_a_long_message(make_video, tmp_path: Path) -> None:
    (tmp_path / "text.mp4").write_text("no video\n" * 50)
    status, error, _ = told_of(tmp_path / "text.mp4", tmp_path / "a")
    assert (status, error.startswith("Invalid data found"), len(error) <= 300) == ("failed", True, True)
    assert error.endswith(
        "damaged, cut off or no media: copy it again, or if it plays elsewhere, convert it: ffmpeg -i OLD NEW"
    )
    video = make_video("a.mkv", seconds=6, audio="aac")
    video.write_bytes(video.read_bytes()[: video.stat().st_size // 2])
    status, error, _ = told_of(video, tmp_path / "b")
    assert (status, len(error) <= 300) == ("partial", True)
    assert error.endswith("what there is, is kept; for more copy the file again, or convert it: ffmpeg -i OLD NEW")


def test_a_stream_that_comes_up_late_in_a_file_takes_nothing_away(ffmpeg, tmp_path: Path) -> None:
    path = tmp_path / "a.flv"
    picture = ("-f", "lavfi", "-i", "testsrc2=size=640x480:rate=25:duration=8")
    tone = ("-f", "lavfi", "-i", "sine=duration=8", "-c:a", "libmp3lame", "-ar", "22050")
    ffmpeg(*picture, *tone, "-c:v", "flv1", "-q:v", "1", path)  # more than FFmpeg looks at to find streams: 5 MB
    content = path.read_bytes()
    last = content[video_tags(content)[-1] :]
    others = [last[:11] + bytes([last[11] & 0xF0 | codec]) + last[12:] for codec in (3, 4, 5, 6, 7)]
    path.write_bytes(content + b"".join(others))  # other codecs, so other streams
    assert path.stat().st_size > 5_100_000
    status, error, row = told_of(path, tmp_path / "out", every=3.0, timeout=20)
    assert (status, error) == ("ok", "")
    assert (row["frames"], row["has_audio"]) == (3, True)


def test_a_picture_stamped_weeks_ahead_is_soon_told(ffmpeg, tmp_path: Path) -> None:
    path = tmp_path / "a.flv"
    tone = ("-f", "lavfi", "-i", "sine=duration=2", "-c:a", "libmp3lame", "-ar", "22050")
    ffmpeg("-f", "lavfi", "-i", "testsrc2=size=64x48:rate=10:duration=2", *tone, "-c:v", "flv1", path)
    content = bytearray(path.read_bytes())
    for tag in video_tags(content):
        content[tag + 7] = 0x70  # milliseconds × 2²⁴
    path.write_bytes(content)
    status, error, row = told_of(path, tmp_path / "out")
    assert (status, error.partition(";")[0]) == ("partial", "timestamps leap to 1879048 s")
    assert row["has_audio"]


def test_a_film_cut_before_its_first_picture_does_not_blame_the_clips_start(make_video, tmp_path: Path) -> None:
    video = make_video("a.mp4", container_options={"movflags": "faststart"})
    content = video.read_bytes()
    video.write_bytes(content[: content.index(b"mdat") + 4])
    status, error, _ = told_of(video, tmp_path / "out")
    assert (status, error.partition(";")[0]) == ("failed", "ends at 0.00 s, states 2.00 s")


def test_a_length_that_a_cut_file_cannot_have_is_not_asked_for(ffmpeg, tmp_path: Path) -> None:
    path = tmp_path / "a.flv"
    ffmpeg("-f", "lavfi", "-i", "testsrc2=s=64x48:r=10:d=4", "-c:v", "flv", path)
    content = bytearray(path.read_bytes())
    stated = content.find(b"duration") + len("duration") + 1
    content[stated : stated + 8] = struct.pack(">d", 1e8)  # seconds: three years
    path.write_bytes(content[: len(content) * 6 // 10])
    summary = extract([clip_of(path, "a.flv")], tmp_path / "store", workers=1)
    assert summary.partial == 1
    assert summary.frames <= summary.asked_frames < 10


def test_damage_where_nothing_was_asked_for_is_noted_and_lost_sound_is_partial(ffmpeg, tmp_path: Path) -> None:
    whole, film = tmp_path / "sound.ogg", tmp_path / "a.mkv"
    ffmpeg("-f", "lavfi", "-i", "sine=duration=10", "-c:a", "libvorbis", whole)
    content = bytearray(whole.read_bytes())
    content[len(content) // 2] ^= 1
    whole.write_bytes(content)
    status, error, _ = told_of(whole, tmp_path / "a")
    assert (status, error.partition(";")[0]) == ("partial", "damaged pages of it are left out")
    ffmpeg("-f", "lavfi", "-i", "testsrc2=size=64x48:rate=10:duration=4", "-c:v", "mjpeg", film)
    film.write_bytes(film.read_bytes()[:-10])  # of the index
    status, error, row = told_of(film, tmp_path / "b", every=1.0)
    assert (status, error, row["frames"]) == ("ok", "", 4)
    assert row["notes"].startswith("FFmpeg on matroska,webm: ")


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
        assert re.search("copy|convert|column|--|make it", line["error"]), line
        assert not re.match(r"\w+Error: ", line["error"]), line
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
