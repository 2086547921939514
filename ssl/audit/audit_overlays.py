"""The overlays that the audit paints: banks of its own, which no training has seen."""

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
    """Overlay ``number`` of the audit's bank of ``kind``.

    The bank is another function of its seed than the one that training paints from (`augment.looks.bank_look`), so the
    two have no look in common, whatever the seeds.
    """
    rng = random.Random(f"audit:{seed}:{kind}:{number}")
    return Look(tuple(style.draw(rng) for style in _STYLES[kind]))


def paint(views: np.ndarray, kind: OverlayKind, numbers: np.ndarray, frames: np.ndarray, *, seed: int) -> np.ndarray:
    """Copies of ``views`` with an overlay each, the same every time.

    The overlay lies over the view, not over the frame that the view is the middle of: what the network cannot see would
    tell nothing of it.

    Args:
        views: (N, S, S, 3) uint8.
        kind: of overlay.
        numbers: (N,) which of the bank.
        frames: (N,) the frames' numbers in the store, which decide the words of a subtitle.
        seed: of the bank.
    """
    painted = views.copy()
    canvas = (0.0, 0.0, float(views.shape[2]), float(views.shape[1]))
    for view, number, frame in zip(painted, numbers, frames, strict=True):
        text = random.Random(f"audit:{seed}:{kind}:{number}:{frame}")
        audit_look(kind, int(number), seed=seed).paint(view, canvas, text)
    return painted
