"""How good log p(node) is, level by level and over the whole tree."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from sklearn.metrics import average_precision_score, recall_score

from framegate.finetune.taxonomy import Taxonomy


@dataclass(frozen=True, kw_only=True)
class LevelMetrics:
    """Over the clips whose label is known at this level; all in 0..1.

    ``map`` is the mean of the classes' average precisions, ``ece`` the expected calibration error of the best class.
    """

    top1: float
    top5: float
    balanced_accuracy: float
    map: float
    ece: float
    n: int


@dataclass(frozen=True, kw_only=True)
class Metrics:
    """``levels`` by ``"1"``, ``"2"``, …, ``"leaf"``; hierarchical F1 in 0..1; tree distance in edges."""

    levels: dict[str, LevelMetrics]
    hierarchical_f1: float
    tree_distance: float
    n: int

    def as_json(self) -> dict[str, Any]:
        """Plain dictionaries."""
        return asdict(self)


def evaluate(probs: np.ndarray, labels: np.ndarray, taxonomy: Taxonomy) -> Metrics:
    """All figures for n clips with one label each.

    Args:
        probs: p(node), (n, N), as of ``ClassifierOutput.log_probs.exp()``.
        labels: nodes (n,), leaves or, where only that is known, inner nodes.
        taxonomy: the tree of N nodes.

    Raises:
        ValueError: there are no clips.
    """
    if not len(labels):
        raise ValueError("there are no labelled clips to evaluate")
    truth = _ancestor_table(taxonomy)[labels]  # (n, depth): the label's ancestor at each level, -1 where unknown
    levels = {
        str(level): level_metrics(probs, truth[:, level - 1], np.flatnonzero(taxonomy.levels == level))
        for level in range(1, taxonomy.depth + 1)
        if (truth[:, level - 1] >= 0).any()
    }
    at_leaves = np.where(np.isin(labels, taxonomy.leaves), labels, -1)
    if (at_leaves >= 0).any():
        levels["leaf"] = level_metrics(probs, at_leaves, taxonomy.leaves)
    f1, distance = tree_metrics(probs, labels, taxonomy)
    return Metrics(levels=levels, hierarchical_f1=f1, tree_distance=distance, n=len(labels))


def level_metrics(probs: np.ndarray, truth: np.ndarray, nodes: np.ndarray) -> LevelMetrics:
    """Figures among ``nodes`` (C,) for the clips whose ``truth`` (n,) is one of them; -1 is unknown."""
    known = truth >= 0
    scores, target = probs[known][:, nodes], np.searchsorted(nodes, truth[known])
    order = np.argsort(-scores, axis=1, kind="stable")
    hits = order == target[:, None]
    return LevelMetrics(
        top1=float(hits[:, 0].mean()),
        top5=float(hits[:, :5].any(axis=1).mean()),
        balanced_accuracy=float(recall_score(target, order[:, 0], labels=np.unique(target), average="macro")),
        map=mean_average_precision(scores, target),
        ece=calibration_error(scores.max(axis=1), hits[:, 0]),
        n=int(known.sum()),
    )


def mean_average_precision(scores: np.ndarray, target: np.ndarray) -> float:
    """Mean over the classes that occur in ``target`` (n,) of the average precision of ``scores`` (n, C)."""
    present = np.unique(target)
    return float(np.mean([average_precision_score(target == c, scores[:, c]) for c in present]))


def calibration_error(confidence: np.ndarray, right: np.ndarray, *, bins: int = 15) -> float:
    """Expected calibration error: mean |confidence − accuracy| over equal-width bins, weighted by their clips."""
    place = np.minimum((confidence * bins).astype(int), bins - 1)
    gap = np.bincount(place, weights=confidence - right, minlength=bins)
    return float(np.abs(gap).sum() / len(right))


def tree_metrics(probs: np.ndarray, labels: np.ndarray, taxonomy: Taxonomy) -> tuple[float, float]:
    """Hierarchical F1 (Kiritchenko et al. 2005) of the best leaves, and their mean distance to the labels in edges.

    F1 compares the sets of ancestors of prediction and label, the nodes themselves included, pooled over clips. A label
    that is an inner node is compared with the prediction's ancestor at its level: below it nothing is known.
    """
    table = _ancestor_table(taxonomy)
    truth = table[labels]
    best = taxonomy.leaves[probs[:, taxonomy.leaves].argmax(axis=1)]
    is_leaf = np.isin(labels, taxonomy.leaves)[:, None]
    predicted = np.where(is_leaf | (truth >= 0), table[best], -1)
    common = ((predicted == truth) & (truth >= 0)).sum(axis=1)
    n_predicted, n_true = (predicted >= 0).sum(axis=1), (truth >= 0).sum(axis=1)
    f1 = 2 * common.sum() / (n_predicted.sum() + n_true.sum())
    return float(f1), float((n_predicted + n_true - 2 * common).mean())


def _ancestor_table(taxonomy: Taxonomy) -> np.ndarray:
    """(N, depth) int64: each node's path from its root, padded with -1."""
    table = np.full((len(taxonomy), taxonomy.depth), -1, dtype=np.int64)
    for node in range(len(taxonomy)):
        path = taxonomy.path(node)
        table[node, : len(path)] = path
    return table
