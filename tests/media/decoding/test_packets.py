"""Seeks land where they should, and the decoder gets no packet that no wanted frame needs."""

from pathlib import Path

import av
import numpy as np
import pytest

from framegate.media.decoding.decode import ExactReader
from framegate.media.decoding.packets import Deadline, PacketSource
from framegate.media.decoding.readers import open_reader
from framegate.media.decoding.source import open_media
from framegate.media.options import Mode


def marks(source: PacketSource, count: int) -> list[tuple]:
    return [(packet.pts, packet.dts, packet.pos, packet.size) for packet in (source.read() for _ in range(count))]


@pytest.mark.parametrize(
    ("name", "codec"),
    [
        ("a.mp4", "libx264"),
        ("a.mkv", "libx264"),
        ("a.ts", "libx264"),
        ("a.h264", "libx264"),
        ("a.mpg", "mpeg2video"),
        ("a.avi", "mpeg4"),
        ("a.gif", "gif"),
    ],
)
def test_the_way_back_to_the_beginning_leads_to_the_first_packet(make_video, name: str, codec: str) -> None:
    path = make_video(name, codec=codec, pix_fmt="rgb8" if codec == "gif" else "yuv420p", seconds=3)
    with open_media(path) as container:
        source = PacketSource(container, container.streams.video[0], Deadline())
        first = marks(source, 40)
        source.rewind()
        assert marks(source, 40) == first


def test_an_index_that_takes_every_packet_for_a_keyframe_misleads_nobody(make_video) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (25, 240, 320, 3), dtype=np.uint8)
    options = {"b": "2M", "sc_threshold": "1000000000"}
    path = make_video(
        "a.mpg", codec="mpeg2video", seconds=8, size=(320, 240), options=options, picture=lambda i, w, h: noise[i % 25]
    )
    for target in (3.0, 4.0, 4.2, 5.0):  # within groups of 0.48 s
        with open_media(path) as container:
            reader = ExactReader(container, container.streams.video[0])
            times = [shown.time for _, shown in reader.frames_at([0.0, target])]
        assert times == pytest.approx([0.0, target], abs=0.001)


def test_the_decoder_gets_nothing_past_the_last_frame_that_is_wanted_of_a_group(make_video) -> None:
    path = make_video(seconds=4, gop=20, options={"bf": "0", "sc_threshold": "0"})
    with open_media(path, threads=2) as container:  # two frames at a time: what comes out lags behind what goes in
        reader = ExactReader(container, container.streams.video[0])
        decode, given = reader._decode, []

        def noted(packet: av.Packet | None) -> None:
            given.append(packet)
            decode(packet)

        reader._decode = noted  # type: ignore[method-assign]
        found = [round(shown.time * 25) for _, shown in reader.frames_at([0.0, 0.85, 1.65, 2.45])]
    assert found == [0, 21, 41, 61]
    assert len([packet for packet in given if packet is not None]) == 1 + 2 + 2 + 2


def test_damage_at_a_target_does_not_cost_decoding_all_from_the_beginning(make_video) -> None:
    path: Path = make_video(seconds=8, gop=10, options={"bf": "0", "sc_threshold": "0"})
    data = bytearray(path.read_bytes())
    with av.open(str(path)) as container:
        packets = [packet for packet in container.demux(video=0) if packet.size]
        for number in (120, 123):
            data[packets[number].pos + 6 : packets[number].pos + packets[number].size] = b"\xff" * (
                packets[number].size - 6
            )
    path.write_bytes(bytes(data))
    with open_media(path) as container:
        reader = ExactReader(container, container.streams.video[0])
        found = [round(shown.time * 25) for _, shown in reader.frames_at([0.0, 1.6, 3.2, 4.92, 6.4])]
    assert reader.damage
    assert not reader._in_order
    assert list(dict.fromkeys(found)) == [0, 40, 80, 160]  # the next good frame stands in


@pytest.mark.parametrize("mode", ["auto", "exact", "keyframe"])
def test_what_lies_behind_a_long_hole_in_a_recording_is_read(ffmpeg, tmp_path: Path, mode: Mode) -> None:
    whole, path = tmp_path / "whole.ts", tmp_path / "hole.ts"
    ffmpeg("-f", "lavfi", "-i", "testsrc2=s=160x120:r=10:d=6", "-c:v", "libx264", "-g", "5", whole)
    data = whole.read_bytes()
    middle = len(data) // 2 // 188 * 188
    path.write_bytes(data[:middle] + b"\xff" * 1000 * 188 + data[middle:])
    with open_media(path) as container:
        reader = open_reader(mode, container, container.streams.video[0], step=1.0)
        shown = [frame.time for _, frame in reader.frames_at([0.0, 1.0, 2.0, 3.0, 4.0, 5.0])]
    assert shown[-1] > 4
    assert len(shown) >= 5
    assert "bytes that are no packets" in reader.damage
