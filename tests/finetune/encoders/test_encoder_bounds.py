"""Encoders and feature extractors of strangers take no more memory or time than their files justify."""

import resource

import pytest
from transformers import Wav2Vec2Config, Wav2Vec2Model

from framegate.finetune.classifier import GatedFusionClassifier
from framegate.finetune.encoders.hub import EncoderError, HubTextEncoder, load_extractor
from framegate.finetune.folders.classifier_folder import FolderError
from framegate.finetune.streams.streams import AudioConfig, TextConfig
from tests.finetune.encoders.small_encoders import SMALL, create, edit, edit_description, save_wav2vec2


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        ("ast", {"max_length": 10**9}, "max_length is 1000000000, not a number of 1 to 8192"),
        ("ast", {"num_mel_bins": 10**9}, "num_mel_bins"),
        ("ast", {"mean": "x"}, "mean is x"),
        ("whisper", {"n_fft": 10**9}, "n_fft"),
        ("whisper", {"chunk_length": 10**9}, "chunk_length"),
        ("whisper", {"chunk_length": 60, "hop_length": 16}, "chunk_length and hop_length"),
        ("whisper", {"feature_size": 10**9}, "feature_size"),
        ("wav2vec2", {"feature_extractor_type": "EncodecFeatureExtractor"}, "no feature extractor 'Encodec"),
        ("wav2vec2", {"padding_side": "up"}, "padding_side"),
        ("wav2vec2", {"do_normalize": {}}, "do_normalize"),
    ],
)
def test_a_feature_extractor_keeps_within_bounds(name, changes, message, copy_folder):
    folder = copy_folder(name)
    edit(folder / "preprocessor_config.json", **changes)
    with pytest.raises(EncoderError, match=message):
        load_extractor(str(folder), rate=16_000)


def megabytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


@pytest.mark.parametrize(
    "changes",
    [
        {"vocab_size": 100_000_000, "hidden_size": 8},
        {"vocab_size": 2_000_000, "hidden_size": 200},
        {"max_position_embeddings": 16_000_000},
        {"num_hidden_layers": 10**9},
        {"num_hidden_layers": 512, "hidden_size": 512, "intermediate_size": 2048},
        {"hidden_size": float("1e30")},
    ],
)
def test_an_encoder_larger_than_its_weights_takes_no_memory(changes, copy_folder):
    before = megabytes()
    folder = copy_folder("text")
    edit_description(folder, "text_encoder", **changes)
    with pytest.raises(FolderError):
        GatedFusionClassifier.from_pretrained(folder)
    encoder = copy_folder("bert")
    edit(encoder / "config.json", **changes)
    with pytest.raises(EncoderError):
        HubTextEncoder.load(str(encoder))
    assert megabytes() - before < 300


def test_an_encoder_that_looks_at_every_sample_is_refused(tmp_path):
    save_wav2vec2(tmp_path)
    layers = {"conv_dim": (8, 8), "conv_stride": (1, 1), "conv_kernel": (10, 8)}
    positions = {"num_conv_pos_embeddings": 4, "num_conv_pos_embedding_groups": 2}
    Wav2Vec2Model(Wav2Vec2Config(**SMALL, **layers, **positions)).save_pretrained(tmp_path)
    with pytest.raises(ValueError, match=r"streams\.audio: more than 5,000 positions"):
        create(audio=AudioConfig(backbone=str(tmp_path)))


def test_a_text_longer_than_its_encoder_reads_is_refused(encoder_folders):
    with pytest.raises(ValueError, match=r"max_tokens is 1000, and its encoder reads 512"):
        create(text=TextConfig(backbone=str(encoder_folders / "bert"), max_tokens=1000))
