"""Leave a channel's traces on a view: its grading, words and dates in the picture, its scaler, its encoder."""

from __future__ import annotations

import random
from dataclasses import dataclass, fields
from typing import ClassVar

import numpy as np

from framegate.augment.boxes import Box
from framegate.augment.overlays.dates import DateStyle
from framegate.augment.overlays.plates import Overlay
from framegate.augment.overlays.words import WordsStyle
from framegate.augment.traces.codec import JpegCoding
from framegate.augment.traces.grade import Grade
from framegate.augment.traces.resolution import Rescaling


@dataclass(frozen=True, slots=True, kw_only=True)
class TracePolicy:
    """How often a view gets a random trace of each kind; the recipe's ``views.traces``.

    Each view draws its own, so that a trace says nothing about which views belong together. `framegate audit --wider`
    measures how much of each kind a backbone reads.

    Args:
        codec: probability that the view is coded as a JPEG of low quality, and decoded.
        resolution: probability that it is made smaller and enlarged again, with random kernels.
        grade: probability of another lift, gamma, gain, tone curve and saturation.
        words: probability of a word or two in the picture.
        date: probability of a date or a time in a corner.

    Raises:
        ValueError: a probability is outside 0–1.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    codec: float = 0.0
    resolution: float = 0.0
    grade: float = 0.0
    words: float = 0.0
    date: float = 0.0

    def __post_init__(self) -> None:
        for field in fields(self):
            if not 0 <= getattr(self, field.name) <= 1:
                raise ValueError(f"traces.{field.name} is {getattr(self, field.name)}; it must lie between 0 and 1")

    def __bool__(self) -> bool:
        """Whether any view ever gets one."""
        return any(getattr(self, field.name) > 0 for field in fields(self))


def leave_traces(image: np.ndarray, policy: TracePolicy, rng: random.Random) -> tuple[np.ndarray, tuple[Box, ...]]:
    """Return a view with its traces, and the boxes of what was painted, in fractions of the view.

    They come in the order in which a channel makes them: graded, written on, scaled, coded. What one kind draws does
    not depend on the probabilities of the others.

    Args:
        image: (H, W, 3) RGB uint8; it is not changed.
        policy: how often.
        rng: draws them.
    """
    own = {field.name: _drawn(rng, getattr(policy, field.name)) for field in fields(policy)}
    boxes: list[Box] = []
    if (draws := own["grade"]) is not None:
        image = Grade.draw(draws).apply(image)
    styles: dict[str, type[Overlay]] = {"words": WordsStyle, "date": DateStyle}
    for name, style in styles.items():
        if (draws := own[name]) is not None:
            overlay, image = style.draw(draws), image.copy()
            overlay.paint(image, (0.0, 0.0, float(image.shape[1]), float(image.shape[0])), draws)
            boxes += overlay.places(image.shape[1] / image.shape[0])
    if (draws := own["resolution"]) is not None:
        image = Rescaling.draw(draws).apply(image)
    if (draws := own["codec"]) is not None:
        image = JpegCoding.draw(draws).apply(image)
    return image, tuple(boxes)


def _drawn(rng: random.Random, probability: float) -> random.Random | None:
    """Return, with this probability, a generator for one kind alone; ``rng`` moves on in the same way in any case."""
    chance, seed = rng.random(), rng.getrandbits(64)
    return random.Random(seed) if chance < probability else None
