"""Audio of any format lies at its time, and is what the file holds."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from framegate.media.decoding.audio.audio_track import AudioReader, open_audio
from framegate.media.decoding.packets import Deadline
from framegate.media.decoding.source import open_media

Ffmpeg = Callable[..., bytes]
CLICK = "aevalsrc='0.9*sin(8000*t)*between(t,5,5.02)+0.05*(random(0)-0.5)*between(t,6,9)':d=12"
FORMATS = {
    **{"a.wav": (), "extensible.wav": ("-c:a", "pcm_s24le", "-ac", "4"), "rf64.wav": ("-rf64", "always")},
    **{"u8.wav": ("-c:a", "pcm_u8"), "f64.wav": ("-c:a", "pcm_f64le"), "mulaw.wav": ("-c:a", "pcm_mulaw", "-ar", 8000)},
    **{"a.aiff": (), "a.caf": (), "a.au": (), "a.w64": (), "a.flac": (), "192.flac": ("-ar", "192000"), "a.oga": ()},
    **{"a.mp3": ("-q:a", "5"), "no_xing.mp3": ("-q:a", "5", "-write_xing", "0"), "22.mp3": ("-ar", "22050")},
    **{"cbr.mp3": ("-b:a", "96k", "-write_xing", "0", "-id3v2_version", "0"), "a.mp2": (), "a.ac3": (), "a.aac": ()},
    **{"a.m4a": (), "alac.m4a": ("-c:a", "alac"), "fragments.mp4": ("-movflags", "frag_keyframe+empty_moov")},
    **{"a.ogg": ("-c:a", "libvorbis"), "a.opus": ("-ar", "48000"), "a.webm": ("-c:a", "libopus", "-ar", "48000")},
    **{"opus.mp4": ("-c:a", "libopus", "-ar", "48000"), "a.ts": ("-c:a", "aac"), "a.mkv": ("-c:a", "aac")},
    **{"a.flv": ("-c:a", "aac", "-ar", "44100"), "a.avi": ("-c:a", "libmp3lame")},
}


def read(path: Path, *windows: tuple[float, float]) -> tuple[tuple[float, float], list[np.ndarray], AudioReader]:
    with (
        open_media(path) as container,
        open_audio(path, container, container.streams.audio[0], deadline=Deadline()) as reader,
    ):
        return reader.extent, [reader.window(*window) for window in windows], reader


def loudest(pcm: np.ndarray) -> float:
    """The second at which the loudest sound begins."""
    levels = np.abs(pcm.astype(int))
    return float(np.flatnonzero(levels > 0.4 * levels.max())[0] / 16_000)


@pytest.fixture
def click_in(ffmpeg: Ffmpeg, tmp_path: Path) -> Callable[[str], Path]:
    """Makes a file of one of the formats, with a click at 5 s."""

    def make(name: str) -> Path:
        ffmpeg("-f", "lavfi", "-i", CLICK, *map(str, FORMATS[name]), tmp_path / name)
        return tmp_path / name

    return make


USUAL = {"a.wav", "a.mp3", "a.m4a", "a.flac", "a.oga", "a.opus", "no_xing.mp3", "a.mkv"}


@pytest.mark.parametrize("name", [pytest.param(n, marks=() if n in USUAL else pytest.mark.slow) for n in FORMATS])
def test_a_click_lies_at_its_time_in_any_format_before_and_after_a_jump(
    click_in: Callable[[str], Path], name: str
) -> None:
    path = click_in(name)
    (start, end), (whole, late), reader = read(path, (0.0, 4.5), (4.8, 11.0))
    assert (start, end) == (pytest.approx(0, abs=0.03), pytest.approx(12, abs=0.08))
    assert len(whole) == 4.5 * 16_000
    assert np.abs(whole[1600:].astype(int)).max() < 1000
    assert 4.8 + loudest(late) == pytest.approx(5.0, abs=0.03)
    assert not reader.damage
    _, (from_start,), _ = read(path, (0.0, 12.0))
    assert loudest(from_start) == pytest.approx(5.0, abs=0.03)
    assert reader.seconds == pytest.approx(10.7, abs=0.05)


def test_sizes_in_a_header_that_a_stream_could_not_fill_in_hide_nothing(
    click_in: Callable[[str], Path], tmp_path: Path
) -> None:
    data = click_in("a.wav").read_bytes()
    place = data.index(b"data") + 4
    for size in (0, 0xFFFFFFFF, 0x7FFFFFFF, 1_000_000_000):
        path = tmp_path / f"{size}.wav"
        filled = size.to_bytes(4, "little")
        path.write_bytes(data[:4] + filled + data[8:place] + filled + data[place + 4 :])
        extent, (pcm,), _ = read(path, (4.0, 12.0))
        assert extent == (0, pytest.approx(12, abs=0.05))
        assert 4 + loudest(pcm) == pytest.approx(5.0, abs=0.01)


@pytest.mark.parametrize("count", [2, 7, 16])
def test_any_number_of_channels_is_mixed(ffmpeg: Ffmpeg, tmp_path: Path, count: int) -> None:
    path, voice = tmp_path / "a.wav", count - 1
    channels = "|".join("0.5*sin(2764.6*t)" if number == voice else "0" for number in range(count))
    ffmpeg("-f", "lavfi", "-i", f"aevalsrc='{channels}':s=44100:d=1", path)
    _, (pcm,), _ = read(path, (0.0, 1.0))
    assert np.abs(np.fft.rfft(pcm)).argmax() == 440
    assert np.abs(pcm[1000:-1000].astype(int)).max() == pytest.approx(16_384, rel=0.03)


@pytest.mark.parametrize(("layout", "codec"), [("7.1", "flac"), ("7.1", "aac"), ("5.1", "aac"), ("quad", "alac")])
def test_planes_of_many_channels_are_read_within_their_bounds(
    ffmpeg: Ffmpeg, tmp_path: Path, layout: str, codec: str
) -> None:
    path = tmp_path / "a.mkv"
    ffmpeg("-f", "lavfi", "-i", f"sine=440:d=1:r=48000,pan={layout}|c0=c0", "-c:a", codec, path)
    _, (pcm,), _ = read(path, (0.0, 1.0))
    assert np.abs(np.fft.rfft(pcm, 16_000)).argmax() == 440
    assert np.abs(pcm[2000:-1000].astype(int)).max() > 2000


def test_rate_and_channels_may_change_in_mid_stream(ffmpeg: Ffmpeg, tmp_path: Path) -> None:
    parts = []
    for number, (rate, channels) in enumerate([(44_100, 2), (48_000, 1), (32_000, 2)]):
        part = tmp_path / f"{number}.mp2"
        ffmpeg("-f", "lavfi", "-i", "sine=440:d=2", "-ar", str(rate), "-ac", str(channels), part)
        parts.append(part.read_bytes())
    path = tmp_path / "a.mp2"
    path.write_bytes(b"".join(parts))
    _, (pcm,), reader = read(path, (0.0, 6.0))
    assert reader.seconds == pytest.approx(6, abs=0.1)
    for second in (0.5, 2.5, 4.5):
        piece = pcm[round(second * 16_000) :][:16_000]
        assert np.abs(np.fft.rfft(piece)).argmax() == pytest.approx(440, abs=2)


@pytest.mark.parametrize("name", ["a.ogg", "a.opus"])
def test_a_chain_of_files_in_one_is_read_to_its_end(click_in: Callable[[str], Path], name: str) -> None:
    path = click_in(name)
    path.write_bytes(path.read_bytes() * 2)
    (_, end), pieces, reader = read(path, (0.0, 10.0), (10.0, 20.0), (20.0, 24.0))
    assert end == pytest.approx(24, abs=0.1)
    assert loudest(pieces[0]) == pytest.approx(5, abs=0.03)
    assert 10 + loudest(pieces[1]) == pytest.approx(17, abs=0.06)
    assert reader.seconds == pytest.approx(24, abs=0.1)
    assert not reader.damage


@pytest.mark.parametrize("codec", ["adpcm_ms", "adpcm_ima_wav"])
def test_formats_whose_seeks_go_astray_are_read_in_order(ffmpeg: Ffmpeg, tmp_path: Path, codec: str) -> None:
    path = tmp_path / "a.wav"
    ffmpeg("-f", "lavfi", "-i", CLICK, "-c:a", codec, path)
    (_, end), pieces, _ = read(path, *((second, second + 1.0) for second in np.arange(0.0, 12.0)))
    assert end == pytest.approx(12, abs=0.1)
    assert loudest(np.concatenate(pieces)) == pytest.approx(5, abs=0.03)
    noise = np.concatenate(pieces)[96_160:143_840]
    assert (noise.reshape(-1, 80) != 0).any(axis=1).all()  # nothing is lost between one window and the next


def test_samples_that_exceed_the_full_scale_or_are_no_numbers_do_no_harm(ffmpeg: Ffmpeg, tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    source = "aevalsrc='if(between(t,0.5,0.6),0/0,if(lt(t,1),0.5,8)*sin(2764.6*t))':s=16000:d=2"
    ffmpeg("-f", "lavfi", "-i", source, "-c:a", "pcm_f32le", path)
    _, (pcm,), _ = read(path, (0.0, 2.0))
    assert np.abs(np.fft.rfft(pcm[:6000], 16_000)).argmax() == pytest.approx(440, abs=3)
    assert not pcm[8100:9500].any()
    assert (
        np.abs(np.fft.rfft(pcm[22_000:], 16_000))[1200:].max() < 0.02 * np.abs(np.fft.rfft(pcm[22_000:], 16_000)).max()
    )
