"""Audit the real overlays of videos: compare raw frames with frames whose overlays are masked.

Masking hides the overlays in the store's layout (`augment.mask_layout`); the difference is what the backbone takes from
them. Overlays that extraction did not find are in both.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import nn

from framegate.augment import mask_layout
from framegate.augment.crops import centre_square
from framegate.augment.hard_negatives import look_numbers
from framegate.augment.overlays.masks import found_regions
from framegate.media import FrameStore
from framegate.media.evenly_spaced import evenly_spaced
from framegate.ssl.audit.audit_frames import PaintedFeatures
from framegate.ssl.audit.audit_measures import (
    Groups,
    cosine_distances,
    distances_between,
    interval,
    linear_right,
    penalty,
    same_among_neighbours,
)
from framegate.ssl.probes.probe_split import ProbeError, ProbeFrames, level_splits


@dataclass(frozen=True, kw_only=True)
class FoundAudit:
    """Effects of found overlays; each mapping has a value for ``raw`` and one for ``masked`` frames, 0–1.

    Attributes:
        clips, frames: numbers of clips and frames that take part.
        looks: number of layouts that clips of several files share.
        drift: cosine distance by which masking moves a frame, over the mean distance between clips.
        decodability: accuracy of a linear probe that predicts the look; None with fewer than two looks.
        same_look_neighbours: share of nearest neighbours with the same look; None with fewer than two looks.
        decodability_chance, neighbours_chance: the same by chance.
        accuracy: of a linear probe for classes that learns from raw frames; None without labels.
        intervals: 95% intervals of raw − masked, by the name of the value.
    """

    clips: int
    frames: int
    looks: int
    drift: float
    decodability: dict[str, float] | None
    decodability_chance: float | None
    same_look_neighbours: dict[str, float] | None
    neighbours_chance: float | None
    accuracy: dict[str, float] | None
    intervals: dict[str, list[float]]


def audit_found(
    backbone: nn.Module,
    store: FrameStore,
    numbers: np.ndarray,
    frames: ProbeFrames,
    *,
    image_size: int,
    max_frames: int = 600,
    level: str = "leaf",
) -> FoundAudit | None:
    """Audit a backbone on the overlays that extraction found; return None if fewer than two clips have any.

    The arguments are those of `framegate.ssl.audit.audit.audit`; ``level`` is the level whose classes are predicted.
    """
    layouts = [store.video(row).layout for row in range(store.videos.num_rows)]
    with_overlays = np.array([bool(found_regions(layout)) for layout in layouts])
    rows = np.flatnonzero(with_overlays[store.video_of[numbers]])
    if len(np.unique(frames.video[rows])) < 2:
        return None
    rows = rows[evenly_spaced(len(rows), max_frames)]
    features = PaintedFeatures(backbone, store, numbers[rows], image_size=image_size, seed=0)
    views = [centre_square(store[number], image_size) for number in numbers[rows]]
    masked_views = [
        centre_square(mask_layout(store[number], layouts[video]), image_size)
        for number, video in zip(numbers[rows], frames.video[rows], strict=True)
    ]
    both = {"raw": features.of(np.stack(views)), "masked": features.of(np.stack(masked_views))}
    _, between = distances_between(both["raw"], frames.video[rows], None)
    drift = float(cosine_distances(both["raw"], both["masked"]).mean() / max(between, 1e-12))

    sources = store.videos["source"].to_pylist()
    looks = look_numbers(sources, sources, layouts)[frames.video[rows]]  # no programmes: layouts decide
    looked = _looks(both, looks, frames.source[rows])
    accuracy, accuracy_interval = _accuracy(both, rows, frames, level)
    return FoundAudit(
        clips=len(np.unique(frames.video[rows])),
        frames=len(rows),
        looks=len(np.unique(looks[looks >= 0])),
        drift=drift,
        accuracy=accuracy,
        intervals=looked.pop("intervals", {}) | accuracy_interval,
        **looked,
    )


def _looks(both: dict[str, np.ndarray], looks: np.ndarray, source: np.ndarray) -> dict[str, Any]:
    """Measure decodability and neighbours of looks that several files share; files alternate between fit and test."""
    nothing = dict.fromkeys(("decodability", "decodability_chance", "same_look_neighbours", "neighbours_chance"))
    known = looks >= 0
    if len(np.unique(looks[known])) < 2:
        return nothing
    fit = np.zeros(len(looks), dtype=bool)
    for look in np.unique(looks[known]):
        fit |= np.isin(source, np.unique(source[looks == look])[::2])
    fit, test = known & fit, known & ~fit
    groups = Groups.resampled(source[test])
    decoded, near = {}, {}
    for name, features in both.items():
        c = penalty(features[fit], looks[fit], source[fit])
        (right,) = linear_right(features[fit], looks[fit], [(features[test], looks[test])], c=c)
        decoded[name] = groups.balanced(right, looks[test])
        same, chance = same_among_neighbours(features[fit], looks[fit], features[test], looks[test])
        near[name] = groups.mean(same)
    return {
        "decodability": {name: float(values[0]) for name, values in decoded.items()},
        "decodability_chance": 1 / len(np.unique(looks[fit])),
        "same_look_neighbours": {name: float(values[0]) for name, values in near.items()},
        "neighbours_chance": float(chance.mean()),
        "intervals": {
            "decodability": interval(decoded["raw"] - decoded["masked"]),
            "same_look_neighbours": interval(near["raw"] - near["masked"]),
        },
    }


def _accuracy(
    both: dict[str, np.ndarray], rows: np.ndarray, frames: ProbeFrames, level: str
) -> tuple[dict[str, float] | None, dict[str, list[float]]]:
    """Fit a linear probe on raw frames, and measure it on test frames with overlays, raw and masked."""
    try:
        splits, _ = level_splits(frames)
    except ProbeError:
        return None, {}
    split = next((split for split in splits if split.level == level), splits[-1])
    fit, test = (split.train | (split.val & (frames.split == "train")))[rows], split.test[rows]
    classes = split.classes[rows]
    test &= np.isin(classes, classes[fit])
    if not test.any() or len(np.unique(classes[fit])) < 2:
        return None, {}
    c = penalty(both["raw"][fit], classes[fit], frames.programme[rows][fit])
    queries = [(both[name][test], classes[test]) for name in ("raw", "masked")]
    raw, masked = linear_right(both["raw"][fit], classes[fit], queries, c=c)
    groups = Groups.resampled(frames.programme[rows][test])
    raw, masked = groups.balanced(raw, classes[test]), groups.balanced(masked, classes[test])
    return {"raw": float(raw[0]), "masked": float(masked[0])}, {"accuracy": interval(raw - masked)}
