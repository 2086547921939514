"""A store, a classifier and every page that shows the names in them, for names of any kind."""

import csv
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch

from framegate.finetune.classifier import ClassifierConfig, GatedFusionClassifier
from framegate.finetune.data.batch import pad_labels
from framegate.finetune.folders.clip_sampling import Sampling
from framegate.finetune.fusion.fusion import FusionConfig
from framegate.finetune.streams.streams import FramesConfig, StreamsConfig, TextConfig
from framegate.media import FrameStore
from framegate.recipes.commands.data.extract_command import extract_manifest
from framegate.recipes.config.pretrain_config import PretrainConfig
from framegate.recipes.config.recipe import read_recipe
from framegate.recipes.finetuning.clips import StoreClips, label_nodes
from framegate.recipes.finetuning.compare import Comparison
from framegate.recipes.finetuning.labels import store_taxonomy
from framegate.recipes.finetuning.measure import ClipOutputs, labelled_rows, run_clips
from framegate.recipes.reports.audit_page import write_audit_page
from framegate.recipes.reports.demo_report import write_demo_report
from framegate.recipes.reports.demo_results import CLASSIFIERS, DemoResults
from framegate.recipes.reports.evaluation_page import write_evaluation_page
from framegate.recipes.reports.finetune_report import write_finetune_report
from framegate.recipes.reports.pretrain_report import write_pretrain_report
from framegate.recipes.training.run_folder import RunFolder
from framegate.ssl.backbones.backbone import Backbone

METRICS = {"step": 1, "loss": 1.0, "lr": 0.1, "images_per_second": 1.0, "data_wait": 0.1}


@dataclass(frozen=True)
class Named:
    """What a page shows: a store whose titles are ``names``, and a classifier whose leaves have the same names."""

    names: Sequence[str]
    store: FrameStore
    model: GatedFusionClassifier
    clips: StoreClips
    outputs: ClipOutputs


def named(folder: Path, names: Sequence[str], *, top: str) -> Named:
    """Make a store in ``folder`` of eight clips or more, and a classifier with ``top`` above its leaves."""
    rng = np.random.default_rng(0)
    rows = []
    for number in range(max(8, len(names))):
        pictures = folder / f"clip{number}"
        pictures.mkdir()
        for second in range(2):
            cv2.imwrite(str(pictures / f"{second}.png"), rng.integers(0, 255, (64, 64, 3), np.uint8))
        split = ("train", "val", "test", "test")[number % 4]
        title = f"{names[number % len(names)]} {number}"
        rows.append({"id": f"c{number}", "video": f"clip{number}", "title": title, "split": split})
        rows[-1]["label"] = f"leaf{number % len(names)}"
    (folder / "clips.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    with (folder / "taxonomy.csv").open("w", encoding="utf-8", newline="") as file:
        leaves = [(f"leaf{number}", "top", name) for number, name in enumerate(names)]
        csv.writer(file).writerows([("id", "parent", "name"), ("top", "", top), *leaves])
    extract_manifest(folder / "clips.jsonl", folder / "store", layout=False, workers=1)
    store = FrameStore(folder / "store")
    torch.manual_seed(0)
    streams = StreamsConfig(frames=FramesConfig(backbone="test_resnet"), text=TextConfig(width=32, vocabulary=300))
    config = ClassifierConfig(streams=streams, fusion=FusionConfig(width=16))
    taxonomy = store_taxonomy(store, None)
    model = GatedFusionClassifier.create(config, taxonomy, texts=store.videos["title"].to_pylist(), image_size=32)
    labels = label_nodes(store, taxonomy)
    model.eval().count_labels(pad_labels(labels))
    clips = StoreClips(store, model.prepare, Sampling(frames=2, audio_seconds=3.0), labels=labels)
    return Named(names, store, model, clips, run_clips(model, clips, labelled_rows(clips, "all")))


def fresh_run(path: Path, name: str) -> RunFolder:
    path.mkdir(parents=True)
    run = RunFolder(path)
    run.log({**METRICS, "momentum": None})
    run.log({**METRICS, "momentum": 0.99, "knn_$\\frac$": 0.5, f"knn_{name}": 0.5})
    return run


def fine_tuning(folder: Path, material: Named) -> Path:
    name = material.names[0].replace("/", "")[:60]  # a folder's name
    run = fresh_run(folder / f"{name}\u202e$\\frac$\nrun", name)
    write_finetune_report(run, material.model, material.clips)
    return run.path / "report.html"


def pretraining(folder: Path, material: Named) -> Path:
    name = material.names[0]
    config = read_recipe(PretrainConfig, "moco_small", ["backbone.image_size=32"]).model_copy(update={"name": name})
    torch.manual_seed(0)
    run = fresh_run(folder / "run", name)
    write_pretrain_report(config, material.store, run, Backbone("test_resnet", image_size=32).eval())
    return run.path / "report.html"


def evaluation(folder: Path, material: Named) -> Path:
    rows, name = material.outputs.rows, material.names[0]
    wrong = Comparison(corrected=rows[:2], spoilt=rows[2:4], old_top1=0, difference=0, low=0, high=0)
    tables = [(name, [name], [[name]])]
    page = folder / "page.html"
    write_evaluation_page(
        page, material.model, material.clips, material.outputs, tables=tables, comparison=wrong, against=name
    )
    return page


def audit(folder: Path, material: Named) -> Path:
    name = material.names[0]
    figures = {"decodability": 0.5, "same_overlay_neighbours": 0.5, "drift": 0.1, "gap": None, "score": 0.5}
    chances = {"decodability_chance": 0.5, "neighbours_chance": 0.5, "accuracy": None, "by_rho": []}
    spans = dict.fromkeys(("decodability", "same_overlay_neighbours", "score", "gap"), (0.4, 0.6))
    values = {"backbone": name, "score": 0.5, "interval": (0.4, 0.6), "seed": 0, "definition": name, "found": None}
    values |= {"notes": [name], "overlays": {"logo": {**figures, **chances, "intervals": spans}}}
    write_audit_page(folder / "page.html", values, material.store, image_size=32)
    return folder / "page.html"


def demo(folder: Path, material: Named) -> Path:
    for name in ("pretrain", "gated"):
        fresh_run(folder / "runs" / name, material.names[0])
    figures = dict.fromkeys(CLASSIFIERS, 0.5)
    results = DemoResults(leaf=figures, levels={"1": figures}, knn={"before": 0.1, "after": 0.2})
    results.seconds = {material.names[0]: 1.0}
    config = read_recipe(PretrainConfig, "moco_small", ["backbone.image_size=32"])
    write_demo_report(folder, results, config, material.store, material.model, material.clips, material.outputs)
    return folder / "report.html"


WRITERS: tuple[Callable[[Path, Named], Path], ...] = (fine_tuning, pretraining, evaluation, audit, demo)
