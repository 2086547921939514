"""Draw a sheet of frames: their views, every augmentation alone in a named row, and the overlays found."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import cv2
import numpy as np

from framegate.augment.boxes import WHOLE, Box, free_box
from framegate.augment.colour import RECIPES, Recipe, jitter_matrix, recolour
from framegate.augment.crops import cut, random_crop, whole_pixels
from framegate.augment.overlays.borders import BorderStyle
from framegate.augment.overlays.dates import DateStyle
from framegate.augment.overlays.logos import LogoStyle
from framegate.augment.overlays.masks import cover, mask_layout, pixel_boxes, replace
from framegate.augment.overlays.plates import Overlay
from framegate.augment.overlays.subtitles import SubtitleStyle
from framegate.augment.overlays.tickers import ClockStyle, TickerStyle
from framegate.augment.overlays.watermarks import RoundedFrameStyle, WatermarkStyle
from framegate.augment.overlays.words import WordsStyle
from framegate.augment.pairs import overlay_places
from framegate.augment.traces.leave_traces import TracePolicy, leave_traces
from framegate.augment.views import Anchor, TwoViews, ViewPolicy
from framegate.media.clip_layout import Layout
from framegate.media.pictures.jpeg import decode_jpeg

Attention = Callable[[np.ndarray], np.ndarray]  # views (N, S, S, 3) uint8 → activation maps (N, h, w) in [0, 1]
Draw = Callable[[np.ndarray, Anchor, int, random.Random], np.ndarray]  # frame, and its column → picture of any size


class Augmentation(NamedTuple):
    """A row of the sheet. Rows of one ``style`` use the same random numbers: a mask hides what the row above paints."""

    draw: Draw
    style: str


_OVERLAYS: dict[str, type[Overlay]] = {
    "subtitles": SubtitleStyle,
    "logo": LogoStyle,
    "borders": BorderStyle,
    "ticker": TickerStyle,
    "clock": ClockStyle,
    "watermark": WatermarkStyle,
    "rounded frame": RoundedFrameStyle,
    "words": WordsStyle,
    "date": DateStyle,
}
_MARGIN, _LABEL = 4, 118  # pixels
_FOUND = {"borders": (0, 255, 0), "logos": (255, 0, 0), "subtitles": (255, 0, 255)}


def draw_sheet(
    anchors: Sequence[Anchor], policy: ViewPolicy, *, image_size: int, seed: int, attention: Attention | None = None
) -> np.ndarray:
    """Draw a column for each frame and a row for each augmentation, as an RGB picture (H, W, 3) uint8.

    Args:
        anchors: the frames; the donor of each is the next one.
        policy: of the pairs of views, in the first rows.
        image_size: side of a view, and of every picture in the sheet.
        seed: of all random choices.
        attention: returns activation maps of views; with it, three more rows show the maps, a drop and a crop.
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
    for name, (draw, style) in _single(policy, [*frames[1:], frames[0]]).items():
        pictures = []
        for column, (frame, anchor) in enumerate(zip(frames, anchors, strict=True)):
            pictures.append(draw(frame.copy(), anchor, column, random.Random(f"{seed}:{style}:{column}")))
        rows.append((name, pictures))
    if attention is not None:
        rows += _attention_rows(frames, image_size, seed, attention)
    return np.vstack([_row(name, pictures, image_size) for name, pictures in rows])


def _single(policy: ViewPolicy, donors: Sequence[np.ndarray]) -> dict[str, Augmentation]:
    """Every augmentation alone, by the name of its row.

    ``donors`` are the frames that regions are taken from, the next column's each.
    """
    recipe = RECIPES[policy.strength][0]
    assume = policy.overlays.assume

    def crop(frame: np.ndarray, anchor: Anchor, column: int, rng: random.Random) -> np.ndarray:
        height, width = frame.shape[:2]
        box = random_crop(rng, aspect=width / height, min_scale=recipe.min_scale)
        return cut(frame, whole_pixels(box, width, height), min(height, width))

    def colours(frame: np.ndarray, anchor: Anchor, column: int, rng: random.Random) -> np.ndarray:
        mean = np.array(cv2.mean(frame)[:3], np.float32)
        jittered: np.ndarray = cv2.transform(frame, jitter_matrix(recipe, rng, mean=mean))
        return jittered

    def always(**of: float) -> Draw:
        only = Recipe(**{"min_scale": 1.0, "jitter": 0.0, "grey": 0.0, "blur": 0.0, **of})
        return lambda frame, anchor, column, rng: recolour(frame, only, rng)

    def hidden(frame: np.ndarray, anchor: Anchor, column: int, rng: random.Random) -> np.ndarray:
        cover(frame, pixel_boxes(overlay_places(anchor.layout, assume=assume), frame), rng)
        return frame

    def cropped(frame: np.ndarray, anchor: Anchor, column: int, rng: random.Random) -> np.ndarray:
        free = free_box(WHOLE, overlay_places(anchor.layout, assume=assume))
        left, top, right, bottom = whole_pixels(free, frame.shape[1], frame.shape[0])
        return frame[top:bottom, left:right]

    def donated(frame: np.ndarray, anchor: Anchor, column: int, rng: random.Random) -> np.ndarray:
        donor = cv2.resize(donors[column], frame.shape[1::-1], interpolation=cv2.INTER_AREA)
        for pixels in pixel_boxes(overlay_places(anchor.layout, assume=assume), frame):
            replace(frame, pixels, donor)
        return frame

    plain: dict[str, Draw] = {"crop": crop, "colours": colours, "grey": always(grey=1.0)}
    plain |= {"solarize": always(solarize=1.0), "blur": always(blur=1.0)}
    plain["flip"] = lambda frame, anchor, column, rng: cv2.flip(frame, 1)
    rows = {name: Augmentation(draw, name) for name, draw in plain.items()}
    for name, style in _OVERLAYS.items():
        rows[name] = Augmentation(_painter(style), name)
        rows[f"mask: {name}"] = Augmentation(_masker(style), name)
    special: dict[str, Draw] = {
        "subtitles, karaoke": _painter(SubtitleStyle, having=lambda style: style.karaoke is not None),
        "subtitles, vertical": _painter(SubtitleStyle, having=lambda style: style.place in ("left", "right")),
        "logo, moving, three moments": _moving_logo,
        "overlays covered": hidden,
        "overlays cropped": cropped,
        "overlays, a donor's": donated,
        "layout masked": lambda frame, anchor, column, rng: mask_layout(frame, anchor.layout),
        "codec": _tracer(TracePolicy(codec=1.0)),
        "resolution": _tracer(TracePolicy(resolution=1.0)),
        "grade": _tracer(TracePolicy(grade=1.0)),
    }
    return rows | {name: Augmentation(draw, name) for name, draw in special.items()}


def _drawn(style: type[Overlay], rng: random.Random, having: Callable[[Any], bool] = bool) -> Overlay:
    """Draw styles until one fulfils a condition."""
    return next(drawn for drawn in iter(lambda: style.draw(rng), None) if having(drawn))


def _painter(style: type[Overlay], having: Callable[[Any], bool] = bool) -> Draw:
    def paint(frame: np.ndarray, anchor: Anchor, column: int, rng: random.Random) -> np.ndarray:
        _drawn(style, rng, having).paint(frame, (0.0, 0.0, frame.shape[1], frame.shape[0]), rng)
        return frame

    return paint


def _masker(style: type[Overlay]) -> Draw:
    def mask(frame: np.ndarray, anchor: Anchor, column: int, rng: random.Random) -> np.ndarray:
        cover(frame, pixel_boxes(style.draw(rng).places(frame.shape[1] / frame.shape[0]), frame), rng)
        return frame

    return mask


def _tracer(policy: TracePolicy) -> Draw:
    return lambda frame, anchor, column, rng: leave_traces(frame, policy, rng)[0]


def _moving_logo(frame: np.ndarray, anchor: Anchor, column: int, rng: random.Random) -> np.ndarray:
    """Paint three frames of a clip, one below the other."""
    logo = _drawn(LogoStyle, rng, lambda style: style.moving)
    clip, seed = [frame.copy() for _ in range(3)], rng.random()
    for moment, picture in enumerate(clip):
        logo.paint(picture, (0.0, 0.0, frame.shape[1], frame.shape[0]), random.Random(seed), moment=moment)
    return np.vstack(clip)


def _attention_rows(
    frames: Sequence[np.ndarray], size: int, seed: int, attention: Attention
) -> list[tuple[str, list[np.ndarray]]]:
    """Return rows with the maps over the frames, with the strongest part dropped, and zoomed into the strong part."""
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
    """Outline the borders, logos and subtitle bands of a frame."""
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
    """Draw a label, and beside it the pictures, each fitted into a square."""
    label = np.full((size, _LABEL, 3), 255, np.uint8)
    for line, words in enumerate(name.split(", ")):
        cv2.putText(label, words, (4, 14 + 14 * line), cv2.FONT_HERSHEY_SIMPLEX, 0.38, (0, 0, 0), 1, cv2.LINE_AA)
    gap = np.full((size, _MARGIN, 3), 255, np.uint8)
    cells = [part for picture in pictures for part in (_fitted(picture, size), gap)]
    row = np.hstack([label, *cells])
    return np.vstack([row, np.full((_MARGIN, row.shape[1], 3), 255, np.uint8)])


def _fitted(picture: np.ndarray, size: int) -> np.ndarray:
    """Scale a picture into a white square."""
    height, width = picture.shape[:2]
    scale = size / max(height, width)
    small = cv2.resize(
        picture, (max(round(width * scale), 1), max(round(height * scale), 1)), interpolation=cv2.INTER_AREA
    )
    square = np.full((size, size, 3), 255, np.uint8)
    y, x = (size - small.shape[0]) // 2, (size - small.shape[1]) // 2
    square[y : y + small.shape[0], x : x + small.shape[1]] = small
    return square
