"""Pictures of every kind that people have, as a person would see them."""

import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms, features

from framegate.media import MediaError, read_frames
from framegate.media.decoding.picture_folder import holds_pictures
from framegate.media.decoding.picture_reader import PictureReader
from framegate.media.pictures.background import BACKGROUND
from framegate.media.pictures.picture_file import read_picture, read_pictures

PIXELS = 1 << 20


def scene(width: int = 96, height: int = 64) -> np.ndarray:
    """Red rises to the right, green downwards; a white square in the upper left corner tells how it is turned."""
    rows, columns = np.mgrid[0:height, 0:width]
    picture = np.stack([columns * 255 // width, rows * 255 // height, np.full((height, width), 90)], axis=2)
    picture[:16, :16] = 255
    return picture.astype(np.uint8)


def read(path: Path, size: int | None = None) -> np.ndarray:
    return read_picture(path, size=size, max_pixels=PIXELS)


def close(picture: np.ndarray, to: object, within: float = 3.0) -> bool:
    return bool(np.abs(picture.astype(float) - np.asarray(to, float)).mean() <= within)


def save(path: Path, image: Image.Image, **options: object) -> Path:
    image.save(path, **options)
    return path


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("a.jpg", {"quality": 95, "subsampling": 0}),
        ("progressive.jpg", {"quality": 95, "subsampling": 0, "progressive": True}),
        ("a.png", {}),
        ("a.webp", {"lossless": True}),
        ("lossy.webp", {"quality": 95}),
        ("a.tif", {}),
        ("lzw.tiff", {"compression": "tiff_lzw"}),
        ("jpeg.tiff", {"compression": "jpeg", "quality": 95}),
        ("big.tif", {"big_tiff": True}),
        ("a.bmp", {}),
        ("a.avif", {"quality": 90, "subsampling": "4:4:4"}),
    ],
)
def test_a_picture_of_each_format_is_what_was_saved(name: str, options: dict[str, object], tmp_path: Path) -> None:
    if name.endswith("avif") and not features.check("avif"):
        pytest.skip("this Pillow has no AVIF")
    path = save(tmp_path / name, Image.fromarray(scene()), **options)
    assert holds_pictures(path)
    assert close(read(path), scene())
    assert [time for time, _ in read_frames(path, [0.0])] == [0.0]


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tif"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_each_orientation_of_exif_is_turned_upright(orientation: int, suffix: str, tmp_path: Path) -> None:
    undo = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}  # Image.Transpose that makes of the scene what a camera stores
    stored = Image.fromarray(scene())
    if orientation > 1:
        stored = stored.transpose(Image.Transpose(undo[orientation]))
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = save(tmp_path / f"a.{suffix}", stored, exif=exif, **({"quality": 95} if suffix in ("jpg", "webp") else {}))
    assert close(read(path), scene(), within=4)
    assert read(path, size=32).shape == (32, 48, 3)


def test_a_jpeg_of_inks_has_its_colours(tmp_path: Path) -> None:
    wanted = Image.fromarray(scene())
    for name, options in [("cmyk.jpg", {}), ("small.jpg", {"quality": 95})]:
        path = save(tmp_path / name, wanted.convert("CMYK"), **options)
        assert b"Adobe" in path.read_bytes()[:400]  # stores inks inverted
        assert close(read(path), scene(), within=8)
    assert close(read(save(tmp_path / "cmyk.tif", wanted.convert("CMYK"))), scene(), within=3)


def test_a_jpeg_of_ycck_has_its_colours(tmp_path: Path) -> None:
    """Photoshop's way: YCC of the inverted inks, with Adobe's mark 2."""
    inverted = 255 - np.asarray(Image.fromarray(scene()).convert("CMYK"))
    inks = Image.fromarray(np.dstack([255 - inverted[..., :3], inverted[..., 3]]))  # YCCK's RGB is 255 − CMY
    ycc = np.asarray(Image.fromarray(np.asarray(inks)[..., :3]).convert("YCbCr"))
    stored = Image.fromarray(np.dstack([ycc, np.asarray(inks)[..., 3]]), mode="CMYK")
    path = save(tmp_path / "ycck.jpg", Image.fromarray(255 - np.asarray(stored), mode="CMYK"), quality=98)
    data = path.read_bytes()
    at = data.index(b"Adobe")
    path.write_bytes(data[: at + 11] + b"\x02" + data[at + 12 :])
    with Image.open(path) as image:
        assert image.info["adobe_transform"] == 2
        expected = np.asarray(image.convert("RGB"))
    assert close(read(path), expected)
    assert close(read(path), scene(), within=10)


def test_grey_and_colours_of_16_bits_keep_their_lightness(tmp_path: Path) -> None:
    grey = (np.mgrid[0:64, 0:96][1] * 65535 // 95).astype(np.uint16)
    shown = (grey / 257)[..., None].repeat(3, axis=2)
    for name in ("grey.png", "grey.tif"):
        assert close(read(save(tmp_path / name, Image.fromarray(grey))), shown, within=1)
    big_endian = Image.frombytes("I;16B", (96, 64), grey.astype(">u2").tobytes())
    assert close(read(save(tmp_path / "big.tif", big_endian)), shown, within=1)
    deep = scene().astype(np.uint16) * 257
    assert close(read(png(tmp_path / "rgb16.png", deep)), scene(), within=1)


def png(path: Path, picture: np.ndarray, *, extra: bytes = b"") -> Path:
    """A PNG of 16 bits, which Pillow does not write: grey (H, W) or RGB (H, W, 3)."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    height, width = picture.shape[:2]
    header = struct.pack(">IIBBBBB", width, height, 16, 2 if picture.ndim == 3 else 0, 0, 0, 0)
    lines = b"".join(b"\0" + line.astype(">u2").tobytes() for line in picture)
    chunks = chunk(b"IHDR", header) + extra + chunk(b"IDAT", zlib.compress(lines)) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunks)
    return path


def test_grey_of_32_bits_and_in_floating_point_has_a_stated_white(tmp_path: Path) -> None:
    ramp = np.linspace(0, 1, 96, dtype=np.float32)[None].repeat(64, axis=0)
    shown = (ramp * 255)[..., None].repeat(3, axis=2)
    for name, values in [
        ("one.tif", ramp),
        ("byte.tif", ramp * 255),
        ("word.tif", ramp * 65535),
        ("signed.tif", ramp * 40 - 20),
        ("integers.tif", (ramp * 65535).astype(np.int32)),
    ]:
        assert close(read(save(tmp_path / name, Image.fromarray(values))), shown, within=1.5), name
    assert read(save(tmp_path / "black.tif", Image.fromarray(ramp * 0))).max() == 0
    ramp[0, 0] = np.nan
    assert close(read(save(tmp_path / "nan.tif", Image.fromarray(ramp))), shown, within=1.5)


def test_two_colours_palettes_and_grey_with_alpha_are_rgb(tmp_path: Path) -> None:
    two = Image.fromarray(scene()[..., 0] > 128)
    assert two.mode == "1"
    for name in ("two.png", "two.tif", "two.bmp", "two.gif"):
        assert close(read(save(tmp_path / name, two)), (scene()[..., :1] > 128) * np.full(3, 255.0), within=1), name
    palette = Image.fromarray(scene()).quantize(256)
    for name in ("palette.png", "palette.gif", "palette.bmp", "palette.tif"):
        assert close(read(save(tmp_path / name, palette)), palette.convert("RGB"), within=1), name


@pytest.mark.parametrize("suffix", ["png", "webp", "tif", "avif"])
def test_what_is_transparent_is_the_background_whatever_colour_it_hides(suffix: str, tmp_path: Path) -> None:
    if suffix == "avif" and not features.check("avif"):
        pytest.skip("this Pillow has no AVIF")
    options = {"png": {}, "webp": {"lossless": True, "exact": True}, "tif": {}, "avif": {"quality": 100}}[suffix]
    hidden = np.dstack([scene(), np.zeros(scene().shape[:2], np.uint8)])
    hidden[:, 48:, 3] = 255
    picture = read(save(tmp_path / f"a.{suffix}", Image.fromarray(hidden), **options))
    assert close(picture[:, :48], np.broadcast_to(BACKGROUND, (64, 48, 3)), within=1)
    assert close(picture[:, 50:], scene()[:, 50:])


def test_grey_with_alpha_and_a_transparent_colour_lie_over_the_background(tmp_path: Path) -> None:
    half = np.dstack([np.full((8, 8), 200, np.uint8), np.full((8, 8), 128, np.uint8)])
    shown = np.array(BACKGROUND) * 127 / 255 + 200 * 128 / 255
    assert close(read(save(tmp_path / "la.png", Image.fromarray(half))), np.broadcast_to(shown, (8, 8, 3)), within=2)
    palette = Image.fromarray(scene()).quantize(8)
    for name in ("p.png", "p.gif"):
        path = save(tmp_path / name, palette, transparency=palette.getpixel((95, 63)))
        assert tuple(read(path)[63, 95]) == BACKGROUND, name
    key = struct.pack(">I", 2) + b"tRNS" + b"\x12\x34"
    grey = np.full((8, 8), 60_000)
    grey[0, 0] = 0x1234
    picture = read(png(tmp_path / "key.png", grey, extra=key + struct.pack(">I", zlib.crc32(key[4:]))))
    assert tuple(picture[0, 0]) == BACKGROUND
    assert picture[4, 4].tolist() == [233] * 3


def profile_of(space: str) -> bytes:
    """A colour profile: Display-P3-like primaries as ICC, made of sRGB's by swapping its red and blue."""
    data = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    for tag in (b"rXYZ", b"bXYZ"):
        assert tag in data
    red, blue = data.index(b"rXYZ"), data.index(b"bXYZ")
    data[red : red + 4], data[blue : blue + 4] = data[blue : blue + 4], data[red : red + 4]
    return bytes(data).replace("sRGB".encode("utf-16-be"), space.encode("utf-16-be"))


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.webp", "a.tif"])
def test_a_colour_profile_is_followed(name: str, tmp_path: Path) -> None:
    swapped = profile_of("swap")
    options = {"quality": 95, "subsampling": 0} if name == "a.jpg" else {"lossless": True} if "webp" in name else {}
    path = save(tmp_path / name, Image.fromarray(scene()[..., ::-1]), icc_profile=swapped, **options)
    assert close(read(path), scene(), within=4)
    assert close(read(path, size=32), read(save(tmp_path / "s.png", Image.fromarray(scene())), size=32), within=5)
    broken = save(tmp_path / f"broken-{name}", Image.fromarray(scene()), icc_profile=b"nonsense" * 30, **options)
    assert close(read(broken), scene())


def test_a_profile_of_ink_does_not_spoil_a_picture_of_light(tmp_path: Path) -> None:
    lab = Image.fromarray(scene()).convert("RGB")
    to_lab = ImageCms.buildTransform(ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), "RGB", "LAB")
    stored = ImageCms.applyTransform(lab, to_lab)
    assert stored is not None
    assert close(read(save(tmp_path / "lab.tif", stored)), scene(), within=4)


@pytest.mark.parametrize(("suffix", "most"), [("gif", 20), ("png", 3), ("webp", 4), ("avif", 6)])
def test_each_picture_of_an_animation_has_its_own_time(suffix: str, most: float, tmp_path: Path) -> None:
    if suffix == "avif" and not features.check("avif"):
        pytest.skip("this Pillow has no AVIF")
    colours = [(200, 0, 0), (0, 200, 0), (0, 0, 200), (200, 200, 0)]
    first, *rest = [Image.new("RGB", (32, 32), colour) for colour in colours]
    durations = [500, 0, 2000, 300]
    if suffix == "avif":
        durations[1] = 100
    path = save(tmp_path / f"a.{suffix}", first, save_all=True, append_images=rest, duration=durations, loop=0)
    shown = [(p.start, p.end, p.paint()) for p in read_pictures(path, size=None, max_pixels=PIXELS)]
    assert [start for start, _, _ in shown] == pytest.approx([0.0, 0.5, 0.6, 2.6], abs=0.002)
    assert shown[-1][1] == pytest.approx(2.9, abs=0.002)
    assert all(
        close(picture, np.broadcast_to(c, (32, 32, 3)), most) for c, (_, _, picture) in zip(colours, shown, strict=True)
    )
    sampled = read_frames(path, [0.0, 0.55, 1.0, 1.5, 2.7, 2.95])
    assert [time for time, _ in sampled] == pytest.approx([0.0, 0.5, 0.6, 0.6, 2.6], abs=0.002)
    assert close(sampled[3][1], np.broadcast_to(colours[2], (32, 32, 3)), most)


def test_what_an_animation_leaves_unpainted_stays_from_before(tmp_path: Path) -> None:
    """The usual GIF: later pictures are small and transparent, over what was there."""
    first = Image.fromarray(scene()).quantize(64)
    second = Image.new("RGBA", (96, 64), (0, 0, 0, 0))
    second.paste((255, 255, 255, 255), (60, 40, 70, 50))
    path = save(tmp_path / "a.gif", first, save_all=True, append_images=[second], duration=200, disposal=1)
    one, two = [p.paint() for p in read_pictures(path, size=None, max_pixels=PIXELS)]
    assert close(two[:, :50], one[:, :50], within=6)
    assert two[45, 65].min() > 240


def test_the_picture_for_those_who_show_no_animation_is_none_of_it(tmp_path: Path) -> None:
    shown = [Image.new("RGB", (16, 16), (level, 0, 0)) for level in (50, 100)]
    cover = Image.new("RGB", (16, 16), (0, 250, 0))
    path = tmp_path / "a.png"
    cover.save(path, save_all=True, append_images=shown, default_image=True, duration=1000)
    assert [picture[0, 0].tolist() for _, picture in read_frames(path, [0.0, 1.0])] == [[50, 0, 0], [100, 0, 0]]


def test_pages_of_a_tiff_follow_each_second_and_its_thumbnails_do_not(tmp_path: Path) -> None:
    pages = [Image.new("RGB", (20 + 10 * number, 20), (number * 60, 0, 0)) for number in range(3)]
    path = save(tmp_path / "a.tif", pages[0], save_all=True, append_images=pages[1:])
    assert [(time, p.shape[1]) for time, p in read_frames(path, [0, 1, 2, 3])] == [(0, 20), (1, 30), (2, 40)]
    thumbnail = save(tmp_path / "thumbnail.tif", pages[0], tiffinfo={254: 1})
    with pytest.raises(MediaError, match="only thumbnails in it, as in the raw files of cameras"):
        read_frames(thumbnail, [0.0])


def test_of_a_photo_with_further_pictures_the_photo_is_taken(tmp_path: Path) -> None:
    left, right = Image.fromarray(scene()), Image.new("RGB", (96, 64), "red")
    path = save(tmp_path / "a.mpo", left, save_all=True, append_images=[right], quality=95)
    assert path.read_bytes().count(b"\xff\xd8\xff") == 2
    assert holds_pictures(path)
    assert [time for time, _ in read_frames(path, [0.0, 5.0])] == [0.0, 0.0]
    assert close(read_frames(path, [0.0])[0][1], scene())


def test_jpegs_one_after_another_are_a_video(make_video) -> None:
    path = make_video("a.mjpeg", codec="mjpeg", pix_fmt="yuvj420p")
    assert path.read_bytes()[:3] == b"\xff\xd8\xff"
    assert not holds_pictures(path)
    assert len(read_frames(path, [0.0, 1.0])) == 2


def test_a_video_of_jpegs_with_exif_is_read(ffmpeg, tmp_path: Path) -> None:
    """As cameras write them: PyAV does not know this kind of data beside a frame."""
    exif = Image.Exif()
    exif[0x0110] = "camera"
    for number in range(3):
        save(tmp_path / f"{number}.jpg", Image.fromarray(scene()), exif=exif, quality=95, subsampling=0)
    ffmpeg("-framerate", 1, "-i", tmp_path / "%d.jpg", "-c", "copy", tmp_path / "a.avi")
    frames = read_frames(tmp_path / "a.avi", [0.0, 1.0, 2.0])
    assert len(frames) == 3
    assert close(frames[2][1], scene(), within=4)


def test_what_a_file_is_called_changes_nothing(tmp_path: Path) -> None:
    for name, form in [("a.png", "JPEG"), ("b.jpg", "PNG"), ("c", "WEBP"), ("d.mp4", "JPEG"), ("e.txt", "GIF")]:
        path = tmp_path / name
        Image.fromarray(scene()).save(path, format=form)
        assert read_frames(path, [0.0])[0][1].shape == (64, 96, 3), name


@pytest.mark.parametrize("suffix", ["png", "webp", "tif", "bmp", "gif", "avif"])
def test_a_picture_that_is_cut_off_is_refused(suffix: str, tmp_path: Path) -> None:
    if suffix == "avif" and not features.check("avif"):
        pytest.skip("this Pillow has no AVIF")
    noise = np.random.default_rng(0).integers(0, 255, (64, 96, 3), dtype=np.uint8)
    path = save(tmp_path / f"a.{suffix}", Image.fromarray(noise))
    data = path.read_bytes()
    for share in (0.2, 0.5, 0.9):
        path.write_bytes(data[: int(len(data) * share)])
        with pytest.raises(MediaError) as caught:
            read(path)
        assert len(str(caught.value)) < 200


@pytest.mark.parametrize("suffix", ["gif", "png", "webp"])
def test_an_animation_that_is_cut_off_anywhere_says_so_and_gives_what_is_there(suffix: str, tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    first, *rest = [Image.fromarray(random.integers(0, 255, (6, 6, 3), dtype=np.uint8)) for _ in range(3)]
    path = save(tmp_path / f"a.{suffix}", first, save_all=True, append_images=rest, duration=1000)
    data = path.read_bytes()
    most = 0
    for cut in range(40, len(data), 3):
        path.write_bytes(data[:cut])
        try:
            reader = PictureReader(path, size=None, max_pixels=PIXELS)
            given = [shown.time for _, shown in reader.frames_at([0.0, 1.0, 2.0])]
        except MediaError:
            continue
        assert given
        # An animated PNG may lack the sum of its last pixels, and the mark of its end.
        assert reader.damage or (len(given) == 3 and cut > len(data) - 24), (cut, len(data))
        most = max(most, len(given))
    assert most >= 2 or suffix == "webp"  # of which nothing is read before its whole length is there


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tif", "bmp", "gif"])
def test_the_limit_of_pixels_holds_before_anything_is_decoded(suffix: str, tmp_path: Path) -> None:
    path = save(tmp_path / f"a.{suffix}", Image.new("L", (400, 300)))
    with pytest.raises(MediaError, match="400 × 300 pixels: over the limit of 100000 \\(max_pixels\\)"):
        read_frames(path, [0.0], max_pixels=100_000)
    assert len(read_frames(path, [0.0], max_pixels=120_000)) == 1


def test_the_limit_that_cannot_be_raised_is_told_apart(tmp_path: Path) -> None:
    path = save(tmp_path / "a.png", Image.new("L", (4, 3)))
    data = bytearray(path.read_bytes())
    data[16:29] = struct.pack(">IIBBBBB", 20_000, 30_000, 8, 0, 0, 0, 0)
    data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))
    path.write_bytes(data)
    with pytest.raises(MediaError, match="a picture of 600000000 pixels: over Pillow's own limit; scale it down"):
        read_frames(path, [0.0], max_pixels=10**9)


def test_a_later_page_over_the_limit_ends_the_reading(tmp_path: Path) -> None:
    pages = [Image.new("L", (100, 100)), Image.new("L", (1000, 1000))]
    path = save(tmp_path / "a.tif", pages[0], save_all=True, append_images=pages[1:])
    read_first = read_pictures(path, size=None, max_pixels=20_000)
    assert next(read_first).paint().shape == (100, 100, 3)
    with pytest.raises(MediaError, match="1000 × 1000 pixels: over the limit"):
        next(read_first)


def test_an_animation_cannot_outlast_the_time_limit(tmp_path: Path) -> None:
    first, *rest = [Image.new("L", (500, 500), level) for level in range(0, 250, 25)]
    path = save(tmp_path / "a.gif", first, save_all=True, append_images=rest, duration=100)
    with pytest.raises(MediaError, match="timed out"):
        read_frames(path, [0.0, 4.0], timeout=0.001)


def test_heic_is_refused_in_one_plain_sentence(tmp_path: Path) -> None:
    path = tmp_path / "a.heic"
    path.write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(64))
    with pytest.raises(MediaError, match=r"HEIC pictures .* convert to JPEG") as caught:
        read_frames(path, [0.0])
    assert len(str(caught.value)) < 300


def test_formats_that_run_other_programs_are_never_opened(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\nshowpage\n")
    assert not holds_pictures(path)
    with pytest.raises(MediaError) as caught:
        read_frames(path, [0.0])
    assert len(str(caught.value)) < 300
    for suffix in ("webp", "tif", "png", "jpg"):
        save(tmp_path / f"b.{suffix}", Image.new("L", (8, 8)))
    code = "; ".join(
        [
            "import sys; from pathlib import Path; from framegate.media import read_frames",
            f"[read_frames(path, [0.0]) for path in Path({str(tmp_path)!r}).glob('b.*')]",
            "assert 'PIL.EpsImagePlugin' not in sys.modules and 'PIL.WmfImagePlugin' not in sys.modules",
        ]
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
