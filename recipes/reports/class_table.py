"""A table of classes: how well each is recognised, and what it is confused with."""

import csv
import io
from pathlib import Path

import numpy as np
from sklearn.metrics import average_precision_score, precision_recall_fscore_support

from framegate.finetune.classifier import GatedFusionClassifier
from framegate.finetune.data.batch import MODALITIES
from framegate.recipes.finetuning.clips import StoreClips
from framegate.recipes.finetuning.measure import ClipOutputs
from framegate.recipes.reports.csv_cell import text_cell
from framegate.recipes.reports.outputs import CLASS_COLUMNS, write_output

COLUMNS = (
    *CLASS_COLUMNS,
    *("average_precision", "taken_for", "taken_for_share"),
    *(f"reliability_{name}" for name in MODALITIES),
)


def write_class_table(path: Path, model: GatedFusionClassifier, clips: StoreClips, outputs: ClipOutputs) -> None:
    """Write a CSV of the leaves: training and test clips, precision, recall, F1, average precision, confusions.

    Figures of leaves without test clips are empty; ``taken_for`` is the most frequent wrong answer.
    """
    tree = model.taxonomy
    labels = outputs.nearest(model, clips.labels)
    known = np.isin(labels, tree.leaves)
    labels, probs = labels[known], outputs.probabilities[known]
    best = tree.leaves[probs[:, tree.leaves].argmax(axis=1)]
    # scikit-learn takes no empty table: all labels may be of inner nodes
    scores = precision_recall_fscore_support(labels, best, labels=tree.leaves, zero_division=0) if len(labels) else ()
    counts = model.counts.cpu().numpy()
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for number, leaf in enumerate(tree.leaves):
        of_leaf = labels == leaf
        names = (text_cell(tree.ids[leaf]), text_cell(tree.name_path(int(leaf))))
        row: list[object] = [*names, int(counts[leaf]), int(of_leaf.sum())]
        if of_leaf.any():
            wrong = np.bincount(best[of_leaf & (best != leaf)], minlength=len(tree))
            other = int(wrong.argmax())
            share = f"{wrong[other] / of_leaf.sum():.4f}"
            confused = [text_cell(tree.ids[other]), share] if wrong.any() else ["", ""]
            precision, recall, f1 = (values[number] for values in scores[:3])
            figures = (precision, recall, f1, average_precision_score(of_leaf, probs[:, leaf]))
            trust = outputs.reliability[known][of_leaf].mean(axis=0)
            row += [*(f"{value:.4f}" for value in figures), *confused, *(f"{value:.4f}" for value in trust)]
        writer.writerow(row + [""] * (len(COLUMNS) - len(row)))
    write_output(path, text.getvalue().encode())
