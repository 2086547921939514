"""Splits, programmes and classes of a store's frames, for probes and the audit."""

from pathlib import Path

import numpy as np

from framegate.finetune.taxonomy.taxonomy import TAXONOMY_FILE
from framegate.media import FrameStore, split_labels
from framegate.recipes.finetuning.labels import level_classes, store_taxonomy
from framegate.ssl.probes.probe_split import UNKNOWN, ProbeError, ProbeFrames


def probe_frames(store: FrameStore, frames: np.ndarray, *, taxonomy: str | Path | None = None) -> ProbeFrames:
    """Return splits, programmes and classes of frames.

    Args:
        store: the store.
        frames: (N,) numbers of its frames.
        taxonomy: default: the one in the store; where there is none, labels are paths ``a/b/c`` of a tree of their own.

    Raises:
        LabelError: labels do not fit the taxonomy, or it is missing.
    """
    split, programme, source = (
        store.videos[name].to_numpy(zero_copy_only=False) for name in ("split", "programme", "source")
    )
    videos = store.video_of[frames]
    return ProbeFrames(
        split=split[videos],
        programme=programme[videos],
        source=source[videos],
        video=videos,
        levels={level: classes[videos] for level, classes in video_levels(store, taxonomy).items()},
    )


def video_levels(store: FrameStore, taxonomy: str | Path | None = None) -> dict[str, np.ndarray]:
    """Return the classes (videos,) at each level, -1 where unknown; without any label, no levels."""
    if not any(store.videos["label"].to_pylist()):
        return {}
    if taxonomy is None and not (store.path / TAXONOMY_FILE).is_file():
        return _levels_of_paths(store)
    return level_classes(store, store_taxonomy(store, taxonomy))


def require_labels(store: FrameStore, frames: ProbeFrames) -> None:
    """Refuse a store of which no clip is labelled.

    Raises:
        ProbeError: no clip is labelled.
    """
    if not frames.levels:
        raise ProbeError(f"{store.path}: no clip has a label, so there is nothing to measure a probe on")


def _levels_of_paths(store: FrameStore) -> dict[str, np.ndarray]:
    """Return the levels of labels ``a/b/c`` without a taxonomy; a clip with several labels counts by its first."""
    labels = map(split_labels, store.videos["label"].to_pylist())
    paths = [tuple(each[0].split("/")) if each else () for each in labels]
    levels = {"leaf": [path or None for path in paths]}
    for depth in range(1, max(map(len, paths)) + 1):
        levels[str(depth)] = [path[:depth] if len(path) >= depth else None for path in paths]
    numbered = {}
    for level, nodes in levels.items():
        known = {node: number for number, node in enumerate(sorted({node for node in nodes if node is not None}))}
        numbered[level] = np.array([UNKNOWN if node is None else known[node] for node in nodes], np.int64)
    return numbered
