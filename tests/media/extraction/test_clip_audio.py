"""The audio of a clip: of the right track, at its time, and a word where it lacks some."""

import json
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pyarrow as pa
import pytest

from framegate.media import Clip, ExtractOptions, FrameStore, extract
from framegate.media.extraction.clip_extract import extract_clip
from framegate.media.store.frame_store import AudioWindow

Ffmpeg = Callable[..., bytes]
PICTURE = ("-f", "lavfi", "-i", "testsrc2=s=64x48:r=5:d=4")
TONE = ("-f", "lavfi", "-i", "sine=440:d=4")
OTHER = ("-f", "lavfi", "-i", "sine=1000:d=4")
FAST = ("-c:v", "mpeg4", "-c:a", "aac")


class Extracted:
    """What the extraction of one clip tells."""

    def __init__(self, path: Path, folder: Path, fields: dict[str, float | None], options: dict[str, object]) -> None:
        folder.mkdir()
        clip = Clip(id="a", video=path, programme="p", split="train", **fields)  # type: ignore[arg-type]
        extract_clip(0, clip, folder=folder, options=ExtractOptions(**options), layout=None)  # type: ignore[arg-type]
        part = json.loads((folder / "00000000.json").read_text())
        rows = pa.ipc.open_stream((folder / "00000000.audio").read_bytes()).read_all().to_pylist()
        self.status, self.notes = part["row"]["status"], part["row"]["notes"]
        self.duration, self.frames = part["row"]["duration"], part["row"]["frames"]
        self.error = part["failure"]["error"] if part["failure"] else ""
        self.windows = [AudioWindow(row["start"], row["rate"], np.frombuffer(row["pcm"], np.int16)) for row in rows]

    @property
    def hertz(self) -> int:
        """The loudest frequency of the first window's second second; 0 for silence."""
        second = self.windows[0].pcm[16_000:32_000].astype(float)
        return int(np.abs(np.fft.rfft(second)).argmax()) if np.abs(second).max() > 1000 else 0

    def sounds_at(self, second: float) -> bool:
        for window in self.windows:
            place = round((second - window.start) * 16_000)
            if 0 <= place < len(window.pcm):
                return bool(np.abs(window.pcm[place : place + 800].astype(int)).max() > 1000)
        return False


@pytest.fixture
def extracted(tmp_path: Path) -> Callable[..., Extracted]:
    def run(path: Path, *, start: float | None = None, end: float | None = None, **options: object) -> Extracted:
        out = tmp_path / f"out-{len(list(tmp_path.iterdir()))}"
        return Extracted(path, out, {"start": start, "end": end}, options)

    return run


def two_tracks(ffmpeg: Ffmpeg, path: Path, *options: str, codec: str = "pcm_s16le") -> Path:
    """Write a video with two audio tracks: 440 Hz, then 1000 Hz."""
    maps = ("-map", "0:v", "-map", "1:a", "-map", "2:a")
    ffmpeg(*PICTURE, *TONE, *OTHER, *maps, "-c:v", "mpeg4", "-c:a", codec, *options, "-y", path)
    return path


def with_packets(source: Path, target: Path, change: Callable[[av.Packet], bytes | None]) -> Path:
    """Copy a file, with other bytes where ``change`` gives some; none at all for an empty result."""
    with av.open(str(source)) as container, av.open(str(target), "w") as out:
        copies = [out.add_stream_from_template(stream) for stream in container.streams]
        for stream, copied in zip(container.streams, copies, strict=True):
            copied.disposition = stream.disposition
        for packet in container.demux():
            if packet.dts is None:
                continue
            data = change(packet)
            if data == b"":
                continue
            copy = packet
            if data is not None:
                copy = av.Packet(data)
                copy.pts, copy.dts, copy.time_base = packet.pts, packet.dts, packet.time_base
                copy.duration, copy.is_keyframe = packet.duration or 0, packet.is_keyframe
            copy.stream = copies[packet.stream.index]
            out.mux(copy)
    return target


@pytest.mark.parametrize(
    ("options", "hertz"),
    [
        ((), 440),
        (("-disposition:a:0", "0", "-disposition:a:1", "default"), 1000),
        (("-disposition:a:0", "default+visual_impaired", "-disposition:a:1", "0"), 1000),
        (("-disposition:a:0", "comment", "-disposition:a:1", "0"), 1000),
        (("-metadata:s:a:0", "title=Director's commentary"), 1000),
        (("-metadata:s:a:0", "title=English Audio Description"), 1000),
        (("-metadata:s:a:0", "language=qad"), 1000),
        (("-metadata:s:a:1", "title=Surround"), 440),
    ],
)
def test_the_default_track_is_taken_and_none_for_some_listeners(
    ffmpeg: Ffmpeg, tmp_path: Path, extracted, options: tuple[str, ...], hertz: int
) -> None:
    clip = extracted(two_tracks(ffmpeg, tmp_path / "a.mkv", *options))
    assert (clip.hertz, clip.status, clip.notes) == (hertz, "ok", "")


def test_a_track_for_some_listeners_is_taken_where_there_is_no_other_and_said(
    ffmpeg: Ffmpeg, tmp_path: Path, extracted
) -> None:
    path = tmp_path / "a.mkv"
    ffmpeg(*PICTURE, *TONE, *FAST, "-disposition:a:0", "visual_impaired", path)
    clip = extracted(path)
    assert (clip.hertz, clip.status, clip.notes) == (440, "ok", "audio track 1 is an audio description")


def test_a_first_track_without_a_decoder_falls_through_to_the_next(ffmpeg: Ffmpeg, tmp_path: Path, extracted) -> None:
    path = two_tracks(ffmpeg, tmp_path / "a.mov", codec="aac")
    data = bytearray(path.read_bytes())
    place = data.find(b"mp4a", data.rfind(b"moov"))
    data[place : place + 4] = b"apac"
    place = data.find(b"esds", place)
    data[place : place + 4] = b"xsds"
    path.write_bytes(data)
    clip = extracted(path)
    assert (clip.hertz, clip.status) == (1000, "ok")
    assert clip.notes.startswith("audio track 1: no decoder")


def test_a_first_track_of_which_nothing_decodes_falls_through_to_the_next(
    ffmpeg: Ffmpeg, tmp_path: Path, extracted
) -> None:
    whole = two_tracks(ffmpeg, tmp_path / "whole.mkv", codec="flac")
    broken = with_packets(whole, tmp_path / "a.mkv", lambda packet: b"\0" * 50 if packet.stream.index == 1 else None)
    clip = extracted(broken)
    assert (clip.hertz, clip.status) == (1000, "ok")
    assert clip.notes.startswith("audio track 1: ")
    empty = with_packets(whole, tmp_path / "b.mkv", lambda packet: b"" if packet.stream.index == 1 else None)
    assert (extracted(empty).hertz, extracted(empty).status) == (1000, "ok")


def test_a_description_in_place_of_a_broken_track_is_partial(ffmpeg: Ffmpeg, tmp_path: Path, extracted) -> None:
    options = ("-disposition:a:0", "default", "-disposition:a:1", "visual_impaired")
    whole = two_tracks(ffmpeg, tmp_path / "whole.mkv", *options, codec="flac")
    path = with_packets(whole, tmp_path / "a.mkv", lambda packet: b"\0" * 50 if packet.stream.index == 1 else None)
    clip = extracted(path)
    assert (clip.hertz, clip.status) == (1000, "partial")
    assert "is an audio description" in clip.error


def test_a_track_that_gives_no_sound_is_partial_and_no_track_is_ok(ffmpeg: Ffmpeg, tmp_path: Path, extracted) -> None:
    path = tmp_path / "whole.mkv"
    ffmpeg(*PICTURE, *TONE, "-c:v", "mpeg4", "-c:a", "flac", path)
    broken = with_packets(path, tmp_path / "a.mkv", lambda packet: b"\0" * 50 if packet.stream.index == 1 else None)
    clip = extracted(broken)
    assert (clip.status, clip.windows, clip.frames > 0) == ("partial", [], True)
    assert clip.error.startswith("audio track 1: Invalid data")
    silent = tmp_path / "silent.mkv"
    ffmpeg(*PICTURE, "-c:v", "mpeg4", silent)
    assert (extracted(silent).status, extracted(silent).windows) == ("ok", [])
    assert extracted(broken, audio_seconds=0).status == "ok"


def test_packets_that_are_broken_in_mid_stream_are_counted_and_the_rest_keeps_its_time(
    ffmpeg: Ffmpeg, tmp_path: Path, extracted
) -> None:
    path = tmp_path / "whole.mkv"
    ffmpeg(*PICTURE, *TONE, "-c:v", "mpeg4", "-c:a", "ac3", path)

    def break_some(packet: av.Packet) -> bytes | None:
        second = float(packet.pts * packet.time_base)
        return b"\0" * 50 if packet.stream.index == 1 and 1 <= second < 2 else None

    clip = extracted(with_packets(path, tmp_path / "a.mkv", break_some))
    assert (clip.status, clip.error.count("times")) == ("partial", 1)
    assert [clip.sounds_at(second) for second in (0.5, 1.5, 2.5, 3.8)] == [True, False, True, True]


def test_sound_goes_on_after_the_pictures_end(ffmpeg: Ffmpeg, tmp_path: Path, extracted) -> None:
    for name, codec in (("a.mkv", "libopus"), ("a.mp4", "aac"), ("a.ts", "aac"), ("a.avi", "mp3")):
        path = tmp_path / name
        ffmpeg("-f", "lavfi", "-i", "color=red:s=64x48:r=5:d=1", *TONE, "-c:v", "mpeg4", "-c:a", codec, path)
        clip = extracted(path)
        assert (name, clip.status, clip.error) == (name, "ok", "")
        assert clip.duration == pytest.approx(4, abs=0.1)
        assert sum(len(window.pcm) for window in clip.windows) == pytest.approx(4 * 16_000, abs=1_600)


def test_sound_is_kept_that_sets_in_late_and_ends_before_the_last_frame(
    ffmpeg: Ffmpeg, tmp_path: Path, extracted
) -> None:
    path = tmp_path / "a.mkv"
    ffmpeg("-f", "lavfi", "-i", "color=red:s=64x48:r=12:d=5", "-itsoffset", "0.1", *TONE, *FAST, path)
    clip = extracted(path, mode="exact", frames=8)  # for which the file is read to its end
    assert (clip.status, clip.error) == ("ok", "")
    assert sum(len(window.pcm) for window in clip.windows) == pytest.approx(4 * 16_000, abs=1_600)


def test_all_of_a_short_sound_beside_a_long_picture_is_kept(ffmpeg: Ffmpeg, tmp_path: Path, extracted) -> None:
    path = tmp_path / "a.mkv"
    ffmpeg("-f", "lavfi", "-i", "testsrc2=s=64x48:r=1:d=60", *TONE, *FAST, path)
    clip = extracted(path)
    assert (clip.status, clip.duration) == ("ok", pytest.approx(60, abs=0.1))
    assert sum(len(window.pcm) for window in clip.windows) == pytest.approx(4 * 16_000, abs=1_600)


@pytest.mark.parametrize("name", ["a.mkv", "a.mp4", "a.ts", "a.mov"])
def test_sound_that_starts_later_or_earlier_lies_at_its_time(
    ffmpeg: Ffmpeg, tmp_path: Path, extracted, name: str
) -> None:
    late, early = tmp_path / f"late-{name}", tmp_path / f"early-{name}"
    click = ("-f", "lavfi", "-i", "aevalsrc='0.9*sin(3000*t)*between(t,1,1.1)':d=4:s=48000")
    ffmpeg(*PICTURE, "-itsoffset", "2", *click, *FAST, late)
    ffmpeg("-itsoffset", "2", *PICTURE, *click, *FAST, early)
    for path, second in ((late, 3.0), (early, 1.0)):
        clip = extracted(path, audio_seconds=None)
        (window,) = clip.windows
        first = int(np.flatnonzero(np.abs(window.pcm.astype(int)) > 10_000)[0])
        assert window.start + first / 16_000 == pytest.approx(second, abs=0.03)
        assert clip.status == "ok"


def test_sound_after_a_gap_stays_at_its_time(ffmpeg: Ffmpeg, tmp_path: Path, extracted) -> None:
    path = tmp_path / "a.mkv"
    sound = "aevalsrc='0.9*sin(2765*t)*(lt(t,1)+between(t,70,71))':d=80:s=16000,aselect='not(between(t,2,65))'"
    ffmpeg("-f", "lavfi", "-i", "color=s=64x48:r=1:d=80", "-f", "lavfi", "-i", sound, "-c:v", "mpeg4", path)
    clip = extracted(path, audio_seconds=None)
    assert [window.start for window in clip.windows] == [0, 30, 60]
    assert [len(window.pcm) for window in clip.windows[:2]] == [480_000, 480_000]
    assert [clip.sounds_at(second) for second in (0.5, 1.5, 40, 66, 69.8, 70.05, 70.9, 71.1)] == [
        *(True, False, False, False, False, True, True, False)
    ]
    assert clip.status == "ok"


def test_a_clip_in_which_the_track_has_no_sound_says_so(ffmpeg: Ffmpeg, tmp_path: Path, extracted) -> None:
    path = tmp_path / "a.mkv"
    ffmpeg("-f", "lavfi", "-i", "testsrc2=s=64x48:r=1:d=20", *TONE, *FAST, path)
    clip = extracted(path, start=10.0, end=15.0)
    assert (clip.status, clip.windows) == ("partial", [])
    assert clip.error.startswith("audio track 1: no audio in it from 10 s to 15 s; what there is, is kept")


@pytest.mark.parametrize("name", ["a.m4a", "a.flac"])
def test_a_sound_file_that_is_cut_off_says_where(ffmpeg: Ffmpeg, tmp_path: Path, extracted, name: str) -> None:
    path = tmp_path / name
    ffmpeg("-f", "lavfi", "-i", "anoisesrc=d=8:a=0.5", "-movflags", "faststart", path)
    whole = extracted(path)
    assert (whole.status, whole.duration) == ("ok", pytest.approx(8, abs=0.1))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    half = extracted(path)
    assert (half.status, half.duration) == ("partial", pytest.approx(4, rel=0.3))
    assert sum(len(window.pcm) for window in half.windows) == pytest.approx(4 * 16_000, rel=0.3)
    assert extracted(path, end=2.0).status == "ok"


def test_sound_is_that_of_the_pictures_programme(ffmpeg: Ffmpeg, tmp_path: Path, extracted) -> None:
    path = tmp_path / "a.ts"
    programmes = ("-program", "title=one:st=1:st=2", "-program", "title=two:st=0:st=3")
    maps = ("-map", "2:a", "-map", "0:v", "-map", "3:a", "-map", "1:v")
    small = ("-f", "lavfi", "-i", "testsrc2=s=32x32:r=5:d=4")
    ffmpeg(*PICTURE, *small, *TONE, *OTHER, *maps, "-c:v", "mpeg2video", "-c:a", "mp2", *programmes, path)
    assert extracted(path).hertz == 1000


def test_opposite_phases_are_kept_and_said(ffmpeg: Ffmpeg, tmp_path: Path, extracted) -> None:
    path = tmp_path / "a.mkv"
    pan = ("-filter_complex", "[1:a]pan=stereo|c0=c0|c1=-1*c0[a]", "-map", "0:v", "-map", "[a]")
    ffmpeg(*PICTURE, *TONE, *pan, "-c:v", "mpeg4", "-c:a", "pcm_s16le", path)
    clip = extracted(path)
    assert (clip.hertz, clip.status) == (440, "ok")
    assert clip.notes == "channels cancel in 4.0 s of the audio: the loudest one is taken there"


def test_a_store_keeps_the_notes_of_its_clips(ffmpeg: Ffmpeg, tmp_path: Path) -> None:
    path = tmp_path / "a.mkv"
    ffmpeg(*PICTURE, *TONE, *FAST, "-disposition:a:0", "comment", path)
    clips = [
        Clip(id=name, video=path, own_audio=own, programme="p", split="train") for name, own in (("a", 1), ("b", 0))
    ]
    extract(clips, tmp_path / "out", workers=1)
    notes = FrameStore(tmp_path / "out").videos["notes"].to_pylist()
    assert notes == ["audio track 1 is a commentary", ""]
