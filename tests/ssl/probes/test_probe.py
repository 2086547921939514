"""Probes on features whose answers are known."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from framegate.ssl.probes.linear_probe import GRID, centred_unit, choose_c, fit_linear, nearest_mean
from framegate.ssl.probes.probe import ProbeFrames, few_shot_probe, knn_probe, linear_probe
from framegate.ssl.probes.probe_split import ProbeError, level_splits


def labelled(classes: int = 4, clips: int = 9) -> ProbeFrames:
    """Two frames a clip, each clip a programme of its own; of each nine clips of a class 5 to learn from."""
    video = np.repeat(np.arange(classes * clips), 2)
    split = np.array(["train"] * 5 + ["val"] * 2 + ["test"] * 2)[video % clips * 9 // clips]
    names = np.array([f"p{number}" for number in video])
    return ProbeFrames(split=split, programme=names, source=names, video=video, levels={"leaf": video // clips})


def telling(frames: ProbeFrames, *, noise: float, dim: int = 8, seed: int = 0) -> torch.Tensor:
    """Features that name the class, under noise."""
    rng = np.random.default_rng(seed)
    means = rng.normal(size=(int(frames.levels["leaf"].max()) + 1, dim))
    return torch.from_numpy(means[frames.levels["leaf"]] + noise * rng.normal(size=(len(frames.video), dim))).float()


def every_probe(features: torch.Tensor, frames: ProbeFrames) -> list:
    return knn_probe(features, frames) + linear_probe(features, frames) + few_shot_probe(features, frames)


def test_every_protocol_finds_what_is_there_and_nothing_where_nothing_is():
    frames = labelled()
    for row in every_probe(telling(frames, noise=0.01), frames):
        if row.protocol != "knn":  # its memory holds ten frames of a class, and twenty neighbours vote
            assert row.balanced_accuracy == 1.0, row
    noise = torch.from_numpy(np.random.default_rng(1).normal(size=(len(frames.video), 8))).float()
    assert all(row.balanced_accuracy < 0.7 for row in every_probe(noise, frames))


def test_rows_say_what_they_depend_on():
    frames = labelled()
    rows = every_probe(telling(frames, noise=1.0), frames)
    assert [(row.protocol, row.shots) for row in rows] == [
        ("knn", None),
        ("linear", None),
        ("few_shot", 1),
        ("few_shot", 5),
        ("few_shot", 20),
    ]
    assert (rows[0].k, rows[0].tau) == (20, 0.1)
    assert rows[1].c in GRID
    assert all(row.low <= row.balanced_accuracy <= row.high and row.classes == 4 for row in rows)


def test_probes_are_functions_of_their_input():
    frames = labelled()
    features = telling(frames, noise=1.5)
    assert every_probe(features, frames) == every_probe(features, frames)


def test_more_shots_tell_more():
    frames = labelled(classes=6, clips=36)
    one, five, twenty = few_shot_probe(telling(frames, noise=2.0, dim=16), frames)
    assert one.balanced_accuracy < five.balanced_accuracy < twenty.balanced_accuracy


@pytest.mark.parametrize("what", ["programme", "source"])
def test_what_is_held_out_is_not_learnt_from(what):
    frames = labelled()
    shared = getattr(frames, what).copy()
    shared[frames.video == 0] = "shared"  # learnt from
    shared[frames.video == 7] = "shared"  # held out
    (split,), notes = level_splits(replace(frames, **{what: shared}))
    assert not split.train[frames.video == 0].any()
    assert split.test[frames.video == 7].all()
    assert len(notes) == 1 and "1 clips of split train" in notes[0]


def test_the_splits_of_a_level_share_no_programme_even_without_a_validation_split():
    frames = labelled()
    frames = replace(frames, split=np.where(frames.split == "val", "train", frames.split))
    (split,), _ = level_splits(frames)
    parts = [set(frames.programme[mask]) for mask in (split.train, split.val, split.test)]
    assert all(parts)
    assert not (parts[0] & parts[1] or parts[0] & parts[2] or parts[1] & parts[2])
    assert set(split.classes[split.val]) <= set(split.classes[split.train])


def test_a_class_with_one_clip_is_left_out_and_said_so():
    frames = labelled()
    lonely = np.where(frames.video == 8, 99, frames.levels["leaf"])  # a clip that is held out
    (split,), notes = level_splits(replace(frames, levels={"leaf": lonely}))
    assert not split.test[frames.video == 8].any()
    assert any("1 of 5 classes" in note for note in notes)


def test_nothing_labelled_on_both_sides_is_an_error():
    frames = labelled()
    with pytest.raises(ProbeError, match="train and test"):
        level_splits(replace(frames, split=np.full(len(frames.split), "train")))
    with pytest.raises(ProbeError):
        level_splits(replace(frames, levels={"leaf": np.full(len(frames.split), -1)}))


def test_the_penalty_that_does_best_on_validation_is_chosen():
    frames = labelled(classes=3, clips=27)
    features, classes = telling(frames, noise=3.0, dim=64).numpy(), frames.levels["leaf"]
    train, val = frames.split == "train", frames.split == "val"
    chosen = choose_c(features[train], classes[train], features[val], classes[val])
    scores = {
        c: (fit_linear(features[train], classes[train], c=c).predict(features[val]) == classes[val]).mean()
        for c in GRID
    }
    assert scores[chosen] == max(scores.values())
    assert scores[chosen] > min(scores.values())


def test_the_nearest_mean_is_found():
    means = np.array([[0.0, 1.0], [1.0, 0.0], [-1.0, 0.0]])
    rng = np.random.default_rng(0)
    queries = centred_unit(rng.normal(size=(50, 2)), np.zeros(2))
    expected = [int(np.linalg.norm(means - query, axis=1).argmin()) for query in queries]
    assert nearest_mean(means, np.arange(3), queries).tolist() == expected
