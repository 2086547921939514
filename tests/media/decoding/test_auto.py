"""Auto mode: keyframes where they are near enough to the times, the frames shown at the others."""

from pathlib import Path

import av
import numpy as np
import pytest

from framegate.media import read_frames
from framegate.media.decoding.decode import ExactReader
from framegate.media.decoding.keyframes import KeyframeReader
from framegate.media.decoding.readers import open_reader
from framegate.media.decoding.source import open_media

GROUPS = {"options": {"sc_threshold": "0", "bf": "2"}}


def times_and_packets(path: Path, times: list[float], *, step: float) -> tuple[list[float], int]:
    """The times of auto's frames, and the number of packets that its decoder was given."""
    with open_media(path) as container:
        reader = open_reader("auto", container, container.streams.video[0], step=step)
        assert isinstance(reader, ExactReader)
        decode, given = reader._decode, []

        def noted(packet: av.Packet | None) -> None:
            given.append(packet)
            decode(packet)

        reader._decode = noted  # type: ignore[method-assign]
        found = [shown.time for _, shown in reader.frames_at(times)]
    return found, len([packet for packet in given if packet is not None and packet.size])


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.ts"])
def test_keyframes_within_half_a_step_are_decoded_alone(make_video, name: str) -> None:
    path = make_video(name, seconds=6, gop=12, **GROUPS)  # keyframes each 0.48 s
    found, packets = times_and_packets(path, [0.0, 1.0, 2.0, 3.0, 4.0, 5.0], step=1.0)
    assert found == pytest.approx([0.0, 0.96, 1.92, 2.88, 3.84, 4.8])
    assert packets == 6


def test_the_other_times_get_the_frames_that_are_shown(make_video) -> None:
    path = make_video(seconds=6, gop=40, **GROUPS)  # keyframes each 1.6 s
    found, packets = times_and_packets(path, [0.0, 1.0, 2.0, 3.0, 4.0, 5.0], step=1.0)
    assert found == pytest.approx([0.0, 1.0, 1.6, 3.2, 4.0, 4.8])
    assert packets < 4 + 2 * (25 + 4)


def test_a_file_with_one_keyframe_gives_the_frames_of_exact_mode(make_video) -> None:
    path = make_video(seconds=6, gop=999, options={"sc_threshold": "0"})
    auto, exact = (read_frames(path, [0.0, 1.0, 2.0, 5.0], mode=mode) for mode in ("auto", "exact"))
    assert [time for time, _ in auto] == [time for time, _ in exact] == pytest.approx([0.0, 1.0, 2.0, 5.0])
    assert all(np.array_equal(ours, theirs) for (_, ours), (_, theirs) in zip(auto, exact, strict=True))


def test_no_keyframe_is_taken_for_two_times(make_video) -> None:
    path = make_video(seconds=6, gop=25, options={"sc_threshold": "0"})
    between = [0.5, 1.5, 2.5, 3.5, 4.5]  # each as far from one keyframe as from the next
    found, _ = times_and_packets(path, between, step=1.0)
    assert len(set(found)) == len(found) == 5
    assert np.abs(np.subtract(found, between)).max() <= 0.5


def test_where_keyframes_are_near_to_all_times_auto_takes_those_of_keyframe_mode(make_video) -> None:
    path = make_video(seconds=8, gop=10, **GROUPS)
    times = [index * 0.7 for index in range(11)]
    auto, keyframe = (read_frames(path, times, mode=mode) for mode in ("auto", "keyframe"))
    assert [time for time, _ in auto] == [time for time, _ in keyframe]
    assert all(np.array_equal(ours, theirs) for (_, ours), (_, theirs) in zip(auto, keyframe, strict=True))


def test_times_after_the_end_get_no_keyframe_from_before_it(make_video) -> None:
    path = make_video(seconds=2, gop=10, **GROUPS)
    assert len(read_frames(path, [0.0, 1.0, 2.05, 3.0], mode="auto")) == 2


@pytest.mark.parametrize(("gop", "reader"), [(12, KeyframeReader), (75, ExactReader)])
def test_avi_with_b_frames_is_decoded_whole_only_where_keyframes_are_too_few(make_video, gop: int, reader) -> None:
    path = make_video("a.avi", codec="mpeg4", seconds=6, gop=gop, options={"b": "2M", "bf": "2"})
    with open_media(path) as container:
        chosen = open_reader("auto", container, container.streams.video[0], step=1.0)
        assert isinstance(chosen, reader)
        assert len(list(chosen.frames_at([0.0, 1.0, 2.0, 3.0, 4.0, 5.0]))) == 6


def test_a_short_avi_with_b_frames_gets_its_last_frame(make_video) -> None:
    path = make_video("a.avi", codec="mpeg4", seconds=1.04, gop=75, options={"b": "2M", "bf": "2"})
    with open_media(path) as container:
        reader = open_reader("auto", container, container.streams.video[0], step=1.0)
        assert [shown.time for _, shown in reader.frames_at([0.0, 1.0])] == pytest.approx([0.0, 1.0], abs=0.05)


def test_of_intra_only_codecs_frames_between_the_times_are_not_decoded(make_video) -> None:
    path = make_video("a.mov", codec="mjpeg", pix_fmt="yuvj420p", seconds=2)
    found, packets = times_and_packets(path, [0.0, 0.08, 0.16, 0.24, 0.32], step=0.08)
    assert found == pytest.approx([0.0, 0.08, 0.16, 0.24, 0.32])
    assert packets == 5
