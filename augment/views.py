"""Make the two views of a pair from JPEG bytes: crop, hide and paint overlays, then change colours, all in uint8.

    frame ──decode──┬─ crop + resize ─ hide real overlays ─ paint a look ─ colours, blur ─ flip ─→ first view
                    └─ the same, drawn independently ───────────────────────────────────────────→ second view

For a student and its teacher, crop, colours and flip are drawn once; the first view alone has overlays.
Everything random is a function of (seed, epoch, index, view), whatever process or worker runs it.
"""

from __future__ import annotations

import dataclasses
import math
import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

import cv2
import numpy as np

from framegate.augment.attention_policy import AttentionPolicy
from framegate.augment.boxes import WHOLE, Box, area, covering_pixels, free_box, seen_through
from framegate.augment.colour import RECIPES, Recipe, Strength, mean_colour, recolour
from framegate.augment.crops import cut, random_crop, whole_pixels
from framegate.augment.jpeg_view import Reduction, largest_reduction
from framegate.augment.overlays.looks import bank_look
from framegate.augment.overlays.masks import cover, fill_with_mean, replace
from framegate.augment.overlays.plates import on_canvas
from framegate.augment.pairs import OverlayPlan, OverlayPolicy, Pairing, overlay_places, plan_lesson, plan_pair
from framegate.media.clip_layout import Layout
from framegate.media.pictures.jpeg import decode_jpeg, jpeg_size

if TYPE_CHECKING:  # it takes seconds to import, and few need it
    from albumentations import BaseCompose

_LEAST_SEEN = 1 / 32  # of a side of the frame: a look painted on all of a thread would be thousands of pixels wide
_LEAST_FREE = 0.25  # share of the frame that must remain where overlays are cropped away


@dataclass(frozen=True, slots=True)
class Anchor:
    """A frame to make views of: its JPEG, and the layout of overlays that was found in its video."""

    jpeg: bytes | memoryview
    layout: Layout


@dataclass(frozen=True, slots=True)
class View:
    """One view, with the facts that attention needs.

    Args:
        pixels: (S, S, 3) RGB uint8, contiguous.
        overlays: boxes of the painted and found overlays in it, in fractions of the view; they may extend beyond it.
        shown: share of the frame that the view shows, 0 to 1.
    """

    pixels: np.ndarray
    overlays: tuple[Box, ...]
    shown: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewPolicy:
    """How views are made; the recipe's ``views``.

    Args:
        strength: the method whose crops and colours are used: MoCo v2, MoCo v3 (the two views differ) or SimCLR.
        min_scale: smallest share of the frame that a crop covers; None: that of the method.
        flip: probability of a horizontal flip.
        overlays: what is done to overlays, real and painted.
        attention: what pretraining does with the key encoder's maps; it does not change the views made here.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    strength: Strength = "moco_v2"
    min_scale: float | None = None
    flip: float = 0.5
    overlays: OverlayPolicy = field(default_factory=OverlayPolicy)
    attention: AttentionPolicy = field(default_factory=AttentionPolicy)


class TwoViews:
    """Makes the two views of a pair; it holds only settings, so workers may copy it.

    Args:
        policy: what is done to the views.
        image_size: side S of a view in pixels.
        seed: of all random choices, and of the bank of looks.
        transform: an albumentations pipeline that replaces crops, colours and flips; its pictures must have
            ``image_size``. Overlays are hidden and painted on the frame before it.
        pairing: whether the views are drawn independently, or are a student's and its teacher's of one crop.
        second_size: side of the second view; None: ``image_size``.

    Raises:
        ValueError: with a ``transform``, a second view has another size.

    Example:
        >>> frame = Anchor(cv2.imencode(".jpg", np.zeros((90, 160, 3), np.uint8))[1].tobytes(), Layout())
        >>> views = TwoViews(ViewPolicy(), image_size=64, seed=0)
        >>> first, second = views(frame, epoch=0, index=17)
        >>> first.shape, second.dtype
        ((64, 64, 3), dtype('uint8'))
    """

    def __init__(
        self,
        policy: ViewPolicy,
        *,
        image_size: int,
        seed: int,
        transform: BaseCompose | None = None,
        pairing: Pairing = "two_views",
        second_size: int | None = None,
    ) -> None:
        self.policy = policy
        self.sizes = (image_size, second_size or image_size)
        self.seed = seed
        self.transform = transform
        self.pairing = pairing
        if transform is not None and self.sizes[1] != image_size:
            raise ValueError(f"a transform gives pictures of one size, not of {self.sizes[0]} and {self.sizes[1]}")

    def __call__(
        self, first: Anchor, second: Anchor | None = None, *, epoch: int, index: int, donor: Anchor | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the two views, (S, S, 3) RGB uint8 and contiguous; the arguments are those of `described`."""
        first_view, second_view = self.described(first, second, epoch=epoch, index=index, donor=donor)
        return first_view.pixels, second_view.pixels

    def described(
        self, first: Anchor, second: Anchor | None = None, *, epoch: int, index: int, donor: Anchor | None = None
    ) -> tuple[View, View]:
        """Return the two views with their known overlays; after a ``transform``, no overlays are known.

        Args:
            first: the frame of the first view.
            second: the frame of the second view, a near one of the same shot; None: the same frame, as always where
                both views are of one crop.
            epoch, index: with the seed, they decide all random choices; ``index`` is the number of the frame.
            donor: a frame of another source, whose regions replace overlays; None: overlays are covered instead.

        Raises:
            ValueError: a frame is no JPEG; the transform returned a picture of another shape or type; or two frames
                are given for views of one crop.
            MediaError: a frame cannot be decoded.
        """
        if self.pairing == "same_crop":
            if second is not None:
                raise ValueError("views of one crop show one frame, and two were given")
            return self._same_crop(first, epoch=epoch, index=index)
        rngs = [random.Random(f"{self.seed}:{epoch}:{index}:{view}") for view in (0, 1)]
        pair = random.Random(f"{self.seed}:{epoch}:{index}:pair")
        anchors = (first, second or first)
        layouts = (anchors[0].layout, anchors[1].layout)
        plans = plan_pair(self.policy.overlays, layouts, pair, (rngs[0], rngs[1]))
        sizes = [jpeg_size(anchor.jpeg) for anchor in anchors]
        recipes = RECIPES[self.policy.strength]
        crops = [self._crop(plans[v], rngs[v], sizes[v], recipes[v]) for v in (0, 1)]
        reductions = [self._reduction(crops[v], sizes[v], self.sizes[v]) for v in (0, 1)]
        if second is None:
            image = decode_jpeg(first.jpeg, reduce=min(reductions))
            images = (image, image)
        else:
            images = (decode_jpeg(first.jpeg, reduce=reductions[0]), decode_jpeg(second.jpeg, reduce=reductions[1]))
        views = [
            self._render(
                images[v], anchors[v], crops[v], plans[v], rngs[v], recipes[v], size=self.sizes[v], donor=donor
            )
            for v in (0, 1)
        ]
        return views[0], views[1]

    def _same_crop(self, anchor: Anchor, *, epoch: int, index: int) -> tuple[View, View]:
        """Return a student's view and its teacher's: crop, colours and flip are drawn once; overlays differ alone."""
        place = f"{self.seed}:{epoch}:{index}"
        rng, pair = random.Random(f"{place}:0"), random.Random(f"{place}:pair")
        plans = plan_lesson(self.policy.overlays, anchor.layout, rng)
        size, recipe = jpeg_size(anchor.jpeg), RECIPES[self.policy.strength][0]
        crop = self._crop(plans[0], pair, size, recipe)
        image = decode_jpeg(anchor.jpeg, reduce=self._reduction(crop, size, max(self.sizes)))
        left, top, right, bottom = whole_pixels(crop, image.shape[1], image.shape[0])
        mean = mean_colour(image[top:bottom, left:right])
        views = [
            self._render(
                image,
                anchor,
                crop,
                plans[v],
                rng,
                recipe,
                size=self.sizes[v],
                colours=random.Random(f"{place}:colours"),  # two in one state: both views change alike
                mean=mean,
            )
            for v in (0, 1)
        ]
        return views[0], views[1]

    def _crop(self, plan: OverlayPlan, rng: random.Random, size: tuple[int, int], recipe: Recipe) -> Box:
        """Draw the crop, in fractions of the frame; with a ``transform``, only overlays are cropped away."""
        inside = free_box(WHOLE, plan.hidden) if plan.removal == "crop" else WHOLE
        if area(inside) < _LEAST_FREE:
            inside = WHOLE
        if self.transform is not None:
            return inside
        min_scale = recipe.min_scale if self.policy.min_scale is None else self.policy.min_scale
        return random_crop(rng, aspect=size[0] / size[1], min_scale=min_scale, inside=inside)

    def _reduction(self, crop: Box, size: tuple[int, int], wanted: int) -> Reduction:
        """Return by how much decoding may reduce a frame whose crop has to have ``wanted`` pixels a side."""
        if self.transform is not None:
            return 1
        return largest_reduction((crop[2] - crop[0]) * size[0], (crop[3] - crop[1]) * size[1], wanted)

    def _render(
        self,
        image: np.ndarray,
        anchor: Anchor,
        crop: Box,
        plan: OverlayPlan,
        rng: random.Random,
        recipe: Recipe,
        *,
        size: int,
        donor: Anchor | None = None,
        colours: random.Random | None = None,
        mean: np.ndarray | None = None,
    ) -> View:
        """Make a view of ``size`` pixels a side.

        ``rng`` draws how overlays are hidden and painted, and unless ``colours`` does, colours and flip; ``mean``: see
        `recolour`.
        """
        colours = colours or rng
        height, width = image.shape[:2]
        left, top, right, bottom = pixels = whole_pixels(crop, width, height)
        seen = (left / width, top / height, right / width, bottom / height)
        is_custom = self.transform is not None
        view = image[top:bottom, left:right].copy() if is_custom else cut(image, pixels, size)
        zoom = max(view.shape[1] / (right - left), view.shape[0] / (bottom - top))
        if min(seen[2] - seen[0], seen[3] - seen[1]) < _LEAST_SEEN:
            plan = dataclasses.replace(plan, on_frame=False)
        self._hide(view, seen, zoom, plan, rng, donor)
        frame = seen_through(seen, WHOLE) if plan.on_frame else WHOLE
        canvas = on_canvas((0.0, 0.0, view.shape[1], view.shape[0]), frame)
        if plan.look is not None:
            bank_look(self.seed, plan.look).paint(view, canvas, rng)
        if is_custom:
            return View(self._transformed(view, colours), (), area(seen))
        view = recolour(view, recipe, colours, mean=mean)
        overlays = self._known_overlays(anchor, seen, plan, canvas) if self.policy.attention else ()
        if colours.random() < self.policy.flip:
            return View(
                cv2.flip(view, 1), tuple((1 - box[2], box[1], 1 - box[0], box[3]) for box in overlays), area(seen)
            )
        return View(view, overlays, area(seen))

    def _known_overlays(self, anchor: Anchor, seen: Box, plan: OverlayPlan, canvas: Box) -> tuple[Box, ...]:
        """Return the boxes of the real overlays that the plan keeps, and of painted ones, in fractions of the view."""
        on_frame = () if plan.hidden else overlay_places(anchor.layout, assume=False)
        on_view: tuple[Box, ...] = ()
        if plan.look is not None:
            painted = bank_look(self.seed, plan.look).places((canvas[2] - canvas[0]) / (canvas[3] - canvas[1]))
            on_frame, on_view = (on_frame + painted, ()) if plan.on_frame else (on_frame, painted)
        return (*(seen_through(seen, box) for box in on_frame if _overlap(box, seen)), *on_view)

    def _hide(
        self, view: np.ndarray, seen: Box, zoom: float, plan: OverlayPlan, rng: random.Random, donor: Anchor | None
    ) -> None:
        """Hide the plan's hidden boxes in the view, in place, with a margin as wide as ``zoom`` blurs their edges."""
        height, width = view.shape[:2]
        boxes = (seen_through(seen, box) for box in plan.hidden if _overlap(box, seen))
        found = (covering_pixels(box, width, height, margin=1 + math.ceil(zoom)) for box in boxes)
        shown = [pixels for pixels in found if pixels is not None]
        if not shown:
            return
        if plan.removal == "mean":
            fill_with_mean(view, shown)
        elif plan.removal == "donor" and donor is not None:
            substitute = self._same_part(donor, seen, width, height)
            for pixels in shown:
                replace(view, pixels, substitute)
        else:
            cover(view, shown, rng)

    def _same_part(self, donor: Anchor, seen: Box, width: int, height: int) -> np.ndarray:
        """Return the same part of the donor's frame, at half the detail, which is enough."""
        detail = round(max(width, height) / 2)
        image = decode_jpeg(donor.jpeg, reduce=self._reduction(seen, jpeg_size(donor.jpeg), detail))
        left, top, right, bottom = whole_pixels(seen, image.shape[1], image.shape[0])
        part: np.ndarray = cv2.resize(image[top:bottom, left:right], (width, height), interpolation=cv2.INTER_LINEAR)
        return part

    def _transformed(self, view: np.ndarray, rng: random.Random) -> np.ndarray:
        """Apply ``transform``, seeded by ``rng``."""
        assert self.transform is not None
        self.transform.set_random_seed(rng.getrandbits(32))
        view = self.transform(image=view)["image"]
        size = self.sizes[0]
        if view.shape != (size, size, 3) or view.dtype != np.uint8:
            raise ValueError(f"the transform gave {view.shape} {view.dtype}; a view is ({size}, {size}, 3) uint8")
        return np.ascontiguousarray(view)


def _overlap(a: Box, b: Box) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
