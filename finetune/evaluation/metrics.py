"""How good log p(node) is, level by level and over the whole tree."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from sklearn.metrics import average_precision_score, recall_score
from torchmetrics.functional.classification import binary_calibration_error

from framegate.finetune.data.batch import pad_labels
from framegate.finetune.taxonomy.taxonomy import Taxonomy


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
class BinMetrics:
    """Top-1 among the ``n`` clips of ``classes`` leaves."""

    top1: float
    classes: int
    n: int


@dataclass(frozen=True, kw_only=True)
class Metrics:
    """``levels`` by ``"1"``, ``"2"``, …, ``"leaf"``; hierarchical F1 and GAP@20 in 0..1; tree distance in edges.

    ``bins``: leaf accuracy by how many training clips a leaf had, see :func:`frequency_bins`; empty where unknown.
    """

    levels: dict[str, LevelMetrics]
    hierarchical_f1: float
    tree_distance: float
    gap20: float
    bins: dict[str, BinMetrics]
    n: int

    def as_json(self) -> dict[str, Any]:
        """Return the figures as plain dictionaries, for JSON."""
        return asdict(self)


def evaluate(
    probs: np.ndarray,
    labels: np.ndarray,
    taxonomy: Taxonomy,
    *,
    all_labels: Sequence[Sequence[int]] | None = None,
    counts: np.ndarray | None = None,
) -> Metrics:
    """Evaluate the predictions for n clips.

    Args:
        probs: p(node), (n, N), as of ``ClassifierOutput.log_probs.exp()``.
        labels: nodes (n,), leaves or, where only that is known, inner nodes; of several the :func:`nearest_labels`.
        taxonomy: the tree of N nodes.
        all_labels: every label of each clip, for GAP and the average precisions; default: ``labels`` alone.
        counts: training clips at or below each node (N,), for the bins.

    Raises:
        ValueError: there are no clips.
    """
    if not len(labels):
        raise ValueError("there are no labelled clips to evaluate")
    every = [(int(label),) for label in labels] if all_labels is None else all_labels
    padded = pad_labels(every).numpy()
    table = ancestor_table(taxonomy)
    truth = table[labels]  # (n, depth): the label's ancestor at each level, -1 where unknown
    of_all = np.where((padded >= 0)[..., None], table[padded], -1)  # (n, K, depth)
    levels = {
        str(level): level_metrics(
            probs, truth[:, level - 1], np.flatnonzero(taxonomy.levels == level), every=of_all[..., level - 1]
        )
        for level in range(1, taxonomy.depth + 1)
        if (truth[:, level - 1] >= 0).any()
    }
    at_leaves = np.where(np.isin(labels, taxonomy.leaves), labels, -1)
    if (at_leaves >= 0).any():
        leaves_of_all = np.where(np.isin(padded, taxonomy.leaves), padded, -1)
        levels["leaf"] = level_metrics(probs, at_leaves, taxonomy.leaves, every=leaves_of_all)
    f1, distance = tree_metrics(probs, labels, taxonomy)
    return Metrics(
        levels=levels,
        hierarchical_f1=f1,
        tree_distance=distance,
        gap20=global_average_precision(probs, every, taxonomy.leaves),
        bins={} if counts is None else frequency_bins(probs, at_leaves, taxonomy.leaves, counts),
        n=len(labels),
    )


def nearest_labels(probs: np.ndarray, all_labels: Sequence[Sequence[int]], taxonomy: Taxonomy) -> np.ndarray:
    """Choose the label that each clip is judged by (n,): the nearest to its best leaf, the first of equally near ones.

    A label that is an ancestor of another label of the clip is ignored.
    """
    chosen = np.array([labels[0] for labels in all_labels], dtype=np.int64)
    several = [row for row, labels in enumerate(all_labels) if len(labels) > 1]
    if not several:
        return chosen
    deepest = [_deepest(all_labels[row], taxonomy) for row in several]
    counts = [len(labels) for labels in deepest]
    best = np.repeat(best_leaves(probs[several], taxonomy), counts)
    common, predicted, true = shared_nodes(best, np.concatenate(deepest), taxonomy)
    distances = np.split(predicted + true - 2 * common, np.cumsum(counts)[:-1])
    for row, labels, apart in zip(several, deepest, distances, strict=True):
        chosen[row] = labels[apart.argmin()]
    return chosen


def _deepest(labels: Sequence[int], taxonomy: Taxonomy) -> np.ndarray:
    above = {node for label in labels for node in taxonomy.path(label)[:-1]}
    return np.array([label for label in labels if label not in above], dtype=np.int64)


def level_metrics(probs: np.ndarray, truth: np.ndarray, nodes: np.ndarray, *, every: np.ndarray) -> LevelMetrics:
    """Figures among ``nodes`` (C,) for the clips whose ``truth`` (n,) is one of them; -1 is unknown.

    ``every`` (n, K) are all of a clip's classes among them, padded with -1, for the average precisions.
    """
    known = truth >= 0
    scores, target = probs[known][:, nodes], np.searchsorted(nodes, truth[known])
    places = np.where(every[known] >= 0, np.searchsorted(nodes, every[known].clip(min=0)), -1)
    order = np.argsort(-scores, axis=1, kind="stable")
    hits = order == target[:, None]
    return LevelMetrics(
        top1=float(hits[:, 0].mean()),
        top5=float(hits[:, :5].any(axis=1).mean()),
        balanced_accuracy=float(recall_score(target, order[:, 0], labels=np.unique(target), average="macro")),
        map=mean_average_precision(scores, places),
        ece=calibration_error(scores.max(axis=1), hits[:, 0]),
        n=int(known.sum()),
    )


def mean_average_precision(scores: np.ndarray, target: np.ndarray) -> float:
    """Average over the classes in ``target`` (n, K), padded with -1, the average precision of ``scores`` (n, C).

    >>> mean_average_precision(np.array([[0.9, 0.1], [0.2, 0.8]]), np.array([[0], [1]]))
    1.0
    """
    present = np.unique(target[target >= 0])
    return float(np.mean([average_precision_score((target == c).any(axis=1), scores[:, c]) for c in present]))


def calibration_error(confidence: np.ndarray, right: np.ndarray, *, bins: int = 15) -> float:
    """Compute the expected calibration error: mean |confidence − accuracy| over equal-width bins, weighted by clips.

    ``confidence`` (n,) in 0..1, ``right`` (n,) bool.

    >>> calibration_error(np.array([1.0, 1.0]), np.array([True, False]))
    0.5
    """
    found = binary_calibration_error(
        torch.from_numpy(np.clip(confidence, 0, 1)), torch.from_numpy(np.asarray(right, np.int64)), n_bins=bins
    )
    return float(found)


def global_average_precision(
    probs: np.ndarray, labels: Sequence[Sequence[int]], leaves: np.ndarray, *, k: int = 20
) -> float:
    """Compute GAP@k (YouTube-8M): the average precision of the k best leaves of all clips, pooled by probability.

    A label that is not among its clip's best k counts as missed. NaN where no clip is labelled with a leaf.
    """
    among = set(leaves.tolist())
    wanted = [among.intersection(nodes) for nodes in labels]
    total = sum(min(k, len(nodes)) for nodes in wanted)
    if not total:
        return float("nan")
    scores = probs[:, leaves]
    best = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    right = np.array([[leaf in nodes for leaf in leaves[row]] for row, nodes in zip(best, wanted, strict=True)])
    if not right.any():
        return 0.0
    pooled = average_precision_score(right.ravel(), np.take_along_axis(scores, best, axis=1).ravel())
    return float(pooled * right.sum() / total)


def frequency_bins(
    probs: np.ndarray, truth: np.ndarray, leaves: np.ndarray, counts: np.ndarray
) -> dict[str, BinMetrics]:
    """Compute accuracy by training clips per leaf, as for ImageNet-LT: ``head`` > 100, ``medium`` 20–100, ``few`` < 20.

    Bins without test clips are left out. ``truth`` (n,) are leaves, -1 unknown; ``counts`` (N,).
    """
    known = truth >= 0
    right = leaves[probs[known][:, leaves].argmax(axis=1)] == truth[known]
    trained = counts[truth[known]]
    found = {}
    for name, rows in (("head", trained > 100), ("medium", (trained >= 20) & (trained <= 100)), ("few", trained < 20)):
        if rows.any():
            classes = len(np.unique(truth[known][rows]))
            found[name] = BinMetrics(top1=float(right[rows].mean()), classes=classes, n=int(rows.sum()))
    return found


def tree_metrics(probs: np.ndarray, labels: np.ndarray, taxonomy: Taxonomy) -> tuple[float, float]:
    """Compute hierarchical F1 (Kiritchenko et al. 2005) of the best leaves, and their mean distance to labels in edges.

    See :func:`shared_nodes`, whose counts are pooled over the clips.
    """
    common, n_predicted, n_true = path_counts(probs, labels, taxonomy)
    f1 = 2 * common.sum() / (n_predicted.sum() + n_true.sum())
    return float(f1), float((n_predicted + n_true - 2 * common).mean())


def path_counts(probs: np.ndarray, labels: np.ndarray, taxonomy: Taxonomy) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return :func:`shared_nodes` of the best leaves of ``probs`` (n, N) and the labels (n,)."""
    return shared_nodes(best_leaves(probs, taxonomy), labels, taxonomy)


def best_leaves(probs: np.ndarray, taxonomy: Taxonomy) -> np.ndarray:
    """Return the most probable leaf of each clip, (n,)."""
    leaves: np.ndarray = taxonomy.leaves[probs[:, taxonomy.leaves].argmax(axis=1)]
    return leaves


def shared_nodes(best: np.ndarray, labels: np.ndarray, taxonomy: Taxonomy) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Count the nodes that the paths of each predicted leaf and its label share, and the nodes of each: three (n,).

    Paths are sets of ancestors, the nodes themselves included. A label that is an inner node is compared with the
    prediction's ancestor at its level: below it nothing is known.
    """
    table = ancestor_table(taxonomy)
    truth = table[labels]
    is_leaf = np.isin(labels, taxonomy.leaves)[:, None]
    predicted = np.where(is_leaf | (truth >= 0), table[best], -1)
    common = ((predicted == truth) & (truth >= 0)).sum(axis=1)
    return common, (predicted >= 0).sum(axis=1), (truth >= 0).sum(axis=1)


def ancestor_table(taxonomy: Taxonomy) -> np.ndarray:
    """Return each node's path from its root, (N, depth) int64, padded with -1.

    >>> from framegate.finetune.taxonomy.taxonomy import Node
    >>> ancestor_table(Taxonomy((Node("a"), Node("a1", "a")))).tolist()
    [[0, -1], [0, 1]]
    """
    table = np.full((len(taxonomy), taxonomy.depth), -1, dtype=np.int64)
    for node in range(len(taxonomy)):
        path = taxonomy.path(node)
        table[node, : len(path)] = path
    return table
