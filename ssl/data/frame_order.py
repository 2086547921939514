"""The order of training frames: a function of (seed, epoch) that does not depend on workers or processes."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from framegate.augment import beside_same_look
from framegate.ssl.data.epoch_batches import epoch_batches


@dataclass(frozen=True, kw_only=True)
class FrameOrder:
    """Batches of anchors for a whole training, from any step on.

    Frames of one video lie at even distances in the epoch, so that a batch holds as many sources as possible. Frames of
    different sources with the same look are moved into the same batch, so that looks do not tell a query from its
    negatives.

    Args:
        video_of: (frames,) int, the video of each anchor candidate.
        frames: (frames,) int64, the number of each candidate in the store.
        batch_size: anchors of one optimizer update, over all processes and accumulated micro-batches.
        epochs: passes over the candidates.
        frames_per_video: an epoch takes this many random frames of each video; None: each frame once.
        seed: with the epoch, decides the order.
        looks: (videos,) int, equal for videos that share a look, −1 for none; None: no frames are moved.
        same_look: share of the frames with a look that are moved beside others of it.
    """

    video_of: np.ndarray
    frames: np.ndarray
    batch_size: int
    epochs: int
    frames_per_video: int | None
    seed: int
    looks: np.ndarray | None = None
    same_look: float = 0.0

    @property
    def steps_per_epoch(self) -> int:
        """Number of full batches in one epoch (the last, short one is dropped)."""
        return self._anchors_per_epoch // self.batch_size

    @property
    def total_steps(self) -> int:
        """Number of optimizer updates of the whole training."""
        return self.epochs * self.steps_per_epoch

    def batches(self, first_step: int) -> Iterator[tuple[int, np.ndarray]]:
        """Yield (epoch, numbers of frames (batch_size,)) from ``first_step`` to the end."""
        return epoch_batches(
            self._epoch,
            batch_size=self.batch_size,
            steps_per_epoch=self.steps_per_epoch,
            epochs=self.epochs,
            first_step=first_step,
        )

    @property
    def _anchors_per_epoch(self) -> int:
        if self.frames_per_video is None:
            return len(self.frames)
        return int(np.minimum(np.bincount(self.video_of), self.frames_per_video).sum())

    def _epoch(self, epoch: int) -> np.ndarray:
        rng = np.random.default_rng([self.seed, epoch])
        shuffled = rng.permutation(len(self.frames))
        # Stable sorting keeps the shuffle within a video, so that ranks within videos are random too.
        by_video = shuffled[np.argsort(self.video_of[shuffled], kind="stable")]
        counts = np.bincount(self.video_of)
        rank = np.arange(len(by_video)) - np.repeat(np.cumsum(counts) - counts, counts)
        if self.frames_per_video is not None:
            by_video, rank = by_video[rank < self.frames_per_video], rank[rank < self.frames_per_video]
            counts = np.minimum(counts, self.frames_per_video)
        # The k-th of n frames goes somewhere into the k-th of n equal parts of the epoch.
        position = (rank + rng.random(len(by_video))) / np.repeat(counts, counts)
        order = by_video[np.argsort(position, kind="stable")]
        if self.looks is not None:
            order = beside_same_look(order, self.looks[self.video_of], rng=rng, share=self.same_look)
        return self.frames[order]
