import numpy as np
import pytest

from framegate.finetune.evaluation.bootstrap import ratio_interval
from framegate.finetune.evaluation.metrics import calibration_error, evaluate, global_average_precision, nearest_labels
from framegate.finetune.taxonomy.taxonomy import Node, Taxonomy

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


def test_a_clip_of_several_labels_counts_by_the_one_nearest_to_its_answer():
    every = [(B1, A1), (A1, B2), (A2,), (A, B)]
    probs = sure_of(A1, B1, A2, A1)
    labels = nearest_labels(probs, every, TAXONOMY)
    assert labels.tolist() == [A1, B2, A2, A]
    assert nearest_labels(probs[:1], [(A, A2)], TAXONOMY).tolist() == [A2]  # A says no more than A2 does
    metrics = evaluate(probs, labels, TAXONOMY, all_labels=every)
    assert metrics.levels["1"].top1 == 1
    assert metrics.levels["leaf"].top1 == pytest.approx(2 / 3)
    # Of A1 the first clip is right and the second missed, of B1 and B2 each is missed; A2 is right.
    a1 = (1 + 2 / 3) / 2  # the second clip and the third tie for the next place
    assert metrics.levels["leaf"].map == pytest.approx((a1 + 1 + 1 / 3 + 1 / 3) / 4)


def test_calibration_error_is_the_gap_between_confidence_and_accuracy():
    confidence, right = np.full(100, 0.8), np.arange(100) < 60
    assert calibration_error(confidence, right) == pytest.approx(0.2)
    assert calibration_error(np.ones(3), np.ones(3, dtype=bool)) == 0


def test_no_clips_is_an_error():
    with pytest.raises(ValueError, match="no labelled clips"):
        evaluate(np.zeros((0, 6)), np.zeros(0, dtype=int), TAXONOMY)


def test_gap_is_the_average_precision_of_all_predictions_together():
    probs = np.zeros((2, 6))
    probs[0, [A1, A2, B1, B2]] = 0.6, 0.2, 0.1, 0.1
    probs[1, [A1, A2, B1, B2]] = 0.5, 0.3, 0.15, 0.05
    labels = np.array([A1, A2])
    # By falling confidence: .6 right (1/1), .5 wrong, .3 right (2/3); both labels are found.
    assert evaluate(probs, labels, TAXONOMY).gap20 == pytest.approx((1 + 2 / 3) / 2)
    assert global_average_precision(probs, [(A1,), (A2,)], TAXONOMY.leaves, k=1) == pytest.approx(1 / 2)
    assert global_average_precision(probs, [(A1, A2), (A2,)], TAXONOMY.leaves) > 0.8
    assert np.isnan(global_average_precision(probs, [(A,), ()], TAXONOMY.leaves))


def test_bins_follow_the_training_clips_of_each_leaf():
    labels, counts = np.array([A1, A2, B1, B2]), np.array([300, 60, 200, 100, 50, 19])
    bins = evaluate(sure_of(A1, A1, B1, B1), labels, TAXONOMY, counts=counts).bins
    assert {name: (b.top1, b.classes, b.n) for name, b in bins.items()} == {
        "head": (1, 1, 1),
        "medium": (0.5, 2, 2),
        "few": (0, 1, 1),
    }
    assert set(evaluate(sure_of(A1), labels[:1], TAXONOMY, counts=counts).bins) == {"head"}


def test_an_interval_is_of_programmes_not_of_clips():
    rng = np.random.default_rng(0)
    programmes = np.repeat(np.arange(40), 25)
    right = np.repeat(rng.random(40) < 0.5, 25).astype(float)  # all clips of a programme alike
    ones = np.ones_like(right)
    low, high = ratio_interval(right, ones, programmes)
    assert low < right.mean() < high
    assert high - low == pytest.approx(2 * 1.96 * 0.5 / 40**0.5, rel=0.15)
    alone = ratio_interval(right, ones, np.arange(1000))
    assert alone[1] - alone[0] == pytest.approx(2 * 1.96 * 0.5 / 1000**0.5, rel=0.15)
    assert np.isnan(ratio_interval(right, ones, np.zeros(1000))).all()
