import pytest
import torch

from framegate.augment.attention import activation_map, drop_masks
from framegate.ssl.methods.guided_views import LEAST_LEFT, encode_keys, guided_queries
from framegate.ssl.methods.method import AttentionShares
from tests.ssl.tiny_backbone import draws, pictures, tiny_moco, view_batch

SIDE = 24
COUNT = 16
FIRST, SECOND = pictures(COUNT, seed=1, side=SIDE), pictures(COUNT, seed=2, side=SIDE)
IMAGES = torch.cat([FIRST, SECOND])
MAPS = activation_map(torch.rand(2 * COUNT, 3, 8, 8, generator=draws(5)))


def batch(**more: torch.Tensor):
    return view_batch(FIRST, SECOND, torch.arange(COUNT), **more)


def test_without_maps_both_views_are_queries_as_they_are():
    assert torch.equal(guided_queries(batch(), None, AttentionShares(), draws()), IMAGES)


def test_what_was_looked_at_is_dropped_to_the_views_mean_colour():
    queries = guided_queries(batch(), MAPS, AttentionShares(drop=1.0), draws())
    changed = (queries != IMAGES).any(dim=1, keepdim=True)
    least = drop_masks(MAPS, (SIDE, SIDE), torch.full((2 * COUNT,), 0.5), keep_out=None, least_left=LEAST_LEFT)
    assert (changed >= least).float().mean() > 0.99  # by chance, a pixel has the mean colour already
    for image, query, mask in zip(IMAGES, queries, changed[:, 0], strict=True):
        mean = image.float().mean(dim=(1, 2)).round().byte()
        assert torch.equal(query[:, mask], mean[:, None].expand(3, int(mask.sum())))


def test_what_was_looked_at_is_zoomed_into():
    maps = torch.zeros(2 * COUNT, 1, 8, 8)
    maps[:, :, 2:5, 3:6] = 1.0
    around = torch.zeros(SIDE, SIDE, dtype=torch.bool)
    around[3:18, 6:21] = True  # the strong cells, and half a cell around them, are red
    red = torch.tensor([200, 0, 0], dtype=torch.uint8)[:, None, None]
    images = torch.where(around, red, 255 - red).expand(COUNT, 3, SIDE, SIDE).contiguous()
    queries = guided_queries(view_batch(images, images, torch.arange(COUNT)), maps, AttentionShares(crop=1.0), draws())
    assert ((queries == red).all(dim=1).float().mean(dim=(1, 2)) > 0.9).all()


def test_a_known_overlay_is_neither_dropped_nor_zoomed_into():
    box = torch.tensor([0.0, 0.5, 1.0, 1.0]).expand(2, COUNT, 1, 4)  # the lower half
    told = batch(overlays=box, shown=torch.ones(2, COUNT))
    dropped = guided_queries(told, MAPS, AttentionShares(drop=1.0), draws())
    assert torch.equal(dropped[:, :, SIDE // 2 :], IMAGES[:, :, SIDE // 2 :])
    below_only = IMAGES.clone()
    below_only[:, :, : SIDE // 2] = 0
    below_only[:, :, SIDE // 2 :] = 255
    marked = view_batch(*below_only.chunk(2), torch.arange(COUNT), overlays=box, shown=torch.ones(2, COUNT))
    zoomed = guided_queries(marked, MAPS, AttentionShares(crop=1.0), draws())
    for query, image in zip(zoomed, below_only, strict=True):
        assert torch.equal(query, image) or query.max() == 0


def test_changes_happen_as_often_as_asked():
    images = pictures(400, seed=3, side=SIDE)
    maps = activation_map(torch.rand(800, 3, 8, 8, generator=draws(5)))
    many = view_batch(images, images, torch.arange(400))
    queries = guided_queries(many, maps, AttentionShares(drop=0.3), draws())
    share = (queries != torch.cat([images, images])).flatten(1).any(dim=1).float().mean()
    assert share == pytest.approx(0.3, abs=0.06)


def test_maps_are_those_of_the_keys_own_images_in_the_views_order():
    moco = tiny_moco(symmetric=True)
    keys, maps = encode_keys(moco.key_encoder, [FIRST, SECOND], draws(7), with_maps=True)
    alone = encode_keys(moco.key_encoder, [FIRST, SECOND], None, with_maps=False)[0]
    torch.testing.assert_close(keys, alone, rtol=1e-12, atol=1e-12)
    _, responses = moco.key_encoder.with_map(IMAGES, least=7)
    torch.testing.assert_close(maps, activation_map(responses))


@pytest.mark.parametrize("symmetric_changes", [AttentionShares(drop=1.0), AttentionShares(crop=1.0)])
def test_keys_see_the_full_views_and_no_encoder_runs_twice(symmetric_changes):
    moco = tiny_moco(symmetric=True)
    seen: dict[str, list[torch.Tensor]] = {"query": [], "key": []}
    moco.query_encoder[0].register_forward_hook(lambda _, inputs, __: seen["query"].append(inputs[0]))
    key_backbone = moco.key_encoder.encoder[0]
    original = key_backbone.forward_with_map
    key_backbone.forward_with_map = lambda images, **size: (seen["key"].append(images), original(images, **size))[1]
    moco(batch(), draws(), symmetric_changes)
    assert len(seen["query"]) == len(seen["key"]) == 1
    assert sorted(map(tuple, seen["key"][0].flatten(1).tolist())) == sorted(map(tuple, IMAGES.flatten(1).tolist()))
    assert not torch.equal(seen["query"][0], IMAGES)
