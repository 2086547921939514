import albumentations as A
import cv2
import numpy as np
import pytest

from framegate.augment import Anchor, OverlayPolicy, TwoViews, ViewPolicy, plain_view
from framegate.media.clip_layout import Layout


def jpeg(height: int = 144, width: int = 256, *, seed: int = 0) -> bytes:
    noise = np.random.default_rng(seed).integers(0, 256, (9, 16, 3), dtype=np.uint8)
    return cv2.imencode(".jpg", cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC))[1].tobytes()


@pytest.mark.parametrize("strength", ["moco_v2", "moco_v3", "simclr"])
def test_views_are_contiguous_pictures_of_the_asked_size(strength):
    anchor, donor = Anchor(jpeg(), Layout()), Anchor(jpeg(seed=1), Layout())
    views = TwoViews(ViewPolicy(strength=strength), image_size=64, seed=3)
    for index in range(30):
        for view in views(anchor, epoch=0, index=index, donor=donor):
            assert view.shape == (64, 64, 3) and view.dtype == np.uint8 and view.flags["C_CONTIGUOUS"]


def test_the_same_seed_epoch_and_index_give_the_same_bytes_whatever_was_made_before():
    anchor, donor = Anchor(jpeg(), Layout()), Anchor(jpeg(seed=1), Layout())
    fresh, used = (TwoViews(ViewPolicy(), image_size=64, seed=3) for _ in range(2))
    for index in range(20):
        used(anchor, epoch=4, index=index)
    for index in range(20):
        for a, b in zip(
            fresh(anchor, epoch=2, index=index, donor=donor),
            used(anchor, epoch=2, index=index, donor=donor),
            strict=True,
        ):
            assert np.array_equal(a, b)


def test_a_plain_view_is_the_centred_square():
    image = np.zeros((120, 240, 3), np.uint8)
    image[:, 60:180] = 255
    view = plain_view(cv2.imencode(".jpg", image)[1].tobytes(), 32)
    assert view.shape == (32, 32, 3) and view[:, 2:-2].min() > 240


def test_without_overlays_and_colours_nothing_is_painted():
    policy = ViewPolicy(overlays=OverlayPolicy(paint=0.0, survive=1.0, assume=False))
    white = cv2.imencode(".jpg", np.full((90, 160, 3), 255, np.uint8))[1].tobytes()
    for index in range(20):
        for view in TwoViews(policy, image_size=48, seed=0)(Anchor(white, Layout()), epoch=0, index=index):
            assert np.ptp(view.reshape(-1, 3), axis=0).max() <= 1


def test_a_pipeline_of_the_users_own_takes_the_place_of_crops_and_colours():
    own = A.Compose([A.RandomResizedCrop((48, 48)), A.HorizontalFlip(), A.ColorJitter()])
    views = TwoViews(ViewPolicy(), image_size=48, seed=1, transform=own)
    anchor, donor = Anchor(jpeg(), Layout()), Anchor(jpeg(seed=1), Layout())
    pairs = [views(anchor, epoch=0, index=index, donor=donor) for index in (0, 1, 0)]
    assert np.array_equal(pairs[0], pairs[2]) and not np.array_equal(pairs[0], pairs[1])
    assert pairs[0][0].shape == (48, 48, 3)
    with pytest.raises(ValueError, match=r"a view is \(64, 64, 3\) uint8"):
        TwoViews(ViewPolicy(), image_size=64, seed=1, transform=own)(anchor, epoch=0, index=0)
