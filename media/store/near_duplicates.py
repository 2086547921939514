"""Find clips whose frames agree at one time offset, among many: on arrays of 64-bit hashes, never by all pairs.

Frames come together when they agree in a band of 16 of their 64 bits; a band that very many frames share (a black
frame, a title card, the opening of a series) is not searched as a whole, but only around the frame's own place in the
order of the hashes. So the work grows with the number of frames, whatever they show. Pairs of clips that come together
so are then compared frame by frame.
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

BAND_BITS = 16
_TURNS = range(0, 64, BAND_BITS)  # bits by which hashes are turned: each band comes first once
_CLOSE = 8  # bits in which frames that bring two clips together differ at most
_ALIKE = 16  # bits in which frames of two such clips differ at most, to be looked at more closely
LEAST_SCORE = 0.5
"""The share of the shorter clip's frames that must agree at one offset; a shared opening alone is less."""

_REACH = 32  # frames before and after its place that a frame is compared with, in each band
_COMMON = 24  # frames close to a frame from which on it tells nothing: a title card, an opening, black with a clock
_QUERIES = 1 << 16  # frames that are looked up at a time
_COMPARED = 1 << 17  # pairs of frames that are compared at a time
_MOST_FRAMES = 128  # of a clip's shorter partner, evenly spaced: enough to tell, and an hour costs no more than minutes


@dataclass(frozen=True, slots=True)
class Alignments:
    """Pairs of clips, and which of their frames look alike at the best time offset.

    Attributes:
        short, long: (P,) int64 clips; ``short`` is the one with fewer frames.
        offset: (P,) float64: seconds to add to a time in ``short`` for the same moment in ``long``.
        score: (P,) float64 in 0..1: share of the frames of ``short`` that have a like one in ``long``.
        pair, short_frame, long_frame: (M,) int64: the like frames; ``pair`` is a row of the other arrays.
    """

    short: np.ndarray
    long: np.ndarray
    offset: np.ndarray
    score: np.ndarray
    pair: np.ndarray
    short_frame: np.ndarray
    long_frame: np.ndarray


def align_clips(
    hashes: np.ndarray, clip: np.ndarray, time: np.ndarray, *, source: np.ndarray, tolerance: float = 0.5
) -> Alignments:
    """Find the pairs of clips that have like frames at one time offset.

    >>> pictures = np.random.default_rng(0).integers(0, 2**63, (4, 1, 1), dtype=np.uint64)
    >>> clip, time = np.array([0, 0, 0, 1, 1, 2]), np.array([0.0, 1, 2, 0, 1, 0])
    >>> found = align_clips(pictures[[0, 1, 2, 1, 2, 3]], clip, time, source=np.arange(3))
    >>> found.short, found.long, found.offset, found.score
    (array([1]), array([0]), array([1.]), array([1.]))

    Args:
        hashes: (N, R, V) uint64: of R regions of each picture, in V ways. Way 0 is the region itself; the others are
            what a crop or a mirror may make of it, and are looked for among the ways 0 of other frames. Frames without
            detail are to be left out.
        clip: (N,) int64, ascending: the clip of each frame.
        time: (N,) float64, ascending within a clip: seconds of each frame.
        source: (C,) the source of each clip, any numbers: clips of one source are not compared.
        tolerance: seconds by which frames of one moment may lie apart.
    """
    pairs = candidate_pairs(hashes, clip, source)
    firsts, counts = _runs(clip, len(source))
    swap = counts[pairs[:, 0]] > counts[pairs[:, 1]]
    short, long = np.where(swap[:, None], pairs[:, ::-1], pairs).T
    found = [
        _best_offset(rows, i, j, bits, time, tolerance=tolerance)
        for rows, i, j, bits in _like_frames(hashes, firsts, counts, short, long)
    ]
    rows, i, j, offset = (np.concatenate(parts) for parts in zip(*found, strict=True)) if found else _NOTHING
    kept = np.unique(rows)
    matched = np.bincount(rows, minlength=len(pairs))[kept]
    score = matched / np.minimum(counts[short[kept]], _MOST_FRAMES)
    kept, score = kept[score >= LEAST_SCORE], score[score >= LEAST_SCORE]
    first = np.searchsorted(rows, kept)
    inside = np.isin(rows, kept)
    number = np.searchsorted(kept, rows[inside])
    return Alignments(short[kept], long[kept], offset[first], score, number, i[inside], j[inside])


_NOTHING = (*(np.empty(0, np.int64) for _ in range(3)), np.empty(0))


def candidate_pairs(hashes: np.ndarray, clip: np.ndarray, source: np.ndarray) -> np.ndarray:
    """Return (P, 2) int64: pairs of clips, the lower first, that have at least one close pair of frames.

    Args:
        hashes, clip, source: as for `align_clips`.
    """
    clips = len(source)
    known = np.empty(0, np.int64)
    for region, turn in itertools.product(range(hashes.shape[1]), _TURNS):
        whole, order = _sorted(hashes[:, region, 0], turn)
        found = [known]
        for crop in range(hashes.shape[2]):
            queries, origin = (whole, order) if crop == 0 else _sorted(hashes[:, region, crop], turn)
            for i, j in _neighbours(queries, whole, follow=turn == crop == 0):
                one, other = clip[origin[i]], clip[order[j]]
                code = np.minimum(one, other) * clips + np.maximum(one, other)
                found.append(np.unique(code[source[one] != source[other]]))
        known = np.unique(np.concatenate(found))
    return np.stack(np.divmod(known, max(clips, 1)), axis=1)


def _sorted(hashes: np.ndarray, turn: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the hashes (N,), turned by some bits and sorted, and which frame each is of."""
    turned = (hashes << np.uint64(turn)) | (hashes >> np.uint64((64 - turn) % 64))
    order = np.argsort(turned, kind="stable")  # copies stand side by side in the order of their clips
    return turned[order], order


def _neighbours(queries: np.ndarray, keys: np.ndarray, *, follow: bool) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield places (K,) in ``queries`` and in ``keys``, both sorted, of hashes that share a band and are close.

    A common frame, one that is close to most of those around it, brings nothing, or with ``follow`` the next one only:
    so very many copies of one clip become a chain.
    """
    rest = np.uint64((1 << (64 - BAND_BITS)) - 1)
    for begin in range(0, len(queries), _QUERIES):
        part = queries[begin : begin + _QUERIES]
        place = np.arange(begin, begin + len(part)) if queries is keys else np.searchsorted(keys, part)
        low = np.maximum(np.searchsorted(keys, part & ~rest), place - _REACH)
        high = np.minimum(np.searchsorted(keys, part | rest, side="right"), place + _REACH + 1)
        i, j = _spread(low, np.maximum(high - low, 0))
        close = np.bitwise_count(part[i] ^ keys[j]) <= _CLOSE
        i, j = i[close], j[close]
        common = np.bincount(i, minlength=len(part)) > _COMMON
        kept = ~common[i] | (follow & (j == place[i] + 1))
        yield begin + i[kept], j[kept]


def _spread(first: np.ndarray, count: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows and the members of ragged ranges: row r has ``first[r]`` … ``first[r] + count[r] - 1``."""
    rows = np.repeat(np.arange(len(count)), count)
    ends = np.cumsum(count)
    return rows, np.arange(len(rows)) - np.repeat(ends - count - first, count)


def _runs(clip: np.ndarray, clips: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the first frame and the number of frames of each clip."""
    counts = np.bincount(clip, minlength=clips)
    return np.cumsum(counts) - counts, counts


def _like_frames(
    hashes: np.ndarray, firsts: np.ndarray, counts: np.ndarray, short: np.ndarray, long: np.ndarray
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]]:
    """Compare all frames of some pairs of clips at a time; yield (pair, frame, frame, bits) of those that are alike."""
    taken = np.minimum(counts[short], _MOST_FRAMES)
    work = np.cumsum(taken * counts[long])
    begin = 0
    while begin < len(short):
        done = work[begin - 1] if begin else 0
        end = max(begin + 1, int(np.searchsorted(work, done + _COMPARED, side="right")))
        row, place = _spread(np.zeros(end - begin, np.int64), taken[begin:end])
        row += begin
        i = firsts[short[row]] + place * counts[short[row]] // taken[row]
        which, j = _spread(firsts[long[row]], counts[long[row]])
        row, i = row[which], i[which]
        one, other = hashes[i], hashes[j]
        bits = np.bitwise_count(one ^ other[..., :1]).min(axis=(1, 2))
        bits = np.minimum(bits, np.bitwise_count(one[..., :1] ^ other).min(axis=(1, 2)))
        alike = bits <= _ALIKE
        yield row[alike], i[alike], j[alike], bits[alike]
        begin = end


def _best_offset(
    row: np.ndarray, i: np.ndarray, j: np.ndarray, bits: np.ndarray, time: np.ndarray, *, tolerance: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return (pair, frame, frame, offset) of the like frames at each pair's best offset, for each frame the closest.

    Offsets are counted in bins of twice the tolerance that overlap by half. The best has the most frames; of equal
    ones, that whose frames differ least.
    """
    apart = time[j] - time[i]
    twice = [np.concatenate([values, values]) for values in (row, i, j, bits.astype(np.int64), apart)]
    row, i, j, bits, apart = twice
    half = len(row) // 2
    wide = 2 * tolerance
    slot = np.floor(apart / wide)
    slot[half:] = np.floor(apart[half:] / wide + 0.5) - 0.5
    order = np.lexsort((np.abs(apart - (slot + 0.5) * wide), bits, i, slot, row))
    row, i, j, bits, slot = (values[order] for values in (row, i, j, bits, slot))
    first = np.ones(len(row), bool)  # of each frame in each bin
    first[1:] = (row[1:] != row[:-1]) | (slot[1:] != slot[:-1]) | (i[1:] != i[:-1])
    row, i, j, bits, slot = (values[first] for values in (row, i, j, bits, slot))
    begins = np.flatnonzero(np.append(True, (row[1:] != row[:-1]) | (slot[1:] != slot[:-1]))[: len(row)])
    size = np.diff(np.append(begins, len(row)))
    worth = size * 64 - np.add.reduceat(bits, begins) / size if len(begins) else size
    best = np.lexsort((-worth, row[begins]))
    best = best[np.append(True, row[begins][best][1:] != row[begins][best][:-1])[: len(best)]]
    bin_, member = _spread(begins[best], size[best])
    moved = time[j[member]] - time[i[member]]
    offset = np.add.reduceat(moved, np.cumsum(size[best]) - size[best]) / size[best] if len(best) else moved
    return row[member], i[member], j[member], offset[bin_]
