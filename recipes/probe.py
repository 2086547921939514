"""Probe any backbone on a store's labels."""

from dataclasses import asdict
from pathlib import Path
from typing import Literal

import numpy as np
import torch

from framegate.media import FrameStore
from framegate.recipes.labels import level_classes, store_taxonomy
from framegate.recipes.progress import WorkProgress
from framegate.recipes.results import Result, table
from framegate.ssl.backbone import Backbone, load_backbone
from framegate.ssl.features import frame_features
from framegate.ssl.probe import ProbeFrames, ProbeRow, knn_probe


def probe_backbone(
    reference: str,
    store: Path,
    *,
    arch: str | None = None,
    image_size: int | None = None,
    k: int = 20,
    tau: float = 0.1,
    taxonomy: Path | None = None,
) -> Result:
    """kNN accuracy of a backbone's frame features, at each level of the taxonomy.

    Raises:
        BackboneError: ``reference`` is no backbone.
        LabelError: the store's labels do not fit the taxonomy.
        ProbeError: too little is labelled.
    """
    opened = FrameStore(store)
    backbone = load_backbone(reference, image_size=image_size, arch=arch)
    backbone.to("cuda" if torch.cuda.is_available() else "cpu")
    rows = probe_rows(backbone, opened, k=k, tau=tau, taxonomy=taxonomy)
    header = ["level", "balanced", "95% interval", "accuracy"]
    cells = [
        [row.level, f"{row.balanced_accuracy:.3f}", f"{row.low:.3f}–{row.high:.3f}", f"{row.accuracy:.3f}"]
        for row in rows
    ]
    text = f"kNN, k = {k}, τ = {tau}, {reference}\n{table(header, cells)}"
    return Result({"backbone": reference, "rows": [asdict(row) for row in rows]}, text)


def probe_rows(
    backbone: Backbone,
    store: FrameStore,
    *,
    k: int = 20,
    tau: float = 0.1,
    taxonomy: Path | None = None,
    queries: Literal["val", "test"] = "test",
    visible: bool = True,
) -> list[ProbeRow]:
    """The figures of `probe_backbone`, for a backbone and a store at hand.

    ``queries``: the split that is classified; ``val`` while training. ``visible``: show progress.
    """
    tree = store_taxonomy(store, taxonomy)
    split, programme = (store.videos[name].to_numpy(zero_copy_only=False) for name in ("split", "programme"))
    frames = np.flatnonzero(np.isin(split, ("train", queries))[store.video_of])
    with WorkProgress("features", total=len(frames), visible=visible) as progress:
        features = frame_features(backbone, store, frames, image_size=backbone.image_size, on_progress=progress.update)
    videos = store.video_of[frames]
    known = ProbeFrames(
        split=split[videos],
        programme=programme[videos],
        levels={level: classes[videos] for level, classes in level_classes(store, tree).items()},
    )
    return knn_probe(features, known, k=k, tau=tau, queries=queries)
