import struct
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from framegate.media.decoding.decode import ExactReader
from framegate.media.decoding.keyframes import KeyframeReader
from framegate.media.decoding.source import open_media
from framegate.media.pictures.picture import FramePainter, upright


def numbers(path: Path, times, reader=ExactReader) -> list[int]:
    """The numbers of the frames shown at ``times``, read from their colour."""
    with open_media(path) as container:
        shown = reader(container, container.streams.video[0]).frames_at(times)
        return [round(frame.frame.to_ndarray(format="rgb24")[:, :, 0].mean() / 5) for _, frame in shown]


def every_number(path: Path) -> list[int]:
    with av.open(str(path)) as container:
        return [round(frame.to_ndarray(format="rgb24")[:, :, 0].mean() / 5) for frame in container.decode(video=0)]


@pytest.mark.parametrize("gop", [1, 12, 250])
@pytest.mark.parametrize("step", [1, 3, 7, 20])
def test_frames_shown_at_any_grid_are_those_of_decoding_everything(make_video, gop: int, step: int) -> None:
    path = make_video(gop=gop)
    assert numbers(path, [index / 25 for index in range(0, 50, step)]) == list(range(0, 50, step))


@pytest.mark.parametrize(
    ("name", "codec"),
    [
        ("a.mkv", "libx264"),
        ("a.avi", "mpeg4"),
        ("a.ts", "libx264"),
        ("a.mpg", "mpeg2video"),
        ("a.webm", "libvpx-vp9"),
        ("a.avi", "mjpeg"),
        ("a.avi", "libx264"),
        ("a.h264", "libx264"),
    ],
)
def test_containers_with_and_without_an_index_or_timestamps_give_the_same_frames(make_video, name, codec) -> None:
    pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
    path = make_video(name, codec=codec, pix_fmt=pix_fmt, options={"b": "2M"})
    found = numbers(path, [0.01 + index / 25 for index in range(0, 48, 7)])
    # AVI stores no display times: those that FFmpeg guesses are late by the frames that the decoder holds back
    assert found == pytest.approx(list(range(0, 48, 7)), abs=2 if name.endswith(("avi", "h264")) else 0)


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv"])
def test_a_far_target_is_jumped_to_and_little_else_is_read(make_video, name: str) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (50, 96, 128, 3), dtype=np.uint8)
    path = make_video(
        name, seconds=20, gop=25, picture=lambda index, w, h: noise[index % 50], options={"crf": "10", "bf": "0"}
    )
    with open_media(path) as container:
        reader = ExactReader(container, container.streams.video[0])
        read = 0
        source_read = reader._source.read

        def counted() -> av.Packet:
            nonlocal read
            read += 1
            return source_read()

        reader._source.read = counted  # type: ignore[method-assign]
        times = [shown.time for _, shown in reader.frames_at([0.0, 18.0])]
    assert times == [0.0, 18.0]
    assert read < 100 < 500


def test_variable_frame_rate_goes_by_the_time_a_frame_is_shown(make_video) -> None:
    times = [0, 40, 500, 540, 580, 2000, 2040, 5000, 5040, 5080]
    path = make_video("a.mkv", seconds=0.4, times=times, options={"bf": "0"})
    assert numbers(path, [0.0, 0.3, 0.55, 1.9, 2.0, 4.9, 5.05]) == [0, 1, 3, 4, 5, 6, 8]


@pytest.mark.parametrize(("name", "offset"), [("a.ts", "100"), ("a.mkv", "3"), ("a.mp4", "-0.5")])
def test_time_counts_from_the_sources_beginning_wherever_its_timestamps_start(make_video, name, offset) -> None:
    path = make_video(name, container_options={"output_ts_offset": offset, "avoid_negative_ts": "disabled"})
    first = numbers(path, [0.0, 0.04, 0.4])
    assert np.diff(first).tolist() == [1, 9]


def test_an_unknown_or_wrong_duration_does_not_matter(make_video) -> None:
    live = make_video("a.mkv", container_options={"live": "1"})
    assert numbers(live, [0, 1, 1.96, 2.5]) == [0, 25, 49]
    lying = make_video("a.mp4")
    data = lying.read_bytes()
    for box, offset in ((b"mvhd", 20), (b"mdhd", 20), (b"tkhd", 24)):
        place = data.index(box) + offset
        data = (
            data[:place] + struct.pack(">I", 10 * struct.unpack(">I", data[place : place + 4])[0]) + data[place + 4 :]
        )
    lying.write_bytes(data)
    assert numbers(lying, [0, 1, 1.96, 2.5, 15]) == [0, 25, 49]


def test_ten_bit_interlaced_and_odd_sized_frames_come_out(make_video) -> None:
    ten = make_video("ten.mkv", codec="ffv1", pix_fmt="yuv420p10le")
    assert numbers(ten, [0.4, 1.2]) == [10, 30]
    interlaced = make_video("inter.mkv", options={"x264-params": "interlaced=1"})
    assert numbers(interlaced, [0.4, 1.2]) == [10, 30]
    odd = make_video("odd.mkv", size=(127, 95), codec="ffv1", pix_fmt="yuv444p")
    with open_media(odd) as container:
        ((_, shown),) = ExactReader(container, container.streams.video[0]).frames_at([1.0])
        assert FramePainter().paint(shown.frame).shape == (95, 127, 3)
        assert FramePainter(size=33).paint(shown.frame).shape == (33, 44, 3)


def test_an_interlaced_frame_that_is_not_scaled_down_shows_one_moment(make_video) -> None:
    def combed(index: int, width: int, height: int) -> np.ndarray:
        picture = np.full((height, width, 3), 20, np.uint8)
        picture[1::2] = 220
        return picture

    path = make_video("inter.mkv", picture=combed, options={"x264-params": "interlaced=1", "crf": "1"})
    with open_media(path) as container:
        stream = container.streams.video[0]
        ((_, shown),) = ExactReader(container, stream).frames_at([1.0])
        assert shown.frame.interlaced_frame
        assert FramePainter(size=96).paint(shown.frame).astype(int).std() < 5 < FramePainter().paint(shown.frame).std()


def test_non_square_pixels_become_square(make_video) -> None:
    wide = FramePainter(aspect=2.0, size=48)
    with open_media(make_video()) as container:
        ((_, shown),) = ExactReader(container, container.streams.video[0]).frames_at([0.0])
        assert wide.paint(shown.frame).shape == (48, 128, 3)


@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
def test_a_display_matrix_is_applied(tmp_path: Path, degrees: int) -> None:
    path = tmp_path / "turned.mp4"
    picture = np.zeros((64, 96, 3), np.uint8)
    picture[:32, :48] = (255, 0, 0)
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        stream.set_display_rotation(degrees)
        out.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        out.mux(stream.encode())
    with open_media(path) as container:
        ((_, shown),) = ExactReader(container, container.streams.video[0]).frames_at([0.0])
        painted = FramePainter().paint(shown.frame)
        turns = shown.frame.rotation / 90  # counterclockwise
    expected = np.rot90(picture, round(turns))
    assert painted.shape == expected.shape
    assert np.abs(painted.astype(int) - expected).mean() < 8


def test_mirrors_are_undone_too() -> None:
    picture = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
    assert np.array_equal(upright(picture, (-1, 0, 0, 1)), picture[:, ::-1])
    assert np.array_equal(upright(picture, (1, 0, 0, -1)), picture[::-1])
    assert np.array_equal(upright(picture, (0, 1, 1, 0)), picture.transpose(1, 0, 2))


def test_keyframe_mode_takes_the_keyframes_nearest_to_the_grid(make_video) -> None:
    path = make_video(seconds=4, gop=12, options={"sc_threshold": "0", "bf": "2"})  # keyframes at 0, 12, 24, ...
    assert numbers(path, [0.0, 0.3, 1.0, 2.0, 3.0], KeyframeReader) == [0, 12, 24, 48, pytest.approx(72 - 51, abs=51)]
    every = numbers(path, [index / 25 for index in range(100)], KeyframeReader)
    assert len(every) == 9


def test_a_decoder_error_costs_its_frames_not_the_rest(make_video) -> None:
    path = make_video(gop=10, options={"bf": "0"})
    data = bytearray(path.read_bytes())
    with av.open(str(path)) as container:
        hurt = [packet for packet in container.demux(video=0) if packet.size][23]
        data[hurt.pos + 6 : hurt.pos + hurt.size] = b"\xff" * (hurt.size - 6)
    path.write_bytes(bytes(data))
    with open_media(path) as container:
        reader = ExactReader(container, container.streams.video[0])
        times = [round(shown.time * 25) for _, shown in reader.frames_at([index / 25 for index in range(50)])]
    assert reader.damage
    assert {*range(20), *range(30, 50)} <= set(times)
    assert Fraction(len(set(times)), 50) < 1
