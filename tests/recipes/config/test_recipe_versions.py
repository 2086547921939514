"""Recipes of the first version learn as they did; rates are per 256 images; what a method does not use is named."""

import logging
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
import yaml

from framegate.recipes.config.finetune_config import FinetuneConfig
from framegate.recipes.config.pretrain_config import PretrainConfig
from framegate.recipes.config.recipe import RecipeConfig, RecipeError, dump_recipe, read_recipe
from framegate.recipes.pretraining.settle_auto import settle_auto
from framegate.recipes.training.run_folder import RunError, RunFolder
from framegate.ssl.data.frame_order import FrameOrder

HIGHEST_RATES = {  # as they were before recipes had versions, or when they were written
    "continue_efficientnet_b0": 0.003 * 512 / 256,
    "continue_small": 0.004 * 32 / 256,
    "distill_efficientnet_b0": 5e-4 * 1024 / 256,
    "distill_small": 0.012 * 32 / 256,
    "fusion_small": 2e-3,
    "moco_efficientnet_b0": 0.03 * 512 / 256,
    "moco_small": 0.012 * 32 / 256,
    "moco_v3_vit": 1.5e-4 * 4096 / 256,
    "programme": 0.1 * 1024 / 256,
    "simclr": 0.3 * 4096 / 256,
}
PRETRAIN = "name: r\ndata: {store: s}\n"


def highest_rate(config: FinetuneConfig | PretrainConfig) -> float:
    """The highest rate of a recipe; where it says auto, on the frames and steps that this was tuned on."""
    if isinstance(config, FinetuneConfig):
        return config.optim.highest_lr
    order = FrameOrder(
        video_of=np.arange(4032),
        frames=np.arange(4032),
        batch_size=config.optim.batch_size,
        epochs=10,
        frames_per_video=None,
        seed=0,
    )
    return settle_auto(config, order)[0].optim.numbers.highest_lr


def model_of(recipe: str) -> type[RecipeConfig]:
    return FinetuneConfig if recipe.startswith("fusion") else PretrainConfig


def written(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]


def test_the_rates_of_all_recipes_are_known() -> None:
    configs = Path(str(files("framegate.recipes") / "configs"))
    assert {path.stem for path in configs.glob("*.yaml")} == set(HIGHEST_RATES)


@pytest.mark.parametrize("recipe", HIGHEST_RATES)
def test_the_recipes_of_framegate_learn_as_fast_as_ever_and_bring_no_warning(recipe: str, caplog) -> None:
    config = read_recipe(model_of(recipe), recipe)
    assert highest_rate(config) == HIGHEST_RATES[recipe]
    assert warnings(caplog) == []


@pytest.mark.parametrize("recipe", HIGHEST_RATES)
def test_a_resolved_config_reads_back_the_same_and_brings_no_warning(recipe: str, tmp_path: Path, caplog) -> None:
    config = read_recipe(model_of(recipe), recipe)
    assert read_recipe(model_of(recipe), written(tmp_path / "config.yaml", dump_recipe(config))) == config
    assert warnings(caplog) == []


def test_a_batch_twice_as_large_learns_twice_as_fast_in_both_kinds_of_recipe() -> None:
    for recipe, batch_size in (("fusion_small", 64), ("moco_efficientnet_b0", 1024)):
        config = read_recipe(model_of(recipe), recipe, [f"optim.batch_size={batch_size}"])
        assert highest_rate(config) == 2 * HIGHEST_RATES[recipe]


@pytest.mark.parametrize("optim", ["{lr: 0.002}", "{lr: 1e-3, batch_size: 8}", "{batch_size: 64}", "{lr: 0.003}"])
def test_a_fine_tuning_recipe_without_a_version_learns_as_it_did_to_the_last_bit(
    optim: str, tmp_path: Path, caplog
) -> None:
    text = f"name: r\ndata: {{store: s}}\nstreams: {{frames: {{lr: 0.0003}}, audio: null}}\noptim: {optim}\n"
    config = read_recipe(FinetuneConfig, written(tmp_path / "old.yaml", text))
    lr = float(yaml.safe_load(optim).get("lr", 0.002))
    assert config.optim.highest_lr == lr
    assert config.streams.frames is not None and config.streams.frames.lr is not None
    assert config.streams.frames.lr / config.optim.lr == 0.0003 / lr
    assert config.version == 2
    (warning,) = warnings(caplog)
    assert warning.startswith(f"{tmp_path / 'old.yaml'}: a recipe without 'version' is read as an old one: ")
    assert "add 'version: 2' and multiply each by 256 / optim.batch_size" in warning
    assert len(warning.removeprefix(str(tmp_path))) < 300


@pytest.mark.parametrize("batch_size", [2, 3, 5, 6, 12, 20, 24, 48, 100, 384, 1000])
@pytest.mark.parametrize("lr", [0.002, 3e-4, 5e-4, 0.1])
def test_a_rate_of_any_batch_is_kept_to_the_last_bit_where_there_is_such_a_number(lr: float, batch_size: int) -> None:
    values = {"name": "r", "data": {"store": "s"}, "optim": {"lr": lr, "batch_size": batch_size}}
    assert FinetuneConfig.of(values).optim.highest_lr == pytest.approx(lr, rel=2**-52, abs=0)


def test_a_mistake_in_a_recipe_without_a_version_is_named_as_in_any(tmp_path: Path) -> None:
    for optim, what in [("[1]", "'optim'"), ("{lr: fast}", "'optim.lr' is 'fast'"), ("{lr: 0}", "'optim.lr' is 0")]:
        recipe = written(tmp_path / "r.yaml", f"name: r\ndata: {{store: s}}\noptim: {optim}\n")
        with pytest.raises(RecipeError, match=f"r.yaml:3: {what.replace('.', '[.]')}"):
            read_recipe(FinetuneConfig, recipe)


def test_a_pretraining_recipe_without_a_version_means_the_same_and_says_so(tmp_path: Path, caplog) -> None:
    config = read_recipe(PretrainConfig, written(tmp_path / "r.yaml", f"{PRETRAIN}optim: {{batch_size: 64}}\n"))
    assert config.optim.numbers.highest_lr == 0.03 * 64 / 256
    (warning,) = warnings(caplog)
    assert warning.endswith("nothing in it has changed its meaning; add 'version: 2'")


def test_another_version_is_refused() -> None:
    for version in ("1", "3", "null"):
        with pytest.raises(RecipeError, match=r"'version' is .*: input should be 2"):
            read_recipe(PretrainConfig, "moco_small", [f"version={version}"])


def test_a_key_that_the_method_does_not_use_is_named_with_its_place_and_the_methods_that_do(
    tmp_path: Path, caplog
) -> None:
    text = f"version: 2\n{PRETRAIN}method:\n  name: simclr\n  queue: 65536\n  programme: {{kind: arcface}}\n"
    recipe = written(tmp_path / "r.yaml", text)
    config = read_recipe(PretrainConfig, recipe, ["method.momentum=0.9"])
    assert [warning.partition("; a later framegate")[0] for warning in warnings(caplog)] == [
        f"{recipe}:6: 'method.queue' has no effect: method.name is simclr, and moco_v2 or distill alone use it",
        "method.momentum=0.9: 'method.momentum' has no effect: "
        "method.name is simclr, and moco_v2 or moco_v3 alone use it",
        f"{recipe}:7: 'method.programme.kind' has no effect: method.programme.weight is 0",
    ]
    assert {"queue", "momentum"}.isdisjoint(yaml.safe_load(dump_recipe(config))["method"])


def test_of_several_processes_one_warns(monkeypatch, caplog) -> None:
    for rank in ("0", "1", "2"):
        monkeypatch.setenv("RANK", rank)
        read_recipe(PretrainConfig, "simclr", ["method.queue=3"])
    assert len(warnings(caplog)) == 1


OLD_SIMCLR = """\
name: first
seed: 0
run_dir: runs
data: {store: s, split: train, workers: null, frames_per_video: 8, same_look: 0.5}
method:
  name: simclr
  dim: 128
  hidden: 4096
  temperature: 0.1
  momentum: 0.999
  momentum_end: null
  queue: 65536
  symmetric: false
  batch_norm: sync
  positive_seconds: 2.0
  own: source
  freeze_patches: true
  programme: {weight: 0.0, sampled: 8192, kind: cosface, margin: 0.35, temperature: null}
"""


def test_the_config_of_an_old_run_is_that_of_the_recipe_that_it_ran(tmp_path: Path, caplog) -> None:
    """Before versions, ``config.yaml`` had rates for any batch, and every key of all methods."""
    fusion, simclr = RunFolder(tmp_path / "fusion"), RunFolder(tmp_path / "simclr")
    fusion.path.mkdir()
    simclr.path.mkdir()
    old = "name: f\ndata: {store: s}\noptim: {name: adamw, lr: 0.001, batch_size: 8}\nstreams: {audio: {lr: 0.0002}}\n"
    written(fusion.path / "config.yaml", old)
    written(simclr.path / "config.yaml", OLD_SIMCLR)

    same = written(tmp_path / "new.yaml", f"version: 2\n{old}".replace("0.001", "0.032").replace("0.0002", "0.0064"))
    fusion.check(read_recipe(FinetuneConfig, same), resume=True)
    overrides = ["name=f", "data.store=s", "data.frames_per_video=8", "method.name=simclr", "method.dim=128"]
    overrides += ["method.temperature=0.1", "method.batch_norm=sync", "method.positive_seconds=2"]
    recipe = written(tmp_path / "pretrain.yaml", "version: 2\n")
    simclr.check(read_recipe(PretrainConfig, recipe, [*overrides, "name=first"]), resume=True)
    assert read_recipe(PretrainConfig, simclr.path / "config.yaml", warn=False).method.temperature == 0.1
    assert warnings(caplog) == []

    with pytest.raises(RunError, match=r"optim\.lr: 0\.032 → 0\.001"):
        fusion.check(read_recipe(FinetuneConfig, same, ["optim.lr=0.001"]), resume=True)
    with pytest.raises(RunError, match=r"method\.temperature: 0\.1 → 0\.2"):
        simclr.check(read_recipe(PretrainConfig, recipe, [*overrides, "method.temperature=0.2"]), resume=True)


def test_a_config_that_no_recipe_may_say_is_compared_as_it_stands(tmp_path: Path) -> None:
    written(tmp_path / "config.yaml", f"{PRETRAIN}method: {{name: byol}}\n")
    with pytest.raises(RunError, match=r"method\.name: 'byol' → 'moco_v2'"):
        RunFolder(tmp_path).check(read_recipe(PretrainConfig, "moco_small"), resume=True)
