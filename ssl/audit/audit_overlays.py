"""The overlays that the audit paints, from banks that no training has seen."""

import random
from typing import Literal

import numpy as np

from framegate.augment.overlays.borders import BorderStyle
from framegate.augment.overlays.logos import LogoStyle
from framegate.augment.overlays.looks import Look
from framegate.augment.overlays.plates import Overlay
from framegate.augment.overlays.subtitles import SubtitleStyle

OverlayKind = Literal["subtitle", "logo", "border", "all"]
KINDS: tuple[OverlayKind, ...] = ("subtitle", "logo", "border", "all")

_STYLES: dict[OverlayKind, tuple[type[Overlay], ...]] = {
    "subtitle": (SubtitleStyle,),
    "logo": (LogoStyle,),
    "border": (BorderStyle,),
    "all": (BorderStyle, LogoStyle, SubtitleStyle),  # in the order of painting
}


def audit_look(kind: OverlayKind, number: int, *, seed: int) -> Look:
    """Return overlay ``number`` of the audit's bank of ``kind``.

    It depends on the seed in another way than the bank of training (`augment.looks.bank_look`), so that the two banks
    have no look in common, whatever the seeds.
    """
    rng = random.Random(f"audit:{seed}:{kind}:{number}")
    return Look(tuple(style.draw(rng) for style in _STYLES[kind]))


def paint(views: np.ndarray, kind: OverlayKind, numbers: np.ndarray, frames: np.ndarray, *, seed: int) -> np.ndarray:
    """Return copies of ``views`` with an overlay on each, the same for equal arguments.

    The overlay lies over the view, not over the whole frame, so that the network sees all of it.

    Args:
        views: (N, S, S, 3) uint8.
        kind: of the overlays.
        numbers: (N,) numbers of overlays in the bank.
        frames: (N,) numbers of the frames in the store, which decide the words of a subtitle.
        seed: of the bank.
    """
    painted = views.copy()
    canvas = (0.0, 0.0, float(views.shape[2]), float(views.shape[1]))
    for view, number, frame in zip(painted, numbers, frames, strict=True):
        text = random.Random(f"audit:{seed}:{kind}:{number}:{frame}")
        audit_look(kind, int(number), seed=seed).paint(view, canvas, text)
    return painted
