"""What is not a plain video file, and what is kept of each source."""

from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from framegate.media import Clip, ExtractOptions, FrameStore, MediaError, extract, read_frames
from framegate.media.decoding.audio.audio_track import windows
from framegate.media.decoding.source import FORMATS
from framegate.media.extraction.sampling import EvenSample, grid
from framegate.media.extraction.shots import Deduper, ShotCounter


def run(clips: list[Clip], out: Path, **options: object) -> FrameStore:
    extract(clips, out, options=ExtractOptions(**{"mode": "exact", **options}), workers=1)  # type: ignore[arg-type]
    return FrameStore(out)


def clip(name: str, video: Path, **fields: object) -> Clip:
    return Clip(id=name, video=video, programme="p", split="train", **fields)  # type: ignore[arg-type]


def test_an_animated_gif_is_a_video(make_video, tmp_path: Path) -> None:
    path = make_video("a.gif", codec="gif", pix_fmt="rgb8", rate=10, seconds=2)
    store = run([clip("gif", path)], tmp_path / "out", every=0.5)
    assert store.times.tolist() == pytest.approx([0, 0.5, 1.0, 1.5])
    assert store.video(0).status == "ok"


def test_sound_of_its_own_file_replaces_the_track_and_a_dash_silences_it(make_video, make_wave, tmp_path: Path) -> None:
    video, other = make_video(seconds=2, audio="aac"), make_wave(seconds=1)
    clips = [clip("own", video), clip("other", video, audio=other), clip("none", video, own_audio=False)]
    store = run(clips, tmp_path / "out")
    assert [sum(len(w.pcm) for w in store.audio(row)) // 1600 for row in range(3)] == [pytest.approx(20, abs=1), 10, 0]
    assert store.videos["has_audio"].to_pylist() == [True, True, False]


def test_sound_is_kept_in_time_wherever_the_window_lies(make_video, tmp_path: Path) -> None:
    path = make_video("a.mkv", seconds=40, rate=5, audio="aac")
    store = run([clip("a", path)], tmp_path / "out", every=10.0)
    for window in store.audio(0):
        spectrum = np.abs(np.fft.rfft(window.pcm[:16_000].astype(float)))
        assert spectrum.argmax() == 440
        assert len(window.pcm) == 160_000
    whole = run([clip("a", path)], tmp_path / "whole", every=10.0, audio_seconds=None)
    assert sum(len(window.pcm) for window in whole.audio(0)) == pytest.approx(40 * 16_000, abs=1_000)


def test_windows_are_spread_evenly_and_short_clips_are_kept_whole() -> None:
    assert windows(2.0, 20.0, seconds=30.0) == [(2.0, 20.0)]
    assert windows(0.0, 90.0, seconds=30.0) == [(10.0, 20.0), (40.0, 50.0), (70.0, 80.0)]
    assert windows(0.0, 70.0, seconds=None) == [(0.0, 30.0), (30.0, 60.0), (60.0, 70.0)]
    assert windows(0.0, 70.0, seconds=0) == []


def test_a_keyframe_outside_a_clip_is_not_the_clips(make_video, tmp_path: Path) -> None:
    path = make_video(seconds=4, gop=50, options={"sc_threshold": "0"})  # keyframes at 0 and 2 s
    clips = [clip("in", path, start=1.0, end=3.0), clip("between", path, start=0.5, end=1.5)]
    store = run(clips, tmp_path / "out", mode="keyframe", every=0.5)
    assert store.times[: store.video(0).frames].tolist() == [2.0]
    assert store.times[store.video(0).frames :].tolist() == pytest.approx([0.5, 1.0], abs=0.04)


def test_a_fixed_number_of_frames_is_spread_over_what_is_really_there(make_video, tmp_path: Path) -> None:
    path = make_video("a.mkv", container_options={"live": "1"})  # states no duration
    store = run([clip("a", path)], tmp_path / "out", frames=4)
    assert store.times.tolist() == pytest.approx([0.25, 0.75, 1.25, 1.75], abs=0.04)
    assert store.video(0).duration == pytest.approx(2.0, abs=0.05)


def test_shots_change_at_cuts_and_repetitions_are_dropped_on_request(make_video, tmp_path: Path) -> None:
    scenes = np.random.default_rng(0).integers(0, 255, (2, 3, 4, 3), dtype=np.uint8)

    def scene(index: int, width: int, height: int) -> np.ndarray:
        return cv2.resize(scenes[index // 25], (width, height), interpolation=cv2.INTER_NEAREST)

    path = make_video(picture=scene)
    assert run([clip("a", path)], tmp_path / "all", every=0.2).shots.tolist() == [0] * 5 + [1] * 5
    assert run([clip("a", path)], tmp_path / "few", every=0.2, dedupe=0.02).times.tolist() == [0.0, 1.0]


def test_a_slow_change_of_light_is_no_cut() -> None:
    shots = ShotCounter()
    picture = np.random.default_rng(0).integers(0, 120, (48, 64, 3)).astype(np.uint8)
    assert {shots.next(picture + np.uint8(step * 4)) for step in range(20)} == {0}


def test_a_deduper_compares_with_the_last_picture_kept() -> None:
    random = np.random.default_rng(0)
    first, second = (cv2.resize(random.integers(0, 255, (6, 6, 3), dtype=np.uint8), (64, 64)) for _ in range(2))
    deduper = Deduper(0.02)
    assert [deduper.repeats(picture) for picture in (first, first, second, second, first)] == [
        False,
        True,
        False,
        True,
        False,
    ]


def test_grids_and_even_samples() -> None:
    assert list(grid(1.0, 3.0, every=0.5, frames=None)) == [1.0, 1.5, 2.0, 2.5]
    assert list(grid(0.0, 8.0, every=None, frames=4)) == [1.0, 3.0, 5.0, 7.0]
    sample = EvenSample(8)
    for number in range(100):
        sample.add(np.array(number))
    kept = [int(array) for array in sample.kept]
    assert 4 <= len(kept) <= 8
    assert set(np.diff(kept)) == {16}


def test_frames_of_a_file_come_as_arrays_without_a_store(make_video, tmp_path: Path) -> None:
    frames = read_frames(make_video(), [0.0, 0.5, 1.0, 9.0])
    assert [time for time, _ in frames] == pytest.approx([0.0, 0.48, 1.0])
    assert {picture.shape for _, picture in frames} == {(96, 128, 3)}
    assert len(read_frames(make_video(), [0.0, 1.0], mode="keyframe")) == 2
    with pytest.raises(MediaError, match="No such file"):
        read_frames(tmp_path / "gone.mp4", [0.0])


def test_a_cover_picture_makes_a_sound_file_no_video(make_wave, tmp_path: Path) -> None:
    path = tmp_path / "song.mp3"
    with av.open(str(make_wave())) as sound, av.open(str(path), "w") as out:
        stream = out.add_stream("libmp3lame", rate=44_100)
        for frame in sound.decode(audio=0):
            out.mux(stream.encode(frame))
        out.mux(stream.encode())
    store = run([clip("song", path)], tmp_path / "out")
    assert (store.video(0).frames, store.video(0).has_audio) == (0, True)


def test_no_device_playlist_script_or_format_of_several_files_is_among_those_that_open() -> None:
    assert {"mov", "matroska", "mpegts", "gif", "png_pipe", "mp3", "flac"} <= FORMATS <= av.formats_available
    refused = {"lavfi", "v4l2", "alsa", "hls", "concat", "image2", "vapoursynth", "vobsub", "dash", "sdp", "imf", "mlv"}
    assert not FORMATS & (refused | {"svg_pipe", "rawvideo", "srt", "webvtt", "ffmetadata", "tty", "avisynth"})
