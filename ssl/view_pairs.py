"""The training data: pairs of views of frames in a store, as functions of (seed, epoch, frame)."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset, Sampler

from framegate.augment import Anchor, TwoViews
from framegate.media import FrameStore
from framegate.ssl.frame_order import FrameOrder

_NEIGHBOUR, _DONOR, _SHUFFLE = range(3)  # what a random stream is for; streams of different use never coincide


@dataclass(frozen=True)
class ViewBatch:
    """One process's share of a batch.

    Shape: ``first`` and ``second`` (B, 3, S, S) uint8; ``source`` (B,) int64, equal for frames of one source file.
    """

    first: Tensor
    second: Tensor
    source: Tensor

    def to(self, device: torch.device, *, memory_format: torch.memory_format = torch.contiguous_format) -> "ViewBatch":
        """The batch on another device."""
        return ViewBatch(
            self.first.to(device, non_blocking=True, memory_format=memory_format),
            self.second.to(device, non_blocking=True, memory_format=memory_format),
            self.source.to(device, non_blocking=True),
        )


class ViewPairs(Dataset):
    """Frames of a store as pairs of views.

    Args:
        store: where frames come from.
        views: makes two views of a frame.
        positive_seconds: the second view shows a frame of the same shot at most this far away; 0: the same frame.
        seed: decides neighbours and donors, together with epoch and frame.
    """

    def __init__(self, store: FrameStore, views: TwoViews, *, positive_seconds: float = 0.0, seed: int = 0):
        self.store = store
        self.views = views
        self.positive_seconds = positive_seconds
        self.seed = seed
        self.source_of = source_numbers(store)
        self._by_source = np.argsort(self.source_of, kind="stable")

    def __getitem__(self, item: tuple[int, int]) -> tuple[np.ndarray, np.ndarray, int]:
        """The two views and the source of frame number ``item[1]`` in epoch ``item[0]``."""
        epoch, frame = item
        neighbour = self._neighbour(epoch, frame)
        first, second = self.views(
            self._anchor(frame),
            None if neighbour == frame else self._anchor(neighbour),
            epoch=epoch,
            index=frame,
            donor=self._anchor(self._donor(epoch, frame)),
        )
        return first, second, int(self.source_of[frame])

    def _anchor(self, frame: int) -> Anchor:
        video = self.store.video(int(self.store.video_of[frame]))
        return Anchor(self.store.jpeg(frame), video.layout)

    def _neighbour(self, epoch: int, frame: int) -> int:
        if self.positive_seconds <= 0:
            return frame
        frames = self.store.frame_range(int(self.store.video_of[frame]))
        span = slice(frames.start, frames.stop)
        near = np.abs(self.store.times[span] - self.store.times[frame]) <= self.positive_seconds
        same_shot = self.store.shots[span] == self.store.shots[frame]
        candidates = frames.start + np.flatnonzero(near & same_shot)
        return int(np.random.default_rng([self.seed, epoch, frame, _NEIGHBOUR]).choice(candidates))

    def _donor(self, epoch: int, frame: int) -> int:
        """A frame of another source; in a store of a single source, any frame."""
        rng = np.random.default_rng([self.seed, epoch, frame, _DONOR])
        source = self.source_of[frame]
        first, last = np.searchsorted(self.source_of, [source, source + 1], sorter=self._by_source)
        others = len(self.store) - (last - first)
        if others == 0:
            return int(rng.integers(len(self.store)))
        place = rng.integers(others)  # among the frames sorted by source, less those of this one
        return int(self._by_source[place if place < first else place + last - first])


class MicroBatches(Sampler):
    """Which (epoch, frame) pairs this process takes, micro-batch by micro-batch, from a step on.

    The global batch of a step is cut into ``accumulate`` parts, each into one piece a process: the union over processes
    is the same whatever their number.

    Args:
        order: the global batches.
        first_step: the optimizer update to begin with.
        accumulate: micro-batches in an update.
        rank: this process.
        processes: how many there are.

    Raises:
        ValueError: the batch cannot be cut evenly.
    """

    def __init__(
        self, order: FrameOrder, *, first_step: int = 0, accumulate: int = 1, rank: int = 0, processes: int = 1
    ):
        if order.batch_size % (accumulate * processes):
            raise ValueError(
                f"optim.batch_size is {order.batch_size}, which {processes} processes × {accumulate} accumulated "
                "micro-batches cannot share evenly"
            )
        self.order = order
        self.first_step = first_step
        self.accumulate = accumulate
        self.rank = rank
        self.processes = processes

    def __len__(self) -> int:
        return (self.order.total_steps - self.first_step) * self.accumulate

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        for epoch, frames in self.order.batches(self.first_step):
            for part in frames.reshape(self.accumulate, self.processes, -1):
                yield [(epoch, int(frame)) for frame in part[self.rank]]


def collate(pairs: list[tuple[np.ndarray, np.ndarray, int]]) -> ViewBatch:
    """Stack pairs of (S, S, 3) pictures into a batch of (3, S, S) ones."""
    first, second, source = zip(*pairs, strict=True)
    return ViewBatch(_pictures(first), _pictures(second), torch.tensor(source))


def key_shuffle(images: int, *, seed: int, step: int, micro: int, rank: int) -> Tensor:
    """The order (images,) in which the key encoder sees a micro-batch, drawn anew for each."""
    return torch.from_numpy(np.random.default_rng([seed, step, micro, rank, _SHUFFLE]).permutation(images))


def source_numbers(store: FrameStore) -> np.ndarray:
    """A number for the source of each frame, (frames,) int64: equal exactly where the source file is."""
    _, number_of_video = np.unique(store.videos["source"].to_numpy(zero_copy_only=False), return_inverse=True)
    return number_of_video[store.video_of].astype(np.int64)


def _pictures(arrays: tuple[np.ndarray, ...]) -> Tensor:
    return torch.from_numpy(np.stack(arrays)).permute(0, 3, 1, 2)
