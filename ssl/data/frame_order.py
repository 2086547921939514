"""The order of training frames: a function of (seed, epoch) that does not depend on workers or processes."""

from dataclasses import dataclass

import numpy as np

from framegate.augment import beside_same_look
from framegate.ssl.data.epoch_order import EpochOrder


@dataclass(frozen=True, kw_only=True)
class FrameOrder(EpochOrder):
    """Batches of anchors for a whole training, from any step on.

    Frames of one video lie at even distances in the epoch, so that a batch holds as many sources as possible. Frames of
    different sources with the same look are moved into the same batch, so that looks do not tell a query from its
    negatives.

    Args (besides those of `EpochOrder`):
        video_of: (frames,) int, the video of each anchor candidate.
        frames: (frames,) int64, the number of each candidate in the store.
        frames_per_video: an epoch takes this many random frames of each video; None: each frame once.
        looks: (videos,) int, equal for videos that share a look, −1 for none; None: no frames are moved.
        same_look: share of the frames with a look that are moved beside others of it.
    """

    video_of: np.ndarray
    frames: np.ndarray
    frames_per_video: int | None
    looks: np.ndarray | None = None
    same_look: float = 0.0

    @property
    def items_per_epoch(self) -> int:
        """Number of anchors in an epoch."""
        if self.frames_per_video is None:
            return len(self.frames)
        return int(np.minimum(np.bincount(self.video_of), self.frames_per_video).sum())

    def epoch_items(self, epoch: int) -> np.ndarray:
        """Return the anchors of an epoch in order, as numbers of frames in the store."""
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
