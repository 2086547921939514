import random

import cv2
import numpy as np
import pytest

from framegate.augment import Anchor, OverlayPolicy, TwoViews, ViewPolicy
from framegate.augment.boxes import Box, area, free_box, intersection
from framegate.augment.pairs import overlay_places, plan_pair
from framegate.media.clip_layout import Layout

HEIGHT, WIDTH = 80, 160
FOUND = Layout(
    borders=(0.0, 0.1, 1.0, 0.9), logos=((0.8, 0.1, 0.95, 0.3, 0.9),), subtitles=((0.1, 0.7, 0.9, 0.9, 0.8),)
)
LAYOUTS = (Layout(), FOUND, Layout(logos=((0.0, 0.0, 0.2, 0.2, 1.0),)), Layout(borders=(0.15, 0.0, 0.85, 1.0)))


def frame_with(regions: tuple[Box, ...], content: int) -> bytes:
    """A JPEG of noise whose regions, as far as they fill whole 8 × 8 blocks, hold noise of their own.

    Blocks are coded alone, so nothing of a region is seen outside of it.
    """
    image = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    other = np.random.default_rng(content).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    for x0, y0, x1, y1 in regions:
        left, top = -(-int(x0 * WIDTH + 0.999) // 8) * 8, -(-int(y0 * HEIGHT + 0.999) // 8) * 8
        right, bottom = int(x1 * WIDTH + 1e-6) // 8 * 8, int(y1 * HEIGHT + 1e-6) // 8 * 8
        image[top:bottom, left:right] = other[top:bottom, left:right]
    flags = [cv2.IMWRITE_JPEG_QUALITY, 95, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444]
    return cv2.imencode(".jpg", image, flags)[1].tobytes()


def surviving_draws(policy: ViewPolicy, layout: Layout, draws: range) -> tuple[int, int]:
    """How many pairs show the overlays in both views, and in one: a view shows them if it changes when only they do."""
    regions = overlay_places(layout, assume=True)
    donor = Anchor(frame_with((), 0), Layout())
    one, other = (Anchor(frame_with(regions, content), layout) for content in (1, 2))
    views = TwoViews(policy, image_size=16, seed=5)
    shown = [
        sum(
            not np.array_equal(a, b)
            for a, b in zip(
                views(one, epoch=0, index=index, donor=donor),
                views(other, epoch=0, index=index, donor=donor),
                strict=True,
            )
        )
        for index in draws
    ]
    return shown.count(2), shown.count(1)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_no_overlay_survives_in_both_views(layout):
    both, one = surviving_draws(ViewPolicy(), layout, range(250))
    assert both == 0
    assert one > 100  # and in many pairs they do survive in one


@pytest.mark.slow
def test_no_overlay_survives_in_both_views_in_ten_thousand_draws():
    for number, layout in enumerate(LAYOUTS):
        both, one = surviving_draws(ViewPolicy(), layout, range(1000 + 2500 * number, 1000 + 2500 * (number + 1)))
        assert both == 0 and one > 1000, layout


def test_the_views_differ_where_nothing_is_hidden():
    """The measure itself: without the policy, overlays are seen in both views of nearly every pair."""
    policy = ViewPolicy(overlays=OverlayPolicy(paint=0.0, survive=1.0, assume=False))
    both, _ = surviving_draws(policy, Layout(), range(100))
    assert both > 60


def test_looks_are_drawn_for_each_view_by_itself():
    policy = OverlayPolicy(paint=0.5, bank=4)
    plans = [
        plan_pair(policy, (Layout(), Layout()), random.Random(i), (random.Random(f"{i}a"), random.Random(f"{i}b")))
        for i in range(4000)
    ]
    painted = np.array([[plan.look is not None for plan in pair] for pair in plans])
    assert np.allclose(painted.mean(axis=0), 0.5, atol=0.03)
    assert abs(np.mean(painted[:, 0] & painted[:, 1]) - 0.25) < 0.03
    same = [a.look == b.look for a, b in plans if a.look is not None and b.look is not None]
    assert abs(np.mean(same) - 1 / 4) < 0.05  # neither always the same nor always different


def test_places_are_the_found_ones_and_the_usual_ones_of_what_was_not_found():
    logo = (0.7, 0.05, 0.9, 0.15)
    found = overlay_places(Layout(logos=((*logo, 0.8),)), assume=True)
    assert logo in found and (0.0, 0.8, 1.0, 1.0) in found
    assert not any(box[2] <= 0.2 and box[3] <= 0.2 for box in found)  # no other corner: the logo is known
    assert overlay_places(Layout(logos=((*logo, 0.8),)), assume=False) == (logo,)


def test_the_free_box_touches_no_region_and_is_large():
    regions = overlay_places(Layout(), assume=True)
    free = free_box((0.0, 0.0, 1.0, 1.0), regions)
    assert all(area(intersection(free, region)) == 0 for region in regions)
    assert area(free) > 0.5


@pytest.mark.parametrize(
    "wrong", [{"paint": 1.5}, {"survive": -0.1}, {"bank": 0}, {"crop": 0, "cover": 0, "donor": 0}, {"donor": -1}]
)
def test_policies_that_make_no_sense_are_refused(wrong):
    with pytest.raises(ValueError, match=r"overlays\."):
        OverlayPolicy(**wrong)
