"""Small videos with known overlays, for the tests of layout finding. Shares no code with framegate.augment."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import cv2
import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont

SIZES = ((256, 144), (320, 180), (480, 270), (640, 360), (320, 240))
KINDS = ("motion", "motion", "motion", "one shot", "slides", "dark", "fades")
STYLES = ("outline", "box", "shadow", "bold", "colour")
FONTS = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
SENTENCES = (
    "I never said that to her.",
    "You did, last week!",
    "Wait for me outside",
    "Nobody knows where they went.",
    "Why not?",
    "It was raining all night",
    "We have to leave now",
    "Он сказал, что придёт завтра",
    "Где ты был вчера вечером?",
    "Это невозможно!",
    "Je ne sais pas encore.",
    "Das ist nicht wahr, oder?",
    "¿Qué pasó después?",
    "Δεν το ξέρω ακόμα",
    "Πού ήσουν χθες το βράδυ;",
)


@dataclass
class Rendered:
    """Frames (T, H, W, 3) uint8, and the truth: boxes in fractions of the frame."""

    frames: list[np.ndarray]
    kind: str
    borders: tuple[float, float, float, float] = (0.0, 0.0, 1.0, 1.0)
    logos: list[tuple[float, float, float, float]] = field(default_factory=list)
    subtitles: list[tuple[float, float, float, float]] = field(default_factory=list)
    what: str = ""


def render_video(seed: int, *, clean: bool = False, kind: str | None = None) -> Rendered:
    """A video of 8 to 64 frames; unless ``clean``, borders, logo and subtitles with probability one half each."""
    rng = np.random.default_rng([7, seed])
    cv2.setRNGSeed(seed)
    width, height = SIZES[rng.integers(len(SIZES))]
    kind = kind or KINDS[rng.integers(len(KINDS))]
    count = int(rng.integers(8, 65))
    content = moving_content(rng, count, width, height, kind)
    video = Rendered(content, kind)
    has_borders, has_logo, has_subtitles = (False, False, False) if clean else rng.random(3) < 0.5
    if has_borders:
        add_borders(video, rng)
    if has_logo and kind != "static":  # over one still picture nothing tells a logo from what it lies on
        add_logo(video, rng)
    if has_subtitles:
        add_subtitles(video, rng)
    if kind == "fades" and rng.random() < 0.4:  # the fade takes the overlays along
        level = np.clip(np.abs(np.linspace(-1, 1, count) * 4), 0, 1)
        video.frames = [(frame * a).astype(np.uint8) for frame, a in zip(video.frames, level, strict=True)]
    video.frames = [compressed(frame, int(rng.integers(60, 96))) for frame in video.frames]
    return video


def compressed(frame: np.ndarray, quality: int) -> np.ndarray:
    return cv2.imdecode(cv2.imencode(".jpg", frame, [cv2.IMWRITE_JPEG_QUALITY, quality])[1], cv2.IMREAD_COLOR)


# Content -------------------------------------------------------------------------------------------------------------


def moving_content(rng: np.random.Generator, count: int, width: int, height: int, kind: str) -> list[np.ndarray]:
    shots = {"static": 1, "one shot": 1, "slides": int(rng.integers(4, 9))}.get(kind, int(rng.integers(2, 9)))
    frames: list[np.ndarray] = []
    for lengths in np.array_split(np.arange(count), shots):
        scene = draw_scene(rng, int(width * 1.7), int(height * 1.7))
        if kind == "dark" and rng.random() < 0.8:
            scene = (scene * rng.uniform(0.08, 0.25)).astype(np.uint8)
        start = rng.uniform(0, 0.35, 2)
        end = start if kind in ("static", "slides") else np.clip(start + rng.uniform(-0.35, 0.35, 2), 0, 0.35)
        zoom = np.linspace(1, 1 if kind in ("static", "slides") else rng.uniform(0.85, 1.15), max(len(lengths), 1))
        fade = rng.random() < 0.7 and kind == "fades"
        for i, _ in enumerate(lengths):
            part = i / max(len(lengths) - 1, 1)
            x, y = (start + (end - start) * part) * (width, height)
            w, h = int(width * min(zoom[i], 1.3)), int(height * min(zoom[i], 1.3))
            frame = cv2.resize(
                scene[int(y) : int(y) + h, int(x) : int(x) + w], (width, height), interpolation=cv2.INTER_AREA
            )
            if fade:
                frame = (frame * min(1.0, 3 * part + 0.02, 3 * (1 - part) + 0.02)).astype(np.uint8)
            noise = cv2.randn(np.empty(frame.shape, np.int16), (0,) * 3, (rng.uniform(0.5, 3),) * 3)
            frames.append(cv2.add(frame, noise, dtype=cv2.CV_8U))
    return frames


def draw_scene(rng: np.random.Generator, width: int, height: int) -> np.ndarray:
    """One of: clouds of colour, shapes, a landscape, dense texture, a room with plain walls."""
    which = rng.integers(5)
    scene = clouds(rng, width, height, int(rng.integers(2, 12)))
    if which == 1:
        scene = (scene * 0.5 + rng.integers(0, 128, 3)).astype(np.uint8)
        for _ in range(rng.integers(15, 60)):
            shape(rng, scene)
    elif which == 2:
        horizon = int(height * rng.uniform(0.3, 0.7))
        sky = np.linspace(rng.integers(100, 256, 3), rng.integers(100, 256, 3), horizon)
        scene[:horizon] = sky[:, None]
        texture = rng.normal(0, 30, (height - horizon, width, 1))
        scene[horizon:] = np.clip(scene[horizon:] * 0.6 + texture, 0, 255).astype(np.uint8)
    elif which == 3:
        fine = cv2.resize(rng.integers(0, 256, (height // 3, width // 3, 3), dtype=np.uint8), (width, height))
        scene = cv2.addWeighted(scene, 0.5, fine, 0.5, 0)
    elif which == 4:
        scene[:] = rng.integers(60, 240, 3)
        for _ in range(rng.integers(4, 14)):
            x, y = rng.integers(0, width), rng.integers(0, height)
            w, h = rng.integers(width // 20, width // 3), rng.integers(height // 20, height // 2)
            cv2.rectangle(scene, (int(x), int(y)), (int(x + w), int(y + h)), rng.integers(0, 256, 3).tolist(), -1)
        for _ in range(rng.integers(0, 12)):
            shape(rng, scene)
    return cv2.GaussianBlur(scene, (0, 0), float(rng.uniform(0.4, 1.2)))


def clouds(rng: np.random.Generator, width: int, height: int, cells: int) -> np.ndarray:
    total = np.zeros((height, width, 3), np.float32)
    for octave in range(4):
        small = rng.random((cells * 2**octave + 1, cells * 2**octave + 1, 3), dtype=np.float32)
        total += cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC) / 2**octave
    low, high = total.min(), total.max()
    return ((total - low) / (high - low) * 255).astype(np.uint8)


def shape(rng: np.random.Generator, scene: np.ndarray) -> None:
    height, width = scene.shape[:2]
    middle = rng.integers((0, 0), (width, height))
    points = middle + rng.normal(0, height * rng.uniform(0.03, 0.2), (int(rng.integers(3, 8)), 2))
    cv2.fillPoly(scene, [points.astype(np.int32)], rng.integers(0, 256, 3).tolist(), cv2.LINE_AA)


# Overlays ------------------------------------------------------------------------------------------------------------


def add_borders(video: Rendered, rng: np.random.Generator) -> None:
    height, width = video.frames[0].shape[:2]
    way = ("letterbox", "pillarbox", "windowbox")[rng.integers(3)]
    fill = rng.choice(("black", "colour", "blurred"), p=(0.6, 0.3, 0.1))
    y = round(height * rng.uniform(0.02, 0.25)) if way != "pillarbox" else 0
    x = round(width * rng.uniform(0.02, 0.25)) if way != "letterbox" else 0
    colour = (0, 0, 0) if fill == "black" else rng.integers(0, 256, 3)
    framed = []
    for frame in video.frames:
        if fill == "blurred":
            base = cv2.resize(cv2.GaussianBlur(frame, (0, 0), width / 25), (width, height))
        else:
            base = np.empty_like(frame)
            base[:] = colour
        base[y : height - y, x : width - x] = cv2.resize(
            frame, (width - 2 * x, height - 2 * y), interpolation=cv2.INTER_AREA
        )
        framed.append(base)
    video.frames = framed
    video.borders = (x / width, y / height, 1 - x / width, 1 - y / height)
    video.what += f"{way} {fill} {x / width:.3f} {y / height:.3f}; "


def add_logo(video: Rendered, rng: np.random.Generator) -> None:
    height, width = video.frames[0].shape[:2]
    w = max(round(width * rng.uniform(0.03, 0.12)), 6)
    h = max(round(w * rng.uniform(0.6, 1.2)), 6)
    opacity = rng.uniform(0.4, 1.0)
    colours, alpha = draw_logo(rng, w, h)
    margin = width * rng.uniform(0.015, 0.05)
    x = round(margin if rng.random() < 0.5 else width - margin - w)
    y = round(margin if rng.random() < 0.7 else height - margin - h)
    cover = alpha[..., None] * opacity
    for frame in video.frames:
        part = frame[y : y + h, x : x + w]
        frame[y : y + h, x : x + w] = part * (1 - cover) + colours * cover
    rows, columns = np.where(alpha > 0.2)
    video.logos.append(
        (
            (x + columns.min()) / width,
            (y + rows.min()) / height,
            (x + columns.max() + 1) / width,
            (y + rows.max() + 1) / height,
        )
    )
    video.what += f"logo {w / width:.3f} opacity {opacity:.2f}; "


def draw_logo(rng: np.random.Generator, w: int, h: int) -> tuple[np.ndarray, np.ndarray]:
    big = np.zeros((h * 8, w * 8, 3), np.uint8)
    alpha = np.zeros((h * 8, w * 8), np.uint8)
    one, two = (
        (255, 255, 255) if rng.random() < 0.5 else rng.integers(0, 256, 3).tolist(),
        rng.integers(0, 256, 3).tolist(),
    )
    big[:] = one
    way = rng.integers(4)
    if way == 0:
        cv2.ellipse(alpha, (w * 4, h * 4), (w * 4 - 1, h * 4 - 1), 0, 0, 360, 255, -1)
        points = (rng.random((3, 2)) * (w * 5, h * 5) + (w * 1.5, h * 1.5)).astype(np.int32)
        cv2.fillPoly(big, [points], two)
    elif way == 1:
        alpha[:] = 255
        cv2.putText(big, "TV", (w, h * 6), cv2.FONT_HERSHEY_SIMPLEX, h / 6, two, max(h // 2, 2))
    elif way == 2:
        image = Image.fromarray(alpha)
        font = ImageFont.truetype(str(FONTS / "DejaVuSans-Bold.ttf"), h * 7)
        ImageDraw.Draw(image).text(
            (w * 4, h * 4), "ABCDRN57"[rng.integers(8)] + str(rng.integers(1, 9)), 255, font, anchor="mm"
        )
        alpha = np.array(image)
    else:
        cv2.ellipse(alpha, (w * 4, h * 4), (w * 3, h * 3), 0, 0, 360, 255, w)
        cv2.rectangle(alpha, (w * 3, 0), (w * 5, h * 8), 255, -1)
    area = cv2.INTER_AREA
    return cv2.resize(big, (w, h), interpolation=area).astype(float), cv2.resize(
        alpha, (w, h), interpolation=area
    ) / 255


def add_subtitles(video: Rendered, rng: np.random.Generator) -> None:
    """Sentences of 1 to 2 lines, each for a few frames, with pauses; the truth is the box around all of them."""
    height, width = video.frames[0].shape[:2]
    style = STYLES[rng.integers(len(STYLES))]
    size = height * rng.uniform(0.05, 0.075)
    at = rng.uniform(0.86, 0.96) if rng.random() < 0.85 else rng.uniform(0.1, 0.2)  # the baseline of the last line
    boxes = []
    frame = 0
    while frame < len(video.frames):
        length, shown = int(rng.integers(1, 5)), rng.random() < 0.7
        lines = [SENTENCES[i] for i in rng.integers(0, len(SENTENCES), rng.choice((1, 1, 2)))]
        text = written(lines, style, size, width, height, at) if shown else None
        if text is not None:
            colours, alpha, box = text
            boxes.append(box)
            for i in range(frame, min(frame + length, len(video.frames))):
                video.frames[i] = (video.frames[i] * (1 - alpha) + colours * alpha).astype(np.uint8)
        frame += length
    if boxes:
        low, high = np.maximum(np.min(boxes, axis=0), 0), np.minimum(np.max(boxes, axis=0), (width, height) * 2)
        video.subtitles.append((low[0] / width, low[1] / height, high[2] / width, high[3] / height))
        video.what += f"subtitles {style} {size / height:.3f} at {at:.2f}; "


def written(lines: list[str], style: str, size: float, width: int, height: int, at: float):
    """Colours and coverage (H, W, 3) of some lines of text, centred, and the box around them in pixels."""
    scale = 4 if height < 200 else 2
    alpha = Image.new("L", (width * scale, height * scale))
    colours = Image.new("RGB", alpha.size)
    name = {"bold": "DejaVuSans-Bold.ttf", "box": "DejaVuSansMono.ttf"}.get(style, "DejaVuSans.ttf")
    box = None
    for row, line in enumerate(lines):
        letters = round(size * scale)
        while True:
            font = ImageFont.truetype(str(FONTS / name), letters)
            left, top, right, bottom = font.getbbox(line, anchor="ms")
            if right - left < width * scale * 0.92:
                break
            letters -= 1
        x, y = width * scale / 2, (at * height - (len(lines) - 1 - row) * size * 1.25) * scale
        around = (x + left, y + top, x + right, y + bottom)
        pen, ink = ImageDraw.Draw(alpha), ImageDraw.Draw(colours)
        fill = (255, 235, 70) if style == "colour" else (255, 255, 255)
        edge = max(round(letters / 10), scale)
        if style == "box":
            pad = letters // 4
            pen.rectangle((around[0] - pad, y - letters, around[2] + pad, y + pad), 180)
            around = (around[0] - pad, y - letters, around[2] + pad, y + pad)
        elif style in ("outline", "colour"):
            pen.text((x, y), line, 255, font, anchor="ms", stroke_width=edge)
        elif style == "shadow":
            pen.text((x + edge, y + edge), line, 255, font, anchor="ms")
        pen.text((x, y), line, 255, font, anchor="ms")
        ink.text((x, y), line, fill, font, anchor="ms")
        box = (
            around
            if box is None
            else (min(box[0], around[0]), min(box[1], around[1]), max(box[2], around[2]), max(box[3], around[3]))
        )
    small = (width, height)
    cover = np.asarray(alpha.resize(small, Image.Resampling.BOX), float)[..., None] / 255
    # Ink is resized together with its dark surround, so the blend stays true at the edges of the glyphs.
    return np.asarray(colours.resize(small, Image.Resampling.BOX), float), cover, [v / scale for v in box]
