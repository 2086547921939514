import torch
from torch import nn

from framegate.ssl.backbones.backbone import Backbone
from framegate.ssl.methods.moco_v3 import MoCoV3
from tests.ssl.tiny_backbone import draws, pictures, tiny_moco_v3, view_batch

SOURCES = torch.tensor([0, 1, 0, 2, 3, 1])
FIRST, SECOND = pictures(6, seed=1), pictures(6, seed=2)
BATCH = view_batch(FIRST, SECOND, SOURCES)


def unit(rows: torch.Tensor) -> torch.Tensor:
    return nn.functional.normalize(rows, dim=1)


def paper_contrast(queries: torch.Tensor, keys: torch.Tensor, temperature: float) -> torch.Tensor:
    """``ctr`` of the paper's algorithm 1, row by row, with other frames of a row's source left out of its logits."""
    losses = []
    for i, query in enumerate(queries):
        there = [j for j in range(len(keys)) if j == i or SOURCES[j] != SOURCES[i]]
        logits = torch.stack([query @ keys[j] for j in there]) / temperature
        losses.append(2 * temperature * nn.functional.cross_entropy(logits[None], torch.tensor([there.index(i)])))
    return torch.stack(losses).mean()


def expected_loss(moco: MoCoV3) -> torch.Tensor:
    queries = unit(moco.predictor(moco.query_encoder(torch.cat([FIRST, SECOND])))).chunk(2)
    keys = unit(moco.key_encoder(torch.cat([FIRST, SECOND]))).chunk(2)
    halves = [
        paper_contrast(queries[0], keys[1], moco.temperature),
        paper_contrast(queries[1], keys[0], moco.temperature),
    ]
    return sum(halves) if moco.symmetric else halves[0]


def test_the_loss_is_the_papers_with_its_factor_of_two_tau():
    for temperature in (0.2, 1.0):
        moco = tiny_moco_v3(temperature=temperature)
        torch.testing.assert_close(moco(BATCH, draws()).loss, expected_loss(moco), rtol=1e-12, atol=0)


def test_one_half_contrasts_the_first_view_with_the_seconds_keys():
    # Batch norm over both views at once would make the halves' statistics differ: none in the heads here.
    moco = tiny_moco_v3(head_norm=lambda width: nn.GroupNorm(1, width), symmetric=False)
    torch.testing.assert_close(moco(BATCH, draws()).loss, expected_loss(moco), rtol=1e-12, atol=0)


def test_each_encoder_runs_once_a_step():
    moco = tiny_moco_v3()
    seen: dict[str, list[int]] = {"query": [], "key": []}
    moco.query_encoder.register_forward_hook(lambda _, inputs, __: seen["query"].append(len(inputs[0])))
    moco.key_encoder.encoder.register_forward_hook(lambda _, inputs, __: seen["key"].append(len(inputs[0])))
    moco(BATCH, draws())
    assert seen == {"query": [12], "key": [12]}


def test_predictor_and_query_encoder_learn_and_the_key_encoder_follows_the_query_encoder_alone():
    moco = tiny_moco_v3()
    moco(BATCH, draws()).loss.backward()
    trained = [*moco.query_encoder.parameters(), *moco.predictor.parameters()]
    assert all(parameter.grad.abs().max() > 0 for parameter in trained)
    assert all(parameter.grad is None for parameter in moco.key_encoder.parameters())
    moco.update_key_encoder(0.0)
    pairs = zip(moco.key_encoder.parameters(), moco.query_encoder.parameters(), strict=True)
    assert all(torch.equal(key, query) for key, query in pairs)


def test_a_transformers_patch_projection_stays_where_asked():
    for freeze in (True, False):
        backbone = Backbone("vit_tiny_patch16_224", image_size=32)
        moco = MoCoV3(backbone, hidden=8, dim=4, freeze_patches=freeze)
        assert all(p.requires_grad is not freeze for p in backbone.model.patch_embed.parameters())
        assert backbone.model.blocks[0].attn.qkv.weight.requires_grad
        assert not any(p.requires_grad for p in moco.key_encoder.parameters())


def test_networks_without_tokens_have_no_patch_projection():
    assert Backbone("resnet10t", image_size=32).patch_embedding is None
    assert Backbone("convnext_atto", image_size=32).patch_embedding is None
