"""Measure a classifier folder on a store."""

from pathlib import Path

import torch

from framegate.finetune.classifier import GatedFusionClassifier
from framegate.media import FrameStore
from framegate.recipes.clips import Sampling, StoreClips, frozen_features, label_nodes
from framegate.recipes.evaluation import evaluation, labelled_rows
from framegate.recipes.labels import check_labels
from framegate.recipes.results import Result, table


def evaluate_classifier(folder: Path, store: Path, *, split: str = "test") -> Result:
    """The figures of contracts' ``evaluate``, for one split of the store.

    Raises:
        FolderError: the folder is no classifier.
        LabelError: the split has no labels, or some that the classifier's taxonomy does not know.
    """
    model, clips = open_classifier(folder, FrameStore(store))
    figures = evaluation(model, clips, labelled_rows(clips, split))
    return Result(figures, _text(figures))


def open_classifier(folder: Path, store: FrameStore) -> tuple[GatedFusionClassifier, StoreClips]:
    """A classifier on the fastest device there is, and the clips of a store as it takes them.

    Raises:
        FolderError: the folder is no classifier.
        LabelError: the store has labels that the classifier's taxonomy does not know.
    """
    model = GatedFusionClassifier.from_pretrained(folder)
    model.to("cuda" if torch.cuda.is_available() else "cpu")
    check_labels(store, model.taxonomy)
    clips = StoreClips(
        store,
        model.prepare,
        Sampling.load(folder),
        labels=label_nodes(store, model.taxonomy),
        features=frozen_features(model, store),
    )
    return model, clips


def _text(figures: dict) -> str:
    names = ("top1", "top5", "balanced_accuracy", "map", "ece")
    levels = table(
        ["level", *names],
        [[level, *(f"{values[name]:.3f}" for name in names)] for level, values in figures["levels"].items()],
    )
    modalities = table(
        ["modality", "only", "without", "corrupted"],
        [
            [name, *(f"{figures['modalities'][how][name]:.3f}" for how in ("only", "without", "corrupted"))]
            for name in figures["modalities"]["only"]
        ],
    )
    tree = f"hierarchical F1 {figures['hierarchical_f1']:.3f}, tree distance {figures['tree_distance']:.2f} edges"
    return f"{figures['n']} clips\n{levels}\n{tree}\n\n{modalities}"
