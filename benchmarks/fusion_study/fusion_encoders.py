"""The features that `fusion.py` trains on: computed once from generated corpora, and kept in its folder.

Three corpora, of different seeds. On the small one a sound CNN is trained, and on the titles and descriptions of one
that is planned but never rendered, a text encoder, each with its own head, and frozen; they stand for the pretrained
encoders that a user would download. The frames' backbone is pretrained with MoCo on the large corpus' training frames,
without labels. All fusions train on the large corpus' features.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from fusion_study.fusion_data import Clips, load_data, to_tensors
from fusion_study.fusion_training import Kind, fit
from safetensors.torch import save_file
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from framegate.finetune.classifier import ClassifierConfig, GatedFusionClassifier
from framegate.finetune.data.batch import ClipBatch, ClipSample, Content, Features, Modality, collate
from framegate.finetune.folders.clip_sampling import Sampling
from framegate.finetune.streams.prepare import ClipInput
from framegate.finetune.streams.streams import StreamsConfig
from framegate.finetune.taxonomy.taxonomy import Taxonomy
from framegate.media import ExtractOptions, FrameStore
from framegate.media.files import folder_aside, replace_folder
from framegate.recipes.commands.data.extract_command import extract_manifest
from framegate.recipes.config.finetune_config import FinetuneConfig
from framegate.recipes.config.pretrain_config import PretrainConfig
from framegate.recipes.config.recipe import read_recipe
from framegate.recipes.corpus import make_corpus
from framegate.recipes.corpus.plan import plan_corpus
from framegate.recipes.finetune import finetune
from framegate.recipes.finetuning.clips import StoreClips, clip_text, label_nodes, noise_input
from framegate.recipes.pretrain import pretrain
from framegate.ssl.backbones.backbone import Backbone, load_backbone

SAMPLING = Sampling(frames=8, audio_seconds=10.0)


@dataclass(frozen=True, kw_only=True)
class Size:
    """How much is made and trained."""

    clips: int = 1500
    audio_clips: int = 480
    audio_epochs: int = 30
    texts: int = 10_000
    text_epochs: int = 8
    pretrain_epochs: int = 12


QUICK = Size(clips=150, audio_clips=48, audio_epochs=4, texts=1000, text_epochs=4, pretrain_epochs=1)


def make_data(folder: Path, size: Size, *, seed: int) -> dict[str, Clips]:
    """The clips of each split, ``train``, ``val``, ``test``, with pretrained frame features; what is missing is made.

    ``folder`` also gets the features of a random backbone: see :func:`~fusion_data.load_data`.
    """
    if not (folder / "random.safetensors").exists():
        runs = folder / "runs"
        store = _store(folder / "large", clips=size.clips, seed=seed, every=0.8)
        shutil.copy(folder / "large" / "corpus" / "taxonomy.csv", folder / "taxonomy.csv")
        taxonomy = Taxonomy.read(folder / "taxonomy.csv")
        small = _store(folder / "small", clips=size.audio_clips, seed=seed + 1000, every=1000)
        encoders = {
            "audio": _audio_encoder(small.path, runs, size.audio_epochs),
            "text": _text_encoder(taxonomy, runs, texts=size.texts, epochs=size.text_epochs, seed=seed + 2000),
        }
        torch.manual_seed(seed)
        random = Backbone("resnet18", image_size=64).eval()
        pretrained = load_backbone(str(_pretrained(store.path, runs, size.pretrain_epochs, seed))).eval()
        backbones = {"pretrained": pretrained, "random": random}  # in this order: the last file says that all is made
        _write(folder, store, backbones, encoders, taxonomy)
    return load_data(folder, "pretrained")


def _store(folder: Path, *, clips: int, seed: int, every: float) -> FrameStore:
    if not (folder / "store" / "videos.arrow").exists():
        make_corpus(folder / "corpus", clips=clips, seed=seed)
        extract_manifest(
            folder / "corpus" / "manifest.csv", folder / "store", options=ExtractOptions(every=every, size=144)
        )
    return FrameStore(folder / "store")


def _pretrained(store: Path, runs: Path, epochs: int, seed: int) -> Path:
    if not (runs / "pretrain" / "backbone").exists():
        shutil.rmtree(runs / "pretrain", ignore_errors=True)
        overrides = [
            *(f"data.store={store}", f"run_dir={runs}", "name=pretrain", f"seed={seed}", "log.wandb_project=null"),
            *(f"optim.epochs={epochs}", "optim.weight_decay=2.5", "data.workers=0", "checkpoint.every=100000"),
        ]  # the recipe's decay is for 1,000 steps; these are twice as many
        pretrain(read_recipe(PretrainConfig, "moco_small", overrides))
    return runs / "pretrain" / "backbone"


def _audio_encoder(store: Path, runs: Path, epochs: int) -> GatedFusionClassifier:
    if not (runs / "audio" / "classifier").exists():
        shutil.rmtree(runs / "audio", ignore_errors=True)
        overrides = [
            *(f"data.store={store}", f"run_dir={runs}", "name=audio", "streams.frames=null", "streams.text=null"),
            *(f"optim.epochs={epochs}", f"data.audio_seconds={SAMPLING.audio_seconds}", "checkpoint.every=100000"),
            "log.wandb_project=null",
        ]
        finetune(read_recipe(FinetuneConfig, "fusion_small", overrides))
    return GatedFusionClassifier.from_pretrained(runs / "audio" / "classifier")


def _text_encoder(taxonomy: Taxonomy, runs: Path, *, texts: int, epochs: int, seed: int) -> GatedFusionClassifier:
    folder = runs / "text-encoder"
    if not folder.exists():
        plans = [plan for plan in plan_corpus(texts, seed) if plan.title or plan.description]
        written = [clip_text(plan.title, plan.description) for plan in plans]
        torch.manual_seed(seed)
        config = ClassifierConfig(streams=StreamsConfig(frames=None, audio=None))
        model = GatedFusionClassifier.create(config, taxonomy, texts=written, sampling=SAMPLING)
        clips = collate(
            [
                model.prepare(ClipInput(text=text), labels=(taxonomy.resolve(plan.leaf.id),))
                for text, plan in zip(written, plans, strict=True)
            ]
        )
        fit(model, clips, Kind(modalities=("text",)), seed=seed, epochs=epochs)
        with folder_aside(folder) as aside:
            model.save_pretrained(aside)
            replace_folder(aside, folder)
    return GatedFusionClassifier.from_pretrained(folder)


@torch.inference_mode()
def _write(
    folder: Path,
    store: FrameStore,
    backbones: dict[str, Backbone],
    encoders: dict[str, GatedFusionClassifier],
    taxonomy: Taxonomy,
) -> None:
    """Features of all clips of a store, and of noise beside each, through frozen encoders: a file for each backbone."""
    prepare = replace(
        encoders["audio"].prepare,
        image_size=backbones["random"].image_size,
        mask_overlays=True,  # as the recipe does
        tokenizer=encoders["text"].prepare.tokenizer,
        max_tokens=encoders["text"].prepare.max_tokens,
    )
    clips = StoreClips(store, prepare, SAMPLING, labels=label_nodes(store, taxonomy))
    rng = np.random.default_rng(0)
    audio, words = (encoders[name].streams[name].encode for name in ("audio", "text"))

    def encode(sample: ClipSample) -> dict[str, ClipSample]:
        def features(backbone: Backbone) -> dict[Modality, Content]:
            encode = {"frames": backbone, "audio": audio, "text": words}
            return {modality: Features(encode[modality](held.values)) for modality, held in sample.content.items()}

        return {name: replace(sample, content=features(backbone)) for name, backbone in backbones.items()}

    whole, noise = [], []
    for row in range(store.videos.num_rows):
        video = store.video(row)
        text = f"{video.title}\n{video.description}".strip() or "noise"
        whole.append(encode(clips[row]))
        noise.append(encode(prepare(noise_input(SAMPLING, rng, prepare=prepare, text=text), labels=clips.labels[row])))
    split = torch.tensor([("train", "val", "test").index(name) for name in store.videos["split"].to_pylist()])
    for name in backbones:
        both = _alike(
            own=collate([sample[name] for sample in whole]), noise=collate([sample[name] for sample in noise])
        )
        tensors = {key: value for kind, batch in both.items() for key, value in to_tensors(batch, kind).items()}
        file = folder / f"{name}.safetensors"
        aside = file.with_suffix(".part")
        save_file({**{key: value.contiguous() for key, value in tensors.items()}, "split": split}, aside)
        aside.replace(file)


def _alike(**batches: ClipBatch) -> dict[str, ClipBatch]:
    """The batches of features padded to common lengths, so that rows can be exchanged."""

    def joined(tensors: list[Tensor]) -> Tensor:
        return pad_sequence([tensor.transpose(0, 1) for tensor in tensors], batch_first=True).transpose(1, 2)

    names = next(iter(batches.values())).content
    content = {name: joined([batch.content[name].values for batch in batches.values()]) for name in names}
    masks = {name: joined([batch.masks[name] for batch in batches.values()]) for name in names}  # (kinds, B, T)
    return {
        kind: ClipBatch(
            labels=batch.labels,
            content={name: Features(values[number]) for name, values in content.items()},
            masks={name: values[number] for name, values in masks.items()},
        )
        for number, (kind, batch) in enumerate(batches.items())
    }
