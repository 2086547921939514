"""Plan what happens to overlays in the two views of a pair, so that they do not help to match the views.

In a pair of two views, each view draws its painted look from the same long-lived bank, independently of the other. Real
overlays survive in at most one of them: in the other, the places where they are, or where none were found the places
where overlays live, are cropped away, covered, or taken from a donor's frame.

In a pair of one crop, the first view, a student's, keeps its real overlays and gets a painted look; the second, its
teacher's, shows neither.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import ClassVar, Literal

from framegate.augment.boxes import Box
from framegate.augment.overlays.masks import border_bars
from framegate.media.clip_layout import FoundBox, Layout

Removal = Literal["crop", "cover", "donor", "mean"]
Pairing = Literal["two_views", "same_crop"]
"""How the views of a pair belong together: ``two_views`` are drawn independently of each other; ``same_crop``: crop,
colours and flip are those of one view, which a student sees with overlays and its teacher without."""

TWO_VIEWS_ALONE = ("survive", "assume", "crop", "cover", "donor")
"""Keys of `OverlayPolicy` that say nothing of a pair of one crop."""

# Where overlays live: subtitles below, rarely above; logos in the corners.
SUBTITLE_PLACES: tuple[Box, ...] = ((0.0, 0.8, 1.0, 1.0), (0.0, 0.0, 1.0, 0.12))
LOGO_PLACES: tuple[Box, ...] = ((0.0, 0.0, 0.2, 0.2), (0.8, 0.0, 1.0, 0.2), (0.0, 0.8, 0.2, 1.0), (0.8, 0.8, 1.0, 1.0))
BORDER_PLACES: tuple[Box, ...] = (
    (0.0, 0.0, 0.04, 1.0),
    (0.96, 0.0, 1.0, 1.0),
    (0.0, 0.0, 1.0, 0.04),
    (0.0, 0.96, 1.0, 1.0),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class OverlayPolicy:
    """How overlays are painted and removed in views; the recipe's ``views.overlays``.

    Args:
        paint: probability that a view gets a painted look.
        bank: number of looks: few enough that some negatives have the query's look, and too many to be learnt.
        on_frame: share of painted looks that lie over the frame and are cropped with it; the rest lie over the view.
        survive: probability that one of the two views keeps the real overlays; otherwise both lose them.
        assume: where no overlay of a kind was found, treat its usual places as overlays.
        crop, cover, donor: weights of the ways in which a view loses its overlays: they are cropped away, covered, or
            replaced by a region of a donor frame. A crop that would leave too little of the frame, and a missing donor,
            become a cover.

    Raises:
        ValueError: a probability is outside 0–1, a weight is negative, all weights are 0, or the bank is empty.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    paint: float = 0.85
    bank: int = 2000
    on_frame: float = 0.5
    survive: float = 0.7
    assume: bool = True
    crop: float = 0.5
    cover: float = 0.3
    donor: float = 0.2

    def __post_init__(self) -> None:
        for name in ("paint", "on_frame", "survive"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"overlays.{name} is {getattr(self, name)}; it must lie between 0 and 1")
        weights = (self.crop, self.cover, self.donor)
        if min(weights) < 0 or sum(weights) == 0:
            raise ValueError(f"overlays.crop, cover and donor are {weights}; none may be negative, nor all zero")
        if self.bank < 1:
            raise ValueError(f"overlays.bank is {self.bank}; it must hold a look at least")


@dataclass(frozen=True, slots=True, kw_only=True)
class OverlayPlan:
    """What is done to one view.

    Attributes:
        hidden: boxes of the frame that the view may not show, in fractions.
        removal: how they are removed; ``mean``: filled with the mean colour of the rest.
        look: number of the painted look in the bank; None: nothing is painted.
        on_frame: the look lies over the frame and is cropped with it; else it lies over the view.
    """

    hidden: tuple[Box, ...]
    removal: Removal
    look: int | None
    on_frame: bool


def plan_pair(
    policy: OverlayPolicy,
    layouts: tuple[Layout, Layout],
    pair: random.Random,
    views: tuple[random.Random, random.Random],
) -> tuple[OverlayPlan, OverlayPlan]:
    """Draw the plans of both views.

    Args:
        policy: the probabilities.
        layouts: of the frames of both views.
        pair: draws what concerns both: which of them loses the real overlays.
        views: each draws the rest for one view.
    """
    loser = pair.randrange(2)
    keeps = pair.random() < policy.survive
    plans = []
    for view, (layout, rng) in enumerate(zip(layouts, views, strict=True)):
        loses = view == loser or not keeps
        plans.append(
            OverlayPlan(
                hidden=overlay_places(layout, assume=policy.assume) if loses else (),
                removal=rng.choices(("crop", "cover", "donor"), (policy.crop, policy.cover, policy.donor))[0],
                look=rng.randrange(policy.bank) if rng.random() < policy.paint else None,
                on_frame=rng.random() < policy.on_frame,
            )
        )
    return plans[0], plans[1]


def plan_lesson(policy: OverlayPolicy, layout: Layout, student: random.Random) -> tuple[OverlayPlan, OverlayPlan]:
    """Draw the plans of a student's view and of its teacher's, which is the same but for overlays.

    Args:
        policy: the probabilities; those in `TWO_VIEWS_ALONE` are not used.
        layout: of the frame. The teacher's view hides what was found in it.
        student: draws the student's look.
    """
    painted = OverlayPlan(
        hidden=(),
        removal="mean",
        look=student.randrange(policy.bank) if student.random() < policy.paint else None,
        on_frame=student.random() < policy.on_frame,
    )
    clear = OverlayPlan(hidden=overlay_places(layout, assume=False), removal="mean", look=None, on_frame=False)
    return painted, clear


def overlay_places(layout: Layout, *, assume: bool) -> tuple[Box, ...]:
    """Return the boxes of overlays in a frame: those found, and with ``assume`` the usual places of kinds not found."""
    borders = border_bars(layout.borders) or (BORDER_PLACES if assume else ())
    subtitles = tuple(_box(box) for box in layout.subtitles) or (SUBTITLE_PLACES if assume else ())
    logos = tuple(_box(box) for box in layout.logos) or (LOGO_PLACES if assume else ())
    return borders + subtitles + logos


def _box(found: FoundBox) -> Box:
    return found[0], found[1], found[2], found[3]
