"""Choose the frames of an audit, and compute their features with any overlay."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from framegate.augment import plain_view
from framegate.media import FrameStore, split_labels
from framegate.ssl.audit.audit_overlays import LookKind, paint
from framegate.ssl.probes.probe_split import UNKNOWN, ProbeError, ProbeFrames, level_splits

CLASSES = 12
"""Largest number of classes in an audit: those with the most frames."""


@dataclass(frozen=True, kw_only=True)
class AuditFrames:
    """The frames of an audit.

    Attributes:
        number: (N,) int, in the store.
        fit: (N,) bool; probes learn from these frames and are measured on the others.
        group: (N,) int, the independent group of each frame; no group is on both sides.
        video: (N,) int, the clip of each frame.
        classes: (N,) int64 from 0; None without labels.
        notes: sentences about what was left out.
    """

    number: np.ndarray
    fit: np.ndarray
    group: np.ndarray
    video: np.ndarray
    classes: np.ndarray | None
    notes: tuple[str, ...]


def choose_frames(numbers: np.ndarray, frames: ProbeFrames, *, max_frames: int, level: str = "leaf") -> AuditFrames:
    """Choose frames from many clips and evenly from the classes, a third of them to measure on.

    With labels, probes learn from the training split and are measured on the test split. Without labels, or if the
    splits do not share two classes, all frames are divided by programme, by file or by clip: by the first of which
    there are several.

    Args:
        numbers: (N,) the numbers of the frames in the store.
        frames: splits, programmes, sources and classes of the frames.
        max_frames: number of frames on both sides together.
        level: the level whose classes are taken.

    Raises:
        ProbeError: there is only one clip.
    """
    labelled = _labelled_sides(frames, level)
    notes: tuple[str, ...]
    if labelled is not None:
        classes, fit, test, notes = labelled
        group = np.unique(frames.programme, return_inverse=True)[1]
        sides = [
            _choose_evenly(fit, frames.video, 2 * max_frames // 3, classes),
            _choose_evenly(test, frames.video, max_frames // 3, classes),
        ]
    else:
        classes = None
        group, notes = _groups(frames)
        fit = _two_thirds(group)
        sides = [
            _choose_evenly(fit, frames.video, 2 * max_frames // 3),
            _choose_evenly(~fit, frames.video, max_frames // 3),
        ]
    chosen = np.concatenate(sides)
    return AuditFrames(
        number=numbers[chosen],
        fit=np.repeat([True, False], [len(side) for side in sides]),
        group=group[chosen],
        video=frames.video[chosen],
        classes=None if classes is None else classes[chosen],
        notes=notes,
    )


def category_names(store: FrameStore, chosen: AuditFrames) -> tuple[str, ...]:
    """Return the last part of a label of each class, in the order of the classes; none without labels."""
    if chosen.classes is None:
        return ()
    first = np.unique(chosen.classes, return_index=True)[1]
    labels = store.videos["label"].take(chosen.video[first]).to_pylist()
    return tuple(next(iter(split_labels(label or "")), "").rpartition("/")[2] for label in labels)


class PaintedFeatures:
    """Features of an audit's frames, plain or painted.

    Args:
        backbone: (B, 3, S, S) uint8 → (B, dim).
        store: where frames come from.
        numbers: (N,) numbers of frames in the store.
        image_size: pixels a side, S.
        seed: of the banks of looks.
        words: what the looks of ``words`` write; see `bank_words`.
        on_progress: called with the number of pictures done so far.
    """

    def __init__(
        self,
        backbone: nn.Module,
        store: FrameStore,
        numbers: np.ndarray,
        *,
        image_size: int,
        seed: int,
        words: Sequence[str] = (),
        on_progress: Callable[[int], None] | None = None,
    ):
        self.backbone = backbone
        self.numbers = numbers
        self.seed = seed
        self.words = words
        self.views = np.stack([plain_view(store.jpeg(int(number)), image_size) for number in numbers])
        self._on_progress = on_progress
        self._done = 0

    def plain(self) -> np.ndarray:
        """Compute the features (N, dim) float32 of the plain frames."""
        return self.of(self.views)

    def painted(self, kind: LookKind, overlays: np.ndarray, rows: np.ndarray | None = None) -> np.ndarray:
        """Compute features (N or M, dim) float32 of the frames, or of ``rows`` (M,), with a look on each."""
        rows = np.arange(len(self.numbers)) if rows is None else rows
        frames = self.numbers[rows]
        return self.of(paint(self.views[rows], kind, overlays, frames, seed=self.seed, words=self.words))

    @torch.no_grad()
    def of(self, views: np.ndarray, *, batch_size: int = 128) -> np.ndarray:
        """Compute the features (M, dim) float32 of views (M, S, S, 3) uint8; the backbone's mode does not change."""
        was_training = self.backbone.training
        device = next((parameter.device for parameter in self.backbone.parameters()), torch.device("cpu"))
        features = []
        self.backbone.eval()
        try:
            for start in range(0, len(views), batch_size):
                images = torch.from_numpy(views[start : start + batch_size]).permute(0, 3, 1, 2).contiguous()
                features.append(self.backbone(images.to(device)).float().cpu())
                self._done += len(images)
                if self._on_progress:
                    self._on_progress(self._done)
        finally:
            self.backbone.train(was_training)
        return torch.cat(features).numpy()


def _labelled_sides(
    frames: ProbeFrames, level: str
) -> tuple[np.ndarray, np.ndarray, np.ndarray, tuple[str, ...]] | None:
    """Classes (N,), what to fit on and what to test on (N,) bool; None where labels do not allow it."""
    try:
        splits, notes = level_splits(frames)
    except ProbeError:
        return None
    split = next((split for split in splits if split.level == level), splits[-1])
    fit = split.train | (split.val & (frames.split == "train"))
    both = np.intersect1d(split.classes[fit], split.classes[split.test])
    if len(both) < 2:
        return None
    counts = np.bincount(split.classes[fit | split.test], minlength=len(split.names))
    kept = np.sort(both[np.argsort(-counts[both], kind="stable")][:CLASSES])
    if len(kept) < len(split.names):
        notes = (*notes, f"level {split.level}: {len(kept)} of {len(split.names)} classes take part")
    numbers = np.full(len(split.names), UNKNOWN)
    numbers[kept] = np.arange(len(kept))
    classes = np.where(split.classes == UNKNOWN, UNKNOWN, numbers[split.classes])
    return classes, fit & (classes != UNKNOWN), split.test & (classes != UNKNOWN), notes


def _groups(frames: ProbeFrames) -> tuple[np.ndarray, tuple[str, ...]]:
    notes = ["fewer than two classes have clips on both sides: accuracy under overlays is not measured"]
    for name, values in (("programme", frames.programme), ("file", frames.source), ("clip", frames.video)):
        group = np.unique(values, return_inverse=True)[1]
        if group.max(initial=0) > 0:
            if name != "programme":
                notes.append(f"a single programme: the two sides are disjoint by {name} alone")
            return group, tuple(notes)
    raise ProbeError("the audit compares clips: it needs two at least")


def _two_thirds(group: np.ndarray) -> np.ndarray:
    """(N,) bool: two thirds of the groups, one at least on each side."""
    groups = group.max() + 1
    chosen = np.random.default_rng(groups).permutation(groups)[: max(1, min(groups - 1, 2 * groups // 3))]
    return np.isin(group, chosen)


def _choose_evenly(
    mask: np.ndarray, video: np.ndarray, max_frames: int, classes: np.ndarray | None = None
) -> np.ndarray:
    """Choose at most ``max_frames`` of ``mask``'s frames: one of each clip before a second of any, classes in turn."""
    numbers = np.random.default_rng(len(mask)).permutation(np.flatnonzero(mask))
    within = _rank_within(video[numbers])
    numbers = numbers[np.argsort(within, kind="stable")]
    if classes is not None:
        numbers = numbers[np.argsort(_rank_within(classes[numbers]), kind="stable")]
    return np.sort(numbers[:max_frames])


def _rank_within(keys: np.ndarray) -> np.ndarray:
    """(N,) how many equal keys stand before each."""
    order = np.argsort(keys, kind="stable")
    counts = np.unique(keys, return_counts=True)[1]
    rank = np.empty(len(keys), np.int64)
    rank[order] = np.arange(len(keys)) - np.repeat(np.cumsum(counts) - counts, counts)
    return rank
