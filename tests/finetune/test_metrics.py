import numpy as np
import pytest

from framegate.finetune.metrics import calibration_error, evaluate
from framegate.finetune.taxonomy import Node, Taxonomy

TAXONOMY = Taxonomy((Node("a"), Node("b"), Node("a1", "a"), Node("a2", "a"), Node("b1", "b"), Node("b2", "b")))
A, B, A1, A2, B1, B2 = range(6)


def sure_of(*nodes):
    """p(node) of clips that are all but certain of ``nodes``."""
    probs = np.zeros((len(nodes), 6))
    for row, node in enumerate(nodes):
        probs[row, TAXONOMY.path(node)] = 1.0
    return probs


def test_a_perfect_model():
    labels = np.array([A1, A2, B1, B2])
    metrics = evaluate(sure_of(*labels), labels, TAXONOMY)
    for level in metrics.levels.values():
        assert (level.top1, level.top5, level.balanced_accuracy, level.map, level.ece) == (1, 1, 1, 1, 0)
    assert metrics.hierarchical_f1 == 1
    assert metrics.tree_distance == 0
    assert set(metrics.levels) == {"1", "2", "leaf"}


def test_a_mistake_costs_what_the_tree_says():
    near = evaluate(sure_of(A2), np.array([A1]), TAXONOMY)
    far = evaluate(sure_of(B1), np.array([A1]), TAXONOMY)
    assert (near.tree_distance, far.tree_distance) == (2, 4)
    assert (near.hierarchical_f1, far.hierarchical_f1) == (0.5, 0)
    assert (near.levels["1"].top1, near.levels["2"].top1) == (1, 0)


def test_balanced_accuracy_weighs_classes_not_clips():
    labels = np.array([A1] * 9 + [B1])
    metrics = evaluate(sure_of(*[A1] * 10), labels, TAXONOMY)
    assert metrics.levels["leaf"].top1 == pytest.approx(0.9)
    assert metrics.levels["leaf"].balanced_accuracy == pytest.approx(0.5)
    wrong_class = evaluate(sure_of(*[A1] * 9, B2), labels, TAXONOMY)
    assert wrong_class.levels["leaf"].balanced_accuracy == pytest.approx(0.5)


def test_a_label_that_is_an_inner_node_counts_down_to_itself():
    metrics = evaluate(sure_of(A1, A2), np.array([A, A2]), TAXONOMY)
    assert metrics.levels["1"].n == 2
    assert metrics.levels["leaf"].n == 1
    assert metrics.hierarchical_f1 == 1
    assert metrics.tree_distance == 0


def test_calibration_error_is_the_gap_between_confidence_and_accuracy():
    confidence, right = np.full(100, 0.8), np.arange(100) < 60
    assert calibration_error(confidence, right) == pytest.approx(0.2)
    assert calibration_error(np.ones(3), np.ones(3, dtype=bool)) == 0


def test_no_clips_is_an_error():
    with pytest.raises(ValueError, match="no labelled clips"):
        evaluate(np.zeros((0, 6)), np.zeros(0, dtype=int), TAXONOMY)
