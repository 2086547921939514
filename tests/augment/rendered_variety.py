"""Rendered videos that differ in kind from `rendered_videos`: photographs, other figures, scripts and places.

Layout finding was not tuned on them. Shares no code with framegate.augment.
"""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont
from sklearn.datasets import load_sample_images

from tests.augment.rendered_videos import FONTS, SENTENCES, Rendered, add_borders, compressed, shape

SIZES = ((426, 240), (455, 256), (854, 480), (352, 288), (256, 256), (320, 136))
KINDS = ("montage", "montage", "hand-held", "zoom", "stills", "night", "cross-fades")
STYLES = ("glow", "thin outline", "strip", "italic", "double")


def render_video(seed: int, *, clean: bool = False, kind: str | None = None) -> Rendered:
    """A video of 8 to 64 frames; unless ``clean``, borders, logo and subtitles with probability one half each."""
    rng = np.random.default_rng([11, seed])
    cv2.setRNGSeed(seed)
    width, height = SIZES[rng.integers(len(SIZES))]
    kind = kind or KINDS[rng.integers(len(KINDS))]
    count = int(rng.integers(8, 65))
    video = Rendered(_content(rng, count, width, height, kind), kind)
    has_borders, has_logo, has_subtitles = (False, False, False) if clean else rng.random(3) < 0.5
    if has_borders:
        add_borders(video, rng)
    if has_logo and kind != "static":
        _add_logo(video, rng)
    if has_subtitles:
        _add_subtitles(video, rng)
    video.frames = [compressed(frame, int(rng.integers(70, 93))) for frame in video.frames]
    return video


# Content: parts of photographs, and of photographs with things in front of them -------------------------------------


@lru_cache
def _photographs() -> tuple[np.ndarray, ...]:
    hopper = Image.open(FONTS.parents[1] / "sample_data" / "grace_hopper.jpg").convert("RGB")
    return (*load_sample_images().images, np.asarray(hopper))


def _content(rng: np.random.Generator, count: int, width: int, height: int, kind: str) -> list[np.ndarray]:
    shots = {"static": 1, "hand-held": 1, "zoom": 1, "stills": int(rng.integers(4, 10))}.get(
        kind, int(rng.integers(3, 10))
    )
    frames: list[np.ndarray] = []
    for lengths in np.array_split(np.arange(count), shots):
        scene, moves = _scene(rng, width, height), kind not in ("static", "stills")
        if kind == "night":
            scene = (scene * rng.uniform(0.08, 0.3)).astype(np.uint8)
        at, speed = rng.uniform(0.1, 0.9, 2), rng.normal(0, 0.04, 2) * moves
        zoom, growth = rng.uniform(0.55, 0.9), rng.uniform(0.97, 1.03) if moves else 1.0
        shot = []
        for _ in lengths:
            at = np.clip(at + speed + rng.normal(0, 0.01, 2) * moves, 0, 1)
            zoom = float(np.clip(zoom * growth, 0.45, 0.95))
            w, h = int(scene.shape[1] * zoom), int(scene.shape[0] * zoom)
            x, y = int(at[0] * (scene.shape[1] - w)), int(at[1] * (scene.shape[0] - h))
            frame = cv2.resize(scene[y : y + h, x : x + w], (width, height), interpolation=cv2.INTER_AREA)
            noise = cv2.randn(np.empty(frame.shape, np.int16), (0,) * 3, (rng.uniform(0.5, 4),) * 3)
            shot.append(cv2.add(frame, noise, dtype=cv2.CV_8U))
        if kind == "cross-fades" and frames and len(shot) > 2:
            shot[0] = cv2.addWeighted(frames[-1], 0.6, shot[0], 0.4, 0)
            shot[1] = cv2.addWeighted(frames[-1], 0.3, shot[1], 0.7, 0)
        frames += shot
    return frames


def _scene(rng: np.random.Generator, width: int, height: int) -> np.ndarray:
    """A part of a photograph in the video's shape, mirrored or not, in a light of its own, at times with figures."""
    photo = _photographs()[rng.integers(3)]
    aspect = width / height
    w = int(min(photo.shape[1], photo.shape[0] * aspect) * rng.uniform(0.5, 1.0))
    h = int(w / aspect)
    x, y = rng.integers(photo.shape[1] - w + 1), rng.integers(photo.shape[0] - h + 1)
    scene = cv2.resize(
        photo[y : y + h, x : x + w], (int(width * 1.5), int(height * 1.5)), interpolation=cv2.INTER_CUBIC
    )
    scene = scene[:, ::-1] if rng.random() < 0.5 else scene
    light = np.clip(scene * rng.uniform(0.6, 1.3, 3) + rng.uniform(-30, 30), 0, 255).astype(np.uint8)
    if rng.random() < 0.4:
        for _ in range(rng.integers(1, 8)):
            shape(rng, light)
    return light


# Overlays ------------------------------------------------------------------------------------------------------------


def _add_logo(video: Rendered, rng: np.random.Generator) -> None:
    height, width = video.frames[0].shape[:2]
    w = max(round(width * rng.uniform(0.03, 0.12)), 7)
    h = max(round(w * rng.choice((0.4, 0.7, 1.0, 1.3))), 5)
    colours, alpha = _figure(rng, w, h)
    cover = alpha[..., None] * rng.uniform(0.4, 1.0)
    x, y = round(width * rng.uniform(0.02, 0.07)), round(height * rng.uniform(0.03, 0.08))
    x = x if rng.random() < 0.4 else width - x - w
    y = y if rng.random() < 0.75 else height - y - h
    for frame in video.frames:
        part = frame[y : y + h, x : x + w]
        frame[y : y + h, x : x + w] = part * (1 - cover) + colours * cover
    rows, columns = np.where(alpha > 0.2)
    low, high = (x + columns.min(), y + rows.min()), (x + columns.max() + 1, y + rows.max() + 1)
    video.logos.append((low[0] / width, low[1] / height, high[0] / width, high[1] / height))
    video.what += f"logo {w / width:.3f} opacity {cover.max():.2f}; "


def _figure(rng: np.random.Generator, w: int, h: int) -> tuple[np.ndarray, np.ndarray]:
    """Colours and coverage: a word, a sun, a tiled square, or a badge with a hole."""
    big, side = (w * 8, h * 8), min(w, h) * 8
    alpha, ink = Image.new("L", big), Image.new("RGB", big, tuple(rng.integers(120, 256, 3).tolist()))
    pen, middle = ImageDraw.Draw(alpha), (big[0] / 2, big[1] / 2)
    way = rng.integers(4)
    if way == 0:
        word = ("NEWS", "sport", "KINO", "Мир", "arte", "LIVE")[rng.integers(6)]
        font = ImageFont.truetype(str(FONTS / "DejaVuSerif-Bold.ttf"), 100)
        left, top, right, bottom = font.getbbox(word)
        line = Image.new("L", (right - left, bottom - top))
        ImageDraw.Draw(line).text((-left, -top), word, 255, font)
        alpha.paste(line.resize(big))
    elif way == 1:
        for turn in np.arange(0, 2 * np.pi, np.pi / 5):
            end = (middle[0] + np.cos(turn) * side * 0.48, middle[1] + np.sin(turn) * side * 0.48)
            pen.line((middle, end), 255, side // 10)
        pen.ellipse((middle[0] - side / 4, middle[1] - side / 4, middle[0] + side / 4, middle[1] + side / 4), 255)
    elif way == 2:
        pen.rectangle((0, 0, *big), 255)
        tile = ImageDraw.Draw(ink)
        for x in range(3):
            for y in range(2):
                box = (big[0] * x / 3, big[1] * y / 2, big[0] * (x + 0.85) / 3, big[1] * (y + 0.85) / 2)
                tile.rectangle(box, tuple(rng.integers(0, 256, 3).tolist()))
    else:
        pen.rounded_rectangle((0, 0, *big), side // 4, 255)
        pen.ellipse((middle[0] - side / 4, middle[1] - side / 4, middle[0] + side / 4, middle[1] + side / 4), 0)
    small = (w, h)
    return np.asarray(ink.resize(small), float), np.asarray(alpha.resize(small), float) / 255


def _add_subtitles(video: Rendered, rng: np.random.Generator) -> None:
    """Sentences, each for some frames with pauses between; the truth is the box around all of them."""
    height, width = video.frames[0].shape[:2]
    style, size = STYLES[rng.integers(len(STYLES))], height * rng.uniform(0.05, 0.08)
    above = rng.random() < 0.1
    edge = rng.uniform(0.03, 0.1)
    boxes, frame = [], 0
    while frame < len(video.frames):
        length = int(rng.integers(1, 6))
        if rng.random() < 0.7:
            lines = [SENTENCES[i] for i in rng.integers(0, len(SENTENCES), rng.choice((1, 1, 2)))]
            colours, cover, box = _written(lines, style, size, width, height, edge, above)
            boxes.append(box)
            for i in range(frame, min(frame + length, len(video.frames))):
                video.frames[i] = (video.frames[i] * (1 - cover) + colours * cover).astype(np.uint8)
        frame += length
    if boxes:
        low, high = np.maximum(np.min(boxes, axis=0), 0), np.minimum(np.max(boxes, axis=0), (width, height) * 2)
        video.subtitles.append((low[0] / width, low[1] / height, high[2] / width, high[3] / height))
        video.what += f"subtitles {style} {size / height:.3f} {'above' if above else 'below'} {edge:.2f}; "


def _written(lines: list[str], style: str, size: float, width: int, height: int, edge: float, above: bool):
    """Colours and coverage of centred lines, and the box around their letters in pixels."""
    scale, name = 3, "DejaVuSans-Oblique.ttf" if style == "italic" else "DejaVuSansDisplay.ttf"
    name = {"glow": "DejaVuSans-Bold.ttf", "thin outline": "DejaVuSans.ttf", "strip": "DejaVuSerif.ttf"}.get(
        style, name
    )
    name = "DejaVuSansMono-Bold.ttf" if style == "double" else name
    canvas = (width * scale, height * scale)
    alpha, ink = Image.new("L", canvas), Image.new("RGB", canvas)
    pen, colour = ImageDraw.Draw(alpha), ImageDraw.Draw(ink)
    letters, pitch = round(size * scale), size * scale * 1.2
    while True:
        font = ImageFont.truetype(str(FONTS / name), letters)
        if max(font.getlength(line) for line in lines) < canvas[0] * 0.94:
            break
        letters -= 1
    first = edge * canvas[1] + letters if above else canvas[1] * (1 - edge) - letters * 0.3 - pitch * (len(lines) - 1)
    boxes = []
    for row, line in enumerate(lines):
        at = (canvas[0] / 2, first + row * pitch)
        left, top, right, bottom = font.getbbox(line, anchor="ms")
        boxes.append((at[0] + left, at[1] + top, at[0] + right, at[1] + bottom))
        if style == "strip":
            pen.rectangle((0, at[1] - letters, canvas[0], at[1] + letters // 3), 150)
        elif style in ("glow", "thin outline", "double"):
            pen.text(
                at, line, 255, font, anchor="ms", stroke_width=max(letters // (14 if style == "thin outline" else 7), 1)
            )
        else:
            pen.text((at[0] + letters / 12, at[1] + letters / 12), line, 200, font, anchor="ms")
        pen.text(at, line, 255, font, anchor="ms")
        colour.text(at, line, (255, 255, 140) if style == "double" else (250, 250, 250), font, anchor="ms")
    cover = np.asarray(alpha.resize((width, height), Image.Resampling.BOX), np.float32)
    if style == "glow":
        cover = np.maximum(cover, cv2.GaussianBlur(cover, (0, 0), size / 8))
    colours = np.asarray(ink.resize((width, height), Image.Resampling.BOX), float)
    box = np.array([np.min(boxes, axis=0)[:2], np.max(boxes, axis=0)[2:]]).ravel() / scale
    return colours, cover[..., None] / 255, box
