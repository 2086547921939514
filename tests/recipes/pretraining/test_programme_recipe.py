"""What a recipe says about programmes becomes the method it means."""

import pytest

from framegate.media import MediaError
from framegate.recipes.config.pretrain_config import PretrainConfig
from framegate.recipes.config.recipe import RecipeError, read_recipe
from framegate.recipes.pretraining.build_method import make_method
from framegate.ssl.methods.moco import MoCo
from framegate.ssl.methods.programme_labels import Programme, ProgrammeLoss, WithProgramme
from framegate.ssl.methods.registry import KeyEncoderSettings
from framegate.ssl.modules.key_encoder import KeyEncoder

SMALL = ["backbone.name=test_resnet", "backbone.image_size=32", "method.batch_norm=plain"]
SETTLED = ("method.queue=64", "method.momentum=0.98")  # where moco_small says auto


def config(recipe: str, *overrides: str) -> PretrainConfig:
    return read_recipe(PretrainConfig, recipe, [*SMALL, *overrides])


def test_the_recipe_that_comes_with_framegate_tells_programmes_apart() -> None:
    method = make_method(config("programme"), programmes=27_000)
    assert isinstance(method, Programme)
    loss = method.programme_loss
    assert loss.centres.shape == (27_000, 128)
    assert (loss.temperature, loss.margin, loss.kind, loss.sampled) == (0.03, 0.35, "cosface", 8192)


def test_beside_moco_each_loss_has_its_own_temperature() -> None:
    method = make_method(
        config("moco_small", *SETTLED, "method.dim=128", "method.programme={weight: 0.5, kind: arcface}"), programmes=9
    )
    assert isinstance(method, WithProgramme)
    assert isinstance(method.method, MoCo)
    assert (method.weight, method.method.temperature) == (0.5, 0.1)
    assert (method.programme_loss.temperature, method.programme_loss.kind) == (0.03, "arcface")


@pytest.mark.parametrize("others", ["method.programme.weight=0.5", "method.name=simclr", "method.name=moco_v3"])
def test_only_moco_v2_alone_goes_without_a_projection(others: str) -> None:
    assert config("moco_small").method.dim is None
    with pytest.raises(RecipeError, match="say a length, such as 128"):
        config("moco_small", others)


@pytest.mark.parametrize("recipe", ["moco_small", "moco_v3_vit", "simclr", "programme"])
def test_a_momentum_is_logged_of_the_methods_that_have_a_key_encoder(recipe: str) -> None:
    recipe_of = config(recipe, *(SETTLED if recipe == "moco_small" else ()))
    method = make_method(recipe_of, programmes=9)
    has_key_encoder = any(isinstance(module, KeyEncoder) for module in method.modules())
    assert isinstance(recipe_of.method, KeyEncoderSettings) == has_key_encoder


def test_without_a_weight_nothing_is_added() -> None:
    method = make_method(config("moco_small", *SETTLED), programmes=9)
    assert not any(isinstance(module, ProgrammeLoss) for module in method.modules())


def test_the_methods_temperature_is_the_programmes_unless_that_has_its_own() -> None:
    assert config("programme", "method.temperature=0.05").method.programme_temperature == 0.05
    assert config("programme", "method.programme.temperature=0.02").method.programme_temperature == 0.02
    assert (
        PretrainConfig.model_validate(
            {"name": "r", "data": {"store": "s"}, "method": {"name": "programme"}}
        ).method.programme_temperature
        == 0.03
    )


def test_a_store_of_one_programme_is_refused_plainly() -> None:
    with pytest.raises(MediaError, match="nothing to tell apart"):
        make_method(config("programme"), programmes=1)
