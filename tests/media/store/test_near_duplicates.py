"""Near-duplicates among hashes: offsets, shared openings, common frames, and how the work grows."""

import time as clock

import numpy as np
import pytest

from framegate.media.store.frame_hashes import SIDE, hash_pictures, same_share
from framegate.media.store.near_duplicates import Alignments, align_clips, candidate_pairs

RNG = np.random.default_rng(5)


def clips_of(*clips: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Hashes (N, 1, 1), clip and time of clips that are given by the hashes of their frames, one a second."""
    lengths = [len(clip) for clip in clips]
    times = np.concatenate([np.arange(length, dtype=float) for length in lengths])
    return np.concatenate(clips)[:, None, None], np.repeat(np.arange(len(clips)), lengths), times


def align(*clips: np.ndarray) -> Alignments:
    return align_clips(*clips_of(*clips), source=np.arange(len(clips)))


def pictures(count: int) -> np.ndarray:
    return RNG.integers(0, 2**64, count, dtype=np.uint64)


def pairs(found: Alignments) -> list[tuple[int, int]]:
    return sorted((int(min(pair)), int(max(pair))) for pair in zip(found.short, found.long, strict=True))


def test_a_trimmed_copy_is_found_at_its_offset() -> None:
    film = pictures(10)
    found = align(film, pictures(10), film[3:] ^ np.uint64(0b101))
    assert pairs(found) == [(0, 2)]
    assert (found.short[0], found.long[0], found.offset[0], found.score[0]) == (2, 0, 3.0, 1.0)
    assert (found.long_frame - 0).tolist() == list(range(3, 10))


def test_episodes_with_the_same_opening_are_not_copies() -> None:
    opening = pictures(10)
    assert not pairs(align(*(np.concatenate([opening, pictures(20)]) for _ in range(5))))


def test_the_same_pictures_in_another_order_are_not_a_copy() -> None:
    film = pictures(12)
    assert not pairs(align(film, RNG.permutation(film)))


def test_frames_half_a_second_apart_are_of_one_moment() -> None:
    film = pictures(8)
    hashes, clip, times = clips_of(film, film)
    times[8:] += np.array([0.0, 0.4, -0.4, 0.3, 0.0, -0.3, 0.4, 0.2])
    found = align_clips(hashes, clip, times, source=np.arange(2))
    assert pairs(found) == [(0, 1)]
    assert found.score[0] >= 0.85


def test_clips_of_one_source_are_not_compared() -> None:
    film = pictures(8)
    hashes, clip, times = clips_of(film, film, film)
    assert pairs(align_clips(hashes, clip, times, source=np.array([7, 7, 3]))) == [(0, 2), (1, 2)]


def test_a_crop_is_found_whichever_of_two_clips_was_cropped() -> None:
    whole, cropped = pictures(6), pictures(6)
    hashes = np.zeros((12, 1, 2), np.uint64)
    hashes[:6, 0] = np.stack([whole, cropped], axis=1)  # the crop's hash as the whole picture foresees it
    hashes[6:, 0] = np.stack([cropped, pictures(6)], axis=1)
    clip, times = np.repeat([0, 1], 6), np.tile(np.arange(6.0), 2)
    assert pairs(align_clips(hashes, clip, times, source=np.arange(2))) == [(0, 1)]
    swapped = np.concatenate([hashes[6:], hashes[:6]])
    assert pairs(align_clips(swapped, clip, times, source=np.arange(2))) == [(0, 1)]


def test_nothing_and_one_clip_have_no_copies() -> None:
    empty = np.empty((0, 3, 10), np.uint64)
    found = align_clips(empty, np.empty(0, np.int64), np.empty(0), source=np.arange(4))
    assert pairs(found) == [] == pairs(align(pictures(3)))


def test_a_title_card_in_every_clip_brings_few_pairs_and_hides_no_copy() -> None:
    card, film = pictures(1), pictures(6)
    clips = [np.concatenate([card, pictures(6)]) for _ in range(400)]
    clips[100], clips[300] = np.concatenate([card, film]), np.concatenate([card, film ^ np.uint64(1 << 40)])
    hashes, clip, _ = clips_of(*clips)
    assert len(candidate_pairs(hashes, clip, np.arange(400))) < 2 * 400
    assert pairs(align(*clips)) == [(100, 300)]


def test_very_many_copies_of_one_clip_are_one_chain() -> None:
    film = pictures(5)
    found = pairs(align(*[film] * 300))
    assert {clip for pair in found for clip in pair} == set(range(300))
    assert {(clip, clip + 1) for clip in range(299)} <= set(found)


def test_twenty_thousand_frames_are_searched_in_seconds() -> None:
    hashes, clip, _ = clips_of(*pictures(20_000).reshape(2000, 10))
    began = clock.process_time()
    assert len(candidate_pairs(hashes, clip, np.arange(2000))) == 0
    assert clock.process_time() - began < 5


def texture(seed: int) -> np.ndarray:
    """A picture (SIDE, SIDE) of soft random blots."""
    import cv2

    rough = np.random.default_rng(seed).integers(0, 255, (9, 9), dtype=np.uint8)
    return cv2.resize(rough, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)


def bits_apart(one: np.ndarray, other: np.ndarray) -> int:
    """Least distance between the hashes of one picture and the plain ones of another."""
    (left, right), _ = hash_pictures(np.stack([one, other]))
    return int(np.bitwise_count(left ^ right[:, :1]).min())


def test_the_first_hash_is_phash() -> None:
    from scipy.fft import dctn  # independent of ours: pHash's own recipe, over all pixels

    grey = np.stack([texture(seed) for seed in range(50)])
    waves = dctn(grey.astype(float), axes=(1, 2), norm="ortho")[:, :8, :8].reshape(50, 64)
    signs = waves > np.median(waves, axis=1, keepdims=True)
    expected = np.packbits(signs, axis=1).view(">u8")[:, 0].astype(np.uint64)
    hashes, _ = hash_pictures(grey)
    assert np.bitwise_count(hashes[:, 0, 0] ^ expected).mean() < 1


@pytest.mark.parametrize("change", ["crop", "logo", "mirror"])
def test_a_hash_outlives(change: str) -> None:
    import cv2

    for seed in range(20):
        picture = texture(seed)
        changed = picture.copy()
        if change == "crop":
            changed = cv2.resize(picture[3:-3, 3:-3], (SIDE, SIDE))
        elif change == "logo":
            changed[3:12, 48:60] = 255
        else:
            changed = picture[:, ::-1].copy()
        assert bits_apart(picture, changed) <= 8
        if change != "mirror":
            assert same_share(picture, changed) >= 0.72
        assert same_share(picture, texture(seed + 100)) < 0.5


def test_black_white_and_grey_pictures_have_no_detail() -> None:
    flat = np.stack([np.full((SIDE, SIDE), level, np.uint8) for level in (0, 16, 128, 255)])
    flat = np.concatenate([flat, flat[2:3] + RNG.integers(0, 4, (1, SIDE, SIDE), dtype=np.uint8)])
    assert hash_pictures(flat)[1].tolist() == [False] * 5
    assert hash_pictures(texture(0)[None])[1].tolist() == [True]
    assert hash_pictures(flat[:0])[0].shape[0] == 0
