"""From JPEG bytes to the two views of a pair: crop first, hide and paint overlays, then colours, all in uint8.

    frame ──decode──┬─ crop + resize ─ hide real overlays ─ paint a look ─ colours, blur ─ flip ─→ first view
                    └─ the same, with draws of its own ─────────────────────────────────────────→ second view

Everything random is a function of (seed, epoch, index, view), whatever process or worker runs it.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import ClassVar

import cv2
import numpy as np

from framegate.augment.attention import AttentionPolicy
from framegate.augment.boxes import WHOLE, Box, area, covering_pixels, free_box, seen_through
from framegate.augment.colour import RECIPES, Recipe, Strength, recolour
from framegate.augment.crops import cut, random_crop, whole_pixels
from framegate.augment.jpeg import jpeg_size, largest_reduction
from framegate.augment.looks import bank_look
from framegate.augment.masks import cover, replace
from framegate.augment.pairs import OverlayPlan, OverlayPolicy, plan_pair
from framegate.media.layout import Layout
from framegate.media.store import decode_jpeg

_LEAST_FREE = 0.25  # share of the frame that must remain where overlays are cropped away


@dataclass(frozen=True, slots=True)
class Anchor:
    """A frame to make views of: its JPEG, and what is known of the overlays of its video."""

    jpeg: bytes | memoryview
    layout: Layout


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewPolicy:
    """How views are made; the recipe's ``views``.

    Args:
        strength: whose crops and colours: MoCo v2, MoCo v3 (the two views differ) or SimCLR.
        min_scale: smallest share of the frame that a crop covers; None: the method's own.
        flip: probability of a horizontal flip.
        overlays: what is done to overlays, real and painted.
        attention: what pretraining does with the key encoder's maps; no part of the views made here.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    strength: Strength = "moco_v2"
    min_scale: float | None = None
    flip: float = 0.5
    overlays: OverlayPolicy = field(default_factory=OverlayPolicy)
    attention: AttentionPolicy = field(default_factory=AttentionPolicy)


class TwoViews:
    """Makes the two views of a pair; holds nothing but its settings, so workers may copy it freely.

    Args:
        policy: what is done to the views.
        image_size: side S of a view in pixels.
        seed: of all draws, and of the bank of looks.

    Example:
        >>> views = TwoViews(ViewPolicy(), image_size=64, seed=0)
        >>> first, second = views(Anchor(jpeg, layout), epoch=0, index=17)  # two (64, 64, 3) uint8 arrays
    """

    def __init__(self, policy: ViewPolicy, *, image_size: int, seed: int) -> None:
        self.policy = policy
        self.image_size = image_size
        self.seed = seed

    def __call__(
        self, first: Anchor, second: Anchor | None = None, *, epoch: int, index: int, donor: Anchor | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """The two views, (S, S, 3) RGB uint8 and contiguous.

        Args:
            first: the frame of the first view.
            second: the frame of the second, a near one of the same shot; None: the same frame.
            epoch, index: with the seed, what the draws are a function of; ``index`` is the anchor's place in the store.
            donor: a frame of another source, for regions that are replaced; None: they are covered instead.
        """
        rngs = tuple(random.Random(f"{self.seed}:{epoch}:{index}:{view}") for view in (0, 1))
        pair = random.Random(f"{self.seed}:{epoch}:{index}:pair")
        anchors = (first, second or first)
        layouts = (anchors[0].layout, anchors[1].layout)
        plans = plan_pair(self.policy.overlays, layouts, pair, (rngs[0], rngs[1]))
        sizes = [jpeg_size(anchor.jpeg) for anchor in anchors]
        recipes = RECIPES[self.policy.strength]
        crops = [self._crop(plans[v], rngs[v], sizes[v], recipes[v]) for v in (0, 1)]
        reductions = [largest_reduction(*_extent(crops[v], sizes[v]), self.image_size) for v in (0, 1)]
        if second is None:
            image = decode_jpeg(first.jpeg, reduce=min(reductions))
            images = (image, image)
        else:
            images = (decode_jpeg(first.jpeg, reduce=reductions[0]), decode_jpeg(second.jpeg, reduce=reductions[1]))
        views = [self._render(images[v], crops[v], plans[v], rngs[v], recipes[v], donor) for v in (0, 1)]
        return views[0], views[1]

    def _crop(self, plan: OverlayPlan, rng: random.Random, size: tuple[int, int], recipe: Recipe) -> Box:
        inside = free_box(WHOLE, plan.hidden) if plan.removal == "crop" else WHOLE
        if area(inside) < _LEAST_FREE:
            inside = WHOLE
        min_scale = recipe.min_scale if self.policy.min_scale is None else self.policy.min_scale
        return random_crop(rng, aspect=size[0] / size[1], min_scale=min_scale, inside=inside)

    def _render(
        self, image: np.ndarray, crop: Box, plan: OverlayPlan, rng: random.Random, recipe: Recipe, donor: Anchor | None
    ) -> np.ndarray:
        height, width = image.shape[:2]
        pixels = whole_pixels(crop, width, height)
        seen = (pixels[0] / width, pixels[1] / height, pixels[2] / width, pixels[3] / height)
        view = cut(image, pixels, self.image_size)
        self._hide(view, pixels, seen, plan, rng, donor)
        if plan.look is not None:
            x0, y0, x1, y1 = seen_through(seen, WHOLE) if plan.on_frame else WHOLE
            side = self.image_size
            bank_look(self.seed, plan.look).paint(view, (x0 * side, y0 * side, x1 * side, y1 * side), rng)
        view = recolour(view, recipe, rng)
        return cv2.flip(view, 1) if rng.random() < self.policy.flip else view

    def _hide(
        self,
        view: np.ndarray,
        pixels: tuple[int, int, int, int],
        seen: Box,
        plan: OverlayPlan,
        rng: random.Random,
        donor: Anchor | None,
    ) -> None:
        """Cover what of the plan's hidden boxes the view shows, and as far around as resizing spreads it."""
        side = self.image_size
        margin = 1 + -(-side // min(pixels[2] - pixels[0], pixels[3] - pixels[1]))
        found = (
            covering_pixels(seen_through(seen, box), side, side, margin=margin)
            for box in plan.hidden
            if _overlap(box, seen)
        )
        shown = [box for box in found if box is not None]
        if not shown:
            return
        if plan.removal == "donor" and donor is not None:
            substitute = self._seen_through_same_crop(donor, seen)
            for box in shown:
                replace(view, box, substitute)
        else:
            cover(view, shown, rng)

    def _seen_through_same_crop(self, donor: Anchor, seen: Box) -> np.ndarray:
        size = jpeg_size(donor.jpeg)
        image = decode_jpeg(donor.jpeg, reduce=largest_reduction(*_extent(seen, size), self.image_size))
        return cut(image, whole_pixels(seen, image.shape[1], image.shape[0]), self.image_size)


def _extent(crop: Box, size: tuple[int, int]) -> tuple[float, float]:
    return (crop[2] - crop[0]) * size[0], (crop[3] - crop[1]) * size[1]


def _overlap(a: Box, b: Box) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
