import numpy as np
import pytest
from sklearn.metrics import accuracy_score, balanced_accuracy_score

from framegate.ssl.probes.accuracy import grouped_accuracy


def answers(seed: int, *, rows: int = 200, right: float = 0.7) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Uneven classes 2, 3 and 7, and groups of rows that are right or wrong together."""
    rng = np.random.default_rng(seed)
    true = rng.choice([2, 3, 7], size=rows, p=[0.7, 0.2, 0.1])
    group = rng.integers(0, 20, size=rows)
    is_right = (rng.random(20) < right)[group]
    return np.where(is_right, true, (true + 1) % 9), true, group


@pytest.mark.parametrize("seed", range(5))
def test_accuracies_are_scikit_learns(seed):
    predicted, true, group = answers(seed)
    accuracy = grouped_accuracy(predicted, true, group)
    assert accuracy.plain == pytest.approx(accuracy_score(true, predicted))
    share = [np.mean(predicted[true == label] == label) for label in np.unique(true)]
    assert accuracy.balanced == pytest.approx(np.mean(share))
    known = np.isin(predicted, true)  # scikit-learn warns of predicted classes that never occur
    assert grouped_accuracy(predicted[known], true[known], group[known]).balanced == pytest.approx(
        balanced_accuracy_score(true[known], predicted[known])
    )


@pytest.mark.parametrize("seed", range(5))
def test_the_interval_holds_the_point(seed):
    accuracy = grouped_accuracy(*answers(seed))
    assert 0 <= accuracy.low < accuracy.balanced < accuracy.high <= 1


def test_rows_of_few_groups_are_less_certain_than_as_many_independent_ones():
    predicted, true, group = answers(0, rows=400)
    few = grouped_accuracy(predicted, true, group)
    each = grouped_accuracy(predicted, true, np.arange(400))
    assert few.balanced == each.balanced
    assert few.high - few.low > 1.5 * (each.high - each.low)


def test_more_groups_are_more_certain():
    predicted, true, group = answers(0)
    copies = [np.concatenate([array] * 9) for array in (predicted, true)]
    many = grouped_accuracy(*copies, np.concatenate([group + 20 * copy for copy in range(9)]))
    few = grouped_accuracy(predicted, true, group)
    assert (few.high - few.low) / (many.high - many.low) == pytest.approx(3, rel=0.25)


def test_a_single_group_has_nothing_to_resample():
    accuracy = grouped_accuracy(np.array([1, 1, 0]), np.array([1, 0, 0]), np.array(["p", "p", "p"]))
    assert accuracy.low == accuracy.balanced == accuracy.high == pytest.approx(0.75)


def test_the_interval_is_a_function_of_its_seed():
    assert grouped_accuracy(*answers(0), seed=3) == grouped_accuracy(*answers(0), seed=3)
    assert grouped_accuracy(*answers(0), seed=3) != grouped_accuracy(*answers(0), seed=4)


def test_no_rows_are_an_error():
    nothing = np.array([], dtype=np.int64)
    with pytest.raises(ValueError, match="no rows"):
        grouped_accuracy(nothing, nothing, nothing)
