"""Probe any backbone on a store's labels."""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from framegate.media import FrameStore
from framegate.recipes.pretraining.probe_frames import probe_frames, require_labels
from framegate.recipes.reports.results import Result, table
from framegate.recipes.training.progress import WorkProgress
from framegate.ssl.backbones.backbone import Backbone, BackboneError, load_backbone
from framegate.ssl.probes.feature_cache import cached_features
from framegate.ssl.probes.features import frame_features
from framegate.ssl.probes.fine_tune_probe import fine_tune_probe
from framegate.ssl.probes.probe import ProbeRow, few_shot_probe, knn_probe, linear_probe
from framegate.ssl.probes.probe_split import level_splits


def probe_backbone(
    reference: str,
    store: str | Path,
    *,
    arch: str | None = None,
    image_size: int | None = None,
    k: int = 20,
    tau: float = 0.1,
    shots: Sequence[int] = (1, 5, 20),
    fine_tune_steps: int = 0,
    taxonomy: str | Path | None = None,
) -> Result:
    """Measure how well a backbone's frame features tell a store's classes apart, at each level, by several protocols.

    Features are kept in the store; the next call finds them.

    Args:
        reference: a timm name, a backbone folder, or with ``arch`` a file of weights.
        store: a frame store with labels.
        arch: the timm model that a file of weights belongs to.
        image_size: pixels a side; default: the backbone's own.
        k, tau: of kNN.
        shots: of the few-shot probe.
        fine_tune_steps: updates of a fine-tuned copy, measured at the leaf; 0: none.
        taxonomy: default: the store's.

    Raises:
        BackboneError: ``reference`` is no backbone, or does not take pictures of that size.
        LabelError: the store's labels do not fit the taxonomy.
        ProbeError: too little is labelled.
    """
    opened = FrameStore(store)
    split = opened.videos["split"].to_numpy(zero_copy_only=False)
    numbers = np.flatnonzero(np.isin(split, ("train", "val", "test"))[opened.video_of])
    frames = probe_frames(opened, numbers, taxonomy=taxonomy)
    require_labels(opened, frames)
    _, notes = level_splits(frames)

    backbone = open_backbone(reference, image_size=image_size, arch=arch)
    features = _features(opened, numbers, lambda update: cached_features(backbone, opened, numbers, on_progress=update))
    rows = knn_probe(features, frames, k=k, tau=tau) + linear_probe(features, frames)
    rows += few_shot_probe(features, frames, shots=shots)
    if fine_tune_steps:
        rows += fine_tune_probe(backbone, opened, numbers, frames, steps=fine_tune_steps)
    values = {"backbone": reference, "rows": [asdict(row) for row in rows], "notes": list(notes)}
    return Result(values, "\n".join([reference, _table(rows), *notes]))


def open_backbone(reference: str, *, image_size: int | None = None, arch: str | None = None) -> Backbone:
    """Open a backbone on the fastest device and try it on one picture; random weights are the same every time.

    Raises:
        BackboneError: as `load_backbone`, or the network does not take pictures of that size.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        backbone = load_backbone(reference, image_size=image_size, arch=arch).eval()
    size = backbone.image_size
    try:
        with torch.no_grad():
            backbone(torch.zeros(1, 3, size, size, dtype=torch.uint8))
    except (RuntimeError, AssertionError, ValueError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise BackboneError(f"{reference} does not take pictures of {size} × {size} pixels: {reason}") from error
    return backbone.to("cuda" if torch.cuda.is_available() else "cpu")


def probe_rows(
    backbone: Backbone,
    store: FrameStore,
    *,
    k: int = 20,
    tau: float = 0.1,
    taxonomy: str | Path | None = None,
    queries: Literal["val", "test"] = "test",
    visible: bool = True,
) -> list[ProbeRow]:
    """Measure kNN accuracy of a backbone on an open store; features are not cached.

    ``queries``: the split that is classified; ``val`` while training. ``visible``: show progress.
    """
    split = store.videos["split"].to_numpy(zero_copy_only=False)
    numbers = np.flatnonzero(np.isin(split, ("train", queries))[store.video_of])
    frames = probe_frames(store, numbers, taxonomy=taxonomy)
    require_labels(store, frames)
    features = _features(
        store,
        numbers,
        lambda update: frame_features(backbone, store, numbers, image_size=backbone.image_size, on_progress=update),
        visible=visible,
    )
    return knn_probe(features, frames, k=k, tau=tau, queries=queries)


def _features(
    store: FrameStore, numbers: np.ndarray, compute: Callable[[Callable[[int], None]], Tensor], *, visible: bool = True
) -> Tensor:
    with WorkProgress("features", total=len(numbers), visible=visible) as progress:
        return compute(progress.update)


def _table(rows: Sequence[ProbeRow]) -> str:
    header = ["protocol", "level", "classes", "balanced", "95% interval", "accuracy"]
    cells = [
        [
            f"{row.protocol.replace('_', ' ')}, {_setting(row)}",
            row.level,
            str(row.classes),
            f"{row.balanced_accuracy:.3f}",
            f"{row.low:.3f}–{row.high:.3f}",
            f"{row.accuracy:.3f}",
        ]
        for row in rows
    ]
    return table(header, cells)


def _setting(row: ProbeRow) -> str:
    match row.protocol:
        case "knn":
            return f"k = {row.k}, τ = {row.tau}"
        case "linear":
            return f"C = {row.c:g}"
        case "few_shot":
            return f"{row.shots} a class, mean of {row.draws} draws"
        case "fine_tune":
            return f"{row.steps} steps"
