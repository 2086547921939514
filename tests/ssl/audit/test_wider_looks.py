"""The banks of looks beyond overlays: codecs, scalers, grades, words and dates."""

import random

import cv2
import numpy as np
import pytest

from framegate.augment.overlays.phrases import phrase
from framegate.ssl.audit.audit_overlays import paint
from framegate.ssl.audit.video_codecs import through_codec
from framegate.ssl.audit.wider_looks import LOOKS, WIDER, bank_words, wider_look

WORDS = bank_words(["sport", "новости"], seed=0)


def picture(side: int = 64, *, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    coarse = cv2.resize(rng.integers(0, 256, (6, 6, 3), np.uint8), (side, side), interpolation=cv2.INTER_CUBIC)
    return np.clip(coarse + rng.normal(0, 10, coarse.shape), 0, 255).astype(np.uint8)


def all_looks(kind: str, *, frame: int = 3, seed: int = 0, side: int = 64) -> np.ndarray:
    views = np.repeat(picture(side)[None], LOOKS, axis=0)
    return paint(views, kind, np.arange(LOOKS), np.full(LOOKS, frame), seed=seed, words=WORDS)


@pytest.mark.parametrize("side", [32, 64, 75])
@pytest.mark.parametrize("kind", WIDER)
def test_each_look_differs_from_the_plain_frame_and_from_the_others(kind: str, side: int) -> None:
    looks = [picture(side), *all_looks(kind, side=side)]
    for one in range(len(looks)):
        for other in range(one):
            difference = np.abs(looks[one].astype(int) - looks[other]).mean()
            assert difference > 0.2, (kind, one - 1, other - 1)


@pytest.mark.parametrize("kind", WIDER)
def test_looks_are_functions_of_seed_and_number(kind: str) -> None:
    names = [wider_look(kind, number, seed=0, words=WORDS).name for number in range(LOOKS)]
    assert len(set(names)) == LOOKS
    assert names == [wider_look(kind, number, seed=0, words=WORDS).name for number in range(LOOKS)]
    assert np.array_equal(all_looks(kind), all_looks(kind))
    assert not np.array_equal(all_looks(kind), all_looks(kind, seed=1))
    alone = paint(picture()[None], kind, np.array([7]), np.array([3]), seed=0, words=WORDS)
    assert np.array_equal(alone[0], all_looks(kind)[7])


def test_only_words_and_dates_vary_from_frame_to_frame_of_one_look() -> None:
    same = {kind: np.array_equal(all_looks(kind), all_looks(kind, frame=4)) for kind in WIDER}
    assert same == {"codec": True, "resolution": True, "grade": True, "words": False, "date": False}


@pytest.mark.parametrize("codec", ["mpeg2", "h264", "vp9"])
def test_a_coarser_quantizer_is_farther_from_the_picture(codec: str) -> None:
    fine, coarse = {"mpeg2": (2, 30), "h264": (12, 48), "vp9": (10, 63)}[codec]
    for side in (16, 33, 64):
        image = picture(side)
        errors = [np.abs(through_codec(image, codec, q).astype(int) - image).mean() for q in (fine, coarse)]
        assert errors[0] < 20 and errors[0] < 0.75 * errors[1], errors
        assert np.array_equal(through_codec(image, codec, coarse), through_codec(image, codec, coarse))


def test_the_bank_of_words_begins_with_the_categories_that_fonts_here_write() -> None:
    words = bank_words(["sport", "spört\n and\tmusic", "новости", "天気", "sport", "خبر", "12", "x" * 99], seed=0)
    assert words[:4] == ("sport", "spört and music", "новости", "天気") and words[7] == "x" * 24
    assert len(words) == len(set(words)) == LOOKS
    assert all(word.isupper() for word in words[4:7])  # framegate's own
    assert bank_words([], seed=0) != bank_words([], seed=1)
    assert len(bank_words([f"category {number}" for number in range(30)], seed=0)) == LOOKS


def test_words_of_the_views_are_not_those_of_the_bank() -> None:
    seen = {phrase("latin", random.Random(seed), short=True).upper() for seed in range(500)}
    assert not seen & {word for seed in range(20) for word in bank_words([], seed=seed)}
