"""Distillation from a recipe: what it may say, a run from end to end, and one that is interrupted and goes on."""

import json
import logging
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from framegate.media import FrameStore
from framegate.recipes.config.pretrain_config import PretrainConfig
from framegate.recipes.config.recipe import RecipeError, dump_recipe, read_recipe
from framegate.recipes.pretrain import pretrain
from framegate.recipes.pretraining.build_method import make_method
from framegate.recipes.pretraining.training_pairs import training_pairs
from framegate.ssl.backbones.backbone import Backbone
from framegate.ssl.backbones.backbone_export import export_backbone
from framegate.ssl.methods import DistillSettings
from framegate.ssl.methods.distill import Distill
from framegate.ssl.methods.method import MethodOutput
from tests.recipes.conftest import Framegate

TINY = [
    *("backbone.name=test_resnet", "backbone.image_size=32", "optim.batch_size=8", "data.frames_per_video=1"),
    *("method.queue=40", "method.teacher.image_size=40", "method.teacher.weights=timm", "data.workers=0"),
    *("log.every=1", "log.wandb_project=null", "checkpoint.every=1"),
]


def teacher(folder: Path, *, seed: int = 0, card: str = "---\nlicense: mit\n---\n# A teacher\n") -> Path:
    torch.manual_seed(seed)
    export_backbone(Backbone("test_resnet", image_size=32), folder, card=card)
    return folder


def options(store: Path, taught_by: Path, runs: Path, *more: str) -> list[str]:
    return [f"data.store={store}", f"method.teacher.name=local-dir:{taught_by}", f"run_dir={runs}", *TINY, *more]


def config(*overrides: str) -> PretrainConfig:
    return read_recipe(PretrainConfig, "distill_small", overrides)


def outcome(run: Path) -> tuple[list[float], dict[str, torch.Tensor]]:
    """The losses of a run, and the tensors of its last checkpoint."""
    losses = [json.loads(line)["loss"] for line in (run / "metrics.jsonl").read_text().splitlines()]
    last = sorted((run / "checkpoints").glob("step-*"))[-1]
    names = ("model.safetensors", "optimizer.safetensors")
    return losses, {f"{name}:{key}": tensor for name in names for key, tensor in load_file(last / name).items()}


@pytest.mark.slow
def test_it_trains_exports_and_goes_on_exactly_where_it_was_interrupted(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, framegate: Framegate, capsys: pytest.CaptureFixture
) -> None:
    taught_by = teacher(tmp_path / "teacher")
    given = ["optim.epochs=2", "method.mixup=true"]
    whole = pretrain(config(*options(store, taught_by, tmp_path / "whole", *given)))

    broken = options(store, taught_by, tmp_path / "broken", *given)
    forward, seen = Distill.forward, []

    def fail_at_the_third(*arguments: object) -> MethodOutput:
        seen.append(1)
        if len(seen) == 3:
            raise ZeroDivisionError
        return forward(*arguments)

    with monkeypatch.context() as patched, pytest.raises(ZeroDivisionError):
        patched.setattr(Distill, "forward", fail_at_the_third)
        pretrain(config(*broken))

    kept = taught_by.rename(tmp_path / "kept")
    teacher(taught_by, seed=1)
    assert framegate("pretrain", "distill_small", *broken, "--resume") == 2
    assert "method.teacher has other weights than the run began with" in capsys.readouterr().err
    taught_by.rename(tmp_path / "other")
    kept.rename(taught_by)
    assert framegate("pretrain", "distill_small", *broken, "--resume") == 0

    (losses, tensors), (expected_losses, expected) = outcome(tmp_path / "broken" / "distill_small"), outcome(whole)
    assert len(losses) == 4
    assert losses == expected_losses
    assert tensors.keys() == expected.keys()
    assert all(torch.equal(tensors[name], expected[name]) for name in tensors)
    assert {name for name in tensors if "teacher" in name} == {"model.safetensors:method.teacher.digest"}

    card = (whole / "backbone" / "README.md").read_text(encoding="utf-8")
    assert "Its teacher is `teacher`, with the weights of teacher.\nLicence of the teacher's weights: `mit`.\n" in card
    assert str(tmp_path) not in card
    exported = load_file(whole / "backbone" / "model.safetensors")
    saved = {key.partition("student.0.model.")[2]: value for key, value in expected.items() if "student.0" in key}
    assert all(torch.equal(tensor, saved[name]) for name, tensor in exported.items() if name in saved)
    assert framegate("export", whole, "--out", tmp_path / "exported") == 0
    again = load_file(tmp_path / "exported" / "model.safetensors")
    assert exported.keys() == again.keys() and all(torch.equal(exported[name], again[name]) for name in exported)


def test_a_card_says_when_no_licence_is_known(store: Path, tmp_path: Path) -> None:
    from framegate.recipes.reports.cards import backbone_card

    given = options(store, teacher(tmp_path / "teacher", card="# A teacher\n"), tmp_path)
    assert "Licence of the teacher's weights: unknown: check before you publish." in backbone_card(config(*given), [])
    moco = backbone_card(read_recipe(PretrainConfig, "moco_small"), [])
    assert "teacher" not in moco


def test_the_recipe_means_the_method_that_it_says(store: Path, tmp_path: Path) -> None:
    given = config(*options(store, teacher(tmp_path / "teacher"), tmp_path, "method.temperature=0.2"))
    method = make_method(given, programmes=1)
    assert isinstance(method, Distill)
    assert method.teacher.backbone.image_size == 40
    assert (method.temperature, method.teacher_temperature, method.queue.size) == (0.2, 0.05, 40)
    pair = training_pairs(given, FrameStore(store))[0, 0]
    assert pair.first.pixels.shape == (32, 32, 3)
    assert pair.second.pixels.shape == (40, 40, 3)


def test_keys_without_effect_are_named_and_unknown_ones_refused(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    given = ("method.positive_seconds=2", "method.objective=features", "views.overlays.survive=0.5")
    read = config(*given, "method.momentum=0.9")
    assert read.method.positive_seconds == 0
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    for key, reason in {
        "method.momentum": "method.name is distill, and moco_v2 or moco_v3 alone use it",
        "method.positive_seconds": "teacher and student see the same frame",
        "method.queue": "method.objective is features, which compares with no other frames",
        "views.overlays.survive": "method.name is distill: its student sees all overlays, its teacher none",
    }.items():
        assert any(f"'{key}' has no effect: {reason}" in warning for warning in warnings), key
    (tmp_path / "config.yaml").write_text(dump_recipe(read))
    assert read_recipe(PretrainConfig, tmp_path / "config.yaml").resolved() == read.resolved()
    assert "survive" not in read.resolved()["views"]["overlays"]
    for wrong, message in {
        "method.teacher.weight=timm": r"unknown key 'method.teacher.weight' \(nearest: 'method.teacher.weights'\)",
        "method.teacher.weights=null": r"'method.teacher.weights' is None",
        "method.objective=logits": r"'method.objective' is 'logits'",
        "method.teacher_temperature=0": r"greater than 0",
        "views.attention.drop=0.5": r"views\.attention needs a key encoder",
    }.items():
        with pytest.raises(RecipeError, match=message):
            config(wrong)


def test_other_methods_pairs_stay_two_views() -> None:
    assert DistillSettings().pairing == "same_crop"
    for recipe in ("moco_small", "simclr", "programme"):
        method = read_recipe(PretrainConfig, recipe).method
        assert (method.pairing, method.second_size) == ("two_views", None)
