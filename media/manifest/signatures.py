"""Tell pictures, videos and sounds by the first bytes of a file; nothing is decoded, so no file can do harm."""

import re
from collections.abc import Callable
from typing import Literal

Kind = Literal["picture", "video", "audio"]

HEAD_BYTES = 8192
"""Bytes from the beginning of a file that `media_kind` wants to see."""

_MOVIE_BOXES = {b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot", b"styp", b"moof"}
_PICTURE_BRANDS = {b"avif", b"avis", b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}
_AUDIO_BRANDS = {b"M4A ", b"M4B ", b"M4P ", b"F4A ", b"F4B "}

_STARTS: dict[Kind, tuple[bytes, ...]] = {
    "picture": (
        *(b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF87a", b"GIF89a", b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"),
        *(
            b"\xff\x0a",
            b"\0\0\0\x0cJXL ",
            b"\0\0\0\x0cjP  ",
            b"\xff\x4f\xff\x51",
            b"8BPS",
            b"\x76\x2f\x31\x01",
            b"qoif",
        ),
        *(b"SDPX", b"XPDS", b"#?RADIANCE", b"#?RGBE", b"DDS ", b"\x59\xa6\x6a\x95", b"\x01\xda\x00", b"\x01\xda\x01"),
    ),
    "video": (
        *(b"FLV\x01", b".RMF", b"\0\0\x01\xba", b"\0\0\x01\xb3", b"DKIF", b"YUV4MPEG2", b"SMK2", b"SMK4", b"NSVf"),
        *(b"NSVs", b"DHAV", b"FILM", b"BBCD", b"nut/multimedia container", b"\x1f\x07\x00", b"\x12\x00\x0a"),
        *(b"\x06\x0e\x2b\x34\x02\x05\x01\x01", b"\x84\x10\xff\xff\xff\xff\x1e\0", b"\xb7\xd8\x00\x20\x37\x49\xda\x11"),
        *(
            b"\0\0\0\x01\x67",
            b"\0\0\0\x01\x27",
            b"\0\0\0\x01\x09",
            b"\0\0\x01\x67",
            b"\0\0\x01\x27",
            b"\0\0\0\x01\x40\x01",
        ),
        *(b"\0\0\0\x01\x46\x01", b"\0\0\0\x01\x42\x01", b"BIKf", b"BIKg", b"BIKh", b"BIKi", b"KB2", b"\0\0\x01\x0f"),
    ),
    "audio": (
        *(b"ID3", b"fLaC", b"RF64", b"BW64", b"caff", b"wvpk", b"MAC ", b"#!AMR", b"TTA1", b".snd", b"DSD ", b"FRM8"),
        *(b"MPCK", b"MP+", b"tBaK", b"ajkg", b"riff\x2e\x91\xcf\x11", b"Creative Voice File", b"\x7f\xfe\x80\x01"),
        *(b"\x0b\x77", b"\xfe\x7f\x01\x80", b"\xf8\x72\x6f\xba"),
    ),
}
_RIFF: dict[bytes, Kind] = {b"WAVE": "audio", b"AVI ": "video", b"AVIX": "video", b"CDXA": "video", b"WEBP": "picture"}
_FORM: dict[bytes, Kind] = {b"AIFF": "audio", b"AIFC": "audio", b"8SVX": "audio"}
_OGG_VIDEO = re.compile(rb"\x80theora|\x01video\0|BBCD|OVP80")
_ASF_VIDEO = b"\xc0\xef\x19\xbc\x4d\x5b\xcf\x11\xa8\xfd\x00\x80\x5f\x5c\x44\x2b"
_PLAIN_PICTURE = re.compile(rb"P[1-6]\s+(#[^\n]*\n\s*)*\d+\s+\d+\s|P7\nWIDTH |P[Ff]\n\d+ \d+\n")
_BITMAP = re.compile(rb"BM.{4}\0{4}.{4}[\x0c\x28\x34\x38\x40\x6c\x7c]\0{3}", re.DOTALL)
_NO_TEXT = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f]")


def media_kind(head: bytes) -> Kind | None:
    """Return what a file is that begins with ``head``; None if it begins like no medium that is known.

    Of a container that may hold pictures, sound or both, ``audio`` is said only where no pictures can be in it.

    >>> media_kind(bytes.fromhex("ffd8ffe000104a464946")), media_kind(b"fLaC"), media_kind(b"Dear Sir or Madam")
    ('picture', 'audio', None)
    """
    for find in (_box, _chunk, _container, _plain_picture, _stream):
        if (kind := find(head)) is not None:
            return kind
    for kind, starts in _STARTS.items():
        if head.startswith(starts):
            return kind
    return None


def is_text(head: bytes) -> bool:
    """Tell whether a file that begins with ``head`` is text: it holds no control characters, or a mark of UTF-16."""
    return head.startswith((b"\xff\xfe", b"\xfe\xff")) or _NO_TEXT.search(head) is None


def _box(head: bytes) -> Kind | None:
    """MP4, MOV, HEIC and their kin begin with the length and the name of a box."""
    if head[4:8] not in _MOVIE_BOXES:
        return None
    brand = head[8:12] if head[4:8] == b"ftyp" else b""
    return "picture" if brand in _PICTURE_BRANDS else "audio" if brand in _AUDIO_BRANDS else "video"


def _chunk(head: bytes) -> Kind | None:
    kinds = {b"RIFF": _RIFF, b"FORM": _FORM}.get(head[:4], {})
    return kinds.get(head[8:12])


def _container(head: bytes) -> Kind | None:
    if head.startswith(b"\x1a\x45\xdf\xa3"):  # Matroska: its codecs are called V_… and A_…
        return "audio" if b"A_" in head and b"V_" not in head else "video"
    if head.startswith(b"OggS"):
        return "video" if _OGG_VIDEO.search(head) else "audio"
    if head.startswith(b"\x30\x26\xb2\x75\x8e\x66\xcf\x11"):  # ASF
        return "video" if _ASF_VIDEO in head else "audio"
    return None


def _plain_picture(head: bytes) -> Kind | None:
    if (
        head[:2] == b"BM"
        and head[6:10] == bytes(4)
        and head[15:18] == bytes(3)
        and head[14] in (12, 40, 52, 56, 64, 108, 124)
    ):
        return "picture"
    return "picture" if _PLAIN_PICTURE.match(head) else None


def _stream(head: bytes) -> Kind | None:
    """Streams without a header: packets of a fixed length, or frames each of which says where the next one begins."""
    for length, first in ((188, 0), (192, 4), (204, 0)):  # MPEG transport streams, which may be cut anywhere
        for start in range(first, first + length):
            if (
                head[start : start + 1] == b"\x47"
                and len(marks := head[start::length][:8]) == 8
                and set(marks) == {0x47}
            ):
                return "video"
    return "audio" if _leads_on(head, _mpeg_audio_bytes) or _leads_on(head, _adts_bytes) else None


def _leads_on(head: bytes, length_of: Callable[[bytes], int], *, frames: int = 3) -> bool:
    """Tell whether ``frames`` frames follow one another from the beginning."""
    place = 0
    for _ in range(frames):
        length = length_of(head[place : place + 7])
        if not length:
            return False
        place += length
    return True


_MP3_RATES = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)  # kbit/s of MPEG 1, layer III
_MP2_RATES = (0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384)
_LOW_RATES = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)  # of MPEG 2 and 2.5
_SAMPLE_RATES = (44100, 48000, 32000)


def _mpeg_audio_bytes(header: bytes) -> int:
    """Length of an MP3 or MP2 frame with this header; 0 if it is none."""
    if len(header) < 4 or header[0] != 0xFF or header[1] & 0xE0 != 0xE0:
        return 0
    version, layer = header[1] >> 3 & 3, header[1] >> 1 & 3  # 3 is MPEG 1, 2 MPEG 2, 0 MPEG 2.5; 1 is layer III, 2 II
    rate_index, sample_index = header[2] >> 4, header[2] >> 2 & 3
    if version == 1 or layer not in (1, 2) or rate_index in (0, 15) or sample_index == 3:
        return 0
    rates = _LOW_RATES if version != 3 else _MP3_RATES if layer == 1 else _MP2_RATES
    samples = 576 if version != 3 and layer == 1 else 1152
    sample_rate = _SAMPLE_RATES[sample_index] // {3: 1, 2: 2, 0: 4}[version]
    return samples // 8 * rates[rate_index] * 1000 // sample_rate + (header[2] >> 1 & 1)


def _adts_bytes(header: bytes) -> int:
    """Length of an AAC frame with this header; 0 if it is none."""
    if len(header) < 7 or header[0] != 0xFF or header[1] & 0xF6 != 0xF0:
        return 0
    length = (header[3] & 3) << 11 | header[4] << 3 | header[5] >> 5
    return length if length > 7 else 0
