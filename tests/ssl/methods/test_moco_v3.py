from pathlib import Path

import pytest
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


def vit(**options: object) -> Backbone:
    torch.manual_seed(0)
    return Backbone("test_vit", image_size=32, **options)


def test_the_heads_are_the_papers() -> None:
    moco = MoCoV3(vit())
    projector, predictor = moco.query_encoder[1].layers, moco.predictor.layers
    assert [(layer.in_features, layer.out_features) for layer in projector if isinstance(layer, nn.Linear)] == [
        (64, 4096),
        (4096, 4096),
        (4096, 256),
    ]
    assert [(layer.in_features, layer.out_features) for layer in predictor if isinstance(layer, nn.Linear)] == [
        (256, 4096),
        (4096, 256),
    ]
    for head in (projector, predictor):
        assert [type(layer) for layer in head[-2:]] == [nn.Linear, nn.SyncBatchNorm]
        assert all(layer.bias is None for layer in head if isinstance(layer, nn.Linear))
        norms = [layer.affine for layer in head if isinstance(layer, nn.SyncBatchNorm)]
        assert norms == [True] * (len(norms) - 1) + [False]  # each layer has one; the last has no weights


def test_a_transformer_of_random_weights_starts_as_the_papers_in_both_encoders() -> None:
    plain = vit().model
    moco = MoCoV3(vit(), hidden=8)
    model = moco.backbone.model
    assert not torch.equal(model.blocks[0].attn.qkv.weight, plain.blocks[0].attn.qkv.weight)
    for encoder in (moco.query_encoder, moco.key_encoder.encoder):
        positions = encoder[0].model.pos_embed
        assert not positions.requires_grad and not positions[0, 0].any()
        assert positions[0, 1, 16:32].eq(1).all()  # cosines of row 0
    before = model.pos_embed.clone()
    moco(view_batch(pictures(4, side=32), pictures(4, side=32, seed=1), torch.arange(4)), draws()).loss.backward()
    trained = [name for name, parameter in model.named_parameters() if parameter.grad is not None]
    assert not [name for name in trained if name.startswith(("pos_embed", "patch_embed"))]
    assert "cls_token" in trained
    moco.update_key_encoder(0.5)
    assert torch.equal(moco.key_encoder.encoder[0].model.pos_embed, before)


def test_weights_that_were_learned_stay_as_they_are(tmp_path: Path) -> None:
    learned = vit().model.state_dict()
    torch.save(learned, tmp_path / "learned.pth")
    moco = MoCoV3(vit(weights=str(tmp_path / "learned.pth")), hidden=8)
    found = moco.backbone.model.state_dict()
    assert all(torch.equal(tensor, learned[name]) for name, tensor in found.items())
    assert moco.backbone.model.pos_embed.requires_grad  # they were trained, and go on
    assert not any(parameter.requires_grad for parameter in moco.backbone.patch_embedding.parameters())


def test_weight_decay_spares_class_token_and_trained_positions() -> None:
    moco = MoCoV3(vit(), hidden=8)
    model = moco.backbone.model
    assert [id(parameter) for parameter in moco.undecayed] == [
        id(parameter) for name, parameter in model.named_parameters() if name in ("cls_token", "pos_embed", "reg_token")
    ]


def test_a_state_whose_last_batch_norms_have_weights_is_refused_plainly() -> None:
    moco = MoCoV3(vit(), hidden=8)
    state = dict(moco.state_dict())
    moco.load_state_dict(state)
    state |= {f"predictor.layers.4.{name}": torch.ones(256) for name in ("weight", "bias")}
    with pytest.raises(RuntimeError, match=r"in an earlier framegate, and has none now: start the run anew"):
        moco.load_state_dict(state)


def test_networks_without_tokens_have_no_patch_projection():
    assert Backbone("resnet10t", image_size=32).patch_embedding is None
    assert Backbone("convnext_atto", image_size=32).patch_embedding is None
