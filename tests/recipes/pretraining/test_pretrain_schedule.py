"""What changes from step to step in pretraining: functions of the step, with closed forms."""

import math
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from framegate.recipes.config.pretrain_config import PretrainConfig
from framegate.recipes.config.recipe import read_recipe
from framegate.recipes.pretraining.pretrain_schedule import PretrainSchedule
from framegate.recipes.pretraining.settle_auto import settle_auto
from framegate.recipes.training.optimizers import decay_groups
from framegate.ssl.data.frame_order import FrameOrder

RECIPES = [
    *("continue_efficientnet_b0", "continue_small", "distill_efficientnet_b0", "distill_small"),
    *("moco_efficientnet_b0", "moco_small", "moco_v3_vit", "programme", "simclr"),
]


def schedule(*overrides: str, batch_size: int = 64, epochs: int = 10) -> PretrainSchedule:
    config = read_recipe(
        PretrainConfig,
        "moco_small",
        ["data.store=s", f"optim.batch_size={batch_size}", f"optim.epochs={epochs}", *overrides],
    )
    order = FrameOrder(
        video_of=np.arange(640),
        frames=np.arange(640),
        batch_size=batch_size,
        epochs=epochs,
        frames_per_video=None,
        seed=0,
    )
    return PretrainSchedule.of(settle_auto(config, order)[0], order)


def test_the_learning_rate_is_scaled_once_by_the_global_batch_however_it_is_shared_out():
    assert schedule("optim.lr=0.4").lr(0) == pytest.approx(0.4 * 64 / 256)
    assert schedule("optim.lr=0.4", "optim.accumulate=4").lr(0) == schedule("optim.lr=0.4").lr(0)
    assert schedule("optim.lr=0.4", batch_size=128).lr(0) == pytest.approx(0.4 * 128 / 256)


def test_momentum_stays_or_rises_by_half_a_cosine():
    constant, rising = schedule("method.momentum=0.9"), schedule("method.momentum=0.9", "method.momentum_end=1.0")
    assert {constant.momentum(step) for step in range(100)} == {0.9}
    for step in (0, 13, 50, 99):
        assert rising.momentum(step) == pytest.approx(1 - 0.1 * (math.cos(math.pi * step / 100) + 1) / 2)


def test_attention_begins_at_its_epoch_and_ramps_up():
    guided = schedule(
        "method.symmetric=true",
        "views.attention.drop=0.4",
        "views.attention.crop=0.2",
        "views.attention.from_epoch=2",
        "views.attention.ramp_epochs=4",
    )
    assert not any(guided.attention(19))
    assert guided.attention(40) == pytest.approx((0.2, 0.1))
    assert guided.attention(99) == pytest.approx((0.4, 0.2))


def test_norms_and_biases_do_not_decay():
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Linear(4, 2))
    decaying, others = decay_groups(network, 0.1)
    assert (decaying["weight_decay"], others["weight_decay"]) == (0.1, 0.0)
    assert [tuple(p.shape) for p in decaying["params"]] == [(4, 3, 3, 3), (2, 4)]
    assert all(p.ndim == 1 for p in others["params"]) and len(others["params"]) == 4


@pytest.mark.parametrize("name", RECIPES)
def test_each_recipe_reads_and_says_how_it_is_launched(name: str):
    config = read_recipe(PretrainConfig, name)
    assert config.name == name
    text = Path(str(files("framegate.recipes") / "configs" / f"{name}.yaml")).read_text()
    for launch in ("1 process:", "8 GPUs:", "4 nodes × 8:", "accelerate launch", "framegate.recipes.pretrain"):
        assert launch in text


def test_batch_norm_is_the_methods_own_where_nothing_is_said():
    def chosen(name: str) -> str:
        return read_recipe(
            PretrainConfig, "moco_small", [f"method.name={name}", "method.batch_norm=null", "method.dim=128"]
        ).method.batch_norm

    assert {name: chosen(name) for name in ("moco_v2", "moco_v3", "simclr")} == {
        "moco_v2": "split",
        "moco_v3": "sync",
        "simclr": "sync",
    }


def test_the_moving_average_moves_once_an_update_and_not_once_a_micro_batch(store: Path, tmp_path: Path, monkeypatch):
    from framegate.recipes.pretrain import pretrain
    from framegate.ssl.methods.moco import MoCo

    moves, forwards = [], []
    update, forward = MoCo.update_key_encoder, MoCo.forward
    monkeypatch.setattr(MoCo, "update_key_encoder", lambda self, m: (moves.append(m), update(self, m))[1])
    monkeypatch.setattr(MoCo, "forward", lambda self, *args: (forwards.append(1), forward(self, *args))[1])
    config = read_recipe(
        PretrainConfig,
        "moco_small",
        [
            *(f"data.store={store}", f"run_dir={tmp_path}", "backbone.name=test_resnet", "backbone.image_size=32"),
            *("optim.batch_size=8", "optim.epochs=1", "optim.accumulate=2", "log.wandb_project=null"),
            *("data.workers=0", "method.queue=32", "method.momentum=0.97"),
        ],
    )
    torch.set_num_threads(1)
    pretrain(config)
    assert len(forwards) == 2 * len(moves) > 0
    assert set(moves) == {0.97}


def test_a_batch_that_cannot_be_shared_leaves_the_runs_name_free(store: Path, tmp_path: Path):
    from framegate.recipes.pretrain import pretrain

    options = [f"data.store={store}", f"run_dir={tmp_path}", "backbone.name=test_resnet", "backbone.image_size=32"]
    options += ["optim.batch_size=8", "optim.accumulate=3", "log.wandb_project=null", "data.workers=0"]
    with pytest.raises(ValueError, match=r"optim\.batch_size is 8"):
        pretrain(read_recipe(PretrainConfig, "moco_small", options))
    assert not (tmp_path / "moco_small" / "config.yaml").exists()
