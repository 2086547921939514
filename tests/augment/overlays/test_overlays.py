import importlib
import inspect
import pkgutil
import random
import subprocess
import sys
from dataclasses import replace

import albumentations as A
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import framegate.augment
import framegate.augment.overlays.transforms as overlays
from framegate.augment.overlays.borders import BorderStyle
from framegate.augment.overlays.dates import DATE_PATTERNS, DateStyle
from framegate.augment.overlays.fonts import SCRIPTS, faces
from framegate.augment.overlays.logos import LogoStyle
from framegate.augment.overlays.looks import bank_look
from framegate.augment.overlays.masks import mask_layout, pixel_boxes
from framegate.augment.overlays.plates import Overlay
from framegate.augment.overlays.subtitles import SubtitleStyle
from framegate.augment.overlays.tickers import ClockStyle, TickerStyle
from framegate.augment.overlays.watermarks import RoundedFrameStyle, WatermarkStyle
from framegate.augment.overlays.words import WordsStyle
from framegate.media.clip_layout import Layout

STYLES = (
    *(SubtitleStyle, LogoStyle, BorderStyle, TickerStyle, ClockStyle, WatermarkStyle, RoundedFrameStyle),
    *(WordsStyle, DateStyle),
)
KINDS = ("Subtitles", "Logo", "Border", "Ticker", "Clock", "Watermark", "RoundedFrame", "Words", "Date")
SIZES = ((16, 16), (17, 31), (90, 160), (224, 224), (300, 20), (16, 400))


def test_each_transform_and_style_is_imported_from_the_package() -> None:
    found = set()
    for module in pkgutil.walk_packages(framegate.augment.__path__, "framegate.augment."):
        for name, kind in inspect.getmembers(importlib.import_module(module.name), inspect.isclass):
            is_overlay = issubclass(kind, A.BasicTransform) or kind is Overlay or {"draw", "paint"} <= set(vars(kind))
            if is_overlay and kind.__module__ == module.name and not name.startswith("_"):
                found.add(name)
                assert getattr(framegate.augment, name) is kind
    assert {"PaintLogo", "MaskSubtitles", "MaskLayout", "LogoStyle", "Look"} <= found <= set(dir(framegate.augment))
    assert all(hasattr(framegate.augment, name) for name in framegate.augment.__all__)


def test_importing_the_package_loads_no_albumentations() -> None:
    code = "import sys, framegate.augment; assert not {'albumentations', 'torch', 'scipy'} & set(sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


images = st.builds(
    lambda size, channels, kind, seed: picture(size, channels, kind, seed),
    st.sampled_from(SIZES),
    st.sampled_from((None, 1, 3)),
    st.sampled_from((np.uint8, np.float32)),
    st.integers(0, 9),
)


def picture(size, channels, kind, seed) -> np.ndarray:
    shape = size if channels is None else (*size, channels)
    pixels = np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)
    return pixels if kind == np.uint8 else pixels.astype(np.float32) / 255


@settings(max_examples=150, deadline=None)
@given(
    image=images, kind=st.sampled_from(KINDS), way=st.sampled_from(("Paint", "Mask", "Cut")), seed=st.integers(0, 2**32)
)
def test_every_transform_takes_any_image_and_keeps_its_shape(image, kind, way, seed):
    before = image.copy()
    transform = getattr(overlays, f"{'Paint' if way == 'Paint' else 'Mask'}{kind}")
    options = {"how": "cut"} if way == "Cut" else {}
    result = A.Compose([transform(p=1.0, **options)], seed=seed)(image=image)["image"]
    assert result.shape == image.shape and result.dtype == image.dtype
    assert np.array_equal(image, before)
    if image.dtype == np.float32:
        assert result.min() >= 0 and result.max() <= 1


@settings(max_examples=150, deadline=None)
@given(
    size=st.tuples(st.integers(16, 200), st.integers(16, 200))
    | st.sampled_from([(16, 3000), (2160, 3840), (1081, 17)]),
    kind=st.sampled_from(range(len(KINDS))),
    how=st.sampled_from(("cover", "cut")),
    station=st.integers(0, 2**32),
    seed=st.integers(0, 2**32),
)
def test_a_mask_leaves_nothing_of_its_region(size, kind, how, station, seed):
    """Two pictures that differ in the region and the pixel around it only are the same afterwards."""
    first = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    second = first.copy()
    region = STYLES[kind].draw(random.Random(f"station:{station}")).places(size[1] / size[0])
    boxes = pixel_boxes(region, second)  # none where a logo is wider than such a frame is high, and lies outside
    for left, top, right, bottom in boxes:
        second[top:bottom, left:right] = 255 - second[top:bottom, left:right]
    mask = getattr(overlays, f"Mask{KINDS[kind]}")(station=station, how=how, p=1.0)
    masked = [A.Compose([mask], seed=seed)(image=image)["image"] for image in (first, second)]
    assert np.array_equal(*masked)
    assert np.array_equal(first, second) is not bool(boxes)


def test_the_largest_frames_are_taken():
    frame = np.tile(np.arange(240, dtype=np.uint8)[:, None], (9, 3840))[..., None].repeat(3, axis=2)
    for kind in KINDS:
        assert (getattr(overlays, f"Paint{kind}")(station=1, p=1.0)(image=frame)["image"] != frame).any(), kind


@pytest.mark.parametrize("kind", KINDS)
def test_a_seed_fixes_what_is_painted_and_seeds_differ(kind):
    image = picture((90, 160), 3, np.uint8, 0)
    transform = getattr(overlays, f"Paint{kind}")
    first, again, other = (A.Compose([transform(p=1.0)], seed=seed)(image=image)["image"] for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("size", [(180, 320), (240, 320), (320, 180), (64, 64)])
def test_all_that_is_painted_lies_in_the_places_that_the_mask_covers(style, size):
    height, width = size
    for seed in range(60):
        overlay = style.draw(random.Random(seed))
        frame = np.full((height, width, 3), 128, np.uint8)
        overlay.paint(frame, (0.0, 0.0, width, height), random.Random(seed), moment=seed)
        outside = frame != 128
        for left, top, right, bottom in pixel_boxes(overlay.places(width / height), frame):
            outside[top:bottom, left:right] = False
        assert not outside.any(), (overlay, np.argwhere(outside.any(axis=2))[:3])


def test_stations_keep_their_style_and_vary_their_text():
    blank = np.zeros((180, 320, 3), np.uint8)
    painted = [overlays.PaintLogo(station=5, p=1.0)(image=blank)["image"] for _ in range(2)]
    assert np.array_equal(*painted)
    lines = [A.Compose([overlays.PaintSubtitles(station=5, p=1.0)], seed=s)(image=blank)["image"] for s in range(8)]
    assert len({line.tobytes() for line in lines}) > 4


def test_a_moving_logo_moves_between_the_frames_of_a_clip_and_a_still_one_does_not():
    moving = next(station for station in range(200) if LogoStyle.draw(random.Random(f"station:{station}")).moving)
    still = next(station for station in range(200) if not LogoStyle.draw(random.Random(f"station:{station}")).moving)
    clip = np.zeros((4, 120, 160, 3), np.uint8)
    a = A.Compose([overlays.PaintLogo(station=moving, p=1.0)], seed=0)(images=clip)["images"]
    b = A.Compose([overlays.PaintLogo(station=still, p=1.0)], seed=0)(images=clip)["images"]
    assert not np.array_equal(a[0], a[1])
    assert np.array_equal(b[0], b[1])


def test_transforms_can_be_saved_and_loaded():
    pipeline = A.Compose([overlays.PaintLogo(station=3, p=0.5), overlays.MaskSubtitles(how="cut", p=0.2)])
    again = A.from_dict(A.to_dict(pipeline))
    assert [t.get_transform_init_args() for t in again] == [t.get_transform_init_args() for t in pipeline]


def test_mask_layout_hides_all_that_was_found_and_nothing_else():
    image = picture((90, 160), 3, np.uint8, 0)
    layout = Layout(
        borders=(0.0, 0.1, 1.0, 0.9), logos=((0.8, 0.12, 0.9, 0.2, 1.0),), subtitles=((0.2, 0.75, 0.8, 0.85, 0.9),)
    )
    masked = overlays.MaskLayout()(image=image, layout=layout)["image"]
    assert np.array_equal(masked, mask_layout(image, layout))
    colour = masked[0, 0]
    for part in (masked[:9], masked[81:], masked[11:18, 128:144], masked[68:76, 32:128]):
        assert (part == colour).all()
    assert np.array_equal(masked[30:60], image[30:60])


def test_looks_are_a_function_of_seed_and_number_in_any_process():
    code = "from framegate.augment.overlays.looks import bank_look; print(repr([bank_look(3, n) for n in range(20)]))"
    elsewhere = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
    assert elsewhere == repr([bank_look(3, number) for number in range(20)])
    assert len({bank_look(3, 0), bank_look(4, 0), bank_look(3, 1)}) == 3


@pytest.mark.parametrize("script", SCRIPTS)
def test_every_script_has_a_face_that_writes_it(script):
    for face in faces(script):
        ink = face({"chinese": "你好", "japanese": "ありが", "cyrillic": "Жён", "greek": "Ωψ"}.get(script, "Hey"), 26)
        assert ink.dtype == np.uint8 and ink.shape[0] == 26 and 0.03 < (ink > 127).mean() < 0.8


def test_every_machine_has_the_same_faces():
    """Fonts of the system would make views, and so a training, depend on what is installed beside it."""
    assert [len(faces(script)) for script in ("latin", "cyrillic", "greek", "chinese", "japanese")] == [8, 8, 8, 3, 3]


_LETTERS = """
import hashlib
from framegate.augment.overlays.fonts import SCRIPTS, faces
letters = b"".join(face("Hey ΩЖ 你", 26).tobytes() for script in SCRIPTS for face in faces(script))
print(hashlib.sha256(letters).hexdigest())
"""


def test_letters_do_not_depend_on_what_the_process_wrote_before():
    """OpenCV's fonts keep the weight of the last text, Hershey's included, for the next one that names no weight."""
    histories = (
        "",
        "cv2.putText(frame, 'TV', (5, 60), cv2.FONT_HERSHEY_SIMPLEX, 3.0, (255,), 9)",
        "cv2.putText(frame, 'TV', (5, 60), (255,), cv2.FontFace('sans'), 20, 800)",
    )
    codes = [f"import cv2, numpy\nframe = numpy.zeros((90, 90), 'uint8')\n{h}\n{_LETTERS}" for h in histories]
    runs = [subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) for code in codes]
    assert len({run.communicate(timeout=60)[0] for run in runs}) == 1
    assert all(run.returncode == 0 for run in runs)


def test_words_are_the_same_each_time_and_dates_run_on():
    blank = np.full((90, 160, 3), 90, np.uint8)

    def painted(overlay: Overlay, seed: int, moment: int = 0) -> bytes:
        image = blank.copy()
        overlay.paint(image, (0.0, 0.0, 160.0, 90.0), random.Random(seed), moment=moment)
        return image.tobytes()

    words, date = WordsStyle.draw(random.Random(3)), DateStyle.draw(random.Random(3))
    date = replace(date, pattern="%Y-%m-%d %H:%M:%S", height=0.1)
    assert painted(words, 1) == painted(words, 2)
    assert painted(date, 1) == painted(date, 1) != painted(date, 2)
    assert painted(date, 1) != painted(date, 1, moment=7)


def test_dates_need_no_language_of_the_machine():
    assert not any(name in pattern for pattern in DATE_PATTERNS for name in ("%a", "%A", "%b", "%B", "%p", "%c", "%x"))
