"""The figures of a fine-tuning's page: of any tree, with any names."""

import io

import numpy as np
from matplotlib.figure import Figure

from framegate.finetune.taxonomy.taxonomy import Node, Taxonomy
from framegate.recipes.reports.finetune_report import confusion_matrix, most_confused


def flat(leaves: int) -> Taxonomy:
    return Taxonomy(tuple(Node(f"x{number}", name=f"a $_$ {number}") for number in range(leaves)))


def shares(figure: Figure) -> np.ndarray:
    return np.asarray(figure.axes[0].images[0].get_array())


def test_of_a_large_tree_the_leaves_with_most_wrong_answers_are_drawn() -> None:
    tree = flat(20_000)
    right = np.arange(1_000)  # many clips, none of them confused
    true = np.concatenate([right, [7_000, 7_000, 7_000, 7_000, 12_345]])
    predicted = np.concatenate([right, [7_000, 19_999, 19_999, 19_998, 19_999]])
    leaves = most_confused(true, predicted, tree)
    assert len(leaves) == 60
    assert (np.diff(leaves) > 0).all()
    assert {7_000, 12_345, 19_998, 19_999} <= set(leaves)

    drawn = shares(confusion_matrix(true, predicted, tree, leaves))
    of, into = np.searchsorted(leaves, [7_000, 19_999])
    assert drawn.shape == (60, 60)
    assert drawn[of, into] == 0.5
    assert drawn[of, of] == 0.25


def test_shares_are_of_all_clips_of_a_leaf_whatever_is_drawn() -> None:
    true, predicted = np.array([0, 0, 0, 0]), np.array([0, 1, 2, 2])
    drawn = shares(confusion_matrix(true, predicted, flat(3), np.array([0, 1])))
    np.testing.assert_array_equal(drawn, [[0.25, 0.25], [0, 0]])


def test_every_leaf_of_a_small_tree_is_drawn_and_its_name_is_no_formula() -> None:
    tree = flat(4)
    true, predicted = np.array([0, 1]), np.array([0, 3])
    leaves = most_confused(true, predicted, tree)
    assert list(leaves) == [0, 1, 2, 3]
    confusion_matrix(true, predicted, tree, leaves).savefig(io.BytesIO())
