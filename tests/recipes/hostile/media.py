"""Files that a stranger may put into a folder of videos, and a manifest of them."""

import io
import random
import struct
import wave
import zlib
from pathlib import Path

import av
import numpy as np

RATE = 10


def _video(path: Path, codec: str, pix_fmt: str, *, size: tuple[int, int] = (64, 48), frames: int = 10) -> bytes:
    with av.open(str(path), "w") as out:
        stream = out.add_stream(codec, rate=RATE)
        stream.width, stream.height, stream.pix_fmt = *size, pix_fmt
        for number in range(frames):
            picture = np.full((size[1], size[0], 3), number * 20 % 256, np.uint8)
            out.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        out.mux(stream.encode())
    data = path.read_bytes()
    path.unlink()
    return data


def _png(width: int, height: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = zlib.compress(b"\0" * 10_000_000, 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def _gif(width: int, height: int) -> bytes:
    head = b"GIF89a" + struct.pack("<HHBBB", width, height, 0x80, 0, 0) + b"\0" * 6
    frame = b"\x2c" + struct.pack("<HHHHB", 0, 0, width, height, 0) + b"\x02\x02\x4c\x01\x00"
    return head + frame * 50 + b"\x3b"


def _wave(rate: int, channels: int) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(channels)
        out.setsampwidth(2)
        out.setframerate(rate)
        out.writeframes(b"\0\0" * channels * 1000)
    return file.getvalue()


def _harmed(data: bytes, random_: random.Random) -> bytes:
    harmed = bytearray(data)
    for _ in range(random_.randrange(1, 80)):
        harmed[random_.randrange(len(harmed))] = random_.randrange(256)
    return bytes(harmed[: random_.randrange(len(harmed) // 2, len(harmed))])


def write_media(folder: Path, *, listener: str, secret: Path) -> None:
    """Fill ``folder`` with files, and write ``clips.csv`` of them; some name ``listener``, some ``secret``."""
    folder.mkdir()
    random_, scratch = random.Random(0), folder / "scratch"
    scratch.mkdir()
    videos = {
        "h264.mp4": _video(scratch / "a.mp4", "libx264", "yuv420p"),
        "mpeg2.ts": _video(scratch / "a.ts", "mpeg2video", "yuv420p"),
        "vp9.webm": _video(scratch / "a.webm", "libvpx-vp9", "yuv420p"),
        "mpeg4.avi": _video(scratch / "a.avi", "mpeg4", "yuv420p"),
        "gif.gif": _video(scratch / "a.gif", "gif", "rgb8"),
        "large.mp4": _video(scratch / "b.mp4", "libx264", "yuv420p", size=(8192, 8192), frames=1),
    }
    scratch.rmdir()
    files = dict(videos)
    for name, data in videos.items():
        if name != "large.mp4":
            files |= {f"{number}-{name}": _harmed(data, random_) for number in range(6)}
    files |= {
        "bomb.png": _png(30_000, 30_000),
        "bomb-within-limits.png": _png(8_000, 8_000),
        "bomb.gif": _gif(65_000, 65_000),
        "rate.wav": _wave(2_000_000_000, 1),
        "channels.wav": _wave(16_000, 500),
        "empty.mp4": b"",
        "text.mp4": b"no video\n" * 1000,
        "zeros.mpg": b"\0" * 3_000_000,
        "list.ffconcat": f"ffconcat version 1.0\nfile '{secret}'\n".encode(),
        "list.m3u8": f"#EXTM3U\n#EXTINF:1,\n{listener}/a.ts\n#EXTINF:1,\n{secret}\n#EXT-X-ENDLIST\n".encode(),
        "manifest.mpd": f'<?xml version="1.0"?><MPD><BaseURL>{listener}/</BaseURL></MPD>'.encode(),
        "session.sdp": b"v=0\no=- 0 0 IN IP4 127.0.0.1\nc=IN IP4 127.0.0.1\nm=video 5004 RTP/AVP 96\n",
        "picture.svg": f'<svg xmlns="http://www.w3.org/2000/svg"><image href="{listener}/a.png"/></svg>'.encode(),
        "clip.mlv": b"MLVI" + struct.pack("<I8sQHHIHHIIII", 52, b"v2.0\0\0\0\0", 1, 0, 2, 0, 1, 0, 1, 0, 25, 1),
        "clip.M00": b"sibling",
        "pickle.npy": b"\x93NUMPY\x01\x00v\x00{'descr': '|O', 'fortran_order': False, 'shape': (1,)}" + b" " * 60,
    }
    for name, data in files.items():
        (folder / name).write_bytes(data)
    (folder / "pictures").mkdir()
    for number in range(3):
        (folder / "pictures" / f"{number}.png").write_bytes(_png(20_000, 20_000))
    rows = [f"c{number},{name}" for number, name in enumerate([*sorted(files), "pictures", "gone.mp4"])]
    (folder / "clips.csv").write_text("id,video\n" + "\n".join(rows) + "\n")
