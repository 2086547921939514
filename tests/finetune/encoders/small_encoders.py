"""Tiny encoders of Hugging Face, made from their configs, and classifiers with them: nothing is downloaded."""

import json
from pathlib import Path

from transformers import (
    ASTConfig,
    ASTFeatureExtractor,
    ASTModel,
    BertConfig,
    BertModel,
    Wav2Vec2Config,
    Wav2Vec2FeatureExtractor,
    Wav2Vec2Model,
    WhisperConfig,
    WhisperFeatureExtractor,
    WhisperModel,
)

from framegate.finetune.classifier import ClassifierConfig, GatedFusionClassifier
from framegate.finetune.fusion.fusion import FusionConfig
from framegate.finetune.streams.streams import StreamsConfig
from framegate.finetune.streams.tokenizer import train_tokenizer
from framegate.finetune.taxonomy.taxonomy import Node, Taxonomy

TAXONOMY = Taxonomy((Node("a"), Node("b")))
SMALL = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}


def save_ast(folder):
    ASTModel(ASTConfig(**SMALL, max_length=64, num_mel_bins=32)).save_pretrained(folder)
    ASTFeatureExtractor(max_length=64, num_mel_bins=32).save_pretrained(folder)


def save_wav2vec2(folder):
    layers = {"conv_dim": (8, 8), "conv_stride": (5, 4), "conv_kernel": (10, 8)}
    positions = {"num_conv_pos_embeddings": 4, "num_conv_pos_embedding_groups": 2}
    Wav2Vec2Model(Wav2Vec2Config(**SMALL, **layers, **positions)).save_pretrained(folder)
    Wav2Vec2FeatureExtractor().save_pretrained(folder)


def save_whisper(folder):
    heads = {"encoder_attention_heads": 2, "decoder_attention_heads": 2, "encoder_ffn_dim": 16, "decoder_ffn_dim": 16}
    config = WhisperConfig(d_model=16, encoder_layers=1, decoder_layers=1, **heads, max_source_positions=50)
    WhisperModel(config).save_pretrained(folder)
    WhisperFeatureExtractor(chunk_length=1).save_pretrained(folder)


def save_bert(folder):
    tokenizer = train_tokenizer(["погода", "weather"], vocabulary=300)
    BertModel(BertConfig(**SMALL, vocab_size=len(tokenizer))).save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def create(**streams):
    parts = {"frames": None, "audio": None, "text": None, **streams}
    config = ClassifierConfig(streams=StreamsConfig(**parts), fusion=FusionConfig(width=16))
    return GatedFusionClassifier.create(config, TAXONOMY, image_size=32)


def edit(file: Path, **changes) -> None:
    content = json.loads(file.read_text()) if file.exists() else {}
    file.write_text(json.dumps(content | changes))


def edit_description(folder: Path, key: str, **changes) -> None:
    content = json.loads((folder / "config.json").read_text())
    content[key] |= changes
    (folder / "config.json").write_text(json.dumps(content))
