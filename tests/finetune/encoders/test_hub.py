"""Hugging Face encoders in the streams, tiny ones built from their configs: nothing is downloaded."""

import numpy as np
import pytest
import torch
from transformers import (
    AutoModel,
    BertConfig,
    BertModel,
)

from framegate.finetune.classifier import ClassifierConfig, GatedFusionClassifier
from framegate.finetune.data.batch import collate
from framegate.finetune.encoders.hub import EncoderError, HubTextEncoder
from framegate.finetune.fusion.fusion import FusionConfig
from framegate.finetune.losses.criterion import training_loss
from framegate.finetune.losses.path_losses import LossConfig
from framegate.finetune.streams.prepare import ClipInput
from framegate.finetune.streams.streams import AudioConfig, FramesConfig, StreamsConfig, TextConfig
from framegate.finetune.streams.tokenizer import train_tokenizer
from framegate.finetune.taxonomy.taxonomy import Node, Taxonomy
from framegate.ssl.backbones.backbone import BackboneError
from tests.finetune.encoders.small_encoders import SMALL, save_ast, save_bert, save_wav2vec2, save_whisper

TAXONOMY = Taxonomy((Node("a"), Node("b"), Node("c")))


def create(*, frames=None, audio=None, text=None):
    config = ClassifierConfig(
        streams=StreamsConfig(frames=frames, audio=audio, text=text), fusion=FusionConfig(width=16)
    )
    return GatedFusionClassifier.create(config, TAXONOMY, image_size=32)


def clips():
    rng = np.random.default_rng(0)
    return [
        ClipInput(audio=rng.normal(0, 0.1, 16_000 * seconds).astype(np.float32), text=text)
        for seconds, text in ((1, "погода"), (2, "weather"))
    ]


def assert_trains_and_is_saved(model, folder):
    """One update; then the folder opens without the hub's, and answers alike."""
    batch = collate([model.prepare(clip, labels=(1,)) for clip in clips()])
    loss = training_loss(model.train()(batch), batch.labels, batch.present, model.hierarchy, LossConfig()).total
    loss.backward()
    assert torch.isfinite(loss)
    model.eval().save_pretrained(folder)
    again = GatedFusionClassifier.from_pretrained(folder)
    for one, other in zip(again.predict(clips()), model.predict(clips()), strict=True):
        assert one.as_json(embedding=True) == other.as_json(embedding=True)


@pytest.mark.parametrize("save", [save_ast, save_wav2vec2, save_whisper])
@pytest.mark.parametrize("train", ["frozen", "last", "all"])
def test_any_audio_encoder_makes_a_stream(save, train, tmp_path):
    torch.manual_seed(0)
    save(tmp_path / "encoder")
    model = create(audio=AudioConfig(backbone=str(tmp_path / "encoder"), train=train, window_seconds=0.5))
    trained = [p for p in model.streams["audio"].encoder.parameters() if p.requires_grad]
    assert bool(trained) == (train != "frozen")
    assert (len(trained) == len(list(model.streams["audio"].encoder.parameters()))) == (train == "all")
    (tmp_path / "encoder").rename(tmp_path / "moved")  # the classifier's own folder is enough
    assert_trains_and_is_saved(model, tmp_path / "classifier")
    [short, long] = model.predict(clips())
    alone = model.predict(clips()[:1])[0]
    assert alone.probabilities == pytest.approx(short.probabilities, abs=1e-5)  # padding changes nothing
    assert short.present == long.present == ("audio",)


def test_a_text_encoder_by_path_makes_a_stream(tmp_path):
    torch.manual_seed(0)
    save_bert(tmp_path / "encoder")
    model = create(text=TextConfig(backbone=str(tmp_path / "encoder")))
    assert isinstance(model.streams["text"].encoder, HubTextEncoder)
    (tmp_path / "encoder").rename(tmp_path / "moved")
    assert_trains_and_is_saved(model, tmp_path / "classifier")


def test_the_last_block_of_a_text_encoder_learns_and_no_other(tmp_path):
    torch.manual_seed(0)
    BertModel(BertConfig(**{**SMALL, "num_hidden_layers": 3}, vocab_size=300)).save_pretrained(tmp_path / "encoder")
    train_tokenizer(["погода", "weather"], vocabulary=300).save_pretrained(tmp_path / "encoder")
    model = create(text=TextConfig(backbone=str(tmp_path / "encoder"), train="last"))
    batch = collate([model.prepare(clip, labels=(1,)) for clip in clips()])
    training_loss(model.train()(batch), batch.labels, batch.present, model.hierarchy, LossConfig()).total.backward()
    encoder = model.streams["text"].encoder.model
    learnt = {name for name, parameter in encoder.named_parameters() if parameter.grad is not None}
    assert learnt == {name for name, _ in encoder.named_parameters() if name.startswith("encoder.layer.2.")}


def test_an_encoder_kept_in_half_precision_is_trained_in_single(tmp_path):
    torch.manual_seed(0)
    save_bert(tmp_path / "bert")
    save_whisper(tmp_path / "whisper")
    for folder in (tmp_path / "bert", tmp_path / "whisper"):
        AutoModel.from_pretrained(folder).half().save_pretrained(folder)
    text, audio = (
        TextConfig(backbone=str(tmp_path / "bert")),
        AudioConfig(backbone=str(tmp_path / "whisper"), window_seconds=0.5),
    )
    model = create(text=text, audio=audio)
    assert {p.dtype for p in model.parameters()} == {torch.float32}
    assert_trains_and_is_saved(model, tmp_path / "classifier")


def test_names_that_give_no_encoder_are_told_plainly(tmp_path):
    save_bert(tmp_path / "bert")
    save_ast(tmp_path / "ast")
    (tmp_path / "empty").mkdir()
    for options, kind, message in (
        ({"audio": AudioConfig(backbone=str(tmp_path / "empty"))}, EncoderError, "neither a folder of a Hugging Face"),
        ({"audio": AudioConfig(backbone=str(tmp_path / "bert"))}, EncoderError, "takes input_ids.*no encoder of audio"),
        ({"audio": AudioConfig(backbone=str(tmp_path / "ast"), rate=8_000)}, EncoderError, r"audio\.rate=16000"),
        ({"text": TextConfig(backbone=str(tmp_path / "empty"))}, EncoderError, "neither a folder of a Hugging Face"),
        ({"text": TextConfig(backbone=str(tmp_path / "ast"))}, EncoderError, "."),
        ({"frames": FramesConfig(backbone="resnet81")}, BackboneError, "nearest: 'resnet"),
        ({"frames": FramesConfig(backbone=str(tmp_path / "empty"))}, BackboneError, "no config.json"),
    ):
        with pytest.raises(kind, match=message):
            create(**options)
