import json
import os
import shutil
import struct
from pathlib import Path

import av
import numpy as np
import pyarrow as pa
import pytest

from framegate.media import Clip, ExtractOptions, FrameStore, Layout, MediaError, clip_audio, clip_frames, extract


def grey_borders(frames: list[np.ndarray]) -> Layout:
    return Layout(borders=(0.0, 0.1, 1.0, 0.9), logos=((0.0, 0.0, 0.1, 0.1, 1.0),))


def clip(name: str, video: Path | None = None, **fields: object) -> Clip:
    return Clip(id=name, video=video, programme="p", split="train", **fields)  # type: ignore[arg-type]


def test_the_exact_frames_of_a_grid_come_with_times_sound_layout_and_facts(make_video, tmp_path: Path) -> None:
    path = make_video(seconds=3, audio="aac")
    options = ExtractOptions(mode="exact", every=0.5, size=64, quality=95)
    summary = extract([clip("a", path)], tmp_path / "out", options=options, layout=grey_borders, workers=1)
    store = FrameStore(tmp_path / "out")
    assert (summary.ok, summary.partial, summary.failed, summary.frames) == (1, 0, 0, 6)
    assert store.times.tolist() == pytest.approx([0, 0.48, 1.0, 1.48, 2.0, 2.48])
    assert clip_frames(store, 0).shape == (6, 64, 85, 3)
    reds = clip_frames(store, 0)[:, :, :, 0].mean(axis=(1, 2))
    assert reds == pytest.approx([index * 5 % 256 for index in (0, 12, 25, 37, 50, 62)], abs=6)
    video = store.video(0)
    assert video.layout.borders == pytest.approx((0.0, 0.1, 1.0, 0.9))
    assert (video.has_audio, video.status, len(video.layout.logos)) == (True, "ok", 1)
    audio, rate = clip_audio(store, 0)
    assert rate == 16_000
    assert len(audio) == pytest.approx(3 * 16_000, abs=1_100)
    assert np.abs(np.fft.rfft(audio[8000:24_000])).argmax() == 440


def test_a_missing_file_is_a_line_and_its_neighbours_go_on(make_video, tmp_path: Path) -> None:
    text = tmp_path / "text.mp4"
    text.write_text("not a video at all\n" * 100)
    clips = [clip("gone", tmp_path / "gone.mp4"), clip("a", make_video()), clip("text", text), clip("words", title="t")]
    summary = extract(clips, tmp_path / "out", workers=2)
    assert (summary.ok, summary.partial, summary.failed) == (2, 0, 2)
    store = FrameStore(tmp_path / "out")
    assert store.videos["id"].to_pylist() == ["a", "words"]
    lines = [json.loads(line) for line in (tmp_path / "out" / "failures.jsonl").read_text().splitlines()]
    assert [(line["id"], line["stage"], line["status"]) for line in lines] == [
        ("gone", "open", "failed"),
        ("text", "open", "failed"),
    ]
    assert lines[0]["error"] == "No such file or directory"


def test_running_again_continues_and_other_options_are_refused(make_video, tmp_path: Path) -> None:
    clips = [clip("a", make_video())]
    first = extract(clips, tmp_path / "out", workers=1)
    assert extract(clips, tmp_path / "out", workers=1) == first
    with pytest.raises(MediaError, match="other options"):
        extract(clips, tmp_path / "out", workers=1, options=ExtractOptions(size=32))
    with pytest.raises(MediaError, match="not empty"):
        extract(clips, tmp_path, workers=1)


def test_start_and_end_cut_a_clip(make_video, tmp_path: Path) -> None:
    path = make_video(seconds=4, audio="aac")
    options = ExtractOptions(mode="exact", frames=2)
    extract([clip("a", path, start=1.0, end=3.0)], tmp_path / "out", options=options, workers=1)
    store = FrameStore(tmp_path / "out")
    assert store.times.tolist() == pytest.approx([1.48, 2.48], abs=0.03)
    (window,) = store.audio(0)
    assert (window.start, len(window.pcm)) == (1.0, 32_000)


def test_a_store_is_what_hugging_face_datasets_opens(make_video, tmp_path: Path) -> None:
    import pyarrow as pa

    extract([clip("a", make_video())], tmp_path / "out", workers=1)
    table = pa.ipc.open_stream((tmp_path / "out" / "frames-00000.arrow").read_bytes()).read_all()
    assert table.schema.names == ["video_id", "source", "time", "shot", "jpeg", "width", "height"]
    with av.open(str(make_video("again.mp4"))) as container:
        assert container.streams.video[0].frames == 50


@pytest.mark.parametrize("mode", ["exact", "keyframe"])
def test_a_stated_duration_that_is_too_short_hides_nothing(make_video, tmp_path: Path, mode: str) -> None:
    path = make_video(seconds=8, gop=12, audio="aac", options={"sc_threshold": "0"})
    data = path.read_bytes()
    for box, offset in ((b"mvhd", 20), (b"mdhd", 20), (b"tkhd", 24)):
        place = data.index(box) + offset
        length = struct.unpack(">I", data[place : place + 4])[0]
        data = data[:place] + struct.pack(">I", length // 8) + data[place + 4 :]
    path.write_bytes(data)
    options = ExtractOptions(mode=mode, every=1.0)  # type: ignore[arg-type]
    extract([clip("a", path)], tmp_path / "out", options=options, workers=1)
    store = FrameStore(tmp_path / "out")
    assert [round(time) for time in store.times] == list(range(8))
    assert store.video(0).duration == pytest.approx(8.0, abs=0.1)
    assert sum(len(window.pcm) for window in store.audio(0)) == pytest.approx(8 * 16_000, abs=2_000)


def test_a_bare_stream_without_timestamps_gives_as_many_frames_as_asked(make_video, tmp_path: Path) -> None:
    path = make_video("a.h264", seconds=4)
    extract([clip("a", path)], tmp_path / "out", options=ExtractOptions(mode="exact", every=1.0), workers=1)
    assert FrameStore(tmp_path / "out").video(0).frames == 4


def test_a_clip_that_starts_after_the_files_end_says_so(make_video, tmp_path: Path) -> None:
    clips = [clip("late", make_video(), start=60.0), clip("ok", make_video("b.mp4"))]
    extract(clips, tmp_path / "out", options=ExtractOptions(mode="exact"), workers=1)
    line = json.loads((tmp_path / "out" / "failures.jsonl").read_text())
    assert (line["status"], line["error"]) == ("failed", "ends at 2.00 s, before the clip's start at 60 s")


LINKS = (
    *(".extract/state.json", ".extract/00000000.json", ".extract/00000000.frames", ".extract/videos-00000.arrow"),
    *(".extract/failures-00000.jsonl", ".extract/videos.arrow", "frames-00000.arrow", "audio-00000.arrow"),
    *("videos.tmp", "failures.jsonl", "failures.jsonl.tmp", "summary.json", "summary.json.tmp", "extract.json.tmp"),
)


def test_an_extraction_goes_on_in_a_strangers_folder_without_following_links(make_video, tmp_path: Path) -> None:
    clips, out, mine = [clip("a", make_video(audio="aac"))], tmp_path / "out", tmp_path / "mine"
    extract(clips, tmp_path / "whole", workers=1)
    mine.write_text("precious")
    (out / ".extract").mkdir(parents=True)
    (out / "extract.json").write_bytes((tmp_path / "whole" / "extract.json").read_bytes())
    indexes = [path.name for path in (tmp_path / "whole").glob("*.npy")]
    for name in (*LINKS, *indexes):
        (out / name).symlink_to(mine)
    for kind in ("frames", "audio", "json"):  # the numbers that a worker's process may have
        for number in range(os.getpid(), os.getpid() + 300):
            (out / ".extract" / f"00000000.{kind}.{number}").symlink_to(mine)
    extract(clips, out, workers=1)
    assert mine.read_text() == "precious"
    stores = [FrameStore(path) for path in (out, tmp_path / "whole")]
    assert stores[0].videos.equals(stores[1].videos)
    assert [bytes(store.jpeg(0)) for store in stores] == [bytes(stores[0].jpeg(0))] * 2
    assert not (out / ".extract").exists()
    assert not any(path.is_symlink() for path in out.iterdir() if not path.name.endswith(".tmp"))


def test_a_folder_of_parts_that_is_a_link_is_refused(make_video, tmp_path: Path) -> None:
    clips, out, mine = [clip("a", make_video())], tmp_path / "out", tmp_path / "mine"
    extract(clips, tmp_path / "whole", workers=1)
    for finished in (False, True):
        mine.mkdir(exist_ok=True)
        (mine / "thesis").write_text("precious")
        if finished:
            shutil.copytree(tmp_path / "whole", out)
        else:
            out.mkdir()
            shutil.copy(tmp_path / "whole" / "extract.json", out)
        (out / ".extract").symlink_to(mine)
        if finished:
            extract(clips, out, workers=1)
        else:
            with pytest.raises(MediaError, match=r"\.extract is a link"):
                extract(clips, out, workers=1)
        assert [path.name for path in mine.iterdir()] == ["thesis"]
        shutil.rmtree(out)


@pytest.mark.parametrize("name", ["failures-00000.jsonl", "videos-00000.arrow"])
def test_what_a_link_among_the_parts_leads_to_is_not_copied_into_the_store(make_video, tmp_path: Path, name) -> None:
    clips, out = [clip("a", make_video())], tmp_path / "out"
    extract(clips, tmp_path / "whole", workers=1)
    (tmp_path / "secret").write_text("secret")
    (out / ".extract").mkdir(parents=True)
    shutil.copy(tmp_path / "whole" / "extract.json", out)
    (out / ".extract" / "state.json").write_text('{"clips": 1, "shards": 1}')
    for other in ("failures-00000.jsonl", "videos-00000.arrow"):
        (out / ".extract" / other).touch()
    (out / ".extract" / name).unlink()
    (out / ".extract" / name).symlink_to(tmp_path / "secret")
    with pytest.raises((MediaError, pa.ArrowInvalid), match=f"{name} is missing, or no ordinary file"):
        extract(clips, out, workers=1)
    assert not any(path.read_bytes() == b"secret" for path in out.iterdir() if path.is_file())


@pytest.mark.parametrize("state", ["[]", "{", '{"clips": "x"}', '{"clips": 1, "other": 2}', '{"tally": 3}'])
def test_a_damaged_state_is_said_in_a_line(make_video, tmp_path: Path, state: str) -> None:
    clips, out = [clip("a", make_video())], tmp_path / "out"
    extract(clips, tmp_path / "whole", workers=1)
    (out / ".extract").mkdir(parents=True)
    shutil.copy(tmp_path / "whole" / "extract.json", out)
    (out / ".extract" / "state.json").write_text(state)
    with pytest.raises(MediaError, match=r"state\.json: not what an extraction writes"):
        extract(clips, out, workers=1)
