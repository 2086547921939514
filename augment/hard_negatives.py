"""An order of training that brings frames of one look but of different sources into the same batch.

Masking a source's own frames out of its negatives also takes away the only ones that share its real logo. Other sources
of its programme, or of its layout, share the look and not the content: as negatives they make the look worthless.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from framegate.media.layout import Layout


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


def look_order(
    looks: np.ndarray, sources: np.ndarray, *, seed: int, epoch: int, together: int = 4, share: float = 0.5
) -> np.ndarray:
    """A random order of all anchors in which some stand beside others of their look.

    Args:
        looks: (N,) of each anchor, -1 for none; from `look_numbers`.
        sources: (N,) of each anchor.
        seed, epoch: what the order is a function of.
        together: anchors in a group, all of one look and each of another source.
        share: probability that anchors that could be grouped are.

    Returns:
        (N,) int64, every anchor once. Cut it into batches that are multiples of ``together`` long or more, and a group
        mostly falls into one batch.
    """
    rng = np.random.default_rng([seed, epoch])
    shuffled = rng.permutation(len(looks))
    grouped = rng.random(len(looks)) < share
    waiting: dict[int, dict[int, list[int]]] = defaultdict(lambda: defaultdict(list))  # look → source → anchors
    units: list[list[int]] = []
    for anchor in shuffled.tolist():
        if looks[anchor] >= 0 and grouped[anchor]:
            waiting[int(looks[anchor])][int(sources[anchor])].append(anchor)
        else:
            units.append([anchor])
    for by_source in waiting.values():
        while by_source:
            fullest = sorted(by_source, key=lambda source: len(by_source[source]), reverse=True)[:together]
            units.append([by_source[source].pop() for source in fullest])
            for source in [source for source in fullest if not by_source[source]]:
                del by_source[source]
    return np.array([anchor for unit in rng.permutation(len(units)) for anchor in units[unit]], np.int64)
