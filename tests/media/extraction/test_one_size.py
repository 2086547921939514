"""All frames of a clip have one size, whatever happens in mid-stream."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from framegate.media import Clip, ExtractOptions, FrameStore, Layout, clip_frames, extract
from framegate.media.clip_layout import LayoutFinder
from framegate.media.extraction.clip_extract import salvage_clip
from framegate.media.pictures.one_size import fit_into
from framegate.media.pictures.picture import encode_jpeg
from framegate.media.store.part import PartWriter


def plain(index: int, width: int, height: int) -> np.ndarray:
    return np.full((height, width, 3), 200, np.uint8)


def joined(ffmpeg, make_video, folder: Path, parts: list[tuple[tuple[int, int], str]]) -> Path:
    """A transport stream of two seconds each of several sizes and shapes of pixels, as a broadcast switches them."""
    data = b""
    for number, (size, aspect) in enumerate(parts):
        part, moved = (
            make_video(f"{number}.mp4", size=size, picture=plain, options={"bf": "0"}),
            folder / f"{number}.ts",
        )
        shape = ("-c:v", "libx264", "-bf", 0, "-vf", f"setsar={aspect}")
        ffmpeg("-i", part, *shape, "-output_ts_offset", 2 * number, moved)
        data += moved.read_bytes()
    (folder / "joined.ts").write_bytes(data)
    return folder / "joined.ts"


def store_of(path: Path, out: Path, *, layout: LayoutFinder | None = None, **options: object) -> FrameStore:
    clips = [Clip(id="a", video=path, programme="p", split="train")]
    chosen = ExtractOptions(mode="exact", audio_seconds=0, **options)  # type: ignore[arg-type]
    extract(clips, out, options=chosen, layout=layout, workers=1)
    return FrameStore(out)


def of_one_size(frames: list[np.ndarray]) -> Layout:
    assert len({frame.shape for frame in frames}) == 1
    return Layout()


def test_frames_of_smaller_sizes_are_fitted_into_the_largest_and_padded(make_video, ffmpeg, tmp_path: Path) -> None:
    path = joined(ffmpeg, make_video, tmp_path, [((96, 96), "1"), ((192, 96), "1"), ((64, 48), "1")])
    store = store_of(path, tmp_path / "out", layout=of_one_size)
    frames = clip_frames(store, 0)
    assert frames.shape == (6, 96, 192, 3)
    assert (store.video(0).status, store.video(0).asked_frames) == ("ok", 6)
    assert {(store.frame(number).width, store.frame(number).height) for number in range(6)} == {(192, 96)}
    lit = (frames[:, :, :, 0] > 100).mean(axis=(1, 2))  # share of the frame that the picture fills
    assert lit == pytest.approx([1 / 2, 1 / 2, 1, 1, 2 / 3, 2 / 3], abs=0.02)
    assert frames[0, :, :40].max() < 20  # on both sides alike
    assert frames[0, :, -40:].max() < 20


def test_the_shape_of_pixels_is_honoured_where_it_changes(make_video, ffmpeg, tmp_path: Path) -> None:
    path = joined(ffmpeg, make_video, tmp_path, [((96, 96), "1"), ((96, 96), "2/1"), ((96, 96), "1")])
    frames = clip_frames(store_of(path, tmp_path / "out"), 0)
    assert frames.shape == (6, 96, 192, 3)
    lit = (frames[:, :, :, 0] > 100).mean(axis=(1, 2))
    assert lit == pytest.approx([1 / 2, 1 / 2, 1, 1, 1 / 2, 1 / 2], abs=0.02)


def test_what_is_salvaged_of_a_dead_process_has_one_size_too(tmp_path: Path) -> None:
    part = PartWriter(tmp_path, 0, video_id="a")
    for second, (width, height) in enumerate([(32, 32), (64, 32)]):
        jpeg = encode_jpeg(plain(0, width, height), 90)
        part.frame(source="x", time=float(second), shot=0, jpeg=jpeg, width=width, height=height)
    part._frames._flush()
    for kind in ("frames", "audio"):  # as another process would have left them
        part._aside(kind).rename(tmp_path / f"00000000.{kind}.1")
    salvage_clip(Clip(id="a", video=Path("x"), programme="p", split="train"), 0, tmp_path, error="died")
    rows = pa.ipc.open_stream((tmp_path / "00000000.frames").read_bytes()).read_all().to_pylist()
    assert [(row["width"], row["height"]) for row in rows] == [(64, 32), (64, 32)]


def test_a_picture_of_the_right_size_stays_as_it_is() -> None:
    picture = np.random.default_rng(0).integers(0, 255, (8, 12, 3), dtype=np.uint8)
    assert fit_into(picture, 12, 8) is picture
    assert fit_into(picture, 100, 3).shape == (3, 100, 3)
