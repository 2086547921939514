"""The sentence that says whether a run still learns."""

from typing import Any

import pytest

from framegate.ssl.learning_state import learning_words


def rows(
    *, kept: list[float] = (), knn: list[float] = (), lr: list[float] | None = None, **more: float
) -> list[dict[str, Any]]:
    count = max(len(kept), len(knn))
    made: list[dict[str, Any]] = []
    for place in range(count):
        row = {"step": 10 * (place + 1), "lr": 1.0 if lr is None else lr[place], **more}
        if place < len(kept):
            row["neighbours_kept"] = kept[place]
        if place < len(knn):
            row["knn_leaf"] = knn[place]
        made.append(row)
    return made


@pytest.mark.parametrize(
    ("kept", "words"),
    [
        ([0.3, 0.4, 0.5, 0.5, 0.5], "Still gaining: 50%"),
        ([0.3, 0.6, 0.8, 0.85, 0.84], "Slowing: 83%"),
        ([0.3, 0.6, 0.95, 0.94, 0.96], "Flat since step 30"),
    ],
)
def test_neighbours_that_change_mean_that_it_learns(kept: list[float], words: str):
    assert (learning_words(rows(kept=kept)) or "").startswith(words)


def test_what_settles_because_the_rate_falls_is_not_called_flat():
    kept, lr = [0.4, 0.5, 0.5, 0.6, 0.9, 0.97, 0.99], [1.0, 1.0, 0.9, 0.7, 0.3, 0.1, 0.0]
    assert (learning_words(rows(kept=kept, lr=lr)) or "").startswith("Still gaining")


def test_accuracy_decides_where_it_was_measured():
    gaining = rows(kept=[0.95] * 8, knn=[0.1, 0.2, 0.25, 0.3, 0.33, 0.36, 0.38, 0.41])
    flat = rows(kept=[0.3] * 8, knn=[0.1, 0.2, 0.3, 0.4, 0.4, 0.401, 0.399, 0.4])
    assert (learning_words(gaining) or "").startswith("Still gaining: kNN accuracy was best, 41.0%, at step 80")
    assert (learning_words(flat) or "").startswith("Flat since step 40")


def test_agreement_with_a_teacher_decides_where_there_is_no_accuracy():
    student = [{"step": step, "lr": 1.0, "neighbours_shared": step / 10, "neighbours_kept": 0.95} for step in range(9)]
    assert (learning_words(student) or "").startswith("Still gaining: the share of neighbours that the teacher finds")


def test_a_falling_accuracy_is_not_a_gain():
    assert (learning_words(rows(knn=[0.2, 0.4, 0.3, 0.25, 0.2])) or "").startswith("Flat since step 20")


def test_a_collapse_comes_first():
    fallen = rows(kept=[0.99] * 5, embedding_std=0.01, embedding_rank=9.0)
    assert "collapsed" in (learning_words(fallen) or "")


def test_too_few_values_say_nothing():
    assert learning_words(rows(kept=[0.5, 0.5, 0.5])) is None
    assert learning_words([{"step": 1, "loss": 2.0}]) is None
