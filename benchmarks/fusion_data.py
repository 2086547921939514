"""The features that `fusion.py` trains on: computed once from generated corpora, and kept in its folder.

Two corpora, of different seeds: on the small one a sound CNN and a text encoder are trained, each with its own head,
and frozen; they stand for the pretrained encoders that a user would download. The frames' backbone is pretrained with
MoCo on the large corpus' training frames, without labels. All fusions train on the large corpus' features.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from framegate.finetune.alterations import NoiseBank
from framegate.finetune.batch import MODALITIES, ClipBatch, ClipSample, collate
from framegate.finetune.classifier import GatedFusionClassifier
from framegate.finetune.taxonomy import Taxonomy
from framegate.media import ExtractOptions, FrameStore
from framegate.recipes.clips import Sampling, StoreClips, label_nodes, noise_input
from framegate.recipes.config import read_recipe
from framegate.recipes.corpus import make_corpus
from framegate.recipes.extract import extract_manifest
from framegate.recipes.finetune import finetune
from framegate.recipes.finetune_config import FinetuneConfig
from framegate.recipes.pretrain import pretrain
from framegate.recipes.pretrain_config import PretrainConfig
from framegate.ssl.backbone import Backbone, load_backbone

SAMPLING = Sampling(frames=8, audio_seconds=10.0)
NOISY, SWAPPED = 1 / 6, 1 / 6  # of the hard variant's modalities, each clip's by itself


@dataclass(frozen=True)
class Clips:
    """Features of some clips, and of the same number of clips whose every modality is noise."""

    own: ClipBatch
    noise: ClipBatch
    dims: tuple[int, int, int]

    def __len__(self) -> int:
        return len(self.own)

    @property
    def bank(self) -> NoiseBank:
        noise = self.noise
        return NoiseBank(
            frames=noise.frames[noise.frames_mask],
            audio=noise.audio[noise.audio_mask],
            tokens=noise.tokens[noise.tokens_mask],
        )

    def take(self, rows: Tensor) -> Clips:
        return Clips(rows_of(self.own, rows), rows_of(self.noise, rows), self.dims)


@dataclass(frozen=True, kw_only=True)
class Size:
    """How much is made and trained."""

    clips: int = 1500
    encoder_clips: int = 480
    pretrain_epochs: int = 4
    encoder_epochs: int = 30


QUICK = Size(clips=150, encoder_clips=48, pretrain_epochs=1, encoder_epochs=4)


def make_data(folder: Path, size: Size, *, seed: int) -> dict[str, Clips]:
    """The clips of each split, ``train``, ``val``, ``test``, with pretrained frame features; what is missing is made.

    ``folder`` also gets the features of a random backbone: see :func:`load_data`.
    """
    if not (folder / "random.safetensors").exists():
        store = _store(folder / "large", clips=size.clips, seed=seed, every=0.8)
        small = _store(folder / "small", clips=size.encoder_clips, seed=seed + 1000, every=1000)
        encoders = {
            name: _encoder(small.path, folder / "runs", name, size.encoder_epochs) for name in ("audio", "text")
        }
        torch.manual_seed(seed)
        backbones = {"random": Backbone("resnet18", image_size=64)}
        backbones["pretrained"] = load_backbone(str(_pretrained(store.path, folder / "runs", size, seed)))
        shutil.copy(folder / "large" / "corpus" / "taxonomy.csv", folder / "taxonomy.csv")
        for name in ("pretrained", "random"):
            _write(
                folder / f"{name}.safetensors", store, backbones[name], encoders, Taxonomy.read(folder / "taxonomy.csv")
            )
    return load_data(folder, "pretrained")


def load_data(folder: Path, backbone: str) -> dict[str, Clips]:
    """The clips of each split, with the features of the ``pretrained`` or the ``random`` frame backbone."""
    saved = load_file(folder / f"{backbone}.safetensors")
    own, noise = (
        ClipBatch(**{field.name: saved[f"{kind}.{field.name}"] for field in fields(ClipBatch)})
        for kind in ("own", "noise")
    )
    assert own.frames is not None and own.audio is not None and own.tokens is not None
    dims = own.frames.shape[-1], own.audio.shape[-1], own.tokens.shape[-1]
    everything = Clips(own, noise, dims)
    return {
        split: everything.take((saved["split"] == number).nonzero().squeeze(1))
        for number, split in enumerate(("train", "val", "test"))
    }


def hard(clips: Clips, *, seed: int) -> ClipBatch:
    """The hard variant: each modality of each clip is noise or another clip's by chance, and nothing says so."""
    generator = torch.Generator().manual_seed(seed)
    draw = torch.rand(len(clips), len(MODALITIES), generator=generator)
    present = clips.own.present
    batch = swapped(clips.own, (draw < SWAPPED) & present, generator)
    return chosen(batch, clips.noise, (draw >= SWAPPED) & (draw < SWAPPED + NOISY) & present)


def swapped(batch: ClipBatch, rows: Tensor, generator: torch.Generator) -> ClipBatch:
    """The modalities at ``rows`` (B, 3) taken from another clip that has them, of any label."""
    for modality in range(len(MODALITIES)):
        having = batch.present[:, modality].nonzero().squeeze(1)
        order = having[torch.randperm(len(having), generator=generator)]
        other = torch.arange(len(batch))
        other[order] = order.roll(1)
        only = torch.zeros_like(rows)
        only[:, modality] = rows[:, modality]
        batch = chosen(batch, rows_of(batch, other), only)
    return batch


def chosen(batch: ClipBatch, other: ClipBatch, rows: Tensor) -> ClipBatch:
    """``batch`` with the modalities at ``rows`` (B, 3) of ``other``."""
    held = {}
    for modality, names in enumerate((("frames", "frames_mask"), ("audio", "audio_mask"), ("tokens", "tokens_mask"))):
        for name in names:
            ours, theirs = getattr(batch, name), getattr(other, name)
            held[name] = torch.where(rows[:, modality].view(-1, *(1,) * (ours.dim() - 1)), theirs, ours)
    return replace(batch, **held)


def rows_of(batch: ClipBatch, rows: Tensor) -> ClipBatch:
    """Some clips of a batch."""
    return ClipBatch(**{field.name: getattr(batch, field.name)[rows] for field in fields(batch)})


def _store(folder: Path, *, clips: int, seed: int, every: float) -> FrameStore:
    if not (folder / "store" / "videos.arrow").exists():
        make_corpus(folder / "corpus", clips=clips, seed=seed)
        extract_manifest(
            folder / "corpus" / "manifest.csv", folder / "store", options=ExtractOptions(every=every, size=144)
        )
    return FrameStore(folder / "store")


def _pretrained(store: Path, runs: Path, size: Size, seed: int) -> Path:
    if not (runs / "pretrain" / "backbone").exists():
        shutil.rmtree(runs / "pretrain", ignore_errors=True)
        overrides = [
            *(f"data.store={store}", f"run_dir={runs}", "name=pretrain", f"seed={seed}", "log.wandb_project=null"),
            *(f"optim.epochs={size.pretrain_epochs}", "data.workers=1", "checkpoint.every=100000"),
        ]
        pretrain(read_recipe(PretrainConfig, "moco_small", overrides))
    return runs / "pretrain" / "backbone"


def _encoder(store: Path, runs: Path, modality: str, epochs: int) -> GatedFusionClassifier:
    if not (runs / modality / "classifier").exists():
        shutil.rmtree(runs / modality, ignore_errors=True)
        others = [f"streams.{name}=null" for name in MODALITIES if name != modality]
        overrides = [
            *(f"data.store={store}", f"run_dir={runs}", f"name={modality}", "log.wandb_project=null", *others),
            *(f"optim.epochs={epochs}", f"data.audio_seconds={SAMPLING.audio_seconds}", "checkpoint.every=100000"),
        ]
        finetune(read_recipe(FinetuneConfig, "fusion_small", overrides))
    return GatedFusionClassifier.from_pretrained(runs / modality / "classifier")


@torch.inference_mode()
def _write(
    file: Path,
    store: FrameStore,
    backbone: Backbone,
    encoders: dict[str, GatedFusionClassifier],
    taxonomy: Taxonomy,
) -> None:
    """Features of all clips of a store, and of noise beside each, through frozen encoders."""
    prepare = replace(
        encoders["audio"].prepare,
        image_size=backbone.image_size,
        mask_overlays=True,  # as the recipe does
        tokenizer=encoders["text"].prepare.tokenizer,
        max_tokens=encoders["text"].prepare.max_tokens,
    )
    clips = StoreClips(store, prepare, SAMPLING, labels=label_nodes(store, taxonomy))
    rng = np.random.default_rng(0)
    backbone.eval()
    sound, words = (encoders[name].streams[name].encoder for name in ("audio", "text"))

    def encode(sample: ClipSample) -> ClipSample:
        tokens = sample.tokens
        return ClipSample(
            frames=backbone(sample.frames) if sample.frames is not None else None,
            audio=sound(sample.audio) if sample.audio is not None else None,
            tokens=words(tokens[None], torch.ones(1, len(tokens), dtype=torch.bool))[0] if tokens is not None else None,
            labels=sample.labels,
        )

    own, noise = [], []
    for row in range(store.videos.num_rows):
        video = store.video(row)
        text = f"{video.title}\n{video.description}".strip() or "noise"
        own.append(encode(clips[row]))
        noise.append(encode(prepare(noise_input(SAMPLING, rng, prepare=prepare, text=text), labels=clips.labels[row])))
    split = torch.tensor([("train", "val", "test").index(name) for name in store.videos["split"].to_pylist()])
    both = _alike(collate(own), collate(noise))
    tensors = {
        f"{kind}.{field.name}": getattr(batch, field.name)
        for kind, batch in zip(("own", "noise"), both, strict=True)
        for field in fields(batch)
    }
    aside = file.with_suffix(".part")
    save_file({**{key: value.contiguous() for key, value in tensors.items()}, "split": split}, aside)
    aside.replace(file)


def _alike(*batches: ClipBatch) -> list[ClipBatch]:
    """The batches padded to common lengths, so that rows can be exchanged."""
    held: list[dict[str, Tensor]] = [{} for _ in batches]
    for field in fields(ClipBatch):
        values = [getattr(batch, field.name) for batch in batches]
        if field.name != "labels":
            joined = pad_sequence([value.transpose(0, 1) for value in values], batch_first=True)  # (kinds, T, B, …)
            values = [value.transpose(0, 1) for value in joined]
        for own, value in zip(held, values, strict=True):
            own[field.name] = value
    return [ClipBatch(**own) for own in held]
