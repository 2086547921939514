"""Encoders of the Hugging Face hub: text encoders and audio encoders, by local path or hub name."""

import math
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar, Self, cast

import torch
from torch import Tensor, nn
from transformers import PreTrainedConfig, PreTrainedModel, SequenceFeatureExtractor
from transformers.models.auto.modeling_auto import MODEL_MAPPING

from framegate.finetune.encoders.encoder_trust import (
    EncoderError,
    Kind,
    describe,
    in_a_line,
    make_config,
    read_object,
)
from framegate.finetune.encoders.feature_extractor import make_extractor
from framegate.ssl.backbones.hub_folder import fetch_folder
from framegate.ssl.backbones.meter import SizeError, build_on_meta
from framegate.ssl.backbones.weights_file import read_state_dict

__all__ = ["EncoderError", "HubAudioEncoder", "HubEncoder", "HubTextEncoder", "encoder_folder", "load_extractor"]

_WEIGHTS = ("model.safetensors", "pytorch_model.bin")
_FILES = (
    *("config.json", "preprocessor_config.json", "processor_config.json", "adapter_config.json"),
    *("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json"),
    *("vocab.txt", "vocab.json", "merges.txt", "*.model"),
)
_MARKS = ("config.json", "preprocessor_config.json", "processor_config.json", "tokenizer.json", "tokenizer_config.json")
_SHARD = re.compile(r"[\w-]+\.(safetensors|bin)")
_MAX_SHARDS = 1000


class HubEncoder(nn.Module):
    """A Hugging Face model, with what it takes to build it again without the hub.

    ``origin``: the hub's name or the last name of the folder that it was loaded from; None if it was built.
    """

    kind: ClassVar[Kind]

    def __init__(self, model: PreTrainedModel, *, origin: str | None = None) -> None:
        super().__init__()
        # Of a model that also writes text (Whisper, T5), the half that reads; in float32, whatever it is kept in.
        self.model = (model.get_encoder() if model.config.is_encoder_decoder else model).float()
        self._config = model.config
        self.origin = origin
        self.dim: int = model.config.hidden_size
        # Masking of the input in training is the business of `corruption.py`; and short windows are refused by it.
        if hasattr(model.config, "apply_spec_augment"):
            model.config.apply_spec_augment = False

    @classmethod
    def load(cls, reference: str) -> Self:
        """Open a local folder or a hub name, with its weights. Runs no code from it.

        Raises:
            EncoderError: it is neither, no encoder of this kind, or larger than its weights.
        """
        folder = encoder_folder(reference)
        file = folder / "config.json"
        config = make_config(read_object(file), kind=cls.kind, where=str(file))
        model_class = _model_class(config)
        try:
            tensors = _read_weights(folder)
            with encoder_errors(str(folder)):
                build_on_meta(lambda: model_class(config), weights=sum(tensor.numel() for tensor in tensors.values()))
                # Without a folder, transformers reads no file of it.
                model = model_class.from_pretrained(None, config=config, state_dict=tensors, dtype=torch.float32)
        except (OSError, SizeError) as error:
            raise EncoderError(f"{folder}: {error}") from error
        return cls(model, origin=folder.name if Path(reference).is_dir() else reference)

    @classmethod
    def build(cls, description: dict[str, Any]) -> Self:
        """Build the architecture of ``description`` with random weights, to be filled from a state dict.

        Raises:
            EncoderError: it describes no encoder of this kind.
        """
        where = f"{cls.kind} encoder"
        config = make_config(description, kind=cls.kind, where=where)
        with encoder_errors(where):
            return cls(_from_config(config))

    @property
    def description(self) -> dict[str, Any]:
        """What :meth:`build` needs; it says nothing of where the model came from."""
        config: dict[str, Any] = self._config.to_dict()
        return {"model_type": config["model_type"], **describe(config)}


class HubTextEncoder(HubEncoder):
    """A Hugging Face text encoder with a ``last_hidden_state``.

    Shape: ``tokens`` (B, L) int64, ``mask`` (B, L) bool -> (B, L, dim).
    """

    kind = "text"

    @property
    def vocabulary(self) -> int:
        """Number of token ids that it knows, from 0."""
        return int(self.model.get_input_embeddings().num_embeddings)

    @property
    def max_tokens(self) -> int | None:
        """The longest text that it reads; None where its positions have no end."""
        has_positions = getattr(self._config, "position_biased_input", True)  # DeBERTa's are relative
        return getattr(self._config, "max_position_embeddings", None) if has_positions else None

    def forward(self, tokens: Tensor, mask: Tensor) -> Tensor:
        """The encoder's last hidden state."""
        encoded: Tensor = self.model(input_ids=tokens, attention_mask=mask.long()).last_hidden_state
        return encoded


class HubAudioEncoder(HubEncoder):
    """A Hugging Face audio encoder: over waveforms (Wav2Vec2, HuBERT, WavLM) or spectrograms (AST, Whisper).

    Shape: what the model's own feature extractor makes of n windows (see :func:`window_features`) -> (n, dim): its
    pooled output, or the mean of its last hidden state over time.
    """

    kind = "audio"

    def waveform_steps(self, samples: int) -> int:
        """At how many positions it looks in a waveform of so many ``samples``; 0 for a model of spectrograms."""
        strides = getattr(self._config, "conv_stride", None)
        return samples // math.prod(strides) if strides else 0

    def forward(self, windows: Tensor) -> Tensor:
        """Return a vector for each window."""
        output = self.model(windows)
        pooled: Tensor | None = output.get("pooler_output")
        if pooled is not None:
            return pooled
        hidden: Tensor = output.last_hidden_state
        return hidden.mean(dim=1)


def load_extractor(reference: str, *, rate: int) -> SequenceFeatureExtractor:
    """The feature extractor that an audio encoder was trained behind, of a local folder or a hub name.

    Raises:
        EncoderError: there is none, or it wants audio at another ``rate``, in Hz.
    """
    extractor = make_extractor(encoder_folder(reference))
    if extractor.sampling_rate != rate:
        raise EncoderError(
            f"{reference} wants audio at {extractor.sampling_rate} Hz, not {rate}: "
            f"set streams.audio.rate={extractor.sampling_rate}"
        )
    return extractor


def window_features(extractor: SequenceFeatureExtractor, windows: Tensor, rate: int) -> Tensor:
    """Windows (W, samples) float32 as the extractor's model wants them: (W, samples) or (W, steps, mels)."""
    waves = [window.numpy() for window in windows]
    features: Tensor
    (features, *_) = cast(Any, extractor)(waves, sampling_rate=rate, return_tensors="pt").values()
    return features.to(torch.float32)


def encoder_folder(reference: str) -> Path:
    """Return the folder that ``reference`` names; of a hub name, its copy in the hub's cache, fetched if need be.

    Raises:
        EncoderError: it is no folder of a Hugging Face model and no name on the hub, or holds an adapter of a model
            that stands elsewhere.
    """
    folder = Path(reference)
    if not folder.is_dir():
        try:
            folder = fetch_folder(reference, _FILES)
        except (OSError, ValueError) as error:
            raise EncoderError(_unknown(reference, in_a_line(error))) from error
    if not any((folder / name).is_file() for name in _MARKS):
        raise EncoderError(_unknown(reference, f"no {', '.join(_MARKS)} in it"))
    if (folder / "adapter_config.json").exists():
        raise EncoderError(f"{folder}: an adapter of another model, and framegate opens whole models")
    return folder


@contextmanager
def encoder_errors(where: str) -> Iterator[None]:
    """Turn whatever transformers and tokenizers raise over a folder's content into an `EncoderError` of one line."""
    try:
        yield
    except (KeyboardInterrupt, SystemExit, EncoderError, SizeError):
        raise
    except BaseException as error:  # a panic of the tokenizers library is no Exception
        raise EncoderError(f"{where}: {in_a_line(error)}") from error


def _unknown(reference: str, reason: str) -> str:
    return f"'{reference}' is neither a folder of a Hugging Face model nor a name on the hub ({reason[:150]})"


def _read_weights(folder: Path) -> dict[str, Tensor]:
    """The tensors of a model's folder, which may be split into several files."""
    for name in _WEIGHTS:
        file, index = folder / name, folder / f"{name}.index.json"
        try:
            if file.is_file():
                return read_state_dict(file)
            if index.is_file():
                shards = _shards(index)
                return {key: tensor for shard in shards for key, tensor in read_state_dict(shard).items()}
        except ValueError as error:
            raise EncoderError(f"{file}: {error}") from error
    raise EncoderError(f"{folder}: no {' and no '.join(_WEIGHTS)} in it")


def _shards(index: Path) -> list[Path]:
    places = read_object(index).get("weight_map")
    names = sorted({str(name) for name in places.values()}) if isinstance(places, dict) else []
    if not 0 < len(names) <= _MAX_SHARDS or not all(_SHARD.fullmatch(name) for name in names):
        raise EncoderError(f"{index}: weight_map names no files of this folder")
    return [index.parent / name for name in names]


def _from_config(config: PreTrainedConfig) -> PreTrainedModel:
    model: PreTrainedModel = _model_class(config)._from_config(
        config
    )  # what AutoModel.from_config does, less the code of others
    return model


def _model_class(config: PreTrainedConfig) -> type[PreTrainedModel]:
    return cast(type[PreTrainedModel], MODEL_MAPPING[type(config)])
