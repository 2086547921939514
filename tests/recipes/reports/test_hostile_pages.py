"""Every page with names that are markup, formulas, terminal escapes and turns of direction: all are shown as text."""

import csv
import json
import re
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
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
from framegate.recipes.reports.class_table import write_class_table
from framegate.recipes.reports.demo_report import write_demo_report
from framegate.recipes.reports.demo_results import CLASSIFIERS, DemoResults
from framegate.recipes.reports.evaluation_page import write_evaluation_page
from framegate.recipes.reports.finetune_report import write_finetune_report
from framegate.recipes.reports.page import Page
from framegate.recipes.reports.pretrain_report import write_pretrain_report
from framegate.recipes.training.run_folder import RunFolder
from framegate.ssl.backbones.backbone import Backbone

ESCAPES = "\x1b[31m \x9b \u202e \u2066 \U000e0041"
HOSTILE = f"<script>alert(1)</script>\"'><img src=x onerror=alert(1)> \\frac $\\frac$ $_$ {ESCAPES}"
Material = tuple[FrameStore, GatedFusionClassifier, StoreClips, ClipOutputs]
_HIDING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\U000e0000-\U000e007f]")
METRICS = {"step": 1, "loss": 1.0, "lr": 0.1, "images_per_second": 1.0, "data_wait": 0.1}


@pytest.fixture(scope="module")
def material(
    tmp_path_factory: pytest.TempPathFactory,
) -> Material:
    """A store, a classifier and its answers; titles and the names of categories are hostile."""
    folder = tmp_path_factory.mktemp("hostile")
    rng = np.random.default_rng(0)
    rows = []
    for number in range(8):
        pictures = folder / f"clip{number}"
        pictures.mkdir()
        for second in range(2):
            cv2.imwrite(str(pictures / f"{second}.png"), rng.integers(0, 255, (64, 64, 3), np.uint8))
        split = ("train", "val", "test", "test")[number % 4]
        rows.append({"id": f"c{number}", "video": f"clip{number}", "title": f"{HOSTILE} {number}", "split": split})
        rows[-1]["label"] = f"leaf{number % 2}"
    (folder / "clips.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    names = [HOSTILE.replace('"', '""') + str(number) for number in range(2)]
    tree = f'id,parent,name\ntop,,"=1+1{names[0]}"\nleaf0,top,"{names[0]}"\nleaf1,top,"{names[1]}"\n'
    extract_manifest(folder / "clips.jsonl", folder / "store", layout=False, workers=1)
    # As older versions wrote it: today no taxonomy with "/" in a name is taken into a store.
    (folder / "store" / "taxonomy.csv").write_text(tree, encoding="utf-8")
    store = FrameStore(folder / "store")
    torch.manual_seed(0)
    streams = StreamsConfig(frames=FramesConfig(backbone="test_resnet"), text=TextConfig(width=32, vocabulary=300))
    config = ClassifierConfig(streams=streams, fusion=FusionConfig(width=16))
    taxonomy = store_taxonomy(store, None)
    model = GatedFusionClassifier.create(
        config, taxonomy, texts=store.videos["title"].to_pylist(), image_size=32
    ).eval()
    labels = label_nodes(store, taxonomy)
    model.count_labels(pad_labels(labels))
    clips = StoreClips(store, model.prepare, Sampling(frames=2, audio_seconds=3.0), labels=labels)
    return store, model, clips, run_clips(model, clips, labelled_rows(clips, "all"))


def fresh_run(path: Path) -> RunFolder:
    path.mkdir(parents=True)
    run = RunFolder(path)
    run.log({**METRICS, "momentum": None})
    run.log({**METRICS, "momentum": 0.99, "knn_$\\frac$": 0.5, f"knn_{HOSTILE}": 0.5})
    return run


def fine_tuning(folder: Path, material: Material) -> Path:
    _, model, clips, _ = material
    run = fresh_run(folder / "a <b>\u202e$\\frac$\nrun")
    write_finetune_report(run, model, clips)
    return run.path / "report.html"


def pretraining(folder: Path, material: Material) -> Path:
    store, *_ = material
    config = read_recipe(PretrainConfig, "moco_small", ["backbone.image_size=32"]).model_copy(update={"name": HOSTILE})
    torch.manual_seed(0)
    run = fresh_run(folder / "run")
    write_pretrain_report(config, store, run, Backbone("test_resnet", image_size=32).eval())
    return run.path / "report.html"


def evaluation(folder: Path, material: Material) -> Path:
    _, model, clips, outputs = material
    wrong = Comparison(corrected=outputs.rows[:2], spoilt=outputs.rows[2:4], old_top1=0, difference=0, low=0, high=0)
    tables = [(HOSTILE, [HOSTILE], [[HOSTILE]])]
    page = folder / "page.html"
    write_evaluation_page(page, model, clips, outputs, tables=tables, comparison=wrong, against=HOSTILE)
    return page


def audit(folder: Path, material: Material) -> Path:
    store, *_ = material
    figures = {"decodability": 0.5, "same_overlay_neighbours": 0.5, "drift": 0.1, "gap": None, "score": 0.5}
    chances = {"decodability_chance": 0.5, "neighbours_chance": 0.5, "accuracy": None, "by_rho": []}
    spans = dict.fromkeys(("decodability", "same_overlay_neighbours", "score", "gap"), (0.4, 0.6))
    values = {
        "backbone": HOSTILE,
        "score": 0.5,
        "interval": (0.4, 0.6),
        "seed": 0,
        "definition": HOSTILE,
        "found": None,
    }
    values |= {"notes": [HOSTILE], "overlays": {"logo": {**figures, **chances, "intervals": spans}}}
    write_audit_page(folder / "page.html", values, store, image_size=32)
    return folder / "page.html"


def demo(folder: Path, material: Material) -> Path:
    store, model, clips, outputs = material
    for name in ("pretrain", "gated"):
        fresh_run(folder / "runs" / name)
    figures = dict.fromkeys(CLASSIFIERS, 0.5)
    results = DemoResults(leaf=figures, levels={"1": figures}, knn={"before": 0.1, "after": 0.2})
    results.seconds = {HOSTILE: 1.0}
    config = read_recipe(PretrainConfig, "moco_small", ["backbone.image_size=32"])
    write_demo_report(folder, results, config, store, model, clips, outputs)
    return folder / "report.html"


@pytest.mark.parametrize("write", [fine_tuning, pretraining, evaluation, audit, demo])
def test_names_of_strangers_are_text_on_every_page(write: Callable, material: Material, tmp_path: Path) -> None:
    page = write(tmp_path, material).read_text(encoding="utf-8")
    assert "<script" not in page
    assert "<img src=x" not in page
    assert not _HIDING.search(page)
    assert r"\u202e" in page
    assert all(link.startswith("data:") for link in re.findall(r'(?:src|href)="([^"]*)"', page))


def test_a_page_shows_escapes_and_turns_of_direction_wherever_text_stands(tmp_path: Path) -> None:
    page = Page(HOSTILE, HOSTILE)
    page.heading(HOSTILE)
    page.table([HOSTILE], [["two\nlines\tand a tab"]])
    page.write(tmp_path / "page.html")
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert text.count(r"\x1b[31m \x9b \u202e \u2066 \U000e0041") == 5
    assert "two\nlines\tand a tab" in text


def test_the_table_of_classes_holds_no_formula(material: Material, tmp_path: Path) -> None:
    _, model, clips, outputs = material
    write_class_table(tmp_path / "classes.csv", model, clips, outputs)
    with (tmp_path / "classes.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["path"][:5] for row in rows] == ["'=1+1"] * 2
    assert float(rows[0]["precision"]) >= 0


def test_failures_and_predictions_in_a_terminal_show_escapes(
    material: Material, framegate, tmp_path: Path, capsys
) -> None:
    _, model, clips, _ = material
    model.save_pretrained(tmp_path / "classifier")
    clips.sampling.save(tmp_path / "classifier")
    broken = tmp_path / f"broken{ESCAPES}\nfine.mp4"
    broken.write_text("no video")
    rows = [{"id": "a", "title": "t", "x": f"y{ESCAPES}"}, {"id": "b", "video": broken.name}]
    (tmp_path / "clips.jsonl").write_text("\n".join(map(json.dumps, rows)))
    assert framegate("predict", tmp_path / "classifier", tmp_path / "clips.jsonl") == 0
    captured = capsys.readouterr()
    assert not _HIDING.search(captured.err)
    assert any(line.startswith("b: ") and r"broken\x1b" in line for line in captured.err.splitlines())
    (line,) = captured.out.splitlines()
    assert not _HIDING.search(line)
    assert json.loads(line)["x"] == f"y{ESCAPES}"
    assert framegate("predict", tmp_path / "classifier", tmp_path / "clips.jsonl", "--out", tmp_path / "p.jsonl") == 0
    (written,) = (tmp_path / "p.jsonl").read_text(encoding="utf-8").splitlines()
    assert json.loads(written)["x"] == f"y{ESCAPES}"
