"""The audit of overlays that the videos themselves carry: frames as they are, beside the same with them masked.

Masking takes away what the store's layout names (`augment.mask_layout`). What then changes is what the backbone took
from there: other overlays, which nobody found, stay in both.
"""

from dataclasses import dataclass

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
    """What found overlays do; each mapping has the figure of ``raw`` frames and of ``masked`` ones, 0–1.

    ``looks``: layouts that clips of several files share; with fewer than two, ``decodability`` and
    ``same_look_neighbours`` are None. ``accuracy``: of a linear probe learnt on raw frames, None without labels.
    ``drift``: how far masking moves a frame, over the distance between clips. ``intervals`` are of raw − masked.
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
    """Audit a backbone on the overlays that extraction found; None where it found none in two clips.

    Arguments are those of `framegate.ssl.audit.audit.audit`.
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
    looks = look_numbers(sources, sources, layouts)[frames.video[rows]]  # each file its own programme: layouts decide
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


def _looks(both: dict[str, np.ndarray], looks: np.ndarray, source: np.ndarray) -> dict:
    """Decodability and neighbours of looks that several files share: files in turn go to the one side and the other."""
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
    """A linear probe learnt on raw frames, tested on the test frames with overlays, raw and masked."""
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
