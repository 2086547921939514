"""The looks that the audit paints, from banks that no training has seen: overlays, and the wider ones."""

import random
from collections.abc import Sequence
from typing import Literal

import numpy as np

from framegate.augment.overlays.borders import BorderStyle
from framegate.augment.overlays.logos import LogoStyle
from framegate.augment.overlays.looks import Look
from framegate.augment.overlays.plates import Overlay
from framegate.augment.overlays.subtitles import SubtitleStyle
from framegate.ssl.audit.wider_looks import WiderKind, WiderLook, wider_look

OverlayKind = Literal["subtitle", "logo", "border", "all"]
KINDS: tuple[OverlayKind, ...] = ("subtitle", "logo", "border", "all")
LookKind = OverlayKind | WiderKind

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


def paint(
    views: np.ndarray,
    kind: LookKind,
    numbers: np.ndarray,
    frames: np.ndarray,
    *,
    seed: int,
    words: Sequence[str] = (),
) -> np.ndarray:
    """Return copies of ``views`` with a look on each, the same for equal arguments.

    A look lies over the view, not over the whole frame, so that the network sees all of it.

    Args:
        views: (N, S, S, 3) uint8.
        kind: of the looks.
        numbers: (N,) numbers of looks in the bank.
        frames: (N,) numbers of the frames in the store, which decide what differs between frames of one look, such as
            the words of a subtitle.
        seed: of the bank.
        words: what the looks of ``words`` write; see `bank_words`.
    """
    painted = views.copy()
    canvas = (0.0, 0.0, float(views.shape[2]), float(views.shape[1]))
    for view, number, frame in zip(painted, numbers, frames, strict=True):
        text = random.Random(f"audit:{seed}:{kind}:{number}:{frame}")
        _look(kind, int(number), seed=seed, words=words).paint(view, canvas, text)
    return painted


def _look(kind: LookKind, number: int, *, seed: int, words: Sequence[str]) -> Look | WiderLook:
    match kind:
        case "codec" | "resolution" | "grade" | "words" | "date":
            return wider_look(kind, number, seed=seed, words=words)
        case _:
            return audit_look(kind, number, seed=seed)
