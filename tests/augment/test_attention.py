import math

import pytest
import torch
from torch.nn import functional as F

from framegate.augment import AttentionPolicy
from framegate.augment.attention import (
    activation_map,
    crop,
    crop_boxes,
    drop,
    drop_masks,
    zoom,
)

torch.set_num_threads(1)
SIZE = 48


def random_maps(count: int, seed: int, cells: int = 7) -> torch.Tensor:
    return activation_map(torch.randn(count, 8, cells, cells, generator=torch.Generator().manual_seed(seed)))


def some_boxes(count: int, seed: int) -> torch.Tensor:
    """Two boxes an image, some of them empty (zeros)."""
    corners = torch.rand(count, 2, 4, generator=torch.Generator().manual_seed(seed))
    low, high = torch.minimum(corners[..., :2], corners[..., 2:]), torch.maximum(corners[..., :2], corners[..., 2:])
    boxes = torch.cat([low, low + (high - low) * 0.4], dim=-1)
    boxes[::3, 1] = 0
    return boxes


def strength_of(map_: torch.Tensor, keep_out: torch.Tensor) -> torch.Tensor:
    """One map at the image's size, zeroed pixel by pixel inside the boxes."""
    strength = F.interpolate(map_[None], size=(SIZE, SIZE), mode="bilinear", align_corners=False)[0, 0]
    for x0, y0, x1, y1 in pixel_boxes(keep_out):
        for y in range(y0, y1):
            for x in range(x0, x1):
                strength[y, x] = 0
    return strength


def pixel_boxes(boxes: torch.Tensor) -> list[tuple[int, int, int, int]]:
    scaled = (boxes * torch.tensor([SIZE, SIZE, SIZE, SIZE])).tolist()
    return [(math.floor(a), math.floor(b), math.ceil(c), math.ceil(d)) for a, b, c, d in scaled]


def obvious_drop_mask(map_: torch.Tensor, threshold: float, keep_out: torch.Tensor, least_left: float) -> torch.Tensor:
    strength = strength_of(map_, keep_out)
    ranked = sorted(strength.flatten().tolist(), reverse=True)
    bound = ranked[int((1 - least_left) * SIZE * SIZE)]
    limit = max(threshold * strength.max(), torch.tensor(bound))
    return torch.tensor([[bool(strength[y, x] > limit) for x in range(SIZE)] for y in range(SIZE)])


def obvious_crop_box(
    map_: torch.Tensor, threshold: float, keep_out: torch.Tensor, shown: float, least: float
) -> list[int]:
    strength = strength_of(map_, keep_out)
    limit = threshold * strength.max()
    strong = [(x, y) for y in range(SIZE) for x in range(SIZE) if strength[y, x] > limit]
    whole = [0, 0, SIZE, SIZE]
    if not strong:
        return whole
    xs, ys = [x for x, _ in strong], [y for _, y in strong]
    wanted = least * SIZE * SIZE / shown
    left, right = grown(min(xs), max(xs) + 1, lambda w: w * math.sqrt(max(wanted / (w * (max(ys) + 1 - min(ys))), 1)))
    top, bottom = grown(min(ys), max(ys) + 1, lambda h: h * max(wanted / (h * (right - left)), 1))
    box = [left, top, right, bottom]
    for x0, y0, x1, y1 in pixel_boxes(keep_out):
        if box[0] < x1 and x0 < box[2] and box[1] < y1 and y0 < box[3]:
            sides = (
                [box[0], box[1], min(box[2], x0), box[3]],
                [box[0], box[1], box[2], min(box[3], y0)],
                [max(box[0], x1), box[1], box[2], box[3]],
                [box[0], max(box[1], y1), box[2], box[3]],
            )
            box = max(sides, key=lambda s: max(s[2] - s[0], 0) * max(s[3] - s[1], 0))
    return box if (box[2] - box[0]) * (box[3] - box[1]) >= wanted else whole


def grown(low: int, high: int, longer) -> tuple[int, int]:
    length = min(math.ceil(longer(high - low) - 1e-4), SIZE)
    low = min(max((low + high - length) // 2, 0), SIZE - length)
    return low, low + length


@pytest.mark.parametrize("least_left", [0.3, 0.5, 0.9])
def test_drop_masks_equal_the_obvious_ones(least_left):
    maps, boxes = random_maps(24, seed=1), some_boxes(24, seed=2)
    thresholds = torch.linspace(0.2, 0.5, 24)
    masks = drop_masks(maps, (SIZE, SIZE), thresholds, keep_out=boxes, least_left=least_left)
    for i in range(24):
        assert torch.equal(masks[i, 0], obvious_drop_mask(maps[i], float(thresholds[i]), boxes[i], least_left)), i
        assert masks[i].float().mean() <= 1 - least_left


@pytest.mark.parametrize("least_area", [0.05, 0.2])
def test_crop_boxes_equal_the_obvious_ones(least_area):
    maps, boxes = random_maps(48, seed=3, cells=9), some_boxes(48, seed=4)
    thresholds, shown = torch.linspace(0.4, 0.6, 48), torch.linspace(0.2, 1.0, 48)
    found = crop_boxes(maps, (SIZE, SIZE), thresholds, keep_out=boxes, shown=shown, least_area=least_area)
    for i in range(48):
        expected = obvious_crop_box(maps[i], float(thresholds[i]), boxes[i], float(shown[i]), least_area)
        assert found[i].tolist() == expected, i
    assert len({tuple(box) for box in found.tolist()}) > 10  # and the cases are not all the same


def test_a_zoom_equals_cutting_and_resizing_and_nothing_bleeds_in():
    images = torch.rand(8, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(0))
    boxes = torch.tensor(
        [[0, 0, 48, 48], [5, 7, 6, 40], [0, 0, 1, 1], [10, 12, 31, 29], [20, 0, 48, 9]] + [[3, 3, 9, 9]] * 3
    )
    zoomed = zoom(images, boxes)
    for image, (left, top, right, bottom), result in zip(images, boxes.tolist(), zoomed, strict=True):
        part = image[None, :, top:bottom, left:right]
        assert torch.allclose(result, F.interpolate(part, size=(SIZE, SIZE), mode="bilinear")[0], atol=1e-5)
    poisoned = torch.full_like(images, 1e9)
    for i, (left, top, right, bottom) in enumerate(boxes.tolist()):
        poisoned[i, :, top:bottom, left:right] = images[i, :, top:bottom, left:right]
    assert torch.allclose(zoom(poisoned, boxes), zoomed, atol=1e-5)


def test_crops_never_touch_the_boxes_they_are_kept_out_of():
    maps, boxes = random_maps(64, seed=5), some_boxes(64, seed=6)
    found = crop_boxes(maps, (SIZE, SIZE), torch.full((64,), 0.5), keep_out=boxes, shown=None, least_area=0.1)
    zoomed_into = found[(found != torch.tensor([0, 0, SIZE, SIZE])).any(dim=1)]
    assert len(zoomed_into) > 16
    for box, obstacles in zip(found.tolist(), boxes, strict=True):
        if box != [0, 0, SIZE, SIZE]:
            for x0, y0, x1, y1 in pixel_boxes(obstacles):
                assert x0 == x1 or y0 == y1 or not (box[0] < x1 and x0 < box[2] and box[1] < y1 and y0 < box[3])


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
def test_dropped_pixels_get_the_mean_and_the_others_stay(dtype):
    images = (torch.rand(16, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(0)) * 255).to(dtype)
    maps = random_maps(16, seed=7)
    dropped = drop(images, maps, generator=torch.Generator().manual_seed(1), probability=1.0)
    for before, after in zip(images, dropped, strict=True):
        changed = (before != after).any(dim=0)
        assert 0 < changed.float().mean() <= 0.5
        spread = after[:, changed].float().std(dim=1)
        assert (spread < 1e-3).all()
    assert dropped.dtype == dtype


def test_probability_chooses_samples_and_the_generator_fixes_them():
    images = torch.rand(400, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    maps = random_maps(400, seed=8)
    once, again = (drop(images, maps, generator=torch.Generator().manual_seed(9), probability=0.3) for _ in range(2))
    assert torch.equal(once, again)
    assert 0.2 < (once != images).flatten(1).any(dim=1).float().mean() < 0.4
    same, boxes = crop(images, maps, generator=torch.Generator().manual_seed(9), probability=0.0)
    assert torch.equal(same, images) and (boxes == torch.tensor([0, 0, 16, 16])).all()


def test_a_flat_map_changes_nothing():
    images, flat = torch.rand(4, 3, 32, 32), activation_map(torch.ones(4, 5, 7, 7))
    assert torch.equal(flat, torch.zeros(4, 1, 7, 7))
    assert torch.equal(drop(images, flat, generator=torch.Generator(), probability=1.0), images)
    assert torch.equal(crop(images, flat, generator=torch.Generator(), probability=1.0)[0], images)


def test_tokens_and_feature_maps_give_the_same_map():
    features = torch.randn(3, 6, 8, 8)
    assert torch.allclose(activation_map(features), activation_map(features.flatten(2).transpose(1, 2)))
    with pytest.raises(ValueError, match="class and register tokens"):
        activation_map(torch.randn(3, 65, 6))


def test_coarse_maps_are_refused():
    with pytest.raises(ValueError, match="earlier stage"):
        drop(torch.rand(2, 3, 32, 32), torch.rand(2, 1, 2, 2), generator=torch.Generator(), probability=0.5)


def test_probabilities_rise_after_the_first_epochs():
    policy = AttentionPolicy(drop=0.4, crop=0.2, from_epoch=4, ramp_epochs=4)
    assert policy.probabilities(3.9) == (0.0, 0.0)
    assert policy.probabilities(6) == pytest.approx((0.2, 0.1))
    assert policy.probabilities(20) == (0.4, 0.2)
    with pytest.raises(ValueError, match=r"attention.drop is 0.6"):
        AttentionPolicy(drop=0.6)
