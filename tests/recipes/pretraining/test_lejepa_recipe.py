"""LeJEPA from its recipe: on a small store to the end, interrupted and continued exactly, its keys checked."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from framegate.recipes.config.pretrain_config import PretrainConfig
from framegate.recipes.config.recipe import RecipeError, read_recipe
from framegate.recipes.pretrain import pretrain
from framegate.ssl.backbones.backbone import load_backbone
from framegate.ssl.methods.lejepa import LeJEPA
from framegate.ssl.methods.lejepa_settings import LeJEPASettings
from framegate.ssl.methods.method import MethodOutput
from tests.recipes.conftest import Framegate

SMALL = [
    *("backbone.name=test_resnet", "backbone.image_size=32", "method.hidden=32", "method.directions=16"),
    *("optim.batch_size=16", "optim.epochs=2", "data.frames_per_video=2", "data.workers=0"),
    *("log.every=1", "log.wandb_project=null", "checkpoint.every=1"),
]


def outcome(run: Path) -> tuple[list[float], dict[str, torch.Tensor]]:
    """The losses of a run, and the tensors of its last checkpoint."""
    losses = [json.loads(line)["loss"] for line in (run / "metrics.jsonl").read_text().splitlines()]
    last = sorted((run / "checkpoints").glob("step-*"))[-1]
    names = ("model.safetensors", "optimizer.safetensors")
    return losses, {f"{name}:{key}": tensor for name in names for key, tensor in load_file(last / name).items()}


def test_its_recipe_trains_to_the_end_and_goes_on_exactly_where_it_was_interrupted(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, framegate: Framegate
) -> None:
    options = [f"data.store={store}", *SMALL]
    whole = pretrain(read_recipe(PretrainConfig, "lejepa_small", [*options, f"run_dir={tmp_path / 'whole'}"]))

    options.append(f"run_dir={tmp_path / 'broken'}")
    forward, seen = LeJEPA.forward, []

    def fail_at_the_third(*arguments: object) -> MethodOutput:
        seen.append(1)
        if len(seen) == 3:
            raise ZeroDivisionError
        return forward(*arguments)

    with monkeypatch.context() as patched, pytest.raises(ZeroDivisionError):
        patched.setattr(LeJEPA, "forward", fail_at_the_third)
        pretrain(read_recipe(PretrainConfig, "lejepa_small", options))
    assert framegate("pretrain", "lejepa_small", *options, "--resume") == 0

    (losses, tensors), (expected_losses, expected) = outcome(tmp_path / "broken" / "lejepa_small"), outcome(whole)
    assert len(losses) > 3
    assert losses == expected_losses
    assert tensors.keys() == expected.keys()
    assert all(torch.equal(tensors[name], expected[name]) for name in tensors)
    rows = [json.loads(line) for line in (whole / "metrics.jsonl").read_text().splitlines()]
    assert all(row["momentum"] is None for row in rows if "momentum" in row)
    assert load_backbone(str(whole / "backbone"), image_size=32).is_pretrained
    assert "by `lejepa`" in (whole / "backbone" / "README.md").read_text()


def test_its_keys_are_checked_and_those_of_other_methods_are_named(caplog: pytest.LogCaptureFixture) -> None:
    def settings(*overrides: str) -> LeJEPASettings:
        method = read_recipe(PretrainConfig, "lejepa_small", ["data.store=s", *overrides]).method
        assert isinstance(method, LeJEPASettings)
        return method

    assert settings() == LeJEPASettings()  # the recipe says the defaults, with comments
    assert settings("method.batch_norm=null").batch_norm == "sync"
    for key, value in (("weight", 0), ("weight", 1), ("knots", 2), ("directions", 0), ("batch_norm", "split")):
        with pytest.raises(RecipeError, match=f"'method.{key}' is '?{value}'?: "):
            settings(f"method.{key}={value}")
    with pytest.raises(RecipeError, match=r"unknown key 'method.direction' \(nearest: 'method.directions'\)"):
        settings("method.direction=9")
    with pytest.raises(RecipeError, match=r"views\.attention needs a key encoder"):
        settings("views.attention.drop=0.5")
    assert caplog.records == []
    settings("method.queue=9")
    assert "'method.queue' has no effect: method.name is lejepa, and moco_v2 or distill alone use it" in caplog.text
