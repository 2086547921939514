"""Features of frozen encoders: computed once, for labelled clips alone, and as good as the encoders themselves."""

from pathlib import Path

import numpy as np
import pytest
import torch

from framegate.finetune.classifier import ClassifierConfig, GatedFusionClassifier
from framegate.finetune.data.batch import MODALITIES, Features, Raw, collate
from framegate.finetune.folders.clip_sampling import Sampling
from framegate.finetune.fusion.fusion import FusionConfig
from framegate.finetune.streams.streams import AudioConfig, FramesConfig, StreamsConfig, TextConfig
from framegate.media import FrameStore
from framegate.recipes.commands.training.evaluate_command import open_classifier
from framegate.recipes.config.finetune_config import FinetuneConfig
from framegate.recipes.config.recipe import read_recipe
from framegate.recipes.finetune import finetune
from framegate.recipes.finetuning.clip_features import frozen_features, noise_features
from framegate.recipes.finetuning.clips import StoreClips, label_nodes, spaced_frames
from framegate.recipes.finetuning.labels import store_taxonomy
from framegate.recipes.finetuning.measure import evaluation, labelled_rows

SAMPLING = Sampling(frames=3, audio_seconds=3.0)


def make_model(store: FrameStore) -> GatedFusionClassifier:
    torch.manual_seed(0)
    streams = StreamsConfig(
        frames=FramesConfig(backbone="test_resnet"),
        audio=AudioConfig(train="frozen"),
        text=TextConfig(train="frozen", width=32, vocabulary=300),
    )
    config = ClassifierConfig(streams=streams, fusion=FusionConfig(width=16))
    texts = store.videos["title"].to_pylist()
    return GatedFusionClassifier.create(config, store_taxonomy(store, None), texts=texts, image_size=32).eval()


def test_features_are_answered_as_what_they_were_made_of(store: Path) -> None:
    frames = FrameStore(store)
    model = make_model(frames)
    labels = label_nodes(frames, model.taxonomy)
    features = frozen_features(model, frames, SAMPLING, labels=labels)
    assert set(features) == set(MODALITIES)
    rows = [row for row, nodes in enumerate(labels) if nodes][:8]
    raw, cached = (
        collate([StoreClips(frames, model.prepare, SAMPLING, labels=labels, features=given)[row] for row in rows])
        for given in (None, features)
    )
    assert {type(content) for content in raw.content.values()} == {Raw}
    assert {type(content) for content in cached.content.values()} == {Features}
    assert not cached.present.all()  # some clips lack something
    assert torch.equal(cached.present, raw.present)
    with torch.no_grad():
        torch.testing.assert_close(model(cached).log_probs, model(raw).log_probs, rtol=1e-4, atol=1e-5)


def test_they_are_made_once_and_anew_where_the_encoder_is_another(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    frames = FrameStore(store)
    model = make_model(frames)
    labels = label_nodes(frames, model.taxonomy)
    first = frozen_features(model, frames, SAMPLING, labels=labels)
    asked: list[str] = []
    for name in ("audio", "text"):
        stream = model.streams[name]
        monkeypatch.setattr(
            stream, "encode", lambda elements, name=name, encode=stream.encode: asked.append(name) or encode(elements)
        )
    again = frozen_features(model, frames, SAMPLING, labels=labels)
    assert asked == []
    assert all(torch.equal(first[name].values, again[name].values) for name in MODALITIES)
    with torch.no_grad():
        next(model.streams["text"].encoder.parameters()).add_(1)
    other = frozen_features(model, frames, SAMPLING, labels=labels)
    assert set(asked) == {"text"}
    assert not torch.equal(first["text"].values, other["text"].values)


def test_labelled_clips_alone_are_encoded(store: Path) -> None:
    frames = FrameStore(store)
    model = make_model(frames)
    labels = [nodes if row % 2 else () for row, nodes in enumerate(label_nodes(frames, model.taxonomy))]
    features = frozen_features(model, frames, SAMPLING, labels=labels)
    held = [row for row, nodes in enumerate(labels) if nodes]
    assert features["frames"].rows.tolist() == held
    counts = [len(spaced_frames(frames.frame_range(row), 3)) for row in held]
    assert np.diff(features["frames"].edges).tolist() == counts
    with pytest.raises(KeyError, match="no features of the clip at row 0"):
        features["audio"].of(0)
    assert frozen_features(model, frames, SAMPLING, labels=[()] * len(labels)) == {}


def test_noise_is_noise_to_the_encoders(store: Path) -> None:
    frames = FrameStore(store)
    model = make_model(frames)
    labels = label_nodes(frames, model.taxonomy)
    clips = StoreClips(
        frames, model.prepare, SAMPLING, labels=labels, features=frozen_features(model, frames, SAMPLING, labels=labels)
    )
    bank = noise_features(model, clips, seed=0, count=8)
    assert {name: features.shape[1] for name, features in bank.items()} == {"frames": 96, "audio": 96, "text": 32}
    assert torch.isfinite(bank["audio"]).all()
    assert torch.cdist(bank["audio"], clips.features["audio"].values).min() > 1e-3  # no clip's own
    plain = StoreClips(frames, model.prepare, SAMPLING, labels=labels)
    assert noise_features(model, plain, seed=0) == {}


def test_a_model_of_frozen_encoders_is_trained_on_features_and_evaluated(store: Path, tmp_path: Path) -> None:
    overrides = [f"data.store={store}", f"run_dir={tmp_path}", "log.wandb_project=null", "optim.epochs=2"]
    overrides += ["streams.frames.backbone=test_resnet", "streams.audio.train=frozen", "streams.text.train=frozen"]
    run = finetune(read_recipe(FinetuneConfig, "fusion_small", [*overrides, "optim.batch_size=8", "data.frames=3"]))
    model, clips = open_classifier(run / "classifier", FrameStore(store))
    assert set(clips.features) == set(MODALITIES)
    figures, _ = evaluation(model, clips, labelled_rows(clips, "all"))
    for name in MODALITIES:
        kinds = figures["modalities"]["corruptions"][name]
        assert all(0 <= values["top1"] <= 1 for values in kinds.values())
        assert len({values["reliability"] for values in kinds.values()}) > 1
