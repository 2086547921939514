"""Features of a store's labelled clips by a classifier's frozen encoders: computed once, and cached in the store."""

import json
from dataclasses import asdict
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from framegate.finetune.classifier import GatedFusionClassifier
from framegate.finetune.data.batch import MODALITIES, Modality, Raw
from framegate.finetune.data.corruption import NoiseBank, noise_for
from framegate.finetune.folders.clip_sampling import Sampling
from framegate.finetune.streams.streams import SetStream, TextStream
from framegate.media import FrameStore
from framegate.media.manifest.paths import final_name
from framegate.recipes.finetuning.clips import ClipFeatures, StoreClips, spaced_frames
from framegate.recipes.training.progress import WorkProgress
from framegate.ssl.backbones.backbone import Backbone
from framegate.ssl.backbones.weights import add_tensors
from framegate.ssl.probes.feature_cache import Shape, cached_features, kept_tensors, store_digest


def frozen_features(
    model: GatedFusionClassifier,
    store: FrameStore,
    sampling: Sampling,
    *,
    labels: list[tuple[int, ...]],
    visible: bool = True,
) -> dict[Modality, ClipFeatures]:
    """By modality whose encoder is frozen, its features of all labelled clips: of millions few are labelled.

    What is in the store already is read; see :func:`~framegate.ssl.probes.feature_cache.kept_tensors`.
    """
    rows = np.array([row for row, nodes in enumerate(labels) if nodes], dtype=np.int64)
    clips = StoreClips(store, model.prepare, sampling, labels=labels)
    model.eval()
    found: dict[Modality, ClipFeatures] = {}
    for name in MODALITIES:
        stream = _stream(model, name) if name in model.streams else None
        if stream is not None and stream.trained == "frozen" and len(rows):
            of = _of_frames if name == "frames" else _of_clips
            found[name] = of(model, name, clips, rows, visible=visible)
    return found


def _stream(model: GatedFusionClassifier, name: str) -> SetStream | TextStream:
    return cast(SetStream | TextStream, model.streams[name])


def _of_frames(
    model: GatedFusionClassifier, name: Modality, clips: StoreClips, rows: np.ndarray, *, visible: bool
) -> ClipFeatures:
    backbone = cast(Backbone, _stream(model, name).encoder)
    taken = [spaced_frames(clips.store.frame_range(int(row)), clips.sampling.frames) for row in rows]
    frames, edges = np.concatenate(taken), _edges([len(each) for each in taken])
    if not len(frames):
        return ClipFeatures(rows, edges, torch.empty(0, backbone.dim))
    with WorkProgress("features", total=len(frames), visible=visible) as progress:
        values = cached_features(
            backbone, clips.store, frames, mask_overlays=model.prepare.mask_overlays, on_progress=progress.update
        )
    return ClipFeatures(rows, edges, values)


@torch.no_grad()
def _of_clips(
    model: GatedFusionClassifier, name: Modality, clips: StoreClips, rows: np.ndarray, *, visible: bool
) -> ClipFeatures:
    """Encode audio or text, clip by clip."""
    stream = _stream(model, name)
    digest = store_digest(clips.store, rows)
    config = asdict(getattr(model.config.streams, name))
    settings: dict[str, Any] = {key: value for key, value in config.items() if key not in ("lr", "aggregation")}
    if name == "audio":
        extractor = model.prepare.extractor
        settings |= {"seconds": clips.sampling.audio_seconds, "extractor": extractor and extractor.to_dict()}
    else:  # what the tokenizer makes of the texts
        settings["tokens"] = [None if (tokens := clips.tokens(int(row))) is None else tokens.tolist() for row in rows]
    digest.update(json.dumps(settings, sort_keys=True, default=str).encode())
    add_tensors(digest, stream.encoder.state_dict())

    def make() -> dict[str, Tensor]:
        pieces = []
        with WorkProgress(f"{name} features", total=len(rows), visible=visible) as progress:
            for done, row in enumerate(rows, start=1):
                content = clips.raw(name, int(row))
                pieces.append(torch.empty(0, stream.dim) if content is None else _encoded(model, name, content))
                progress.update(done)
        edges = torch.from_numpy(_edges([len(piece) for piece in pieces]))
        return {"features": torch.cat(pieces), "edges": edges}

    about = {"name": config["backbone"] and final_name(config["backbone"]), "modality": name}
    shapes: dict[str, Shape] = {"features": (None, stream.dim), "edges": (len(rows) + 1,)}
    kept = kept_tensors(clips.store, name, digest, make, shapes=shapes, about=about)
    return ClipFeatures(rows, kept["edges"].numpy(), kept["features"])


def _encoded(model: GatedFusionClassifier, name: Modality, content: Raw) -> Tensor:
    return _stream(model, name).encode(content.values.to(model.counts.device)).float().cpu()


def _edges(counts: list[int]) -> np.ndarray:
    return np.concatenate([[0], np.cumsum(counts, dtype=np.int64)])


@torch.no_grad()
def noise_features(model: GatedFusionClassifier, clips: StoreClips, *, seed: int, count: int = 32) -> NoiseBank:
    """What the frozen encoders whose features ``clips`` has make of noise.

    Of pictures of random pixels of any contrast, and flat ones; of white noise as loud as some clips' audio, and of
    some clips' words in no order.
    """
    model.eval()
    bank: dict[Modality, Tensor] = {}
    if "frames" in clips.features:
        bank["frames"] = _of_noise_pictures(model, clips.sampling, seed=seed, count=count)
    labelled = [row for row, nodes in enumerate(clips.labels) if nodes]
    some = np.random.default_rng(seed).choice(labelled, size=min(count, len(labelled)), replace=False)
    names: tuple[Modality, ...] = ("audio", "text")
    for name in names:
        contents = [content for row in some if (content := clips.raw(name, int(row))) is not None]
        if name in clips.features and contents:
            noise = noise_for(name, contents, torch.Generator().manual_seed(seed))
            bank[name] = torch.cat([_encoded(model, name, content) for content in noise])
    return bank


def _of_noise_pictures(model: GatedFusionClassifier, sampling: Sampling, *, seed: int, count: int) -> Tensor:
    encoder = cast(Backbone, _stream(model, "frames").encoder)
    size, rng = encoder.image_size, np.random.default_rng(seed)
    rows = []
    for number in range(count):
        contrast = rng.uniform(0.3, 1.0) if number % 4 else 0.0
        pixels = rng.uniform(0, 255) * (1 - contrast) + contrast * rng.integers(
            0, 256, (sampling.frames, 3, size, size)
        )
        pictures = torch.from_numpy(pixels.astype(np.uint8))
        rows.append(encoder(pictures.to(model.counts.device)))
    return torch.cat(rows)
