"""Clips of a frame store that are re-uploads of one another, and splits that keep them on one side.

Candidates come from hashes (`near_duplicates`); a pair counts when frames at its offset are the same picture, too
(`frame_hashes.same_share`): hashes alone take the studio of one programme for one picture.
"""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import Literal

import numpy as np

from framegate.media.manifest.splits import assign_splits
from framegate.media.pictures.jpeg import decode_jpeg
from framegate.media.store.frame_hashes import SAME, SIDE, hash_pictures, same_share, small_grey
from framegate.media.store.frame_store import FrameStore
from framegate.media.store.near_duplicates import LEAST_SCORE, Alignments, align_clips

_BATCH = 1024  # frames
_LOOKED_AT = 8  # frames of a pair that are compared as pictures
_LEAST_SAME = 0.25  # of them: where frames were taken half a second apart, few of a moving scene are the same picture
_SAME_ALONE = 0.8  # `same_share` where one frame is all there is
_CUTS = 100  # cuts of one source that each is compared with: those that begin next


@dataclass(frozen=True, slots=True, kw_only=True)
class Duplicate:
    """A pair of clips that show the same.

    Attributes:
        first, second: rows in the store's ``videos``, the lower first.
        kind: ``copy``: two files; ``cut``: two clips of one file that overlap in time.
        score: 0..1, the share of the shorter clip that is in the other.
        offset: seconds to add to a time in ``first`` for the same moment in ``second``.
        mirrored: one is the mirror image of the other.
    """

    first: int
    second: int
    kind: Literal["copy", "cut"]
    score: float
    offset: float
    mirrored: bool = False


def find_duplicates(
    store: FrameStore, *, workers: int | None = None, on_progress: Callable[[int], None] | None = None
) -> list[Duplicate]:
    """Find the clips of a store that are re-uploads of one another, by at least half of the shorter one.

    Found are copies at other bit rates and sizes, with up to 5% cropped from a side, with a logo or other paint on less
    than half of the picture, mirrored, and trimmed, if frames were taken within half a second of the same moment. Not
    found are copies that play faster, that are tilted or shown inside a frame, and clips without pictures.

    Args:
        workers: threads; default: some more than there are cores.
        on_progress: called with the number of frames hashed so far; comparing the hashes comes after the last.

    Returns:
        The pairs, by ``first`` and ``second``. Of very many copies of one clip, each is paired with some others only.

    Raises:
        MediaError: a picture of the store is damaged.
    """
    sources = store.videos["source"].to_pylist()
    with ThreadPoolExecutor(workers) as threads:
        hashes, detailed = _hash_frames(store, threads, on_progress or (lambda done: None))
        frames = np.flatnonzero(detailed)
        found = align_clips(
            hashes[frames],
            store.video_of[frames].astype(np.int64),
            np.asarray(store.times)[frames],
            source=np.unique(sources, return_inverse=True)[1],
            tolerance=max(0.5, _usual_step(store) / 2),
        )
        ends = np.searchsorted(found.pair, np.arange(len(found.short) + 1))
        looked_at = threads.map(
            lambda pair: _same_pictures(store, found, frames, range(ends[pair], ends[pair + 1])),
            range(len(found.short)),
        )
        copies = [_copy(found, pair, mirrored) for pair, mirrored in enumerate(looked_at) if mirrored is not None]
    return sorted([*copies, *_overlapping_cuts(store, sources)], key=lambda pair: (pair.first, pair.second))


def group_duplicates(pairs: Iterable[Duplicate], clips: int) -> list[list[int]]:
    """Return the rows of clips that are joined by pairs: groups of two and more, in the order of their first rows.

    >>> pair = dict(kind="copy", score=1.0, offset=0.0)
    >>> group_duplicates([Duplicate(first=3, second=4, **pair), Duplicate(first=0, second=4, **pair)], clips=6)
    [[0, 3, 4]]
    """
    joined = _join(((pair.first, pair.second) for pair in pairs), clips)
    groups: dict[int, list[int]] = {}
    for row, head in enumerate(joined):
        groups.setdefault(head, []).append(row)
    return [rows for rows in groups.values() if len(rows) > 1]


def split_by_duplicates(store: FrameStore, *, seed: int) -> list[str]:
    """Return the split of each clip; clips without one get it so that no re-upload lies on another side.

    Programmes that share clips are divided as one programme (see `assign_splits`). Splits that are given stay.
    """
    programmes = store.videos["programme"].to_pylist()
    number = {name: place for place, name in enumerate(sorted(set(programmes)))}
    pairs = ((number[programmes[pair.first]], number[programmes[pair.second]]) for pair in find_duplicates(store))
    names = list(number)
    heads = _join(pairs, len(names))
    together = [names[heads[number[name]]] for name in programmes]
    return assign_splits(list(zip(together, store.videos["split"].to_pylist(), strict=True)), seed=seed)


def _join(pairs: Iterable[tuple[int, int]], count: int) -> list[int]:
    """Return for each of ``count`` things the first one that chains of pairs lead to."""
    head = list(range(count))

    def find(thing: int) -> int:
        while head[thing] != thing:
            head[thing] = thing = head[head[thing]]
        return thing

    for pair in pairs:
        one, other = sorted(map(find, pair))
        head[other] = one
    return [find(thing) for thing in range(count)]


def _hash_frames(
    store: FrameStore, threads: ThreadPoolExecutor, on_progress: Callable[[int], None]
) -> tuple[np.ndarray, np.ndarray]:
    hashed = []
    for first in range(0, len(store), _BATCH):
        batch = range(first, min(first + _BATCH, len(store)))
        hashed.append(hash_pictures(np.stack(list(threads.map(lambda n: _grey(store, n), batch)))))
        on_progress(batch.stop)
    if not hashed:
        return hash_pictures(np.empty((0, SIDE, SIDE), np.uint8))
    hashes, detailed = zip(*hashed, strict=True)
    return np.concatenate(hashes), np.concatenate(detailed)


def _grey(store: FrameStore, number: int) -> np.ndarray:
    frame = store.frame(number)
    side = min(frame.width, frame.height)
    return small_grey(decode_jpeg(frame.jpeg, reduce=4 if side >= 4 * SIDE else 2 if side >= 2 * SIDE else 1))


def _usual_step(store: FrameStore) -> float:
    steps = np.diff(store.times)[np.diff(store.video_of) == 0]
    return float(np.median(steps)) if len(steps) else 0.0


def _same_pictures(store: FrameStore, found: Alignments, frames: np.ndarray, matches: range) -> bool | None:
    """Tell whether the like frames of a pair are the same pictures (False), mirrored ones (True), or not (None)."""
    chosen = matches[:: max(1, -(-len(matches) // _LOOKED_AT))]
    shares = np.zeros((2, len(chosen)))
    for place, match in enumerate(chosen):
        one, other = (_grey(store, int(frames[side[match]])) for side in (found.short_frame, found.long_frame))
        shares[0, place] = same_share(one, other)
        if shares[0, place] < SAME:
            shares[1, place] = same_share(np.ascontiguousarray(one[:, ::-1]), other)
    same = (shares >= (SAME if len(matches) > 1 else _SAME_ALONE)).mean(axis=1)
    return None if same.max() < _LEAST_SAME else bool(same[1] > same[0])


def _copy(found: Alignments, pair: int, mirrored: bool) -> Duplicate:
    short, long, offset = int(found.short[pair]), int(found.long[pair]), float(found.offset[pair])
    first, second = sorted((short, long))
    score = float(found.score[pair])
    offset = round(offset if first == short else -offset, 3)
    return Duplicate(first=first, second=second, kind="copy", score=score, offset=offset, mirrored=mirrored)


def _overlapping_cuts(store: FrameStore, sources: Sequence[str]) -> Iterable[Duplicate]:
    """Yield the clips of one file that have at least half of the shorter one in common; their times tell it."""
    durations = store.videos["duration"].to_numpy()
    cuts: dict[str, list[tuple[float, float, int]]] = {}
    for row, source in enumerate(sources):
        if source and (rows := store.frame_range(row)):
            start = float(store.times[rows.start])
            cuts.setdefault(source, []).append((start, max(start + float(durations[row]), start + 1e-3), row))
    for of_source in cuts.values():
        of_source.sort()
        for place, (start, end, row) in enumerate(of_source):
            for later, last, other in islice(of_source, place + 1, place + 1 + _CUTS):
                if later >= end:
                    break
                score = (min(end, last) - later) / min(end - start, last - later)
                if score >= LEAST_SCORE:
                    yield Duplicate(first=min(row, other), second=max(row, other), kind="cut", score=score, offset=0.0)
