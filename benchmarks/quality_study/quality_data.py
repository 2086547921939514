"""The stores of `ssl_quality.py`, made once in its folder, and how a backbone does on them."""

from __future__ import annotations

import csv
import random
import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from quality_study.quality_clips import StationLook, render_clip, write_clip
from quality_study.quality_pictures import Picture

from framegate.media import ExtractOptions, FrameStore
from framegate.recipes.commands.data.extract_command import extract_manifest
from framegate.recipes.pretraining.audit_rows import audit_values
from framegate.ssl.backbones.backbone import Backbone
from framegate.ssl.probes.features import frame_features
from framegate.ssl.probes.knn import knn_predict
from framegate.ssl.probes.linear_probe import choose_c, fit_linear

K, TAU = 20, 0.1
CORRELATION = 0.9  # share of a category's training clips that have its station's look; the others have another's
TESTS = ("clean", "same", "swapped")


class Stores:
    """Four stores of the same clips.

    ``planted``: the training clips, with looks. ``plain``: the same without, and the clean test clips. ``same`` and
    ``swapped``: the test clips with the look of their category, and with another's. No clip has a programme: it would
    all but name the category.
    """

    def __init__(self, folder: Path) -> None:
        self.planted, self.plain, self.same, self.swapped = (
            FrameStore(folder / name) for name in ("planted", "plain", "same", "swapped")
        )

    @property
    def clean(self) -> FrameStore:
        return self.plain

    @property
    def training_clips(self) -> int:
        return self.planted.videos["split"].to_pylist().count("train")


def make_stores(folder: Path, pictures: list[Picture], *, side: int, seed: int) -> Stores:
    """Render and extract what is not there yet."""
    categories = max(picture.category for picture in pictures) + 1
    looks = [StationLook.draw(seed, station) for station in range(categories)]
    for name in ("planted", "plain", "same", "swapped"):
        if not (folder / name / "videos.arrow").exists():
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=folder) as work:
                _write_clips(Path(work), name, pictures, looks, side=side, seed=seed)
                shutil.rmtree(folder / name, ignore_errors=True)
                extract_manifest(
                    Path(work) / "clips.csv",
                    folder / name,
                    options=ExtractOptions(mode="exact", size=side, audio_seconds=0),
                )
    return Stores(folder)


def _write_clips(
    work: Path, store: str, pictures: list[Picture], looks: list[StationLook], *, side: int, seed: int
) -> None:
    rows = []
    for number, picture in enumerate(pictures):
        rng = random.Random(f"station:{seed}:{picture.name}")
        others = [station for station in range(len(looks)) if station != picture.category]
        another = rng.choice(others)
        if store == "planted" and not picture.is_test:
            look = looks[picture.category if rng.random() < CORRELATION else another]
        elif store == "plain":
            look = None
        elif store in ("same", "swapped") and picture.is_test:
            look = looks[picture.category if store == "same" else another]
        else:
            continue
        clip = f"{number:05d}"
        camera = f"{seed}:{picture.name}"
        write_clip(work / f"{clip}.mp4", render_clip(picture.pixels, look, side=side, seed=camera), seed=camera)
        rows.append((clip, f"{clip}.mp4", f"c{picture.category:02d}", "test" if picture.is_test else "train"))
    with (work / "clips.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("id", "video", "label", "split"), *rows])


def evaluate(backbone: Backbone, stores: Stores, *, audit_frames: int, bf16: bool) -> dict[str, Any]:
    """`_evaluate`, its features in the precision that rows are trained in."""
    with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        return _evaluate(backbone, stores, audit_frames=audit_frames)


def _evaluate(backbone: Backbone, stores: Stores, *, audit_frames: int) -> dict[str, Any]:
    """kNN and linear probe in the three conditions, picture by picture, and the audit.

    The memory is the training frames with the planted looks; two frames of each clip count.
    """
    backbone.eval()
    memory, classes, clips = _features(backbone, stores.planted, "train")
    held_out = clips % 5 == 0  # of the training clips, to choose the linear probe's penalty on
    c = choose_c(memory[~held_out], classes[~held_out], memory[held_out], classes[held_out])
    linear = fit_linear(memory, classes, c=c)
    right: dict[str, dict[str, list[float]]] = {"knn": {}, "linear": {}}
    for condition in TESTS:
        features, true, of_clip = _features(backbone, getattr(stores, condition), "test")
        votes = knn_predict(
            torch.from_numpy(memory), torch.from_numpy(classes), torch.from_numpy(features), k=K, temperature=TAU
        ).numpy()
        for probe, predicted in (("knn", votes), ("linear", linear.predict(features))):
            hits = np.bincount(of_clip, weights=predicted == true) / np.bincount(of_clip)
            right[probe][condition] = hits.round(4).tolist()
        first = np.unique(of_clip, return_index=True)[1]
        category = true[first].tolist()
    audited = audit_values(backbone, stores.plain, frames=audit_frames, visible=False)
    return {"k": K, "tau": TAU, "c": c, "category": category, "right": right, "audit": audited}


def _features(backbone: Backbone, store: FrameStore, split: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Features (N, dim) of the first and third frame of each clip of a split, its class (N,), and its number (N,)."""
    videos = np.flatnonzero(store.videos["split"].to_numpy(zero_copy_only=False) == split)
    frames = np.array([store.frame_range(int(video))[place] for video in videos for place in (0, 2)])
    labels = np.array([int(label[1:]) for label in store.videos["label"].to_pylist()])
    features = frame_features(backbone, store, frames, image_size=backbone.image_size).numpy()
    return features, np.repeat(labels[videos], 2), np.repeat(np.arange(len(videos)), 2)
