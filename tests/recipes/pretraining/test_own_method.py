"""A method of one's own: registered in Python, named in a recipe, trained, interrupted, and continued exactly."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, cast

import pytest
import torch
from pydantic import PositiveFloat, PositiveInt
from safetensors.torch import load_file
from torch import nn

from framegate.recipes.config.pretrain_config import PretrainConfig
from framegate.recipes.config.recipe import RecipeError, read_recipe
from framegate.recipes.pretrain import pretrain
from framegate.ssl.backbones.backbone import Backbone
from framegate.ssl.data.view_pairs import ViewBatch
from framegate.ssl.methods import MethodSettings, register, registry
from framegate.ssl.methods.method import NO_ATTENTION, AttentionShares, Method, MethodOutput, unit
from tests.recipes.conftest import Framegate


class BarlowTwins(Method):
    """Both views' projections agree feature by feature, and no two features say the same (Zbontar et al. 2021)."""

    def __init__(self, backbone: Backbone, *, dim: int, decorrelation: float):
        super().__init__()
        self.encoder = nn.Sequential(backbone, nn.Linear(backbone.dim, dim), nn.BatchNorm1d(dim, affine=False))
        self.decorrelation = decorrelation

    @property
    def backbone(self) -> Backbone:
        return cast(Backbone, self.encoder[0])

    def forward(
        self, batch: ViewBatch, generator: torch.Generator, attention: AttentionShares = NO_ATTENTION
    ) -> MethodOutput:
        first, second = self.encoder(batch.first), self.encoder(batch.second)
        correlation = first.T @ second / len(first)
        same = correlation.diagonal()
        redundancy = correlation.square().sum() - same.square().sum()
        return MethodOutput(
            loss=(1 - same).square().sum() + self.decorrelation * redundancy,
            queries=unit(first).detach(),
            positives=unit(second).detach(),
            sources=batch.source,
            keys=first[:0].detach(),
            key_sources=batch.source[:0],
        )


class BarlowTwinsSettings(MethodSettings):
    name: Literal["barlow_twins"] = "barlow_twins"
    dim: PositiveInt = 16
    decorrelation: PositiveFloat = 0.005

    def build(self, backbone: Backbone, *, programmes: int) -> Method:
        return BarlowTwins(backbone, dim=self.dim, decorrelation=self.decorrelation)


RECIPE = """\
version: 2
name: twins
data: {store: STORE, workers: 0, frames_per_video: 1}
backbone: {name: test_resnet, image_size: 32}
method:
  name: barlow_twins
  decorrelation: 0.01
optim: {batch_size: 8}
log: {every: 1, wandb_project: null}
checkpoint: {every: 1}
"""


@pytest.fixture
def twins() -> Iterator[None]:
    register(BarlowTwinsSettings)
    yield
    del registry._REGISTERED["barlow_twins"]


def recipe(folder: Path, store: Path | str = "s") -> Path:
    path = folder / "twins.yaml"
    path.write_text(RECIPE.replace("STORE", str(store)))
    return path


def outcome(run: Path) -> tuple[list[float], dict[str, torch.Tensor]]:
    """The losses of a run, and the tensors of its last checkpoint."""
    losses = [json.loads(line)["loss"] for line in (run / "metrics.jsonl").read_text().splitlines()]
    last = sorted((run / "checkpoints").glob("step-*"))[-1]
    names = ("model.safetensors", "optimizer.safetensors")
    return losses, {f"{name}:{key}": tensor for name in names for key, tensor in load_file(last / name).items()}


def test_it_trains_from_a_recipe_and_goes_on_exactly_where_it_was_interrupted(
    store: Path, tmp_path: Path, twins: None, monkeypatch: pytest.MonkeyPatch, framegate: Framegate
) -> None:
    path, epochs = recipe(tmp_path, store), "optim.epochs=2"
    whole = pretrain(read_recipe(PretrainConfig, path, [epochs, f"run_dir={tmp_path / 'whole'}"]))

    broken = tmp_path / "broken"
    options = [epochs, f"run_dir={broken}"]
    forward, seen = BarlowTwins.forward, []

    def fail_at_the_third(*arguments: object) -> MethodOutput:
        seen.append(1)
        if len(seen) == 3:
            raise ZeroDivisionError
        return forward(*arguments)

    with monkeypatch.context() as patched, pytest.raises(ZeroDivisionError):
        patched.setattr(BarlowTwins, "forward", fail_at_the_third)
        pretrain(read_recipe(PretrainConfig, path, options))
    assert framegate("pretrain", path, *options, "--resume") == 0

    (losses, tensors), (expected_losses, expected) = outcome(broken / "twins"), outcome(whole)
    assert len(losses) == 4
    assert losses == expected_losses
    assert tensors.keys() == expected.keys()
    assert all(torch.equal(tensors[name], expected[name]) for name in tensors)
    assert (whole / "backbone" / "model.safetensors").is_file()
    assert "decorrelation: 0.01" in (whole / "config.yaml").read_text()


def test_its_keys_are_checked_as_those_of_framegates_own_methods(tmp_path: Path, twins: None, caplog) -> None:
    path = recipe(tmp_path)
    for key, message in [
        ("decorelation", r"unknown key 'method.decorelation' \(nearest: 'method.decorrelation'\)"),
        ("decorrelation", r"'method.decorrelation' is -1: input should be greater than 0"),
    ]:
        with pytest.raises(RecipeError, match=message):
            read_recipe(PretrainConfig, path, [f"method.{key}=-1"])
    with pytest.raises(RecipeError, match=r"views\.attention needs a key encoder"):
        read_recipe(PretrainConfig, path, ["views.attention.drop=0.5"])
    assert read_recipe(PretrainConfig, path, ["method.queue=9"]).method == BarlowTwinsSettings(decorrelation=0.01)
    (warning,) = [record.getMessage() for record in caplog.records]
    assert "'method.queue' has no effect: method.name is barlow_twins, and moco_v2 or distill alone use it" in warning


def test_a_recipe_cannot_name_what_no_script_has_registered(tmp_path: Path) -> None:
    path = recipe(tmp_path)
    for name in ("barlow_twins", "os.system", "[moco_v2]", "null", "3"):
        with pytest.raises(RecipeError, match=r"'method.name' is .*: no method has this name \(nearest: "):
            read_recipe(PretrainConfig, path, [f"method.name={name}"])
    with pytest.raises(RecipeError, match=r"twins.yaml:6: 'method.name' is 'barlow_twins': no method has this name"):
        read_recipe(PretrainConfig, path)
