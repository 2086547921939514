"""Attention without a further forward: the queries' views, changed where the key encoder looked.

In a symmetric method the key encoder sees both full views anyway. Its feature map says where it looked, and there the
query's view is dropped, or zoomed into (after WS-DAN: Hu et al. 2019, §3.2, whose maps cost a forward of their own).
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from framegate.augment.attention import LEAST_SIDE, activation_map, crop_boxes, drop_masks, zoom
from framegate.ssl.data.view_pairs import ViewBatch
from framegate.ssl.methods.method import AttentionShares, unit
from framegate.ssl.modules.gather import own_rows, processes
from framegate.ssl.modules.key_encoder import KeyEncoder, encode_shuffled

DROP_THRESHOLDS, CROP_THRESHOLDS = (0.2, 0.5), (0.4, 0.6)  # θ_d and θ_c, shares of a map's maximum
LEAST_LEFT = 0.5  # share of a view's pixels that a drop leaves
LEAST_AREA = 0.2  # share of the frame that is seen after the random crop and the zoom


def encode_keys(
    encoder: KeyEncoder, views: Sequence[Tensor], generator: torch.Generator | None, *, with_maps: bool
) -> tuple[Tensor, Tensor | None]:
    """Encode all processes' views as keys, and where asked for, map where the key encoder looked in this process's.

    Args:
        encoder: its encoder is a `Backbone` and a head in sequence.
        views: this process's share (B, 3, S, S) of each view.
        generator: see `framegate.ssl.modules.key_encoder.encode_shuffled`.
        with_maps: whether maps are wanted.

    Returns:
        Unit rows (len(views) × processes × B, dim), and maps (len(views) × B, 1, h, w) of at least 7 × 7 cells.
    """
    if not with_maps:
        (keys,) = encode_shuffled(lambda images: (unit(encoder(images)),), views, generator)
        return keys, None

    def encode(images: Tensor) -> tuple[Tensor, Tensor]:
        keys, features = encoder.with_map(images, least=LEAST_SIDE)
        return unit(keys), activation_map(features)

    keys, maps = encode_shuffled(encode, views, generator)
    return keys, torch.cat([of_view[own_rows(len(views[0]))] for of_view in maps.chunk(len(views))])


def guided_queries(
    batch: ViewBatch, maps: Tensor | None, shares: AttentionShares, generator: torch.Generator
) -> Tensor:
    """Return both views as queries (2B, 3, S, S); in some the part that the key encoder looked at is dropped or zoomed.

    Known overlays are neither zoomed into nor dropped. A sample that is drawn for both is zoomed.

    Args:
        batch: the views.
        maps: (2B, 1, h, w), the first views' first; None changes nothing.
        shares: the probability of each change, per sample.
        generator: in the same state on every process; which samples are changed does not depend on their number.
    """
    images = torch.cat([batch.first, batch.second])
    if maps is None:
        return images
    count = len(batch.first)
    everywhere = torch.rand(4, 2, processes() * count, generator=generator)
    uniform = everywhere[:, :, own_rows(count)].flatten(1).to(images.device)
    dropped, cropped = uniform[0] < shares.drop, uniform[1] < shares.crop
    drop_at = _between(DROP_THRESHOLDS, uniform[2])
    crop_at = _between(CROP_THRESHOLDS, uniform[3])
    keep_out = None if batch.overlays is None else batch.overlays.flatten(0, 1)
    shown = None if batch.shown is None else batch.shown.flatten()

    size = images.shape[-2:]
    masks = drop_masks(maps, size, drop_at, keep_out=keep_out, least_left=LEAST_LEFT)
    boxes = crop_boxes(maps, size, crop_at, keep_out=keep_out, shown=shown, least_area=LEAST_AREA)
    mean = images.float().mean(dim=(2, 3), keepdim=True).round().to(images.dtype)
    queries = torch.where(masks & dropped[:, None, None, None], mean, images)
    return torch.where(cropped[:, None, None, None], zoom(images, boxes), queries)


def _between(limits: tuple[float, float], uniform: Tensor) -> Tensor:
    low, high = limits
    return low + (high - low) * uniform
