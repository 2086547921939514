"""Overlays as albumentations transforms: each kind painted, and each kind hidden.

    A.Compose([A.RandomResizedCrop((224, 224)), PaintLogo(p=0.5), MaskSubtitles(p=0.3), A.HorizontalFlip()], seed=0)

Images are (H, W, 3), (H, W, 1) or (H, W), uint8 or float32 in 0..1. A batch given as ``images`` counts as the frames of
one clip: it gets one style and one text, and what moves, moves.
"""

from __future__ import annotations

import os
import random
from typing import Any, ClassVar, Literal

import cv2
import numpy as np

os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # albumentations asks for its newest version at import otherwise

import albumentations as A

from framegate.augment.boxes import Box
from framegate.augment.overlays.borders import BorderStyle
from framegate.augment.overlays.dates import DateStyle
from framegate.augment.overlays.logos import LogoStyle
from framegate.augment.overlays.masks import cover, cut_away, mask_layout, pixel_boxes
from framegate.augment.overlays.plates import Overlay
from framegate.augment.overlays.subtitles import SubtitleStyle
from framegate.augment.overlays.tickers import ClockStyle, TickerStyle
from framegate.augment.overlays.watermarks import RoundedFrameStyle, WatermarkStyle
from framegate.augment.overlays.words import WordsStyle
from framegate.media.clip_layout import Layout


class _OfAStyle(A.ImageOnlyTransform):  # type: ignore[misc]  # albumentations is read without its types
    """Base of painting and hiding: a style that is drawn anew each time, or is always the one of ``station``."""

    style: ClassVar[type[Overlay]]

    class InitSchema(A.ImageOnlyTransform.InitSchema):  # type: ignore[misc]  # as above
        station: int | None

    def __init__(self, station: int | None = None, p: float = 0.5) -> None:
        super().__init__(p=p)
        self.station = station

    def get_params(self) -> dict[str, Any]:
        """Return the style, and the seed of what differs between clips of a station."""
        seed = self.py_random.getrandbits(64)
        rng = random.Random(seed if self.station is None else f"station:{self.station}")
        return {"overlay": self.style.draw(rng), "clip": seed}


class _Paint(_OfAStyle):
    def apply(self, img: np.ndarray, overlay: Overlay, clip: int, moment: int = 0, **params: Any) -> np.ndarray:
        """Return the image with the overlay painted on it."""
        picture = _as_rgb(img)
        canvas = (0.0, 0.0, float(img.shape[1]), float(img.shape[0]))
        overlay.paint(picture, canvas, random.Random(clip), moment=moment)
        return _as_before(picture, img)

    def apply_to_images(self, images: np.ndarray, **params: Any) -> np.ndarray:
        """Return the frames of a clip, painted at moments 0, 1, 2 …, (T, H, W, C)."""
        return np.stack([self.apply(image, **params, moment=moment) for moment, image in enumerate(images)])


class _Mask(_OfAStyle):
    class InitSchema(_OfAStyle.InitSchema):
        how: Literal["cover", "cut"]

    def __init__(self, station: int | None = None, how: Literal["cover", "cut"] = "cover", p: float = 0.5) -> None:
        super().__init__(station=station, p=p)
        self.how = how

    def apply(self, img: np.ndarray, overlay: Overlay, clip: int, **params: Any) -> np.ndarray:
        """Return the image with the places of the overlay hidden."""
        return _hidden(img, overlay.places(img.shape[1] / img.shape[0]), self.how, clip)


class PaintSubtitles(_Paint):
    """One or two lines in several scripts: outline, box, shadow or plain, below, above or upright, maybe karaoke.

    Args:
        station: number of a station, whose style stays the same; None draws a new style each time.
        p: probability of applying the transform.
    """

    style = SubtitleStyle


class PaintLogo(_Paint):
    """A station logo in a corner: shapes and letters, opaque or see-through, still or turning. As `PaintSubtitles`."""

    style = LogoStyle


class PaintBorder(_Paint):
    """Letterbox, pillarbox or windowbox: black, coloured, or a blurred copy of the picture. As `PaintSubtitles`."""

    style = BorderStyle


class PaintTicker(_Paint):
    """A bar of running text along the lower or upper edge. As `PaintSubtitles`."""

    style = TickerStyle


class PaintClock(_Paint):
    """A clock or a score in a corner. As `PaintSubtitles`."""

    style = ClockStyle


class PaintWatermark(_Paint):
    """A see-through text, repeated over the whole frame. As `PaintSubtitles`."""

    style = WatermarkStyle


class PaintRoundedFrame(_Paint):
    """A frame with round inner corners. As `PaintSubtitles`."""

    style = RoundedFrameStyle


class PaintWords(_Paint):
    """A word or two in large letters, anywhere in the picture. As `PaintSubtitles`."""

    style = WordsStyle


class PaintDate(_Paint):
    """A date or a time in a corner, as cameras burn it in. As `PaintSubtitles`."""

    style = DateStyle


class MaskSubtitles(_Mask):
    """Hides a band where subtitles may be.

    Args:
        station: number of a station, whose style stays the same; None draws a new style each time.
        how: ``cover`` the region with a colour or noise, or ``cut`` it off and stretch what is left, if anything is.
        p: probability of applying the transform.
    """

    style = SubtitleStyle


class MaskLogo(_Mask):
    """Hides a corner where a logo may be. As `MaskSubtitles`."""

    style = LogoStyle


class MaskBorder(_Mask):
    """Hides the edges where borders may be. As `MaskSubtitles`."""

    style = BorderStyle


class MaskTicker(_Mask):
    """Hides the strip where a ticker may be. As `MaskSubtitles`."""

    style = TickerStyle


class MaskClock(_Mask):
    """Hides a corner where a clock may be. As `MaskSubtitles`."""

    style = ClockStyle


class MaskWatermark(_Mask):
    """Hides the tiles where a watermark may be. As `MaskSubtitles`."""

    style = WatermarkStyle


class MaskRoundedFrame(_Mask):
    """Hides the edges and corners that a rounded frame takes. As `MaskSubtitles`."""

    style = RoundedFrameStyle


class MaskWords(_Mask):
    """Hides a line anywhere in the picture where words may be. As `MaskSubtitles`."""

    style = WordsStyle


class MaskDate(_Mask):
    """Hides a corner where a date may be. As `MaskSubtitles`."""

    style = DateStyle


class MaskLayout(A.ImageOnlyTransform):  # type: ignore[misc]  # as above
    """Hides what `find_layout` found, in the mean colour of the rest; the same every time, for inference.

    Called with the layout beside the image: ``MaskLayout()(image=image, layout=layout)``.
    """

    def __init__(self, p: float = 1.0) -> None:
        super().__init__(p=p)

    @property
    def targets_as_params(self) -> list[str]:
        """Return the names of the arguments beside the image: the layout."""
        return ["layout"]

    def get_params_dependent_on_data(self, params: dict[str, Any], data: dict[str, Any]) -> dict[str, Any]:
        """Return the layout, which `apply` takes."""
        return {"layout": data["layout"]}

    def apply(self, img: np.ndarray, layout: Layout, **params: Any) -> np.ndarray:
        """Return the image with the layout's regions masked."""
        return _as_before(mask_layout(_as_rgb(img), layout), img)


def _hidden(image: np.ndarray, regions: tuple[Box, ...], how: Literal["cover", "cut"], seed: int) -> np.ndarray:
    picture = _as_rgb(image)
    rest = cut_away(picture, regions) if how == "cut" else None
    if rest is not None:
        return _as_before(rest, image)
    cover(picture, pixel_boxes(regions, picture), random.Random(seed))
    return _as_before(picture, image)


def _as_rgb(image: np.ndarray) -> np.ndarray:
    """Return a copy as (H, W, 3) uint8."""
    picture = image if image.dtype == np.uint8 else (image * 255).round().clip(0, 255).astype(np.uint8)
    return picture.copy() if picture.ndim == 3 and picture.shape[2] == 3 else cv2.cvtColor(picture, cv2.COLOR_GRAY2RGB)


def _as_before(picture: np.ndarray, image: np.ndarray) -> np.ndarray:
    """Return a painted picture in the shape and dtype of ``image``."""
    if image.ndim == 2 or image.shape[2] == 1:
        picture = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).reshape(image.shape)
    return picture if image.dtype == np.uint8 else picture.astype(np.float32) / 255
