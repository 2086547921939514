"""Divide a probe's frames into training and test, so that no source and no programme is in both."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from framegate.media.errors import FramegateError

UNKNOWN = -1


class ProbeError(FramegateError, ValueError):
    """Raised when labels or splits do not allow a probe: too few labelled clips, or one class only."""


@dataclass(frozen=True, kw_only=True)
class ProbeFrames:
    """Frames to probe with.

    Shape: ``split``, ``programme`` and ``source`` (N,) str; ``video`` (N,) int, the clip of each; ``levels`` maps a
    level's name to classes (N,) int64, -1 where a frame's class at that level is unknown.
    """

    split: np.ndarray
    programme: np.ndarray
    source: np.ndarray
    video: np.ndarray
    levels: Mapping[str, np.ndarray]


@dataclass(frozen=True, kw_only=True)
class LevelSplit:
    """One level's frames: ``train``, ``val`` and ``test`` (N,) bool, disjoint by programme and by source.

    ``classes`` (N,) int64 counts the classes that have training frames from 0; frames of others are in none of the
    three. ``names`` (C,) holds their numbers in the level.
    """

    level: str
    classes: np.ndarray
    names: np.ndarray
    train: np.ndarray
    val: np.ndarray
    test: np.ndarray


def level_splits(
    frames: ProbeFrames, *, queries: Literal["val", "test"] = "test"
) -> tuple[list[LevelSplit], tuple[str, ...]]:
    """Return the splits of every level that can be measured, and sentences about what was left out.

    Training and validation frames of a programme or source that is also held out are left out, and so are training
    frames of one that is also in the validation split. If no validation frames are left, a fifth of the training
    programmes becomes the validation split.

    Args:
        frames: all frames, with labels at each level.
        queries: the held-out split.

    Raises:
        ProbeError: no level has labelled frames of two classes in both splits.
    """
    frames, notes = without_shared(frames, queries=queries)
    splits = []
    for level, classes in frames.levels.items():
        known = classes != UNKNOWN
        train, test = known & (frames.split == "train"), known & (frames.split == queries)
        names = np.unique(classes[train])
        missing = np.setdiff1d(classes[test], names)
        if len(missing):
            notes.append(
                f"level {level}: {len(missing)} of {len(names) + len(missing)} classes have no clip to learn from "
                "(a class needs clips of two programmes, one in each split) and are left out"
            )
            test &= np.isin(classes, names)
        if not test.any() or len(names) < 2:
            continue
        unmeasured = len(names) - len(np.unique(classes[test]))
        if unmeasured:
            notes.append(f"level {level}: {unmeasured} of {len(names)} classes have no clip to be measured on")
        val = known & (frames.split == "val") & np.isin(classes, names) if queries == "test" else np.zeros_like(test)
        if len(np.unique(classes[val])) < 2:
            val = _fifth_of(train, frames.programme, classes)
            train = train & ~val
        numbers = np.where(np.isin(classes, names), np.searchsorted(names, classes), UNKNOWN)
        splits.append(LevelSplit(level=level, classes=numbers, names=names, train=train, val=val, test=test))
    if not splits:
        raise ProbeError(
            f"no level has labelled frames of two classes in both splits, train and {queries}, that share no programme"
            + "".join(f"; {note}" for note in notes)
        )
    return splits, tuple(notes)


def without_shared(frames: ProbeFrames, *, queries: Literal["val", "test"]) -> tuple[ProbeFrames, list[str]]:
    """Clear the split of frames that share a programme or source with a split that they must be disjoint from.

    Returns:
        The frames with the new splits, and sentences about what was left out.
    """
    split, notes = frames.split.astype(object).copy(), []
    for held_out, leaves in ((queries, "train"), (queries, "val"), ("train", "val")):
        if held_out == leaves:
            continue
        there, here = split == held_out, split == leaves
        shared = here & (
            np.isin(frames.programme, frames.programme[there]) | np.isin(frames.source, frames.source[there])
        )
        if shared.any():
            clips = len(np.unique(frames.video[shared]))
            notes.append(f"{clips} clips of split {leaves} are left out: their programme or file is in {held_out}, too")
            split[shared] = ""
    return replace(frames, split=split), notes


def _fifth_of(train: np.ndarray, programme: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """(N,) bool: about a fifth of the training programmes; none where a class would be left with nothing to learn."""
    programmes = np.unique(programme[train])
    chosen = np.random.default_rng(len(programmes)).permutation(programmes)[: len(programmes) // 5]
    val = train & np.isin(programme, chosen)
    val &= np.isin(classes, classes[train & ~val])
    remaining = np.unique(classes[train & ~val])
    if len(remaining) < len(np.unique(classes[train])):  # give back the programmes of classes that lost all of theirs
        lost = np.setdiff1d(classes[train], remaining)
        val &= ~np.isin(programme, programme[train & np.isin(classes, lost)])
    return val
