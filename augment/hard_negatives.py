"""Order training frames so that frames of one look, but of different sources, come into the same batch.

The loss leaves out negatives of the query's source, and with them the only ones that share its real logo. Other sources
of its programme, or of its layout, share the look but not the content: as negatives they make the look useless.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from framegate.media.clip_layout import Layout


def look_numbers(programmes: Sequence[str], sources: Sequence[str], layouts: Sequence[Layout]) -> np.ndarray:
    """Number the looks of videos.

    Videos of one programme share a look if the programme has several sources; other videos share a look if their
    layouts have the same `fingerprint`.

    >>> look_numbers(["news", "news", "quiz"], ["a.mp4", "b.mp4", "c.mp4"], [Layout()] * 3).tolist()
    [0, 0, -1]

    Args:
        programmes, sources, layouts: of each video, N each.

    Returns:
        (N,) int64, equal for equal looks; −1 where no other source has the look.
    """
    of_programme: dict[str, set[str]] = defaultdict(set)
    for programme, source in zip(programmes, sources, strict=True):
        of_programme[programme].add(source)
    keys = [
        programme if len(of_programme[programme]) > 1 else fingerprint(layout)
        for programme, layout in zip(programmes, layouts, strict=True)
    ]
    with_look: dict[object, set[str]] = defaultdict(set)
    for key, source in zip(keys, sources, strict=True):
        with_look[key].add(source)
    shared = [key for key in with_look if key is not None and len(with_look[key]) > 1]
    numbers = {key: number for number, key in enumerate(shared)}
    return np.array([numbers.get(key, -1) for key in keys], np.int64)


def fingerprint(layout: Layout) -> tuple[int, ...] | None:
    """Return a layout in steps of 4% of the frame, equal for most clips of one station; None for an empty layout."""
    if layout == Layout():
        return None
    numbers = [*layout.borders]
    for left, top, right, bottom, _ in sorted(layout.logos):
        numbers += [(left + right) / 2, (top + bottom) / 2, right - left]
    for band in layout.subtitles:
        numbers += [band[3]]
    return (len(layout.logos), len(layout.subtitles), *(round(number * 25) for number in numbers))


def beside_same_look(
    order: np.ndarray, looks: np.ndarray, *, rng: np.random.Generator, share: float = 0.5, group_size: int = 4
) -> np.ndarray:
    """Move some anchors beside others of their look.

    The anchors of a look that take part are cut into groups in their order; each group moves to the place of its first
    anchor. If the frames of each source lie far apart in ``order``, as in `framegate.ssl.data.frame_order`, the anchors
    of a group are of different sources.

    Args:
        order: (N,) int, the anchors in the order of training.
        looks: (M,) int, the look of each anchor that ``order`` names, -1 for none; from `look_numbers`.
        rng: draws which anchors take part.
        share: probability that an anchor with a look takes part.
        group_size: anchors in a group; batches should be several times as long, so that few groups are cut in two.

    Returns:
        (N,) the same anchors in the new order.
    """
    look = looks[order]
    places = np.flatnonzero((look >= 0) & (rng.random(len(order)) < share))
    places = places[np.argsort(look[places], kind="stable")]  # by look, and within a look as they came
    _, first, counts = np.unique(look[places], return_index=True, return_counts=True)
    rank = np.arange(len(places)) - np.repeat(first, counts)
    goes_to = np.arange(len(order))
    goes_to[places] = places[np.arange(len(places)) - rank % group_size]
    return order[np.argsort(goes_to, kind="stable")]
