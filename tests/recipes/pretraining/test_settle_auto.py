"""A recipe's ``auto``: numbers by the store and the run, in its config, and kept when it is resumed."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml

from framegate.recipes.config.pretrain_config import PretrainConfig
from framegate.recipes.config.recipe import RecipeError, read_recipe
from framegate.recipes.pretrain import pretrain
from framegate.recipes.pretraining.build_method import make_method
from framegate.recipes.pretraining.settle_auto import settle_auto
from framegate.ssl.data.frame_order import FrameOrder
from framegate.ssl.methods.settings import MoCoV2Settings

TINY = ("backbone.name=test_resnet", "backbone.image_size=32", "log.wandb_project=null", "data.workers=0")


def config(*overrides: str) -> PretrainConfig:
    return read_recipe(PretrainConfig, "moco_small", ["data.store=s", "backbone.name=test_resnet", *overrides])


def order(*, frames: int = 4032, epochs: int = 10) -> FrameOrder:
    return FrameOrder(
        video_of=np.arange(frames),
        frames=np.arange(frames),
        batch_size=32,
        epochs=epochs,
        frames_per_video=None,
        seed=0,
    )


def test_auto_values_become_numbers_and_are_named():
    settled, named = settle_auto(config(), order())
    optim = settled.optim.numbers
    assert isinstance(settled.method, MoCoV2Settings)
    assert (optim.lr, optim.weight_decay, settled.method.queue, settled.method.momentum) == (0.012, 5.0, 1024, 0.98)
    assert named == ["optim.lr 0.012", "optim.weight_decay 5", "method.queue 1024", "method.momentum 0.98"]


def test_a_run_of_four_times_the_length_decays_a_quarter_as_much():
    short, long = (settle_auto(config(), order(epochs=epochs))[0].optim.numbers for epochs in (10, 40))
    assert long.weight_decay == pytest.approx(short.weight_decay / 4, rel=0.01)


def test_what_the_user_says_stays_and_the_rest_follows_from_it():
    settled, named = settle_auto(config("optim.lr=0.024", "method.queue=64"), order())
    assert settled.optim.numbers.lr == 0.024
    assert settled.optim.numbers.weight_decay == 2.5  # half, as the rate is twice as high
    assert [name.split()[0] for name in named] == ["optim.weight_decay", "method.momentum"]


def test_a_recipe_without_auto_is_left_as_it_is():
    plain = config("optim.lr=1", "optim.weight_decay=0", "method.queue=8", "method.momentum=0.5")
    assert settle_auto(plain, order()) == (plain, [])


def test_weights_and_transformers_get_lower_rates():
    (random, _), (good, _) = (settle_auto(config(*start), order()) for start in ((), ("backbone.weights=timm",)))
    tokens, _ = settle_auto(config("backbone.name=test_vit", "backbone.image_size=160"), order())
    assert good.optim.numbers.lr < random.optim.numbers.lr
    assert tokens.optim.numbers.lr == pytest.approx(random.optim.numbers.lr / 4)


def test_a_config_that_is_not_settled_trains_nothing():
    with pytest.raises(ValueError, match="settle_auto"):
        make_method(config(), programmes=1)
    with pytest.raises(ValueError, match="settle_auto"):
        _ = config().optim.numbers


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("optim.epochs=auto", "'optim.epochs' is 'auto': input should be a valid integer"),
        ("optim.lr=-1", "'optim.lr' is -1: input should be greater than 0"),
        ("method.queue=many", "'method.queue' is 'many': input should be a valid integer"),
        ("method.momentum=2", "'method.momentum' is 2: input should be less than or equal to 1"),
    ],
)
def test_a_wrong_value_has_one_message(override: str, message: str):
    with pytest.raises(RecipeError) as caught:
        config(override)
    assert len(str(caught.value).splitlines()) == 1
    assert message in str(caught.value)


@pytest.mark.slow
def test_the_run_keeps_its_numbers_when_the_rule_would_say_others(store: Path, tmp_path: Path, capsys):
    options = [f"data.store={store}", f"run_dir={tmp_path}", *TINY, "optim.batch_size=8", "optim.epochs=1"]
    recipe = read_recipe(PretrainConfig, "moco_small", options)
    pretrain(recipe)
    written = tmp_path / "moco_small" / "config.yaml"
    values = yaml.safe_load(written.read_text())
    assert f"optim.weight_decay {values['optim']['weight_decay']:g}" in capsys.readouterr().err
    assert "auto" not in written.read_text()

    settled, _ = settle_auto(recipe, replace(order(), batch_size=8), before=values)
    assert settled.optim.numbers.weight_decay == values["optim"]["weight_decay"]
    pretrain(recipe, resume=True)  # and is not refused for another config
