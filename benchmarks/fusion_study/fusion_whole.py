"""Frames alone with the whole backbone trained, by the recipe: rows of `fusion.py` that no features can serve."""

from __future__ import annotations

import shutil
from pathlib import Path

import torch

from framegate.media import FrameStore
from framegate.recipes.commands.training.evaluate_command import open_classifier
from framegate.recipes.config.finetune_config import FinetuneConfig
from framegate.recipes.config.recipe import read_recipe
from framegate.recipes.finetune import finetune
from framegate.recipes.finetuning.measure import hits, labelled_rows, run_clips
from framegate.ssl.backbones.backbone import Backbone
from framegate.ssl.backbones.backbone_export import export_backbone

FRAMES = 2  # of a clip: a quarter of the other rows', for each goes through the backbone at every step


def right_of_whole(folder: Path, backbone: str, *, seed: int, epochs: int) -> list[int]:
    """1 for each test clip of the large corpus whose leaf is right; ``backbone``: ``pretrained`` or ``random``."""
    store, runs = folder / "large" / "store", folder / "runs"
    name = f"whole-{backbone}-{seed}"
    start = runs / "pretrain" / "backbone" if backbone == "pretrained" else runs / f"random-{seed}"
    if backbone == "random":
        torch.manual_seed(seed)
        export_backbone(Backbone("resnet18", image_size=64), start, card="Random weights.")
    shutil.rmtree(runs / name, ignore_errors=True)
    overrides = [
        *(f"data.store={store}", f"run_dir={runs}", f"name={name}", f"seed={seed}", f"data.frames={FRAMES}"),
        *(f"streams.frames.backbone={start}", "streams.frames.train=all", "streams.frames.lr=0.0024"),
        *("streams.audio=null", "streams.text=null", "optim.layer_decay=0.75", f"optim.epochs={epochs}"),
        *("optim.warmup_epochs=1", "log.wandb_project=null", "checkpoint.every=100000"),
    ]
    finetune(read_recipe(FinetuneConfig, "fusion_small", overrides))
    model, clips = open_classifier(runs / name / "classifier", FrameStore(store))
    outputs = run_clips(model, clips, labelled_rows(clips, "test"))
    return [int(value) for value in hits(model, outputs, clips)["leaf"]]
