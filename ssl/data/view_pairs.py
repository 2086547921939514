"""Training data: pairs of views of frames in a store, as functions of (seed, epoch, frame)."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset, Sampler

from framegate.augment import Anchor, TwoViews, View, look_numbers
from framegate.media import FrameStore
from framegate.ssl.data.epoch_order import EpochOrder

Identity = Literal["source", "frame"]
_NEIGHBOUR, _DONOR, _STEP = range(3)  # what a random stream is for; streams of different use never coincide


@dataclass(frozen=True)
class ViewBatch:
    """The part of a micro-batch on one process.

    Attributes:
        first, second: (B, 3, S, S) uint8, the two views.
        source: (B,) int64, equal for frames that are no negatives of each other.
        programme: (B,) int64, −1 where it is not known.
        overlays: (2, B, K, 4) boxes of known overlays in each view, in fractions of the view, padded with zeros; None
            where there are none, or attention does not need them.
        shown: (2, B) share of its frame that each view shows; None where ``overlays`` is None.
    """

    first: Tensor
    second: Tensor
    source: Tensor
    programme: Tensor
    overlays: Tensor | None = None
    shown: Tensor | None = None

    def to(self, device: torch.device, *, memory_format: torch.memory_format = torch.contiguous_format) -> "ViewBatch":
        """Copy the batch to another device."""

        def moved(tensor: Tensor | None) -> Tensor | None:
            return None if tensor is None else tensor.to(device, non_blocking=True)

        return ViewBatch(
            self.first.to(device, non_blocking=True, memory_format=memory_format),
            self.second.to(device, non_blocking=True, memory_format=memory_format),
            self.source.to(device, non_blocking=True),
            self.programme.to(device, non_blocking=True),
            moved(self.overlays),
            moved(self.shown),
        )

    def pin_memory(self) -> "ViewBatch":
        """Copy the batch to memory that a GPU can read while it computes; the data loader calls this."""
        first, second, source, programme = (
            t.pin_memory() for t in (self.first, self.second, self.source, self.programme)
        )
        overlays, shown = (None if t is None else t.pin_memory() for t in (self.overlays, self.shown))
        return ViewBatch(first, second, source, programme, overlays, shown)


class Pair(NamedTuple):
    """The two views of a frame, and the numbers of its source and programme."""

    first: View
    second: View
    source: int
    programme: int


class ViewPairs(Dataset[Pair]):
    """Frames of a store as pairs of views.

    Args:
        store: where frames come from.
        views: makes two views of a frame.
        positive_seconds: the second view shows a frame of the same shot at most this far away; 0: the same frame.
        same: which frames are no negatives of each other: those of one source file, or only the same frame.
        seed: decides neighbours and donors, with the epoch and the frame.
    """

    def __init__(
        self,
        store: FrameStore,
        views: TwoViews,
        *,
        positive_seconds: float = 0.0,
        same: Identity = "source",
        seed: int = 0,
    ):
        self.store = store
        self.views = views
        self.positive_seconds = positive_seconds
        self.same = same
        self.seed = seed
        self.source_of = source_numbers(store)
        self.programme_of = programme_numbers(store)
        self._by_source = np.argsort(self.source_of, kind="stable")

    def __getitem__(self, item: tuple[int, int]) -> Pair:
        """Return the two views of frame number ``item[1]`` in epoch ``item[0]``."""
        epoch, frame = item
        neighbour = self._neighbour(epoch, frame)
        first, second = self.views.described(
            self._anchor(frame),
            None if neighbour == frame else self._anchor(neighbour),
            epoch=epoch,
            index=frame,
            donor=self._anchor(self._donor(epoch, frame)),
        )
        identity = frame if self.same == "frame" else int(self.source_of[frame])
        return Pair(first, second, identity, int(self.programme_of[frame]))

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
        """Draw a frame of another source; in a store with a single source, any frame."""
        rng = np.random.default_rng([self.seed, epoch, frame, _DONOR])
        source = self.source_of[frame]
        first, last = np.searchsorted(self.source_of, [source, source + 1], sorter=self._by_source)
        others = len(self.store) - (last - first)
        if others == 0:
            return int(rng.integers(len(self.store)))
        place = rng.integers(others)  # among the frames sorted by source, less those of this one
        return int(self._by_source[place if place < first else place + last - first])


class MicroBatches(Sampler[list[tuple[int, int]]]):
    """Yields the (epoch, frame) pairs of this process, micro-batch by micro-batch, from a step on.

    The global batch of a step is cut into ``accumulate`` parts, and each part into one piece for each process; so the
    frames of a step do not depend on the number of processes.

    Args:
        order: the global batches.
        first_step: the first optimizer update.
        accumulate: micro-batches in an update.
        rank: number of this process.
        processes: number of all processes.

    Raises:
        ValueError: the batch size is no multiple of ``accumulate`` × ``processes``.
    """

    def __init__(
        self, order: EpochOrder, *, first_step: int = 0, accumulate: int = 1, rank: int = 0, processes: int = 1
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


def collate(pairs: list[Pair]) -> ViewBatch:
    """Stack pairs of (S, S, 3) views into a batch of (3, S, S) ones."""
    views = [[pair.first for pair in pairs], [pair.second for pair in pairs]]
    max_overlays = max(len(view.overlays) for side in views for view in side)
    boxes = np.zeros((2, len(pairs), max_overlays, 4), np.float32)
    for side, row in np.ndindex(2, len(pairs)):
        if found := views[side][row].overlays:
            boxes[side, row, : len(found)] = found
    return ViewBatch(
        first=_pictures(views[0]),
        second=_pictures(views[1]),
        source=torch.tensor([pair.source for pair in pairs]),
        programme=torch.tensor([pair.programme for pair in pairs]),
        overlays=torch.from_numpy(boxes) if max_overlays else None,
        shown=torch.tensor([[view.shown for view in side] for side in views]) if max_overlays else None,
    )


def step_generator(*, seed: int, step: int, micro: int) -> torch.Generator:
    """Return the CPU generator of a micro-batch's forward pass, in the same state on every process."""
    state = np.random.SeedSequence([seed, step, micro, _STEP]).generate_state(1, np.uint64)[0]
    return torch.Generator().manual_seed(int(state))


def source_numbers(store: FrameStore) -> np.ndarray:
    """Return the number of the source of each frame, (frames,) int64, equal for frames of one source file."""
    return _numbers(store, "source")


def programme_numbers(store: FrameStore) -> np.ndarray:
    """Return the number of the programme of each frame, (frames,) int64, from 0 without gaps; −1 for no programme."""
    names = store.videos["programme"].fill_null("").to_numpy(zero_copy_only=False)
    number_of_video = np.full(len(names), -1)
    _, number_of_video[names != ""] = np.unique(names[names != ""], return_inverse=True)
    numbers: np.ndarray = number_of_video[store.video_of].astype(np.int64)
    return numbers


def video_looks(store: FrameStore) -> np.ndarray:
    """Return the look of each video, (videos,) int64, −1 if no other source shares it; see `augment.look_numbers`."""
    videos = [store.video(row) for row in range(len(store.videos))]
    return look_numbers([v.programme for v in videos], [v.source for v in videos], [v.layout for v in videos])


def _numbers(store: FrameStore, column: str) -> np.ndarray:
    _, number_of_video = np.unique(store.videos[column].to_numpy(zero_copy_only=False), return_inverse=True)
    numbers: np.ndarray = number_of_video[store.video_of].astype(np.int64)
    return numbers


def _pictures(views: list[View]) -> Tensor:
    return torch.from_numpy(np.stack([view.pixels for view in views])).permute(0, 3, 1, 2)
