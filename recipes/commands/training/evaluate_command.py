"""Measure a classifier folder on a store."""

import math
from pathlib import Path
from typing import Any

import torch

from framegate.finetune.classifier import GatedFusionClassifier
from framegate.media import FrameStore
from framegate.recipes.finetuning.clip_features import frozen_features
from framegate.recipes.finetuning.clips import StoreClips, label_nodes
from framegate.recipes.finetuning.compare import compare
from framegate.recipes.finetuning.labels import check_labels
from framegate.recipes.finetuning.measure import clip_programmes, evaluation, hits, labelled_rows, run_clips
from framegate.recipes.reports.class_table import write_class_table
from framegate.recipes.reports.evaluation_page import write_evaluation_page
from framegate.recipes.reports.outputs import claim_output
from framegate.recipes.reports.page import Name
from framegate.recipes.reports.results import Result, table


def evaluate_classifier(
    folder: Path,
    store: Path,
    *,
    split: str = "test",
    against: Path | None = None,
    classes: Path | None = None,
    page: Path | None = None,
) -> Result:
    """Evaluate a classifier on one split of a store.

    Args:
        folder: a classifier folder.
        store: a frame store.
        split: whose clips.
        against: another classifier over the same taxonomy, to list what this one corrects and spoils.
        classes: CSV to write, a row a leaf.
        page: HTML page to write, with the confused pairs' frames.

    Raises:
        FolderError: a folder is no classifier.
        OutputError: framegate did not write the table or the page that is there.
        LabelError: the split has no labels, or some that the classifiers' taxonomies do not know.
    """
    claim_output(classes)
    claim_output(page)
    model, clips = open_classifier(folder, FrameStore(store))
    rows = labelled_rows(clips, split)
    figures, outputs = evaluation(model, clips, rows)
    comparison = None
    if against is not None:
        other, its_clips = open_classifier(against, clips.store)
        others = hits(other, run_clips(other, its_clips, rows), its_clips)
        level = "leaf" if "leaf" in figures["levels"] else max(figures["levels"])
        comparison = compare(rows, hits(model, outputs, clips)[level], others[level], clip_programmes(clips, rows))
        figures["against"] = {"classifier": str(against), **comparison.as_json(clips.store.videos["id"].to_pylist())}
    tables = _tables(figures)
    if classes is not None:
        write_class_table(classes, model, clips, outputs)
    if page is not None:
        write_evaluation_page(
            page, model, clips, outputs, tables=tables, comparison=comparison, against=str(against or "")
        )
    lines = [f"{figures['n']} clips of {figures['intervals']['programmes']} programmes"]
    for heading, header, cells in tables:
        lines += ["", heading, table(header, cells)]
    return Result(_finite(figures), "\n".join(lines))


def open_classifier(folder: Path, store: FrameStore) -> tuple[GatedFusionClassifier, StoreClips]:
    """Open a classifier on the fastest device, and the clips of a store prepared for it.

    Raises:
        FolderError: the folder is no classifier.
        LabelError: the store has labels that the classifier's taxonomy does not know.
    """
    model = GatedFusionClassifier.from_pretrained(folder)
    model.to("cuda" if torch.cuda.is_available() else "cpu")
    check_labels(store, model.taxonomy)
    labels = label_nodes(store, model.taxonomy)
    features = frozen_features(model, store, model.sampling, labels=labels)
    return model, StoreClips(store, model.prepare, model.sampling, labels=labels, features=features)


def _tables(figures: dict[str, Any]) -> list[tuple[str, list[str], list[list[str]]]]:
    """Return the tables of an evaluation: heading, header and rows of each."""
    names = ("top1", "top5", "balanced_accuracy", "map", "ece")
    spans, modalities = figures["intervals"], figures["modalities"]
    tree = [
        ["hierarchical F1", f"{figures['hierarchical_f1']:.3f}", _span(spans["hierarchical_f1"])],
        ["tree distance, edges", f"{figures['tree_distance']:.2f}", _span(spans["tree_distance"])],
        ["GAP@20", f"{figures['gap20']:.3f}", ""],
        *([f"top1, {name} leaves", f"{b['top1']:.3f}", f"{b['n']} clips"] for name, b in figures["bins"].items()),
    ]
    broken = [
        [f"{name}: {kind}", f"{values['top1']:.3f}", f"{values['reliability']:.3f}"]
        for name, kinds in modalities["corruptions"].items()
        for kind, values in kinds.items()
    ]
    found = [
        (
            "Levels (95% intervals over programmes)",
            ["level", *names, "top1 from, to"],
            [
                [level, *(f"{values[name]:.3f}" for name in names), _span(spans["top1"][level])]
                for level, values in figures["levels"].items()
            ],
        ),
        ("Over the tree", ["figure", "value", "from, to"], tree),
        (
            "Top-1 with modalities left out",
            ["modality", "only", "without"],
            [[n, f"{modalities['only'][n]:.3f}", f"{modalities['without'][n]:.3f}"] for n in modalities["only"]],
        ),
        ("Top-1 with a modality broken", ["what is broken", "top1", "its reliability"], broken),
    ]
    if "overlays" in figures:
        overlays = figures["overlays"]
        rows = [
            *([f"level {level}", f"{value:.3f}"] for level, value in overlays["levels"].items()),
            *([f"only {name}", f"{value:.3f}"] for name, value in overlays["only"].items()),
            *([f"without {name}", f"{value:.3f}"] for name, value in overlays["without"].items()),
            *([f"{name}: noise", f"{value:.3f}"] for name, value in overlays["corrupted"].items()),
        ]
        found.append((f"With the overlays of {overlays['clips']} clips swapped", ["", "top1"], rows))
    if "against" in figures:
        other = figures["against"]
        rows = [
            ["its top1", f"{other['top1']:.3f}", ""],
            ["this one's less its", f"{other['difference']:+.3f}", _span((other["low"], other["high"]))],
            *([how, str(len(other[how])), Name(_some(other[how]))] for how in ("corrected", "spoilt")),
        ]
        found.append((f"Against {other['classifier']}", ["", "value", "from, to; or which clips"], rows))
    return found


def _some(ids: list[str], max_ids: int = 8) -> str:
    """Return the first ids as text, and how many more there are."""
    return ", ".join(ids[:max_ids]) + (f" and {len(ids) - max_ids} more" if len(ids) > max_ids else "")


def _finite(value: Any) -> Any:
    """Return ``value`` with None in the place of each NaN, which JSON cannot express."""
    if isinstance(value, dict):
        return {key: _finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(inner) for inner in value]
    return None if isinstance(value, float) and math.isnan(value) else value


def _span(interval: tuple[float, float]) -> str:
    return f"{interval[0]:.3f}, {interval[1]:.3f}"
