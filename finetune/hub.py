"""Encoders of the Hugging Face hub: any text encoder, any sound encoder, by local path or hub name."""

from collections.abc import Callable
from typing import Any, Self, TypeVar

import torch
from torch import Tensor, nn
from transformers import AutoConfig, AutoFeatureExtractor, AutoModel, FeatureExtractionMixin, PreTrainedModel

T = TypeVar("T")


class EncoderError(ValueError):
    """A name or folder that gives no encoder of the kind asked for."""


class HubEncoder(nn.Module):
    """A Hugging Face model, with what it takes to build it again without the hub."""

    def __init__(self, model: PreTrainedModel) -> None:
        super().__init__()
        # Of a model that also writes text (Whisper, T5), the half that reads; in float32, whatever it is kept in.
        self.model = (model.get_encoder() if model.config.is_encoder_decoder else model).float()
        self._config = model.config
        self.dim: int = model.config.hidden_size
        # Masking of the input in training is the business of `alterations.py`; and short windows are refused by it.
        if hasattr(model.config, "apply_spec_augment"):
            model.config.apply_spec_augment = False

    @classmethod
    def load(cls, reference: str) -> Self:
        """Open a local folder or a hub name, with its weights.

        Raises:
            EncoderError: it is neither, or no encoder.
        """
        return cls._of(from_hub(AutoModel.from_pretrained, reference), reference)

    @classmethod
    def build(cls, description: dict[str, Any]) -> Self:
        """Build the architecture of ``description`` with random weights, to be filled from a state dict."""
        options = dict(description)
        return cls(AutoModel.from_config(AutoConfig.for_model(options.pop("model_type"), **options)))

    @property
    def description(self) -> dict[str, Any]:
        """What :meth:`build` needs."""
        config: dict[str, Any] = self._config.to_dict()
        return config

    @classmethod
    def _of(cls, model: PreTrainedModel, reference: str) -> Self:
        wanted = cls.wanted
        if model.main_input_name not in wanted:
            raise EncoderError(
                f"{reference}: a {model.config.model_type} takes {model.main_input_name}, not {' or '.join(wanted)}: "
                f"it is no encoder of {cls.of}"
            )
        return cls(model)

    wanted: tuple[str, ...] = ()
    of: str = ""


class HubTextEncoder(HubEncoder):
    """Any Hugging Face text encoder with a ``last_hidden_state``.

    Shape: ``tokens`` (B, L) int64, ``mask`` (B, L) bool -> (B, L, dim).
    """

    wanted, of = ("input_ids",), "text"

    def forward(self, tokens: Tensor, mask: Tensor) -> Tensor:
        """The encoder's last hidden state."""
        return self.model(input_ids=tokens, attention_mask=mask.long()).last_hidden_state


class HubSoundEncoder(HubEncoder):
    """Any Hugging Face sound encoder: over waveforms (Wav2Vec2, HuBERT, WavLM) or spectrograms (AST, Whisper).

    Shape: what the model's own feature extractor makes of n windows (see :func:`window_features`) -> (n, dim): its
    pooled output, or the mean of its last hidden state over time.
    """

    wanted, of = ("input_values", "input_features"), "sound"

    def forward(self, windows: Tensor) -> Tensor:
        """A vector for each window."""
        output = self.model(windows)
        pooled: Tensor | None = output.get("pooler_output")
        return output.last_hidden_state.mean(dim=1) if pooled is None else pooled


def load_extractor(reference: str, *, rate: int) -> FeatureExtractionMixin:
    """The feature extractor that a sound encoder was trained behind.

    Raises:
        EncoderError: there is none, or it wants sound at another ``rate``, in Hz.
    """
    extractor = from_hub(AutoFeatureExtractor.from_pretrained, reference)
    if extractor.sampling_rate != rate:
        raise EncoderError(
            f"{reference} wants sound at {extractor.sampling_rate} Hz, not {rate}: "
            f"set streams.audio.rate={extractor.sampling_rate}"
        )
    return extractor


def window_features(extractor: FeatureExtractionMixin, windows: Tensor, rate: int) -> Tensor:
    """Windows (W, samples) float32 as the extractor's model wants them: (W, samples) or (W, steps, mels)."""
    waves = [window.numpy() for window in windows]
    (features, *_) = extractor(waves, sampling_rate=rate, return_tensors="pt").values()
    return features.to(torch.float32)


def from_hub(load: Callable[[str], T], reference: str) -> T:
    """What ``load`` makes of a local folder or a hub name.

    Raises:
        EncoderError: in one line, what is wrong with it.
    """
    try:
        return load(reference)
    except (OSError, ValueError, KeyError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise EncoderError(
            f"'{reference}' is neither a folder of a Hugging Face model nor a name on the hub ({reason})"
        ) from error
