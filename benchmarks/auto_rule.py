"""The rule for a recipe's ``auto`` beside fixed settings, in runs of different lengths on other categories.

    python benchmarks/auto_rule.py --pictures DIR --out FOLDER [--cells short-5 …] [--minutes 60]

A cell is a store (5 or 14 categories), a length and a start; in each, `moco_small` trains as it comes (`rule`), with
three fixed settings, and lightly's MoCo with as many query images. DIR is the picture tree of `ssl_quality.py`; the
categories are of its report half, on which nothing was tuned. A finished row is a file in FOLDER/rows, and a row that
`--minutes` stops goes on from its checkpoint in the next call. The table has kNN accuracy, clean and under another
category's look, and the gap.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from signal import SIGTERM
from typing import Any

from quality_study.quality_data import Stores, evaluate, make_stores
from quality_study.quality_peers import query_images, train_lightly
from quality_study.quality_pictures import load_pictures
from quality_study.quality_report import accuracies
from quality_study.quality_rows import SIDE, imagenet_weights
from shared.machine import machine

from framegate.recipes.config.pretrain_config import PretrainConfig
from framegate.recipes.config.recipe import read_recipe
from framegate.recipes.pretrain import pretrain
from framegate.recipes.training.training_errors import StoppedError
from framegate.ssl.backbones.backbone import load_backbone

BATCH = 32
OLD = ("optim.lr=0.012", "method.queue=1024", "method.momentum=0.98")  # what all fixed settings share
FIXED = {
    name: (*OLD, f"optim.weight_decay={decay}") for name, decay in {"strong": 5, "middle": 1.4, "weak": 0.4}.items()
}
SETTINGS = ("rule", *FIXED, "lightly")
ROW_MINUTES = 100


@dataclass(frozen=True, kw_only=True)
class Cell:
    """Where settings are compared; ``settings``: which."""

    categories: int
    steps: int
    seeds: tuple[int, ...]
    image_size: int = 64
    from_imagenet: bool = False
    settings: tuple[str, ...] = SETTINGS


CELLS = {
    "short-5": Cell(categories=5, steps=1000, seeds=(0, 1)),
    "short-14": Cell(categories=14, steps=1000, seeds=(0, 1)),
    "long-5": Cell(categories=5, steps=4000, seeds=(0,)),
    "long-14": Cell(categories=14, steps=4000, seeds=(0,)),
    "longest-14": Cell(categories=14, steps=12_000, seeds=(0,), image_size=32),
    "imagenet-250": Cell(
        categories=14, steps=250, seeds=(0,), image_size=128, from_imagenet=True, settings=("rule", *FIXED)
    ),
    "imagenet-1000": Cell(
        categories=14, steps=1000, seeds=(0,), image_size=128, from_imagenet=True, settings=("rule", *FIXED)
    ),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--cells", nargs="+", choices=CELLS, default=list(CELLS), metavar="NAME", help=", ".join(CELLS))
    parser.add_argument("--settings", nargs="+", choices=SETTINGS, default=SETTINGS, metavar="NAME")
    parser.add_argument("--minutes", type=float, default=ROW_MINUTES, help="stop after so long; a later call goes on")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    (options.out / "rows").mkdir(parents=True, exist_ok=True)
    end = time.monotonic() + 60 * options.minutes
    for name in options.cells:
        for setting in CELLS[name].settings:
            for seed in CELLS[name].seeds:
                file = options.out / "rows" / f"{name}-{setting}-{seed}.json"
                if setting in options.settings and not file.exists() and time.monotonic() < end:
                    run_row(name, setting, seed, file, pictures=options.pictures, end=end)
    rows = [json.loads(file.read_text()) for file in sorted((options.out / "rows").glob("*.json"))]
    table = print_table(rows)
    if options.json:
        options.json.write_text(json.dumps({"table": table, "machine": machine()}, indent=1))


def run_row(name: str, setting: str, seed: int, file: Path, *, pictures: Path, end: float) -> None:
    """Train and measure a row, and leave its file; at ``end`` stop it, to go on another time."""
    cell, out = CELLS[name], file.parents[1]
    print(f"{file.stem} …", flush=True)
    stores = make_cell_stores(out, pictures, cell)
    epochs = max(1, round(cell.steps * BATCH / stores.training_clips))
    began = time.perf_counter()
    if setting == "lightly":
        # Its symmetric epochs have as many query images as ours.
        images = query_images(stores.training_clips, epochs=epochs, frames_per_epoch=1)
        backbone = train_lightly(
            stores.planted, image_size=cell.image_size, epochs=epochs, frames_per_epoch=1, seed=seed, bf16=True
        )
        settled: dict[str, Any] = {}
    else:
        config = make_config(cell, setting, seed, stores, epochs=epochs, name=file.stem, out=out)
        stop = threading.Timer(max(1.0, end - time.monotonic()), os.kill, (os.getpid(), SIGTERM))
        stop.daemon = True
        stop.start()
        try:
            run = pretrain(config, resume=True)
        except StoppedError as stopped:
            print(stopped, flush=True)
            return
        finally:
            stop.cancel()
        backbone = load_backbone(str(run / "backbone"))
        written = read_recipe(PretrainConfig, run / "config.yaml", warn=False).model_dump(mode="json")
        settled = {key: written[key] for key in ("optim", "method")}
        images = 2 * epochs * (stores.training_clips // BATCH) * BATCH
        shutil.rmtree(run / "checkpoints", ignore_errors=True)
    result = {"cell": name, "setting": setting, "seed": seed, "images": images, "settled": settled}
    result["last_call_seconds"] = time.perf_counter() - began
    result |= evaluate(backbone, stores, audit_frames=450, bf16=True)
    aside = file.with_suffix(".part")
    aside.write_text(json.dumps(result) + "\n")
    aside.replace(file)


def make_cell_stores(out: Path, pictures: Path, cell: Cell) -> Stores:
    """The cell's stores, made when first asked for."""
    folder = out / f"stores-{cell.categories}-{cell.image_size}"
    side = SIDE.get(cell.image_size, 48)
    if (folder / "swapped" / "videos.arrow").exists():
        return Stores(folder)
    return make_stores(folder, load_pictures(pictures, "report", categories=cell.categories), side=side, seed=0)


def make_config(
    cell: Cell, setting: str, seed: int, stores: Stores, *, epochs: int, name: str, out: Path
) -> PretrainConfig:
    """The recipe as it comes, or with fixed settings."""
    start = ["backbone.name=resnet18"]
    if cell.from_imagenet:
        start = ["backbone.name=tf_efficientnet_lite0", f"backbone.weights={imagenet_weights(out)}"]
    overrides = [
        *(f"name={name}", f"run_dir={out / 'runs'}", f"seed={seed}", f"data.store={stores.planted.path}"),
        *("data.frames_per_video=1", f"backbone.image_size={cell.image_size}", f"optim.epochs={epochs}"),
        *(f"optim.batch_size={BATCH}", "compute.precision=bf16", "log.wandb_project=null", "checkpoint.every=500"),
    ]
    return read_recipe(PretrainConfig, "moco_small", [*overrides, *start, *FIXED.get(setting, ())])


def print_table(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Print a line for each cell and setting, the mean over its seeds; then what the cells say together."""
    table = []
    for cell in CELLS:
        for setting in SETTINGS:
            of_it = [accuracies(row) for row in rows if (row["cell"], row["setting"]) == (cell, setting)]
            if of_it:
                means = {figure: statistics.mean(row[figure] for row in of_it) for figure in of_it[0]}
                table.append({"cell": cell, "setting": setting, "seeds": len(of_it), **means})
    print(f"\n{'cell':16}{'setting':10}{'seeds':>6}{'clean':>8}{'swapped':>9}{'gap':>7}")
    for line in table:
        figures = f"{line['clean']:8.1f}{line['swapped']:9.1f}{line['gap']:7.1f}"
        print(f"{line['cell']:16}{line['setting']:10}{line['seeds']:6}{figures}")
    for figure in ("clean", "swapped"):
        by_cell = {
            line["cell"]: {o["setting"]: o[figure] for o in table if o["cell"] == line["cell"]} for line in table
        }
        whole = [of_all for of_all in by_cell.values() if {"rule", *FIXED} <= of_all.keys()]
        if whole:
            means = {name: statistics.mean(of_all[name] for of_all in whole) for name in ("rule", *FIXED)}
            behind = max(max(of_all[name] for name in ("rule", *FIXED)) - of_all["rule"] for of_all in whole)
            shown = ", ".join(f"{name} {mean:.1f}" for name, mean in means.items())
            print(f"{figure}, mean over {len(whole)} whole cells: {shown}; the rule is at most {behind:.1f} behind")
    return table


if __name__ == "__main__":
    main()
