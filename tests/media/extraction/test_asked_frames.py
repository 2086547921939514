"""A clip has the frames that were asked for, or says how many it lacks and why."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from framegate.media import Clip, ExtractOptions, FrameStore, Summary, extract
from framegate.media.extraction.asked_frames import Asked, count_times

ONE_KEYFRAME = {"gop": 999, "options": {"sc_threshold": "0"}}


def clip(name: str, video: Path, **fields: object) -> Clip:
    return Clip(id=name, video=video, programme="p", split="train", **fields)  # type: ignore[arg-type]


def extracted(clips: list[Clip], out: Path, **options: object) -> tuple[FrameStore, dict[str, str]]:
    """The store, and the errors by clip."""
    options = {"size": 32, "audio_seconds": 0, **options}
    summary = extract(clips, out, options=ExtractOptions(**options), workers=1)  # type: ignore[arg-type]
    lines = map(json.loads, (out / "failures.jsonl").read_text().splitlines())
    store = FrameStore(out)
    assert summary.asked_frames == sum(store.videos["asked_frames"].to_pylist())
    assert json.loads((out / "summary.json").read_text())["asked_frames"] == summary.asked_frames
    return store, {line["id"]: line["error"] for line in lines}


def test_auto_is_the_default_and_gives_what_keyframes_alone_cannot(make_video, tmp_path: Path) -> None:
    path = make_video(seconds=8, gop=100, options={"sc_threshold": "0"})
    store, errors = extracted([clip("a", path)], tmp_path / "auto")
    assert (store.video(0).frames, store.video(0).asked_frames, store.video(0).status, errors) == (8, 8, "ok", {})
    store, errors = extracted([clip("a", path)], tmp_path / "keyframe", mode="keyframe")
    assert (store.video(0).frames, store.video(0).asked_frames, store.video(0).status) == (2, 8, "partial")
    assert errors["a"].startswith("2 of 8 frames: the keyframes lie 4 s apart; --mode auto decodes between them")


def test_a_picture_track_that_ends_before_the_clips_end_is_a_shortage(make_video, tmp_path: Path) -> None:
    path = make_video(seconds=4, **ONE_KEYFRAME)
    clips = [clip("long", path, end=10.0), clip("near", path, end=4.1), clip("spread", path, start=1.0, end=9.0)]
    store, errors = extracted(clips[:2], tmp_path / "every")
    assert [(row.frames, row.asked_frames, row.status) for row in map(store.video, range(2))] == [
        (4, 10, "partial"),
        (4, 4, "ok"),  # a few frames less than sound
    ]
    assert errors == {"long": "4 of 10 frames: the picture track ends at 4.0 s of 10.0 s"}
    store, errors = extracted(clips[2:], tmp_path / "spread", frames=6)
    assert (store.video(0).frames, store.video(0).status) == (6, "partial")
    assert errors == {"spread": "the picture track ends at 4.0 s of 9.0 s"}


def test_a_track_that_begins_late_is_asked_for_no_more_than_it_has(make_video, tmp_path: Path) -> None:
    times = [3000 + 40 * index for index in range(100)]
    path = make_video("late.mkv", seconds=4, times=times, options={"bf": "0"}, audio="aac")
    store, errors = extracted([clip("late", path)], tmp_path / "out", mode="exact")
    assert (store.video(0).asked_frames, store.video(0).status, errors) == (4, "ok", {})
    assert store.times.tolist() == pytest.approx([3.0, 4.0, 5.0, 6.0], abs=0.05)
    store, errors = extracted([clip("late", path, start=0.5)], tmp_path / "cut")
    assert "the picture track begins at 3.0 s" in errors["late"]


def test_a_picture_that_is_shown_at_several_times_is_there_as_often(make_video, tmp_path: Path) -> None:
    times = [0, 40, 5000, 5040]  # milliseconds, as a recorder of screens writes them
    path = make_video("screen.mkv", seconds=0.16, times=times, options={"bf": "0"})
    store, errors = extracted([clip("a", path)], tmp_path / "all")
    assert (store.times.tolist(), errors) == (pytest.approx([0.0, 0.04, 2.0, 3.0, 4.0, 5.0]), {})
    assert (store.video(0).asked_frames, store.video(0).status) == (6, "ok")
    assert np.array_equal(store[1], store[4])
    store, errors = extracted([clip("a", path)], tmp_path / "few", dedupe=0.001)
    assert store.times.tolist() == pytest.approx([0.0, 0.04, 5.0])
    assert (store.video(0).asked_frames, store.video(0).status, errors) == (6, "ok", {})  # left out, not lacking


def test_a_stream_without_timestamps_is_as_long_as_its_frames(make_video, tmp_path: Path) -> None:
    path = make_video("a.h264", seconds=4, options={"bf": "0"})
    store, _ = extracted([clip("a", path)], tmp_path / "auto")
    assert (store.video(0).frames, store.video(0).asked_frames, store.video(0).duration) == (4, 4, 4.0)
    store, _ = extracted([clip("a", path)], tmp_path / "spread", frames=4)
    assert store.times.tolist() == pytest.approx([0.48, 1.48, 2.48, 3.48], abs=0.05)
    store, errors = extracted([clip("a", path)], tmp_path / "keyframe", mode="keyframe")
    assert (store.video(0).status, store.video(0).asked_frames) == ("partial", 4)
    assert "without timestamps" in errors["a"] or "it has one keyframe" in errors["a"]


def test_a_stream_copy_cut_between_keyframes_has_its_frames_or_says_so(make_video, ffmpeg, tmp_path: Path) -> None:
    whole = make_video("whole.mp4", seconds=6, gop=50, audio="aac", options={"sc_threshold": "0"})
    cut, headless = tmp_path / "cut.mp4", tmp_path / "headless.mp4"
    ffmpeg("-ss", 1.3, "-i", whole, "-c", "copy", cut)  # from the keyframe before on, hidden by an edit list
    ffmpeg("-i", whole, "-ss", 1.3, "-c", "copy", "-copyinkf", headless)
    lost = tmp_path / "lost.mp4"
    ffmpeg("-i", whole, "-ss", 4.3, "-c", "copy", "-copyinkf", lost)  # no keyframe at all
    clips = [clip("cut", cut), clip("headless", headless), clip("lost", lost)]
    store, errors = extracted(clips, tmp_path / "out", every=0.2, audio_seconds=1)
    cut_row, headless_row, lost_row = map(store.video, range(3))
    assert (cut_row.status, cut_row.frames) == ("ok", cut_row.asked_frames)
    assert headless_row.status == "partial"
    assert "pictures before 0.7 s do not decode, as where a file is cut between keyframes" in errors["headless"]
    assert (lost_row.frames, lost_row.status, lost_row.has_audio) == (0, "partial", True)
    assert errors["lost"].startswith("0 of ")


def test_what_is_asked_is_counted_from_where_the_picture_is() -> None:
    options = ExtractOptions(every=1.0)

    def asked(start: float | None, end: float | None, picture_start: float, picture_end: float) -> int:
        return Asked(
            options=options, clip_start=start, clip_end=end, picture_start=picture_start, picture_end=picture_end
        ).count

    assert asked(None, None, 0.0, 6.0) == asked(None, None, 0.007, 6.0) == 6
    assert asked(None, None, 2.02, 8.02) == 6  # at 3, 4, 5, 6, 7 and 8 s
    assert asked(0.0, None, 2.02, 8.02) == 9
    assert asked(3.3, 6.1, 0.0, 6.0) == 3
    assert count_times(options, 0.0, float("inf")) == 0
    assert count_times(ExtractOptions(every=0.001), 0.0, 1e300) == 2**31 - 1


def test_older_stores_and_summaries_that_do_not_tell_what_was_asked_still_open(make_video, tmp_path: Path) -> None:
    clips, out = [clip("a", make_video(seconds=3))], tmp_path / "out"
    extracted(clips, out)
    table = pa.ipc.open_stream((out / "videos.arrow").read_bytes()).read_all().drop_columns("asked_frames")
    with pa.ipc.new_stream(str(out / "videos.arrow"), table.schema) as stream:
        stream.write_table(table)
    told = json.loads((out / "summary.json").read_text())
    (out / "summary.json").write_text(json.dumps({name: told[name] for name in told if name != "asked_frames"}))
    assert FrameStore(out).video(0).asked_frames == FrameStore(out).video(0).frames == 3
    again: Summary = extract(clips, out, options=ExtractOptions(size=32, audio_seconds=0), workers=1)
    assert again.asked_frames == again.frames == 3


def test_a_video_file_that_holds_sound_alone_says_so(make_video, ffmpeg, tmp_path: Path) -> None:
    whole, cut, sound = make_video(audio="aac"), tmp_path / "cut.mp4", tmp_path / "sound.m4a"
    for path in (cut, sound):
        ffmpeg("-i", whole, "-map", "0:a", "-c", "copy", path)
    store, errors = extracted([clip("cut", cut), clip("sound", sound)], tmp_path / "out", audio_seconds=1)
    assert [store.video(row).status for row in range(2)] == ["partial", "ok"]
    assert errors.keys() == {"cut"}
    assert errors["cut"].startswith("no picture track in it, only sound")
