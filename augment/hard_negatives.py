"""An order of training that brings frames of one look but of different sources into the same batch.

Masking a source's own frames out of its negatives also takes away the only ones that share its real logo. Other sources
of its programme, or of its layout, share the look and not the content: as negatives they make the look worthless.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from framegate.media.clip_layout import Layout


def look_numbers(programmes: Sequence[str], sources: Sequence[str], layouts: Sequence[Layout]) -> np.ndarray:
    """Which videos share a look: (N,) int64, equal numbers for equal looks, -1 where no other source has it.

    A look is a programme with several sources, or failing that a layout fingerprint.

    Args:
        programmes, sources, layouts: of each video, N each.
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
    """A layout in steps of 4% of the frame, so that the same station's clips agree; None where nothing was found."""
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
    """An order of training in which some anchors stand beside others of their look.

    Those that follow one another among the anchors of a look come together where the first of them stands. An order
    that spreads the frames of each source, as `framegate.ssl.data.frame_order` does, so brings different sources
    together.

    Args:
        order: (N,) int, the anchors as they would come.
        looks: (M,) int, the look of each anchor that ``order`` names, -1 for none; from `look_numbers`.
        rng: draws which anchors are moved.
        share: probability that an anchor with a look takes part.
        group_size: anchors in a group. Cut the order into batches several times as long: a group mostly falls into one.

    Returns:
        (N,) the same anchors.
    """
    look = looks[order]
    places = np.flatnonzero((look >= 0) & (rng.random(len(order)) < share))
    places = places[np.argsort(look[places], kind="stable")]  # by look, and within a look as they came
    _, first, counts = np.unique(look[places], return_index=True, return_counts=True)
    rank = np.arange(len(places)) - np.repeat(first, counts)
    goes_to = np.arange(len(order))
    goes_to[places] = places[np.arange(len(places)) - rank % group_size]
    return order[np.argsort(goes_to, kind="stable")]
