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

_PICTURES = """
    ffd8ff 89504e470d0a1a0a 474946383761 474946383961 49492a00 4d4d002a 49492b00 4d4d002b ff0a 0000000c4a584c20
    0000000c6a502020 ff4fff51 38425053 762f3101 716f6966 53445058 58504453 233f52414449414e4345 233f52474245 44445320
    59a66a95 01da00 01da01 53494d504c4520203d
"""  # JPEG, PNG, GIF, TIFF, JPEG XL, JPEG 2000, PSD, EXR, QOI, DPX, Radiance, DDS, Sun raster, SGI, FITS
_VIDEOS = """
    464c5601 2e524d46 000001ba 000001b3 000001b0 444b4946 595556344d50454732 534d4b32 534d4b34 4e535666 4e535673
    44484156 46494c4d 42424344 6e75742f6d756c74696d65646961 1f0700 12000a 060e2b3402050101 8410ffffffff1e00
    b7d800203749da11 0000000001bc 0000000167 0000000127 0000000109 00000167 00000127 000000014001 000000014601
    000000014201 42494b66 42494b67 42494b68 42494b69 4b4232 0000010f
"""  # FLV, RealMedia, MPEG streams, IVF, Y4M, Smacker, NSV, DAV, FILM, Dirac, NUT, DV, AV1, MXF, RoQ, WTV, GXF, H.264,
# H.265, Bink, VC-1
_SOUNDS = """
    494433 664c6143 52463634 42573634 63616666 7776706b 4d414320 2321414d52 54544131 2e736e64 44534420 46524d38 4d50434b
    4d502b 7442614b 616a6b67 726966662e91cf11 437265617469766520566f6963652046696c65 7ffe8001 fe7f0180 0b77
"""  # ID3, FLAC, long WAVE, CAF, WavPack, Monkey, AMR, TTA, AU, DSD, Musepack, TAK, Shorten, Wave64, VOC, DTS, AC-3
_STARTS: dict[Kind, tuple[bytes, ...]] = {
    "picture": tuple(map(bytes.fromhex, _PICTURES.split())),
    "video": tuple(map(bytes.fromhex, _VIDEOS.split())),
    "audio": tuple(map(bytes.fromhex, _SOUNDS.split())),
}
_RIFF: dict[bytes, Kind] = {b"WAVE": "audio", b"AVI ": "video", b"AVIX": "video", b"CDXA": "video", b"WEBP": "picture"}
_FORM: dict[bytes, Kind] = {b"AIFF": "audio", b"AIFC": "audio", b"8SVX": "audio"}
_OGG_VIDEO = re.compile(rb"\x80theora|\x01video\0|BBCD|OVP80")
_ASF_VIDEO = b"\xc0\xef\x19\xbc\x4d\x5b\xcf\x11\xa8\xfd\x00\x80\x5f\x5c\x44\x2b"
_PLAIN_PICTURE = re.compile(rb"P[1-6]\s+(#[^\n]*\n\s*)*\d+\s+\d+\s|P7\nWIDTH |P[Ff]\n\d+ \d+\n")
_ICON = re.compile(rb"\x00\x00\x01\x00[\x01-\x40]\x00.{3}\x00[\x00\x01]\x00", re.DOTALL)
_PCX = re.compile(rb"\x0a[\x00-\x05]\x01[\x01\x02\x04\x08]")
_TRUE_HD = re.compile(rb".{4}\xf8\x72\x6f[\xba\xbb]", re.DOTALL)
_FLASH = re.compile(rb"[FC]WS[\x01-\x2f].{2}[\x00-\x0f]\x00", re.DOTALL)
_BITMAP = re.compile(rb"BM.{4}\x00{4}.{4}[\x0c\x28\x34\x38\x40\x6c\x7c]\x00{3}", re.DOTALL)
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
    return "picture" if any(form.match(head) for form in (_BITMAP, _ICON, _PCX, _PLAIN_PICTURE)) else None


def _stream(head: bytes) -> Kind | None:
    """Streams without a header: packets of a fixed length, or frames each of which says where the next one begins."""
    for length, first in ((188, 0), (192, 4), (204, 0)):  # MPEG transport streams, which may be cut anywhere
        for start in range(first, first + length):
            if head[start : start + 1] == b"G" and head[start::length][:8] == b"GGGGGGGG":
                return "video"
    if _FLASH.match(head):
        return "video"
    return (
        "audio" if _TRUE_HD.match(head) or _leads_on(head, _mpeg_audio_bytes) or _leads_on(head, _adts_bytes) else None
    )


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
