"""MoCo v3's transformer: initial values and fixed positions, against the published formulas."""

import math

import pytest
import timm
import torch
from torch import Tensor, nn

from framegate.ssl.backbones.vit_start import start_vit


def started(name: str = "vit_tiny_patch16_224", **options: object) -> nn.Module:
    torch.manual_seed(0)
    model = timm.create_model(name, num_classes=0, img_size=64, **options)
    start_vit(model)
    return model


def bound_of(tensor: Tensor, *, fan: int) -> None:
    """Uniform values between ±√(6 / fan), filling that range."""
    bound = math.sqrt(6 / fan)
    assert tensor.abs().max() <= bound * (1 + 1e-6)
    assert tensor.std().item() == pytest.approx(bound / math.sqrt(3), rel=0.05)


def test_positions_are_sines_and_cosines_of_row_and_column_that_nothing_trains() -> None:
    model = started(depth=1)
    width, side = 192, 4
    omega = [10000 ** (-k / (width // 4)) for k in range(width // 4)]
    for row in range(side):
        for column in range(side):
            expected = [f(place * o) for place in (row, column) for f in (math.sin, math.cos) for o in omega]
            torch.testing.assert_close(
                model.pos_embed[0, 1 + row * side + column], torch.tensor(expected), rtol=0, atol=1e-5
            )
    assert not model.pos_embed[0, 0].any()  # of the class token
    assert not model.pos_embed.requires_grad


def test_linear_layers_start_as_xaviers_with_query_key_and_value_as_three_matrices() -> None:
    model = started(depth=2)
    for block in model.blocks:
        bound_of(block.attn.qkv.weight, fan=192 + 192)
        bound_of(block.attn.proj.weight, fan=192 + 192)
        bound_of(block.mlp.fc1.weight, fan=192 + 768)
        bound_of(block.mlp.fc2.weight, fan=768 + 192)
        for layer in (block.attn.qkv, block.attn.proj, block.mlp.fc1, block.mlp.fc2):
            assert not layer.bias.any()


def test_the_patch_projection_starts_as_a_matrix_of_a_patchs_numbers() -> None:
    projection = started(depth=1).patch_embed.proj
    bound_of(projection.weight, fan=3 * 16 * 16 + 192)
    assert not projection.bias.any()


def test_the_class_token_starts_at_nearly_nothing() -> None:
    token = started(depth=1).cls_token
    assert 0.5e-6 < token.std() < 1.5e-6
    assert token.requires_grad


@pytest.mark.parametrize(
    "options",
    [{"reg_tokens": 4}, {"reg_tokens": 4, "no_embed_class": True}, {"class_token": False, "global_pool": "avg"}],
)
def test_a_transformer_with_other_tokens_gets_positions_for_its_grid_alone(options: dict[str, object]) -> None:
    model = started(depth=1, **options)
    beside = model.pos_embed.shape[1] - 16
    assert not model.pos_embed[0, :beside].any()
    assert torch.equal(model.pos_embed[0, beside:], started(depth=1).pos_embed[0, 1:])
    assert torch.isfinite(model(torch.zeros(1, 3, 64, 64))).all()


def test_the_same_seed_starts_the_same() -> None:
    first, again = started(depth=1).state_dict(), started(depth=1).state_dict()
    assert all(torch.equal(tensor, again[name]) for name, tensor in first.items())
