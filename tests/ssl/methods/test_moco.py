import pytest
import torch
from torch import nn

from framegate.ssl.methods.moco import MoCo
from framegate.ssl.modules.batch_norm import GROUP
from framegate.ssl.modules.key_queue import EMPTY
from tests.ssl.tiny_backbone import TinyBackbone, draws, pictures, tiny_moco, unit_rows, view_batch

SOURCES = torch.tensor([0, 1, 0, 2, 3, 1])
FIRST, SECOND = pictures(6, seed=1), pictures(6, seed=2)


BATCH = view_batch(FIRST, SECOND, SOURCES)


def half_filled_queue(moco: MoCo) -> MoCo:
    moco.queue.push(unit_rows(5, seed=9), torch.tensor([1, 2, 9, 9, 0]))
    return moco


def embed(encoder: nn.Module, images: torch.Tensor) -> torch.Tensor:
    return nn.functional.normalize(encoder(images), dim=1)


def slow_contrast(moco: MoCo, queries: torch.Tensor, keys: torch.Tensor) -> torch.Tensor:
    """Query by query: its own key against the keys of other sources, from the batch and from the queue."""
    losses = []
    for i, query in enumerate(queries):
        others = [key for key, source in zip(keys, SOURCES, strict=True) if source != SOURCES[i]]
        others += [
            key
            for key, source in zip(moco.queue.keys, moco.queue.sources, strict=True)
            if source not in (EMPTY, SOURCES[i])
        ]
        logits = torch.stack([query @ keys[i], *(query @ other for other in others)]) / moco.temperature
        losses.append(-logits.log_softmax(dim=0)[0])
    return torch.stack(losses).mean()


@pytest.mark.parametrize("queue_is_empty", [True, False])
def test_the_loss_contrasts_each_query_with_other_sources_keys(queue_is_empty):
    moco = tiny_moco(queue=8)
    if not queue_is_empty:
        half_filled_queue(moco)
    expected = slow_contrast(moco, embed(moco.query_encoder, FIRST), embed(moco.key_encoder, SECOND))
    torch.testing.assert_close(moco(BATCH, draws()).loss, expected, rtol=1e-12, atol=0)


def test_both_halves_of_a_symmetric_loss_see_the_same_negatives():
    moco = half_filled_queue(tiny_moco(queue=8, symmetric=True))
    one = slow_contrast(moco, embed(moco.query_encoder, FIRST), embed(moco.key_encoder, SECOND))
    other = slow_contrast(moco, embed(moco.query_encoder, SECOND), embed(moco.key_encoder, FIRST))
    loss = moco(BATCH, draws()).loss
    torch.testing.assert_close(loss, (one + other) / 2, rtol=1e-12, atol=0)


@pytest.mark.parametrize("symmetric", [False, True])
def test_the_first_step_has_a_gradient_while_the_queue_is_empty(symmetric):
    moco = tiny_moco(symmetric=symmetric)
    moco(BATCH, draws()).loss.backward()
    assert all(parameter.grad.abs().max() > 0 for parameter in moco.query_encoder.parameters())


def test_frames_of_a_single_source_are_not_pushed_apart():
    moco = tiny_moco()
    loss = moco(view_batch(FIRST, SECOND, torch.zeros(6, dtype=torch.int64)), draws()).loss
    loss.backward()
    assert loss.item() == 0
    assert not any(parameter.grad.any() for parameter in moco.query_encoder.parameters())


def test_only_the_query_encoder_gets_a_gradient():
    moco = tiny_moco(symmetric=True)
    output = moco(BATCH, draws())
    output.loss.backward()
    assert all(parameter.grad is None for parameter in moco.key_encoder.parameters())
    assert not output.keys.requires_grad
    assert not output.queries.requires_grad


@pytest.mark.parametrize(("symmetric", "images"), [(False, 6), (True, 12)])
def test_each_encoder_runs_once_a_step(symmetric, images):
    moco = tiny_moco(symmetric=symmetric)
    seen: dict[str, list[int]] = {"query": [], "key": []}
    moco.query_encoder.register_forward_hook(lambda _, inputs, __: seen["query"].append(len(inputs[0])))
    moco.key_encoder.encoder.register_forward_hook(lambda _, inputs, __: seen["key"].append(len(inputs[0])))
    moco(BATCH, draws())
    assert seen == {"query": [images], "key": [images]}


def test_a_forward_leaves_the_queue_as_it_was_and_push_adds_its_keys():
    moco = half_filled_queue(tiny_moco(queue=20, symmetric=True))
    before = {name: tensor.clone() for name, tensor in moco.queue.state_dict().items()}
    output = moco(BATCH, draws())
    for name, tensor in moco.queue.state_dict().items():
        assert torch.equal(tensor, before[name])
    moco.push(output)
    assert moco.queue.sources.tolist()[5:17] == SOURCES.tolist() * 2
    expected = torch.cat([embed(moco.key_encoder, SECOND), embed(moco.key_encoder, FIRST)])
    torch.testing.assert_close(moco.queue.keys[5:17], expected)


def test_a_push_before_the_backward_pass_does_not_reach_its_gradient():
    gradients = []
    for push_first in (False, True):
        moco = half_filled_queue(tiny_moco(queue=8))
        output = moco(BATCH, draws())
        if push_first:
            moco.push(output)
        output.loss.backward()
        gradients.append(moco.backbone.convolution.weight.grad)
    assert torch.equal(*gradients)


@pytest.mark.parametrize("symmetric", [False, True])
def test_the_shuffle_is_undone(symmetric):
    moco = half_filled_queue(tiny_moco(queue=8, symmetric=symmetric))
    outputs = [moco(BATCH, draws(seed)) for seed in range(3)]
    for output in outputs[1:]:
        torch.testing.assert_close(output.loss, outputs[0].loss, rtol=1e-12, atol=0)
        torch.testing.assert_close(output.keys, outputs[0].keys, rtol=1e-12, atol=1e-12)


def changed_rows(before: torch.Tensor, after: torch.Tensor) -> set[int]:
    return set(torch.nonzero((before != after).any(dim=1)).flatten().tolist())


def test_keys_share_statistics_with_other_frames_than_their_queries_do():
    count = 2 * GROUP
    moco = tiny_moco(nn.BatchNorm2d).train()
    first, second, sources = pictures(count, seed=1), pictures(count, seed=2), torch.arange(count)
    shuffle = torch.randperm(count, generator=draws())
    before = moco(view_batch(first, second, sources), draws())
    first[0], second[0] = pictures(1, seed=3)[0], pictures(1, seed=4)[0]
    after = moco(view_batch(first, second, sources), draws())

    place = int((shuffle == 0).nonzero())
    group_of_key = shuffle[:GROUP] if place < GROUP else shuffle[GROUP:]
    query_mates, key_mates = changed_rows(before.queries, after.queries), changed_rows(before.keys, after.keys)
    assert query_mates == set(range(GROUP))
    assert key_mates == set(group_of_key.tolist())
    assert len(query_mates & key_mates) < 0.8 * GROUP


def test_the_exported_backbone_is_the_query_encoders():
    moco = tiny_moco()
    assert moco.backbone is moco.query_encoder[0]
    assert moco.backbone.convolution.weight.requires_grad


def test_updating_the_key_encoder_touches_nothing_else():
    moco = half_filled_queue(tiny_moco(queue=8))
    before = {name: tensor.clone() for name, tensor in moco.state_dict().items()}
    moco.update_key_encoder(0.5)
    for name, tensor in moco.state_dict().items():
        moved = not torch.equal(tensor, before[name])
        assert moved == name.startswith("key_encoder."), name


def test_all_of_its_state_is_in_its_state_dict():
    moco = half_filled_queue(tiny_moco(nn.BatchNorm2d, queue=8))
    twin = tiny_moco(nn.BatchNorm2d, seed=1, queue=8)
    twin.load_state_dict(moco.state_dict(), strict=True)
    for one in (moco, twin):
        one.push(one(BATCH, draws()))
    one, other = (model(view_batch(SECOND, FIRST, SOURCES), draws()).loss for model in (moco, twin))
    assert torch.equal(one, other)


def test_without_a_head_keys_are_the_backbones_features():
    torch.manual_seed(0)
    moco = MoCo(TinyBackbone(), dim=None, queue=8).double()
    moco.queue.push(unit_rows(5, seed=9, dim=8), torch.tensor([1, 2, 9, 9, 0]))
    queries = nn.functional.normalize(moco.backbone(FIRST), dim=1)
    expected = slow_contrast(moco, queries, embed(moco.key_encoder.encoder[0], SECOND))
    torch.testing.assert_close(moco(BATCH, draws()).loss, expected, rtol=1e-12, atol=0)
    names = {name.split(".")[1] for name, _ in moco.query_encoder.named_parameters()}
    assert names == {"convolution"}  # nothing is learnt that is not exported
