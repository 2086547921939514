"""Traces of a channel: functions of a generator, drawn after everything else, and off unless a recipe asks for them."""

import io
import random
from collections.abc import Callable

import cv2
import numpy as np
import pytest
from PIL import Image
from pydantic import TypeAdapter, ValidationError

from framegate.augment import Anchor, AttentionPolicy, TracePolicy, TwoViews, ViewPolicy
from framegate.augment.traces.codec import JpegCoding
from framegate.augment.traces.grade import Grade
from framegate.augment.traces.leave_traces import leave_traces
from framegate.augment.traces.resolution import Rescaling
from framegate.media.clip_layout import Layout

KINDS = ("codec", "resolution", "grade", "words", "date")
NEUTRAL = Grade(lift=(0.0, 0.0, 0.0), gamma=(1.0, 1.0, 1.0), gain=(1.0, 1.0, 1.0), curve=0.0, saturation=1.0)


def picture(height: int = 48, width: int = 64, *, seed: int = 0) -> np.ndarray:
    """A coarse pattern with fine noise on it."""
    rng = np.random.default_rng(seed)
    coarse = cv2.resize(rng.integers(0, 256, (5, 7, 3), np.uint8), (width, height), interpolation=cv2.INTER_CUBIC)
    return np.clip(coarse + rng.normal(0, 12, coarse.shape), 0, 255).astype(np.uint8)


def always(*kinds: str) -> TracePolicy:
    return TracePolicy(**dict.fromkeys(kinds, 1.0))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [(64, 64), (33, 33), (17, 90), (16, 16)])
def test_a_trace_is_a_function_of_its_generator_and_leaves_its_input_alone(kind: str, size: tuple[int, int]) -> None:
    image = picture(*size)
    before = image.copy()
    for seed in range(12):
        (one, boxes), (again, _) = (leave_traces(image, always(kind), random.Random(seed)) for _ in range(2))
        assert np.array_equal(one, again)
        assert one.shape == image.shape and one.dtype == np.uint8
        assert bool(boxes) is (kind in ("words", "date"))
    assert np.array_equal(image, before)
    different = {leave_traces(image, always(kind), random.Random(seed))[0].tobytes() for seed in range(12)}
    assert len(different) >= 9 and image.tobytes() not in different


def test_without_traces_a_view_is_itself() -> None:
    image = picture()
    assert leave_traces(image, TracePolicy(), random.Random(0)) == (image, ())
    assert not TracePolicy() and TracePolicy(date=0.1)


def test_a_kind_draws_the_same_whatever_the_others_probabilities() -> None:
    seeds = range(40)
    alone = [leave_traces(picture(), TracePolicy(resolution=0.5), random.Random(seed))[0] for seed in seeds]
    beside = [
        leave_traces(picture(), TracePolicy(resolution=0.5, codec=1e-9, date=1e-9), random.Random(seed))[0]
        for seed in seeds
    ]
    assert all(map(np.array_equal, alone, beside))
    unchanged = sum(np.array_equal(one, picture()) for one in alone)
    assert 8 < unchanged < 32  # about half


def test_traces_change_nothing_else_of_a_view() -> None:
    """Whether another crop, look, colour or flip is drawn: a trace that is never left must not show in the bytes."""
    anchor = Anchor(cv2.imencode(".jpg", picture(90, 160))[1].tobytes(), Layout())
    plain, never, traced = (
        TwoViews(ViewPolicy(traces=traces), image_size=48, seed=5)
        for traces in (TracePolicy(), TracePolicy(codec=1e-12), always("resolution"))
    )
    for index in range(30):
        pairs = [views(anchor, epoch=1, index=index) for views in (plain, never, traced)]
        assert all(map(np.array_equal, pairs[0], pairs[1]))
        assert not any(map(np.array_equal, pairs[0], pairs[2]))


def test_traced_views_do_not_depend_on_what_was_made_before() -> None:
    anchor = Anchor(cv2.imencode(".jpg", picture(90, 160))[1].tobytes(), Layout())
    policy = ViewPolicy(traces=TracePolicy(**dict.fromkeys(KINDS, 0.6)))
    fresh, used = (TwoViews(policy, image_size=48, seed=5) for _ in range(2))
    for index in range(20):
        used(anchor, epoch=4, index=index)
    for index in reversed(range(20)):
        pair, again = fresh(anchor, epoch=2, index=index), used(anchor, epoch=2, index=index)
        assert all(map(np.array_equal, pair, again)) and all(view.flags["C_CONTIGUOUS"] for view in pair)


def test_the_two_views_draw_their_traces_independently() -> None:
    """With equal pictures in both views, what differs is the traces."""
    grey = Anchor(cv2.imencode(".jpg", np.full((64, 64, 3), 128, np.uint8))[1].tobytes(), Layout())
    policy = ViewPolicy(traces=always("grade"))
    pairs = [TwoViews(policy, image_size=32, seed=1)(grey, epoch=0, index=index) for index in range(20)]
    assert not any(np.array_equal(first, second) for first, second in pairs)


def test_words_and_dates_are_overlays_that_attention_knows() -> None:
    anchor = Anchor(cv2.imencode(".jpg", picture(90, 160))[1].tobytes(), Layout())
    for attention, painted in ((AttentionPolicy(crop=0.3), 2), (AttentionPolicy(), 0)):
        plain, traced = (
            TwoViews(ViewPolicy(attention=attention, traces=traces), image_size=48, seed=5)
            for traces in (TracePolicy(), always("words", "date"))
        )
        before, after = (views.described(anchor, epoch=0, index=3)[0].overlays for views in (plain, traced))
        assert len(after) - len(before) == painted and after[: len(before)] == before


def test_a_lower_quality_is_farther_from_the_picture() -> None:
    def error(change: Callable[[np.ndarray], np.ndarray]) -> float:
        return float(np.abs(change(picture()).astype(float) - picture()).mean())

    qualities = [error(JpegCoding(quality=quality, half_chroma=True).apply) for quality in (95, 40, 5)]
    scales = [error(Rescaling(scale=scale, down="area", up="linear").apply) for scale in (1.0, 0.6, 0.25)]
    assert qualities == sorted(qualities) and scales == sorted(scales) and scales[0] == 0


def test_jpeg_is_coded_as_pillow_codes_it() -> None:
    """OpenCV's encoder takes BGR: with channels in the wrong order, red would be coded as blue is."""
    coded = io.BytesIO()
    Image.fromarray(picture()).save(coded, "jpeg", quality=20, subsampling="4:2:0")
    expected = np.asarray(Image.open(coded)).astype(int)
    assert np.abs(JpegCoding(quality=20, half_chroma=True).apply(picture()) - expected).mean() < 1.5


def test_a_neutral_grade_changes_nothing_and_a_grade_does_what_it_says() -> None:
    assert np.array_equal(NEUTRAL.apply(picture()), picture())
    grey = Grade(lift=NEUTRAL.lift, gamma=NEUTRAL.gamma, gain=NEUTRAL.gain, curve=0.0, saturation=0.0).apply(picture())
    assert np.ptp(grey, axis=2).max() <= 1
    warm = Grade(lift=(0.1, 0.1, 0.1), gamma=NEUTRAL.gamma, gain=(1.0, 0.9, 0.7), curve=0.0, saturation=1.0)
    black, white = (warm.apply(np.full((2, 2, 3), value, np.uint8))[0, 0] for value in (0, 255))
    assert black.tolist() == [26, 26, 26] and white.tolist() == [255, 230, 178]


@pytest.mark.parametrize("kind", KINDS)
def test_a_probability_outside_0_to_1_is_refused_by_name(kind: str) -> None:
    for value in (-0.1, 1.5):
        with pytest.raises(ValueError, match=f"traces.{kind} is {value}"):
            TracePolicy(**{kind: value})
    with pytest.raises(ValidationError, match="codek"):
        TypeAdapter(ViewPolicy).validate_python({"traces": {"codek": 0.1}})
