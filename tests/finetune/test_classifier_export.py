"""ONNX: the exported streams and fusion answer as the model does, for any subset of modalities."""

import itertools
from dataclasses import replace

import numpy as np
import onnxruntime
import pytest
import torch

from framegate.finetune.classifier import ClassifierConfig, GatedFusionClassifier
from framegate.finetune.classifier_export import export_onnx, run_onnx
from framegate.finetune.data.batch import MODALITIES, collate
from framegate.finetune.fusion.fusion import FusionConfig
from framegate.finetune.heads.heads import HeadConfig
from framegate.finetune.streams.prepare import ClipInput
from framegate.finetune.streams.streams import AudioConfig, FramesConfig, StreamsConfig, TextConfig
from framegate.finetune.taxonomy.taxonomy import Node, Taxonomy
from framegate.ssl.backbones.backbone_export import ExportError

TAXONOMY = Taxonomy((Node("a"), Node("b"), Node("a1", "a"), Node("a2", "a"), Node("b1", "b"), Node("x", "a1")))
WIDTH = 16
SUBSETS = [subset for n in range(4) for subset in itertools.combinations(MODALITIES, n)]

pytestmark = pytest.mark.slow  # translating takes seconds


def clip(subset, seed=0):
    """Noise, a tone and silence in turn: what the spectra of an exported network could get wrong."""
    rng = np.random.default_rng(seed)
    time = np.arange(40_000) / 16_000
    audio = np.concatenate([rng.normal(0, 0.1, 20_000), np.zeros(20_000), np.sin(2 * np.pi * 440 * time)])
    return ClipInput(
        frames=rng.integers(0, 256, (3 + seed, 40, 60, 3), dtype=np.uint8) if "frames" in subset else None,
        audio=audio.astype(np.float32) if "audio" in subset else None,
        text="Погода сегодня" if "text" in subset else "",
    )


@pytest.fixture(scope="module", params=[("reliability", "experts"), ("reliability", "multilabel"), ("mean", "experts")])
def model(request):
    fusion, head = request.param
    torch.set_num_threads(1)
    torch.manual_seed(0)
    config = ClassifierConfig(
        streams=StreamsConfig(
            frames=FramesConfig(backbone="test_resnet"), audio=AudioConfig(), text=TextConfig(width=32, vocabulary=300)
        ),
        fusion=FusionConfig(name=fusion, width=WIDTH),
        head=HeadConfig(name=head),
    )
    model = GatedFusionClassifier.create(config, TAXONOMY, texts=["погода", "weather"], image_size=32)
    model.count_labels(torch.tensor([[5], [5], [4]]))
    model.train()(collate([model.prepare(clip(MODALITIES, seed)) for seed in range(4)]))  # statistics of their own
    if head == "multilabel":  # as sure of some answers as a trained one is
        with torch.no_grad():
            model.head.scores.bias.uniform_(-40, 40)
    return model.eval()


@pytest.fixture(scope="module")
def exported(model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("onnx")
    export_onnx(model, folder)
    return folder, {name: onnxruntime.InferenceSession(folder / f"{name}.onnx") for name in (*MODALITIES, "fusion")}


@pytest.mark.parametrize("subset", SUBSETS)
def test_every_subset_is_answered_as_by_the_model(model, exported, subset):
    _, sessions = exported
    batch = collate([model.prepare(clip(subset)), model.prepare(clip(MODALITIES, 1))][: 1 if subset else 2])
    with torch.no_grad():
        expected = model(batch)
    log_probs, reliability, embedding = run_onnx(sessions, batch, WIDTH)
    np.testing.assert_allclose(log_probs, expected.log_probs, atol=1e-4)
    np.testing.assert_allclose(reliability, expected.reliability, atol=1e-4)
    np.testing.assert_allclose(embedding, expected.embedding, atol=1e-4)


def test_a_clip_with_nothing_gets_the_prior(model, exported):
    states = {
        "hidden": np.ones((1, 3, WIDTH), np.float32),
        "quality": np.ones((1, 3, 3), np.float32),
        "present": np.zeros((1, 3), bool),
    }
    log_probs, reliability, _ = exported[1]["fusion"].run(None, states)
    assert np.exp(log_probs[0, :2]) == pytest.approx([3 / 5, 2 / 5])
    assert not reliability.any()


def test_the_folder_holds_all_that_a_user_needs(exported):
    names = {path.name for path in exported[0].iterdir()}
    assert names == {
        *(f"{n}.onnx" for n in (*MODALITIES, "fusion")),
        "inputs.json",
        "preprocessing.json",
        "taxonomy.csv",
        "tokenizer",
    }


def test_what_onnx_runtime_answers_differently_is_refused(model, tmp_path, monkeypatch):
    class Wrong(onnxruntime.InferenceSession):
        def run(self, *arguments):
            first, *others = super().run(*arguments)
            return [first + 1e-3, *others]

    some = GatedFusionClassifier(
        replace(model.config, streams=replace(model.config.streams, frames=None, audio=None)),
        TAXONOMY,
        tokenizer=model.prepare.tokenizer,
    ).eval()
    monkeypatch.setattr(onnxruntime, "InferenceSession", Wrong)
    with pytest.raises(ExportError, match="differ from the model's"):
        export_onnx(some, tmp_path)
