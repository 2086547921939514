"""The three streams: a clip's frames, audio and text, each as one vector of the common width.

    elements → encoder → standardise → aggregate → context gate

with an encoder that may be frozen, fine-tuned in its last stage, or trained whole.
"""

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Self, cast

import torch
from pydantic import Field, PositiveFloat
from torch import Tensor, nn

from framegate.finetune.data.batch import Content, Features
from framegate.finetune.encoders.hub import HubAudioEncoder
from framegate.finetune.streams.audio import MAX_KERNEL, AudioEncoder, kernel_size
from framegate.finetune.streams.gates import ContextGate
from framegate.finetune.streams.nextvlad import NeXtVLAD
from framegate.finetune.streams.norm import MaskedBatchNorm
from framegate.finetune.streams.quality import quality
from framegate.finetune.streams.text import masked_mean
from framegate.finetune.trainable import Trained, hold_still, set_trained

_STRICT: dict[str, Any] = {"extra": "forbid"}

# A classifier's config may come from a stranger: each number has an end.
_Few = Annotated[int, Field(gt=0, le=64)]
_Many = Annotated[int, Field(gt=0, le=4096)]
_Name = Annotated[str, Field(max_length=1024)]

_USUAL_RATE = 16_000  # Hz
_MAX_STEPS = 5_000


@dataclass(frozen=True, kw_only=True)
class Aggregation:
    """NeXtVLAD's sizes, small enough for a few hundred clips; the paper's are 64 clusters in 8 groups."""

    __pydantic_config__: ClassVar = _STRICT
    clusters: _Many = 8
    groups: _Many = 4
    expansion: _Few = 2
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.3

    def build(self, dim: int, width: int) -> NeXtVLAD:
        """The module for features of length ``dim``."""
        return NeXtVLAD(
            dim, width, clusters=self.clusters, groups=self.groups, expansion=self.expansion, dropout=self.dropout
        )


@dataclass(frozen=True, kw_only=True)
class FramesConfig:
    """``backbone``: a backbone folder or timm name. ``pretrained``: of a name, take timm's weights.

    ``lr``: of this encoder, per 256 images as the recipe's; None for the recipe's. ``mask_overlays``: hide the overlays
    found in a clip, in training and ever after: a station's look goes with what it shows, and a classifier that sees it
    learns the look.
    """

    __pydantic_config__: ClassVar = _STRICT
    backbone: _Name = "resnet18"
    pretrained: bool = False
    train: Trained = "frozen"
    lr: PositiveFloat | None = None
    mask_overlays: bool = True
    aggregation: Aggregation = Aggregation()


@dataclass(frozen=True, kw_only=True)
class AudioConfig:
    """``backbone``: a timm CNN, which gets log-mels as pictures of one channel, or a Hugging Face encoder.

    The latter by local path or hub name (AST, Wav2Vec2, Whisper …), with its own feature extractor in place of
    ``mels``. ``pretrained``: take timm's weights. ``rate`` in Hz; it shares a divisor with 16,000 Hz, and other usual
    rates. ``window_seconds`` of sound are one element.
    """

    __pydantic_config__: ClassVar = _STRICT
    backbone: _Name = "test_resnet"  # timm's smallest ResNet, 0.4M parameters: right for hundreds of clips on a CPU
    pretrained: bool = False
    train: Trained = "all"
    lr: PositiveFloat | None = None
    rate: Annotated[int, Field(ge=4_000, le=192_000)] = _USUAL_RATE
    mels: Annotated[int, Field(gt=0, le=512)] = 64
    window_seconds: Annotated[float, Field(ge=0.005, le=60)] = 1.28
    aggregation: Aggregation = Aggregation()

    def __post_init__(self) -> None:
        if kernel_size(self.rate, _USUAL_RATE) > MAX_KERNEL:
            raise ValueError(
                f"a sound rate shares a divisor with {_USUAL_RATE} Hz, and {self.rate} shares too small a one"
            )


@dataclass(frozen=True, kw_only=True)
class TextConfig:
    """``backbone``: a Hugging Face encoder by path or hub name; None: a small one, trained here with its tokenizer."""

    __pydantic_config__: ClassVar = _STRICT
    backbone: _Name | None = None
    train: Trained = "all"
    lr: PositiveFloat | None = None
    max_tokens: _Many = 64
    vocabulary: Annotated[int, Field(gt=0, le=1 << 20)] = 2048
    width: _Many = 64
    layers: _Few = 1
    heads: _Few = 4

    def __post_init__(self) -> None:
        if self.backbone is None and self.width % self.heads:
            raise ValueError(f"a text encoder of width {self.width} cannot be cut into {self.heads} heads")


@dataclass(frozen=True, kw_only=True)
class StreamsConfig:
    """The streams that a model has; None leaves one out, and at least one is needed."""

    __pydantic_config__: ClassVar = _STRICT
    frames: FramesConfig | None = FramesConfig()
    audio: AudioConfig | None = AudioConfig()
    text: TextConfig | None = TextConfig()

    def __post_init__(self) -> None:
        if self.frames is None and self.audio is None and self.text is None:
            raise ValueError("a classifier needs at least one of the streams frames, audio and text")


@dataclass(frozen=True, kw_only=True)
class StreamState:
    """``hidden`` (B, W), 0 where absent; ``quality`` (B, 3), see ``quality.py``."""

    hidden: Tensor
    quality: Tensor


class SetStream(nn.Module):
    """A stream over a set of elements, frames or audio windows, each encoded alone.

    Shape: ``content`` (B, T, …) elements for the encoder, or their features (B, T, dim); ``mask`` (B, T) bool.
    """

    def __init__(self, encoder: nn.Module, width: int, *, aggregation: Aggregation, train: Trained) -> None:
        super().__init__()
        dim = cast(int, encoder.dim)
        self.encoder, self.trained, self.dim = encoder, train, dim
        set_trained(encoder, train)
        self.norm = MaskedBatchNorm(dim, affine=False)
        self.aggregate = aggregation.build(dim, width)
        self.gate = ContextGate(width)

    def train(self, mode: bool = True) -> Self:
        """Put the stream in training mode; what is frozen stays in evaluation mode, its statistics frozen too."""
        super().train(mode)
        hold_still(self.encoder)
        return self

    def forward(self, content: Content, mask: Tensor) -> StreamState:
        """Return one vector for each clip."""
        return self.summarise(self.features(content, mask), mask)

    def summarise(self, features: Tensor, mask: Tensor) -> StreamState:
        """One vector for each clip, of its elements' features (B, T, dim); those of padding mean nothing."""
        z = self.norm(features, mask)
        hidden = self.gate(self.aggregate(z, mask), mask.any(dim=1))
        return StreamState(hidden=hidden, quality=quality(z, mask))

    def attention(self, features: Tensor, mask: Tensor) -> Tensor:
        """How much of each element the aggregation takes in, (B, T) in 0..1."""
        return self.aggregate.attention(self.norm(features, mask), mask)

    def encode(self, elements: Tensor) -> Tensor:
        """Elements (n, …) of a clip to their features (n, dim)."""
        encoded: Tensor = self.encoder(elements)
        return encoded

    def features(self, content: Content, mask: Tensor) -> Tensor:
        """Return the features (B, T, dim) of ``content``: its own, or the encoder's output at the real elements."""
        if isinstance(content, Features):
            return content.values
        x = content.values
        with torch.set_grad_enabled(torch.is_grad_enabled() and self.trained != "frozen"):
            rows = self.encode(x[mask]) if bool(mask.any()) else x.new_zeros(0, self.dim, dtype=torch.float32)
        out = torch.zeros(*mask.shape, self.dim, dtype=rows.dtype, device=rows.device)
        return out.masked_scatter(mask.unsqueeze(-1), rows)


class FrameStream(SetStream):
    """Pictures (B, T, 3, S, S) uint8 through a backbone and NeXtVLAD."""

    def __init__(self, backbone: nn.Module, config: FramesConfig, width: int) -> None:
        super().__init__(backbone, width, aggregation=config.aggregation, train=config.train)


class AudioStream(SetStream):
    """Audio windows (B, W, samples), or what a feature extractor makes of them, through an encoder and NeXtVLAD.

    ``encoder``: None for the CNN that ``config`` names.

    Raises:
        ValueError: the encoder would attend to more than 5,000 positions of a window.
    """

    def __init__(self, config: AudioConfig, width: int, encoder: HubAudioEncoder | None = None) -> None:
        samples = round(config.window_seconds * config.rate)
        if encoder is not None and encoder.waveform_steps(samples) > _MAX_STEPS:
            raise ValueError(f"streams.audio: more than {_MAX_STEPS:,} positions in {config.window_seconds} seconds")
        chosen: nn.Module = encoder or AudioEncoder(
            config.backbone, pretrained=config.pretrained, rate=config.rate, mels=config.mels
        )
        super().__init__(chosen, width, aggregation=config.aggregation, train=config.train)


class TextStream(nn.Module):
    """Tokens (B, L) int64 through an encoder; the mean of their features (B, L, dim), projected and gated."""

    def __init__(self, encoder: nn.Module, config: TextConfig, width: int) -> None:
        super().__init__()
        dim = cast(int, encoder.dim)
        self.encoder, self.trained, self.dim = encoder, config.train, dim
        set_trained(encoder, config.train)
        self.norm = MaskedBatchNorm(dim, affine=False)
        self.project = nn.Linear(dim, width, bias=False)
        self.hidden_norm = MaskedBatchNorm(width)
        self.gate = ContextGate(width)

    def train(self, mode: bool = True) -> Self:
        """Put the stream in training mode; what is frozen stays in evaluation mode."""
        super().train(mode)
        hold_still(self.encoder)
        return self

    def encode(self, tokens: Tensor) -> Tensor:
        """Tokens (L,) of a clip to their features (L, dim)."""
        encoded: Tensor = self.encoder(tokens.unsqueeze(0), torch.ones_like(tokens, dtype=torch.bool).unsqueeze(0))
        return encoded[0]

    def features(self, content: Content, mask: Tensor) -> Tensor:
        """Return the features (B, L, dim) of ``content``: its own, or the encoder's output; padding means nothing."""
        if isinstance(content, Features):
            return content.values
        with torch.set_grad_enabled(torch.is_grad_enabled() and self.trained != "frozen"):
            encoded: Tensor = self.encoder(content.values, mask)
        return encoded

    def forward(self, content: Content, mask: Tensor) -> StreamState:
        """Return one vector for each clip."""
        features = self.features(content, mask)
        z = self.norm(features, mask)
        present = mask.any(dim=1)
        hidden = self.hidden_norm(self.project(masked_mean(z, mask)), present)
        return StreamState(hidden=self.gate(hidden, present), quality=quality(z, mask))
