"""A sheet to look at: frames, their views, every augmentation alone in a row under its name, and what was found."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

import cv2
import numpy as np

from framegate.augment.borders import BorderStyle
from framegate.augment.boxes import Box
from framegate.augment.colour import RECIPES, blur, jitter_matrix
from framegate.augment.crops import cut, random_crop, whole_pixels
from framegate.augment.logos import LogoStyle
from framegate.augment.masks import cover, mask_layout, pixel_boxes
from framegate.augment.pairs import overlay_places
from framegate.augment.plates import Overlay
from framegate.augment.subtitles import SubtitleStyle
from framegate.augment.tickers import ClockStyle, TickerStyle
from framegate.augment.views import Anchor, TwoViews, ViewPolicy
from framegate.augment.watermarks import RoundedFrameStyle, WatermarkStyle
from framegate.media.layout import Layout
from framegate.media.store import decode_jpeg

Attention = Callable[[np.ndarray], np.ndarray]  # views (N, S, S, 3) uint8 → activation maps (N, h, w) in [0, 1]
Draw = Callable[[np.ndarray, Anchor, random.Random], np.ndarray]  # frame → picture of any size

_OVERLAYS: dict[str, type[Overlay]] = {
    "subtitles": SubtitleStyle,
    "logo": LogoStyle,
    "borders": BorderStyle,
    "ticker": TickerStyle,
    "clock": ClockStyle,
    "watermark": WatermarkStyle,
    "rounded frame": RoundedFrameStyle,
}
_MARGIN, _LABEL = 4, 118  # pixels
_FOUND = {"borders": (0, 255, 0), "logos": (255, 0, 0), "subtitles": (255, 0, 255)}


def draw_sheet(
    anchors: Sequence[Anchor], policy: ViewPolicy, *, image_size: int, seed: int, attention: Attention | None = None
) -> np.ndarray:
    """One column a frame, one row an augmentation, as an RGB picture (H, W, 3) uint8.

    Args:
        anchors: the frames; each one's donor is the next.
        policy: of the pairs of views, which come first.
        image_size: side of a view, and of every picture in the sheet.
        seed: of all draws.
        attention: gives activation maps of views; with it, two rows more show what a drop and a crop would do.
    """
    frames = [decode_jpeg(anchor.jpeg) for anchor in anchors]
    rows = [
        (
            "frame, what was found",
            [_with_boxes(frame, anchor.layout) for frame, anchor in zip(frames, anchors, strict=True)],
        )
    ]
    views = TwoViews(policy, image_size=image_size, seed=seed)
    for epoch in (0, 1):
        donors = [*anchors[1:], anchors[0]]
        pairs = [views(a, epoch=epoch, index=i, donor=d) for i, (a, d) in enumerate(zip(anchors, donors, strict=True))]
        rows += [(f"pair {epoch + 1}, view {view + 1}", [pair[view] for pair in pairs]) for view in (0, 1)]
    for name, draw in _single(policy).items():
        rngs = (random.Random(f"{seed}:{name}:{column}") for column in range(len(frames)))
        rows.append((name, [draw(f.copy(), a, rng) for f, a, rng in zip(frames, anchors, rngs, strict=True)]))
    if attention is not None:
        rows += _attention_rows(frames, image_size, seed, attention)
    return np.vstack([_row(name, pictures, image_size) for name, pictures in rows])


def _single(policy: ViewPolicy) -> dict[str, Draw]:
    """Every augmentation alone."""
    recipe = RECIPES[policy.strength][0]

    def crop(frame: np.ndarray, anchor: Anchor, rng: random.Random) -> np.ndarray:
        height, width = frame.shape[:2]
        box = random_crop(rng, aspect=width / height, min_scale=recipe.min_scale)
        return cut(frame, whole_pixels(box, width, height), min(height, width))

    def colours(frame: np.ndarray, anchor: Anchor, rng: random.Random) -> np.ndarray:
        mean = np.array(cv2.mean(frame)[:3], np.float32)
        return cv2.transform(frame, jitter_matrix(recipe, rng, mean=mean))

    def out_of_focus(frame: np.ndarray, anchor: Anchor, rng: random.Random) -> np.ndarray:
        return blur(frame, sigma=rng.uniform(0.1, 2.0) * frame.shape[0] / 224)

    def hidden(frame: np.ndarray, anchor: Anchor, rng: random.Random) -> np.ndarray:
        cover(frame, pixel_boxes(overlay_places(anchor.layout, assume=policy.overlays.assume), frame), rng)
        return frame

    def layout_masked(frame: np.ndarray, anchor: Anchor, rng: random.Random) -> np.ndarray:
        return mask_layout(frame, anchor.layout)

    draws: dict[str, Draw] = {"crop": crop, "colours": colours, "blur": out_of_focus}
    for name, style in _OVERLAYS.items():
        draws[name] = _painter(style)
        draws[f"mask: {name}"] = _masker(style)
    return {**draws, "overlays hidden": hidden, "layout masked": layout_masked}


def _painter(style: type[Overlay]) -> Draw:
    def paint(frame: np.ndarray, anchor: Anchor, rng: random.Random) -> np.ndarray:
        style.draw(rng).paint(frame, (0.0, 0.0, frame.shape[1], frame.shape[0]), rng)
        return frame

    return paint


def _masker(style: type[Overlay]) -> Draw:
    def mask(frame: np.ndarray, anchor: Anchor, rng: random.Random) -> np.ndarray:
        cover(frame, pixel_boxes(style.draw(rng).places(frame.shape[1] / frame.shape[0]), frame), rng)
        return frame

    return mask


def _attention_rows(
    frames: Sequence[np.ndarray], size: int, seed: int, attention: Attention
) -> list[tuple[str, list[np.ndarray]]]:
    """The maps over the frames, the frames with the strongest part dropped, and zoomed into the strong part."""
    import torch  # takes a second to import, and only backbones need it

    from framegate.augment.attention import crop, drop

    squares = np.stack([cv2.resize(frame, (size, size), interpolation=cv2.INTER_AREA) for frame in frames])
    maps = attention(squares)
    heat = [cv2.applyColorMap(cv2.resize((m * 255).astype(np.uint8), (size, size)), cv2.COLORMAP_JET) for m in maps]
    images = torch.from_numpy(squares).permute(0, 3, 1, 2)
    tensors = torch.from_numpy(np.asarray(maps, np.float32))[:, None]
    dropped = drop(images, tensors, generator=torch.Generator().manual_seed(seed), probability=1.0)
    zoomed, _ = crop(images, tensors, generator=torch.Generator().manual_seed(seed), probability=1.0)
    pairs = zip(squares, heat, strict=True)
    return [
        ("attention", [cv2.addWeighted(square, 0.5, warm[..., ::-1], 0.5, 0) for square, warm in pairs]),
        ("attention drop", list(dropped.permute(0, 2, 3, 1).numpy())),
        ("attention crop", list(zoomed.permute(0, 2, 3, 1).numpy())),
    ]


def _with_boxes(frame: np.ndarray, layout: Layout) -> np.ndarray:
    """The frame with its borders, logos and subtitle bands outlined."""
    frame = frame.copy()
    height, width = frame.shape[:2]
    found: list[tuple[str, Box]] = [("borders", layout.borders)] if layout.borders != (0.0, 0.0, 1.0, 1.0) else []
    for kind in ("logos", "subtitles"):
        found += [(kind, (box[0], box[1], box[2], box[3])) for box in getattr(layout, kind)]
    for kind, (left, top, right, bottom) in found:
        corners = (round(left * width), round(top * height)), (round(right * width) - 1, round(bottom * height) - 1)
        cv2.rectangle(frame, *corners, _FOUND[kind], max(height // 120, 1))
    return frame


def _row(name: str, pictures: Sequence[np.ndarray], size: int) -> np.ndarray:
    """A label and the pictures beside it, each made to fit a square."""
    label = np.full((size, _LABEL, 3), 255, np.uint8)
    for line, words in enumerate(name.split(", ")):
        cv2.putText(label, words, (4, 14 + 14 * line), cv2.FONT_HERSHEY_SIMPLEX, 0.38, (0, 0, 0), 1, cv2.LINE_AA)
    gap = np.full((size, _MARGIN, 3), 255, np.uint8)
    cells = [part for picture in pictures for part in (_fitted(picture, size), gap)]
    row = np.hstack([label, *cells])
    return np.vstack([row, np.full((_MARGIN, row.shape[1], 3), 255, np.uint8)])


def _fitted(picture: np.ndarray, size: int) -> np.ndarray:
    """A picture scaled into a white square."""
    height, width = picture.shape[:2]
    scale = size / max(height, width)
    small = cv2.resize(
        picture, (max(round(width * scale), 1), max(round(height * scale), 1)), interpolation=cv2.INTER_AREA
    )
    square = np.full((size, size, 3), 255, np.uint8)
    y, x = (size - small.shape[0]) // 2, (size - small.shape[1]) // 2
    square[y : y + small.shape[0], x : x + small.shape[1]] = small
    return square
