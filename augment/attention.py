"""Attention without a further forward pass: drop the part of a view that an encoder attends to, or zoom into it.

After WS-DAN (Hu et al. 2019).

    features ── activation_map ──→ maps in [0, 1] ─┬─ drop ─→ the strongest part filled with the picture's mean colour
                                                   └─ crop ─→ the strong part alone, as large as the picture

Everything is batched, in torch, on the device of the images. In pretraining, with a key encoder that has seen the
view already (B images, K known overlays in each):

    maps = activation_map(key_features)                                   # (B, C, h, w) → (B, 1, h, w), no gradient
    query = drop(view, maps, generator=g, probability=0.25, keep_out=overlays)
    query, boxes = crop(query, maps, generator=g, probability=0.25, keep_out=overlays, shown=share_of_frame)
"""

from __future__ import annotations

import torch
from einops import rearrange
from torch import Tensor
from torch.nn import functional as F

LEAST_SIDE = 7  # cells; a coarser map cannot tell where anything is


def activation_map(features: Tensor) -> Tensor:
    """Return how strongly each place of a feature map responds, scaled to [0, 1] for each sample.

    >>> activation_map(torch.tensor([[[[0.0, 1.0], [2.0, 4.0]]]])).tolist()
    [[[[0.0, 0.25], [0.5, 1.0]]]]

    Args:
        features: (B, C, h, w) of a CNN, or (B, N, C) patch tokens of a ViT without class and register tokens, N square.

    Returns:
        (B, 1, h, w) float32, without gradient; all zeros where every place responds equally.

    Raises:
        ValueError: N is no square number.
    """
    features = features.detach().float()
    if features.ndim == 3:
        side = round(features.shape[1] ** 0.5)
        if side * side != features.shape[1]:
            raise ValueError(f"{features.shape[1]} tokens are no square map: leave class and register tokens out")
        features = rearrange(features, "b (h w) c -> b c h w", h=side)
    strength = features.square().mean(dim=1, keepdim=True).sqrt()
    low, high = strength.amin(dim=(2, 3), keepdim=True), strength.amax(dim=(2, 3), keepdim=True)
    return torch.where(high > low, (strength - low) / (high - low).clamp_min(1e-12), torch.zeros_like(strength))


def drop(
    images: Tensor,
    maps: Tensor,
    *,
    generator: torch.Generator,
    probability: float,
    theta: tuple[float, float] = (0.2, 0.5),
    keep_out: Tensor | None = None,
    least_left: float = 0.5,
) -> Tensor:
    """Fill the strongest part of some images with their mean colour.

    Args:
        images: (B, 3, H, W), uint8 or float.
        maps: (B, 1, h, w) from `activation_map`, at least 7 × 7.
        generator: draws which samples are changed, and their thresholds.
        probability: that a sample is changed.
        theta: range of the threshold, as a share of the map's maximum.
        keep_out: (B, K, 4) boxes of known overlays in fractions of the image, whose pixels stay; padded with zeros.
        least_left: smallest share of the pixels that stays.

    Returns:
        New images of the same shape and dtype.

    Raises:
        ValueError: the maps have fewer than 7 × 7 cells.
    """
    chosen, thresholds = _chosen_samples(len(images), generator, probability, theta, images.device)
    mask = (
        drop_masks(maps, images.shape[-2:], thresholds, keep_out=keep_out, least_left=least_left)
        & chosen[:, None, None, None]
    )
    mean = images.float().mean(dim=(2, 3), keepdim=True)
    return torch.where(mask, _like(mean, images), images)


def crop(
    images: Tensor,
    maps: Tensor,
    *,
    generator: torch.Generator,
    probability: float,
    theta: tuple[float, float] = (0.4, 0.6),
    keep_out: Tensor | None = None,
    shown: Tensor | None = None,
    least_area: float = 0.2,
) -> tuple[Tensor, Tensor]:
    """Zoom some images into the box around the strong part of their map.

    Args:
        images, maps, generator, probability, theta: as for `drop`.
        keep_out: (B, K, 4) boxes in fractions of the image that no crop may touch; padded with zeros.
        shown: (B,) share of its frame that each image shows; None: all of it.
        least_area: smallest share of the frame that is shown after the zoom.

    Returns:
        New images of the same shape and dtype, and the boxes (B, 4) int64 that they show: left, top, right, bottom in
        pixels; the whole image where nothing was changed.

    Raises:
        ValueError: the maps have fewer than 7 × 7 cells.
    """
    chosen, thresholds = _chosen_samples(len(images), generator, probability, theta, images.device)
    boxes = crop_boxes(maps, images.shape[-2:], thresholds, keep_out=keep_out, shown=shown, least_area=least_area)
    height, width = images.shape[-2:]
    whole = torch.tensor([0, 0, width, height], device=boxes.device)
    boxes = torch.where(chosen[:, None], boxes, whole)
    changed = (boxes != whole).any(dim=1)
    return torch.where(changed[:, None, None, None], zoom(images, boxes), images), boxes


def drop_masks(
    maps: Tensor, size: tuple[int, int] | torch.Size, thresholds: Tensor, *, keep_out: Tensor | None, least_left: float
) -> Tensor:
    """Return the pixels to drop, (B, 1, H, W) bool: where the enlarged map exceeds its threshold (B,).

    If these are more than 1 − ``least_left`` of the pixels, only the strongest are dropped.
    """
    strength = _enlarged(maps, size, keep_out)
    pixels = strength.flatten(1)
    allowed = int((1 - least_left) * pixels.shape[1])  # pixels that may go
    bound = pixels.kthvalue(pixels.shape[1] - allowed, dim=1).values
    limit = torch.maximum(thresholds * pixels.amax(dim=1), bound)
    return strength > limit[:, None, None, None]


def crop_boxes(
    maps: Tensor,
    size: tuple[int, int] | torch.Size,
    thresholds: Tensor,
    *,
    keep_out: Tensor | None,
    shown: Tensor | None,
    least_area: float,
) -> Tensor:
    """Return the boxes to zoom into, (B, 4) int64 pixels: around all above the threshold, grown to the least area.

    The box is the whole image where no such box is free of ``keep_out``.
    """
    height, width = size
    strength = _enlarged(maps, size, keep_out)
    strong = (strength > thresholds[:, None, None, None] * strength.amax(dim=(2, 3), keepdim=True))[:, 0]
    left, right = _extent(strong.any(dim=1))
    top, bottom = _extent(strong.any(dim=2))
    least = least_area * height * width / (torch.ones_like(thresholds) if shown is None else shown)  # in pixels
    area = (right - left) * (bottom - top)
    left, right = _grown(left, right, by=(least / area).clamp_min(1).sqrt(), limit=width)
    area = (right - left) * (bottom - top)
    top, bottom = _grown(top, bottom, by=(least / area).clamp_min(1), limit=height)
    boxes = torch.stack([left, top, right, bottom], dim=1)
    if keep_out is not None:
        for box in _pixels(keep_out, width, height).unbind(dim=1):
            boxes = _cut_free(boxes, box)
    area = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    usable = strong.flatten(1).any(dim=1) & (area >= least)
    return torch.where(usable[:, None], boxes, torch.tensor([0, 0, width, height], device=boxes.device))


def zoom(images: Tensor, boxes: Tensor) -> Tensor:
    """Enlarge the box (B, 4), in pixels, of each image (B, 3, H, W) bilinearly to the whole image.

    Two matrix products, for rows and for columns: pixels outside the box have weight zero.
    """
    height, width = images.shape[-2:]
    left, top, right, bottom = boxes.unbind(dim=1)
    rows, columns = _interpolation(top, bottom, height), _interpolation(left, right, width)
    return _like(rows[:, None] @ images.float() @ columns[:, None].mT, images)


def _interpolation(low: Tensor, high: Tensor, size: int) -> Tensor:
    """(B, size, size) weights that stretch pixels low:high over the whole length, centre to centre."""
    step = (high - low).float()[:, None] / size
    place = low[:, None] + (torch.arange(size, device=low.device) + 0.5) * step - 0.5
    place = torch.maximum(torch.minimum(place, high[:, None] - 1.0), low[:, None].float())
    pixel = torch.arange(size, device=low.device)
    return (1 - (place[:, :, None] - pixel).abs()).clamp_min(0)


def _chosen_samples(
    count: int, generator: torch.Generator, probability: float, theta: tuple[float, float], device: torch.device
) -> tuple[Tensor, Tensor]:
    """Draw which samples are changed, (B,) bool, and their thresholds, (B,)."""
    uniform = torch.rand(2, count, generator=generator, device=generator.device).to(device)
    return uniform[0] < probability, theta[0] + (theta[1] - theta[0]) * uniform[1]


def _enlarged(maps: Tensor, size: tuple[int, int] | torch.Size, keep_out: Tensor | None) -> Tensor:
    """Enlarge the maps to the images' size, (B, 1, H, W), with zeros inside the boxes."""
    if min(maps.shape[-2:]) < LEAST_SIDE:
        raise ValueError(
            f"an attention map of {maps.shape[-2]}×{maps.shape[-1]} cells is too coarse, "
            f"it takes {LEAST_SIDE}×{LEAST_SIDE}: use the features of an earlier stage"
        )
    strength = F.interpolate(maps, size=tuple(size), mode="bilinear", align_corners=False)
    if keep_out is None:
        return strength
    height, width = size
    x, y = torch.arange(width, device=maps.device), torch.arange(height, device=maps.device)
    left, top, right, bottom = _pixels(keep_out, width, height)[..., None].unbind(dim=2)  # (B, K, 1) each
    within = ((y >= top) & (y < bottom))[..., None] & ((x >= left) & (x < right))[:, :, None]  # (B, K, H, W)
    return strength.masked_fill(within.any(dim=1, keepdim=True), 0.0)


def _pixels(boxes: Tensor, width: int, height: int) -> Tensor:
    """Boxes in fractions as the whole pixels that they touch, int64."""
    scale = torch.tensor([width, height, width, height], device=boxes.device)
    scaled = boxes * scale
    return torch.cat([scaled[..., :2].floor(), scaled[..., 2:].ceil()], dim=-1).long()


def _extent(there: Tensor) -> tuple[Tensor, Tensor]:
    """First and last (exclusive) true place of each row (B, N); the whole row where there is none."""
    there = there.to(torch.uint8)
    return there.argmax(dim=1), there.shape[1] - there.flip(1).argmax(dim=1)


def _grown(low: Tensor, high: Tensor, *, by: Tensor, limit: int) -> tuple[Tensor, Tensor]:
    """Ranges made longer by a factor around their middle, and moved back inside 0 to ``limit``."""
    length = ((high - low) * by).ceil().long().clamp_max(limit)
    low = torch.div(low + high - length, 2, rounding_mode="floor").clamp_min(0)
    low = torch.minimum(low, limit - length)
    return low, low + length


def _cut_free(boxes: Tensor, obstacle: Tensor) -> Tensor:
    """Cut each of the boxes (B, 4) at the side where least is lost, so that it does not touch its obstacle (B, 4)."""
    left, top, right, bottom = boxes.unbind(dim=1)
    x0, y0, x1, y1 = obstacle.unbind(dim=1)
    meet = (left < x1) & (x0 < right) & (top < y1) & (y0 < bottom)
    sides = torch.stack(
        [
            torch.stack([left, top, torch.minimum(right, x0), bottom], dim=1),
            torch.stack([left, top, right, torch.minimum(bottom, y0)], dim=1),
            torch.stack([torch.maximum(left, x1), top, right, bottom], dim=1),
            torch.stack([left, torch.maximum(top, y1), right, bottom], dim=1),
        ],
        dim=1,
    )  # (B, 4 ways, 4)
    area = (sides[..., 2] - sides[..., 0]).clamp_min(0) * (sides[..., 3] - sides[..., 1]).clamp_min(0)
    best = sides.gather(1, area.argmax(dim=1)[:, None, None].expand(-1, 1, 4))[:, 0]
    return torch.where(meet[:, None], best, boxes)


def _like(pixels: Tensor, images: Tensor) -> Tensor:
    """Float pixels in the images' dtype."""
    return pixels.to(images.dtype) if images.is_floating_point() else pixels.round().clamp(0, 255).to(images.dtype)
