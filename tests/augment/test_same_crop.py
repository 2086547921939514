"""A student's view and its teacher's: one crop, flip and colours; overlays in the first alone."""

import random

import albumentations as A
import cv2
import numpy as np
import pytest

from framegate.augment import Anchor, AttentionPolicy, OverlayPolicy, TwoViews, View, ViewPolicy
from framegate.augment.boxes import Box
from framegate.augment.colour import Strength
from framegate.augment.pairs import TWO_VIEWS_ALONE, plan_lesson
from framegate.media.clip_layout import Layout

SIDE = 64
LOGO, SUBTITLE = (0.78, 0.05, 0.95, 0.2, 0.9), (0.2, 0.82, 0.8, 0.95, 0.9)
FOUND = Layout(logos=(LOGO,), subtitles=(SUBTITLE,))
UNPAINTED = OverlayPolicy(paint=0.0)


def jpeg(*, marked: tuple[Box, ...] = ()) -> bytes:
    """A soft pattern, with white boxes on it."""
    noise = np.random.default_rng(0).integers(60, 200, (9, 16, 3), dtype=np.uint8)
    picture = cv2.resize(noise, (256, 144), interpolation=cv2.INTER_CUBIC)
    for left, top, right, bottom in marked:
        picture[round(top * 144) : round(bottom * 144), round(left * 256) : round(right * 256)] = 255
    return cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 95])[1].tobytes()


def lessons(policy: ViewPolicy, anchor: Anchor, *, count: int = 60, **options: object) -> list[tuple[View, View]]:
    views = TwoViews(policy, image_size=SIDE, seed=3, pairing="same_crop", **options)
    return [views.described(anchor, epoch=1, index=index) for index in range(count)]


def differing(pair: tuple[View, View]) -> np.ndarray:
    return (pair[0].pixels != pair[1].pixels).any(axis=2)


@pytest.mark.parametrize("strength", ["moco_v2", "moco_v3", "simclr"])
def test_where_neither_paints_nor_hides_the_pictures_are_equal(strength: Strength) -> None:
    pairs = lessons(ViewPolicy(strength=strength, overlays=UNPAINTED), Anchor(jpeg(), Layout()))
    for pair in pairs:
        assert np.array_equal(pair[0].pixels, pair[1].pixels)
        assert pair[0].shown == pair[1].shown
    assert len({pair[0].pixels.tobytes() for pair in pairs}) == len(pairs)  # and change from frame to frame


def test_a_painted_look_changes_the_students_view_alone_and_only_where_it_lies() -> None:
    attention = AttentionPolicy(drop=0.1)  # with it, views know where their overlays are
    policy = ViewPolicy(overlays=OverlayPolicy(paint=1.0), attention=attention)
    plain = ViewPolicy(overlays=UNPAINTED, attention=attention)
    anchor, painted = Anchor(jpeg(), Layout()), 0
    for pair, (clear, _) in zip(lessons(policy, anchor), lessons(plain, anchor), strict=True):
        student, teacher = pair
        assert np.array_equal(teacher.pixels, clear.pixels)
        assert teacher.overlays == ()
        free = np.ones((SIDE, SIDE), bool)
        for left, top, right, bottom in student.overlays:
            blur = 7  # pixels that a blur carries an overlay's edge, and one for rounding
            rows = slice(max(int(top * SIDE) - blur, 0), max(int(bottom * SIDE) + blur + 1, 0))
            free[rows, max(int(left * SIDE) - blur, 0) : max(int(right * SIDE) + blur + 1, 0)] = False
        assert not (differing(pair) & free).any()
        painted += differing(pair).any()
    assert painted > 50


def test_found_overlays_are_hidden_from_the_teacher_and_seen_by_the_student() -> None:
    """The marks are white, and no colours change: the student's view has white in it, and the teacher's has none."""
    anchor = Anchor(jpeg(marked=(LOGO[:4], SUBTITLE[:4])), FOUND)
    own = A.Compose([A.Resize(SIDE, SIDE)])
    ((student, teacher), *_) = lessons(ViewPolicy(overlays=UNPAINTED), anchor, count=1, transform=own)
    white = (student.pixels > 250).all(axis=2)
    assert white.mean() > 0.05
    assert not (teacher.pixels > 250).all(axis=2).any()
    assert np.ptp(teacher.pixels[white].astype(int), axis=0).max() <= 2  # one colour
    rest = ~cv2.dilate(white.astype(np.uint8), np.ones((9, 9), np.uint8)).astype(bool)
    assert rest.mean() > 0.5
    assert np.array_equal(student.pixels[rest], teacher.pixels[rest])


def test_in_random_crops_too_the_teacher_never_sees_what_was_found() -> None:
    policy = ViewPolicy(overlays=UNPAINTED)
    hidden = 0
    for pair in lessons(policy, Anchor(jpeg(marked=(LOGO[:4], SUBTITLE[:4])), FOUND)):
        changed = np.pad(differing(pair).astype(np.uint8), 1)  # a blur carries colours as far as to the border
        inside = cv2.erode(changed, np.ones((7, 7), np.uint8))[1:-1, 1:-1].astype(bool)
        hidden += inside.any()
        if inside.any():
            assert np.ptp(pair[1].pixels[inside].astype(int), axis=0).max() <= 1  # one colour
    assert 20 < hidden < 60  # some crops show neither


def test_nothing_is_hidden_where_nothing_was_found() -> None:
    student, teacher = plan_lesson(OverlayPolicy(paint=1.0, assume=True), Layout(), random.Random(0))
    assert student.hidden == teacher.hidden == ()
    assert student.look is not None and teacher.look is None
    student, teacher = plan_lesson(OverlayPolicy(), FOUND, random.Random(0))
    assert student.hidden == () and set(teacher.hidden) == {LOGO[:4], SUBTITLE[:4]}


def test_what_two_views_alone_use_changes_nothing() -> None:
    other = {"survive": 0.0, "assume": False, "crop": 0.0, "cover": 0.0, "donor": 1.0}
    assert set(other) == set(TWO_VIEWS_ALONE)
    anchor = Anchor(jpeg(), FOUND)
    for (one, _), (changed, _) in zip(
        lessons(ViewPolicy(), anchor, count=20),
        lessons(ViewPolicy(overlays=OverlayPolicy(**other)), anchor, count=20),
        strict=True,
    ):
        assert np.array_equal(one.pixels, changed.pixels)


def test_the_teachers_view_may_be_larger_and_shows_the_same() -> None:
    pairs = lessons(ViewPolicy(overlays=UNPAINTED), Anchor(jpeg(), Layout()), second_size=2 * SIDE)
    for student, teacher in pairs:
        assert student.pixels.shape == (SIDE, SIDE, 3) and teacher.pixels.shape == (2 * SIDE, 2 * SIDE, 3)
        halved = cv2.resize(teacher.pixels, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
        assert np.abs(halved.astype(int) - student.pixels).mean() < 4


def test_a_pipeline_of_the_users_own_changes_both_alike() -> None:
    own = A.Compose([A.RandomResizedCrop((SIDE, SIDE)), A.HorizontalFlip(), A.HueSaturationValue()])
    for student, teacher in lessons(ViewPolicy(overlays=UNPAINTED), Anchor(jpeg(), Layout()), transform=own, count=10):
        assert np.array_equal(student.pixels, teacher.pixels)
    with pytest.raises(ValueError, match="a transform gives pictures of one size, not of 64 and 128"):
        TwoViews(ViewPolicy(), image_size=SIDE, seed=0, transform=own, second_size=128)


def test_views_of_one_crop_are_of_one_frame() -> None:
    views = TwoViews(ViewPolicy(), image_size=SIDE, seed=0, pairing="same_crop")
    anchor = Anchor(jpeg(), Layout())
    with pytest.raises(ValueError, match="show one frame"):
        views(anchor, anchor, epoch=0, index=0)
