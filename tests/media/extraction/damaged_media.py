"""Small media files of each usual kind, and seeded damage to them."""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

_PICTURE = "testsrc2=size=64x48:rate=10:duration=1.5"
_TONE = "sine=frequency=440:sample_rate=16000:duration=1.5"
_AAC = "-c:a aac -b:a 24k"
_X264 = "-c:v libx264 -preset ultrafast -g 5 -pix_fmt yuv420p"

VIDEOS = {
    "h264.mp4": f"{_X264} {_AAC}",
    "faststart.mp4": f"-c:v libx264 -g 8 -bf 2 -pix_fmt yuv420p {_AAC} -movflags +faststart",
    "fragments.mp4": f"{_X264} {_AAC} -movflags frag_keyframe+empty_moov",
    "h264.mkv": f"{_X264} -c:a libmp3lame -b:a 32k",
    "vp9.webm": "-c:v libvpx-vp9 -cpu-used 8 -g 5 -c:a libopus -b:a 24k",
    "h264.ts": f"{_X264} {_AAC}",
    "mpeg2.ts": "-c:v mpeg2video -g 5 -c:a mp2 -b:a 32k",
    "mpeg4.avi": "-c:v mpeg4 -g 5 -c:a libmp3lame -b:a 32k",
    "theora.ogv": "-c:v libtheora -g 5 -c:a libvorbis",
    "mjpeg.mov": "-c:v mjpeg -pix_fmt yuvj420p -c:a pcm_s16le",
    "flv1.flv": "-c:v flv1 -g 5 -c:a libmp3lame -ar 22050 -b:a 32k",
}
PICTURES = {
    "moving.gif": "",
    "moving.apng": "-plays 0",
    "moving.webp": "-c:v libwebp_anim",
    "still.webp": "-frames:v 1 -c:v libwebp",
    "still.jpg": "-frames:v 1",
    "still.png": "-frames:v 1",
    "still.tiff": "-frames:v 1",
    "still.bmp": "-frames:v 1",
}
SOUNDS = {
    "sound.wav": "",
    "sound.mp3": "-c:a libmp3lame -b:a 32k",
    "sound.flac": "",
    "sound.ogg": "-c:a libvorbis",
    "sound.opus": "-c:a libopus -b:a 24k",
    "sound.m4a": _AAC,
}


@dataclass(frozen=True)
class Damaged:
    """A file of some kind, and in words what was done to it."""

    name: str
    content: bytes
    how: str


def write_seeds(folder: Path, ffmpeg: Callable[..., bytes]) -> dict[str, bytes]:
    """Write a whole file of each kind into ``folder``, and return their bytes by their names."""
    folder.mkdir()
    picture, tone = ("-f", "lavfi", "-i", _PICTURE), ("-f", "lavfi", "-i", _TONE)
    for kinds, sources in [(VIDEOS, (*picture, *tone)), (PICTURES, picture), (SOUNDS, tone)]:
        for name, options in kinds.items():
            ffmpeg(*sources, "-fflags", "+bitexact", "-threads", "1", *options.split(), folder / name)
    return {name: (folder / name).read_bytes() for kinds in (VIDEOS, PICTURES, SOUNDS) for name in kinds}


def damaged_files(seeds: dict[str, bytes], count: int, *, seed: str, first: int = 0) -> Iterator[Damaged]:
    """Yield ``count`` damaged files, each kind in turn; number n is the same in every run with the same ``seed``."""
    names = list(seeds)
    for number in range(first, first + count):
        chance = random.Random(f"{seed}-{number}")
        name = names[number % len(names)]
        content, done = bytearray(seeds[name]), []
        for _ in range(chance.choice([1, 1, 1, 2, 5])):
            how = chance.choice(_WAYS)
            how(content, chance, [seeds[other] for other in names])
            done.append(how.__name__.strip("_"))
        yield Damaged(name, bytes(content), " + ".join(done))


def _place(content: bytearray, chance: random.Random) -> int:
    """A place in the file; in half of all cases near its beginning or end, where the headers are."""
    size = max(1, len(content))
    near = min(size, 400)
    return chance.choice([chance.randrange(size), chance.randrange(size), chance.randrange(near), size - near])


def _flip_bits(content: bytearray, chance: random.Random, _: list[bytes]) -> None:
    for _ in range(chance.choice([1, 3, 30, 300])):
        if content:
            content[_place(content, chance)] ^= 1 << chance.randrange(8)


def _write_noise(content: bytearray, chance: random.Random, _: list[bytes]) -> None:
    at, size = _place(content, chance), chance.choice([4, 40, 400])
    content[at : at + size] = chance.randbytes(size)


def _write_zeros(content: bytearray, chance: random.Random, _: list[bytes]) -> None:
    at, size = _place(content, chance), chance.choice([4, 40, 400, 4000])
    content[at : at + size] = bytes(len(content[at : at + size]))


def _write_extremes(content: bytearray, chance: random.Random, _: list[bytes]) -> None:
    at = _place(content, chance)
    content[at : at + 4] = chance.choice([b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\0\0\0\1", b"\xff\xff\xff\x7f"])


def _cut_off(content: bytearray, chance: random.Random, _: list[bytes]) -> None:
    del content[chance.choice([_place(content, chance), chance.randrange(len(content) + 1)]) :]


def _cut_out(content: bytearray, chance: random.Random, _: list[bytes]) -> None:
    at = _place(content, chance)
    del content[at : at + chance.choice([1, 4, 188, 1000])]


def _insert_junk(content: bytearray, chance: random.Random, _: list[bytes]) -> None:
    at = _place(content, chance)
    content[at:at] = chance.randbytes(chance.choice([1, 4, 100, 3000]))


def _repeat_block(content: bytearray, chance: random.Random, _: list[bytes]) -> None:
    at, size = _place(content, chance), chance.choice([8, 100, 2000])
    content[at:at] = bytes(content[at : at + size]) * chance.choice([1, 1, 20])


def _splice_header(content: bytearray, chance: random.Random, others: list[bytes]) -> None:
    size = chance.choice([8, 64, 500, 2000])
    content[: chance.choice([0, size])] = chance.choice(others)[:size]


def _splice_tail(content: bytearray, chance: random.Random, others: list[bytes]) -> None:
    other = chance.choice(others)
    content[_place(content, chance) :] = other[chance.randrange(len(other)) :]


_WAYS = (
    _flip_bits,
    _flip_bits,
    _write_noise,
    _write_zeros,
    _write_extremes,
    _cut_off,
    _cut_out,
    _insert_junk,
    _repeat_block,
    _splice_header,
    _splice_tail,
)
