"""MoCo v3 of a transformer from its recipe, and what becomes of a run that an earlier framegate began."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.recipes.conftest import Framegate

SMALL = [
    *("backbone.name=test_vit", "backbone.image_size=32", "method.hidden=16", "compute.precision=fp32"),
    *("optim.batch_size=16", "optim.epochs=1", "optim.warmup_epochs=0", "data.frames_per_video=2", "data.workers=0"),
    *("log.every=1", "log.probe_every=null", "log.wandb_project=null", "checkpoint.every=1"),
]


def test_positions_and_patches_stay_and_a_run_with_the_earlier_heads_is_refused_and_exported(
    store: Path, tmp_path: Path, framegate: Framegate, capsys: pytest.CaptureFixture[str], monkeypatch
) -> None:
    monkeypatch.chdir(tmp_path)
    options = [f"data.store={store}", "run_dir=runs", *SMALL]
    assert framegate("pretrain", "moco_v3_vit", *options) == 0
    checkpoints = sorted(Path("runs/moco_v3_vit/checkpoints").glob("step-*"))
    first, last = (load_file(folder / "model.safetensors") for folder in (checkpoints[0], checkpoints[-1]))
    model = "method.query_encoder.0.model."
    for name in ("pos_embed", "patch_embed.proj.weight"):
        assert torch.equal(first[model + name], last[model + name]), name
    assert not torch.equal(first[model + "cls_token"], last[model + "cls_token"])

    # As an earlier framegate wrote it: the last norms of both heads had weights.
    for head in ("query_encoder.1.layers.7", "key_encoder.encoder.1.layers.7", "predictor.layers.4"):
        last |= {f"method.{head}.{name}": torch.ones(256) for name in ("weight", "bias")}
    save_file(last, checkpoints[-1] / "model.safetensors")
    capsys.readouterr()
    assert framegate("pretrain", "moco_v3_vit", *options, "--resume") == 2
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("framegate: ")]
    assert "MoCo v3 had weights in its heads' last batch norm in an earlier framegate" in line
    assert len(line) < 400 and str(checkpoints[-1]) in line
    assert framegate("export", "runs/moco_v3_vit", "--out", "exported") == 0
    assert load_file("exported/model.safetensors")["pos_embed"].equal(last[model + "pos_embed"])
