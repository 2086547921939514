"""The multimodal classifier: three streams, gated fusion by reliability, experts over a taxonomy."""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import ClassVar, Self

import torch
from torch import nn
from transformers import PreTrainedTokenizerBase, SequenceFeatureExtractor

from framegate.finetune.data.batch import ClipBatch, Features, Modality, collate
from framegate.finetune.encoders.encoder_trust import EncoderError, in_a_line
from framegate.finetune.encoders.hub import HubAudioEncoder, HubTextEncoder, load_extractor
from framegate.finetune.folders.classifier_folder import (
    Description,
    FolderError,
    build_backbone,
    check_shapes,
    count_numbers,
    describe_backbone,
    fill,
    local_classifier,
    need,
    read_config,
    read_weight_shapes,
    write_config,
)
from framegate.finetune.folders.clip_sampling import SAMPLING, Sampling
from framegate.finetune.folders.local_paths import without_paths
from framegate.finetune.fusion.fusion import FusionConfig
from framegate.finetune.fusion.network import FusionNetwork
from framegate.finetune.heads.heads import HeadConfig
from framegate.finetune.output import Prediction, predictions
from framegate.finetune.streams.prepare import ClipInput, Preparation
from framegate.finetune.streams.streams import AudioStream, FramesConfig, FrameStream, StreamsConfig, TextStream
from framegate.finetune.streams.text import SmallTextEncoder
from framegate.finetune.streams.tokenizer import check_vocabulary, load_tokenizer, train_tokenizer
from framegate.finetune.taxonomy.hierarchy import Hierarchy
from framegate.finetune.taxonomy.taxonomy import Taxonomy
from framegate.ssl.backbones.backbone import Backbone, is_timm_model, load_backbone
from framegate.ssl.backbones.meter import build_on_meta, build_to_be_filled
from framegate.ssl.backbones.weights import save_tensors

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class ClassifierConfig:
    """The architecture; the keys ``streams``, ``fusion`` and ``head`` of the ``finetune`` recipe."""

    __pydantic_config__: ClassVar = {"extra": "forbid"}
    streams: StreamsConfig = field(default_factory=StreamsConfig)
    fusion: FusionConfig = field(default_factory=FusionConfig)
    head: HeadConfig = field(default_factory=HeadConfig)

    def __post_init__(self) -> None:
        if self.fusion.name == "mean" and self.head.name == "multilabel":
            raise ValueError("mean fusion answers by the streams' own heads: a multilabel head has no part in it")


class GatedFusionClassifier(FusionNetwork):
    """A clip's frames, audio and text → log-probabilities over every node of a taxonomy.

    Any subset of the modalities works in every call; with none, the answer is the prior of the training labels.

    Args:
        config: the architecture.
        taxonomy: the tree of categories.
        backbone: the frame encoder, for a model with frames.
        tokenizer: for a model with text.
        text_encoder: a Hugging Face encoder to use in place of the small one that ``config`` describes.
        audio_encoder: likewise, in place of a timm CNN; with the ``extractor`` that it reads audio through.
        sampling: how much of a clip it takes, and how that is extracted from a film; default: `Sampling`'s own values.

    Attributes:
        sampling: what ``framegate predict`` and ``evaluate`` do with films and stores; assign it before saving where a
            model was trained on something else.
    """

    def __init__(
        self,
        config: ClassifierConfig,
        taxonomy: Taxonomy,
        *,
        backbone: Backbone | None = None,
        tokenizer: PreTrainedTokenizerBase | None = None,
        text_encoder: HubTextEncoder | None = None,
        audio_encoder: HubAudioEncoder | None = None,
        extractor: SequenceFeatureExtractor | None = None,
        sampling: Sampling | None = None,
    ) -> None:
        streams = dict(_streams(config, backbone, tokenizer, text_encoder, audio_encoder))
        super().__init__(streams, Hierarchy(taxonomy), fusion=config.fusion, head=config.head)
        self.config, self.taxonomy = config, taxonomy
        self.sampling = sampling or Sampling()
        self.prepare = _preparation(config.streams, backbone, tokenizer, extractor)

    @classmethod
    def create(
        cls,
        config: ClassifierConfig,
        taxonomy: Taxonomy,
        *,
        texts: Iterable[str] = (),
        image_size: int | None = None,
        sampling: Sampling | None = None,
    ) -> Self:
        """A new model: opens the backbones that ``config`` names, and trains a tokenizer on ``texts`` if it names none.

        ``image_size``: pixels a side for the frame backbone; default: its own. ``sampling``: see the class.
        """
        audio, text = config.streams.audio, config.streams.text
        hub = text.backbone if text is not None else None
        audio_hub = audio.backbone if audio is not None and not is_timm_model(audio.backbone) else None
        return cls(
            config,
            taxonomy,
            backbone=_open_backbone(config.streams.frames, image_size),
            tokenizer=None
            if text is None
            else load_tokenizer(hub)
            if hub
            else train_tokenizer(texts, vocabulary=text.vocabulary),
            text_encoder=HubTextEncoder.load(hub) if hub else None,
            audio_encoder=HubAudioEncoder.load(audio_hub) if audio_hub else None,
            extractor=load_extractor(audio_hub, rate=audio.rate) if audio is not None and audio_hub else None,
            sampling=sampling,
        )

    @classmethod
    def from_pretrained(cls, folder: str | Path) -> Self:
        """Open a folder that :meth:`save_pretrained` wrote, or ``hf-hub:OWNER/NAME``, in evaluation mode.

        Runs no code from it, opens no other model, and of a folder asks no network. Its weights are compared with its
        config before any memory is taken for them. A folder without ``preprocessing.json``, which older versions wrote
        from Python, opens with the default `Sampling` and a warning.

        Raises:
            FolderError: it is no classifier, or a file in it is missing, damaged or another classifier's.
        """
        folder = local_classifier(folder)
        described = read_config(folder, ClassifierConfig)
        audio, text = described.config.streams.audio, described.config.streams.text
        taxonomy = Taxonomy.read(need(folder / "taxonomy.csv"), checked=True)
        weights = need(folder / "model.safetensors")
        shapes = read_weight_shapes(weights)
        sampling = _read_sampling(folder)
        try:
            tokenizer = load_tokenizer(str(need(folder / "tokenizer"))) if text is not None else None
            heard = audio if described.audio_encoder is not None else None
            extractor = load_extractor(str(need(folder / "sound")), rate=heard.rate) if heard is not None else None
        except EncoderError as error:
            raise FolderError(str(error)) from error
        build = partial(cls._build, described, taxonomy, tokenizer=tokenizer, extractor=extractor, sampling=sampling)
        try:
            check_shapes(build_on_meta(build, weights=count_numbers(shapes)), shapes, weights)
            model = build_to_be_filled(build)
        except FolderError:
            raise
        except Exception as error:  # timm and transformers raise whatever comes of the numbers that they are given
            raise FolderError(f"{folder / 'config.json'}: {in_a_line(error)}") from error
        fill(model, weights)
        return model.eval()

    @classmethod
    def _build(
        cls,
        described: Description[ClassifierConfig],
        taxonomy: Taxonomy,
        *,
        tokenizer: PreTrainedTokenizerBase | None,
        extractor: SequenceFeatureExtractor | None,
        sampling: Sampling,
    ) -> Self:
        """The network that a folder describes, with random weights."""
        config, audio = described.config, described.config.streams.audio
        if audio is not None:  # its weights come from the folder
            config = replace(config, streams=replace(config.streams, audio=replace(audio, pretrained=False)))
        text, heard = described.text_encoder, described.audio_encoder
        return cls(
            config,
            taxonomy,
            backbone=build_backbone(described.backbone) if described.backbone is not None else None,
            tokenizer=tokenizer,
            text_encoder=HubTextEncoder.build(text) if text is not None else None,
            audio_encoder=HubAudioEncoder.build(heard) if heard is not None else None,
            extractor=extractor,
            sampling=sampling,
        )

    def save_pretrained(self, folder: str | Path) -> None:
        """Write the whole classifier, for `from_pretrained` and every verb of the command line.

        ``config.json``, ``model.safetensors`` and what `save_preparation` writes. Where on this machine the encoders
        came from is not written. An older classifier in ``folder`` is overwritten, other files in it stay.
        """
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        backbone = self.streams["frames"].encoder if "frames" in self.streams else None
        text = self.streams["text"].encoder if "text" in self.streams else None
        audio = self.streams["audio"].encoder if "audio" in self.streams else None
        write_config(
            folder,
            config=asdict(replace(self.config, streams=without_paths(self.config.streams, self.streams))),
            backbone=describe_backbone(backbone) if isinstance(backbone, Backbone) else None,
            text_encoder=text.description if isinstance(text, HubTextEncoder) else None,
            audio_encoder=audio.description if isinstance(audio, HubAudioEncoder) else None,
        )
        self.save_preparation(folder)
        tensors = {key: tensor.contiguous() for key, tensor in self.state_dict().items()}
        save_tensors(tensors, folder / "model.safetensors")

    def save_preparation(self, folder: Path) -> None:
        """Write what leads from films to this model's inputs, and from its outputs to categories, in any format.

        ``preprocessing.json`` and ``taxonomy.csv``; of a model with text ``tokenizer/``, and of one with a Hugging Face
        audio encoder its feature extractor, in ``sound/``.
        """
        self.sampling.save(folder)
        self.taxonomy.write(folder / "taxonomy.csv")
        if self.prepare.tokenizer is not None:
            self.prepare.tokenizer.save_pretrained(folder / "tokenizer")
        if self.prepare.extractor is not None:
            self.prepare.extractor.save_pretrained(folder / "sound")

    @torch.inference_mode()
    def predict_batch(self, batch: ClipBatch, *, top: int = 5, threshold: float | None = None) -> list[Prediction]:
        """Predict a batch; see :func:`~framegate.finetune.output.predictions`. Leaves the model in evaluation mode."""
        self.eval()
        batch = batch.to(self.counts.device)
        attention = None
        stream = dict(self.streams.items()).get("frames")
        if isinstance(stream, FrameStream) and "frames" in batch.content:
            real = batch.masks["frames"]
            features = stream.features(batch.content["frames"], real)
            batch = batch.with_content("frames", Features(features))
            weights = stream.attention(features, real)
            attention = [row[mask].tolist() for row, mask in zip(weights, real, strict=True)]
        return predictions(
            self(batch), self.taxonomy, self.hierarchy, top=top, threshold=threshold, attention=attention
        )

    def predict(
        self, clips: Sequence[ClipInput], *, top: int = 5, threshold: float | None = None, batch_size: int = 16
    ) -> list[Prediction]:
        """Predict decoded clips, ``batch_size`` at a time."""
        found: list[Prediction] = []
        for start in range(0, len(clips), batch_size):
            batch = collate([self.prepare(clip) for clip in clips[start : start + batch_size]])
            found += self.predict_batch(batch, top=top, threshold=threshold)
        return found


def _streams(
    config: ClassifierConfig,
    backbone: Backbone | None,
    tokenizer: PreTrainedTokenizerBase | None,
    text_encoder: HubTextEncoder | None,
    audio_encoder: HubAudioEncoder | None,
) -> Iterable[tuple[Modality, nn.Module]]:
    width = config.fusion.width
    if (frames := config.streams.frames) is not None:
        if backbone is None:
            raise ValueError("a classifier with a frames stream needs a backbone")
        yield "frames", FrameStream(backbone, frames, width)
    if (audio := config.streams.audio) is not None:
        yield "audio", AudioStream(audio, width, audio_encoder)
    if (text := config.streams.text) is not None:
        if tokenizer is None:
            raise ValueError("a classifier with a text stream needs a tokenizer")
        vocabulary = check_vocabulary(tokenizer, len(tokenizer) if text_encoder is None else text_encoder.vocabulary)
        if text_encoder is not None and text.max_tokens > (max_tokens := text_encoder.max_tokens or text.max_tokens):
            raise ValueError(f"streams.text.max_tokens is {text.max_tokens}, and its encoder reads {max_tokens}")
        encoder = text_encoder or SmallTextEncoder(
            vocabulary, dim=text.width, layers=text.layers, heads=text.heads, max_tokens=text.max_tokens
        )
        yield "text", TextStream(encoder, text, width)


def _read_sampling(folder: Path) -> Sampling:
    if (folder / SAMPLING).exists():
        return Sampling.load(folder)
    sampling = Sampling()
    _LOG.warning(
        "%s: no %s in it: taking %d frames and %g s of sound of each clip, which may not be what it was trained on",
        *(folder, SAMPLING, sampling.frames, sampling.audio_seconds),
    )
    return sampling


def _open_backbone(frames: FramesConfig | None, image_size: int | None) -> Backbone | None:
    if frames is None:
        return None
    if frames.pretrained:
        return Backbone(frames.backbone, weights="timm", image_size=image_size or 224)
    return load_backbone(frames.backbone, image_size=image_size)


def _preparation(
    streams: StreamsConfig,
    backbone: Backbone | None,
    tokenizer: PreTrainedTokenizerBase | None,
    extractor: SequenceFeatureExtractor | None,
) -> Preparation:
    audio, text = streams.audio, streams.text
    return Preparation(
        image_size=backbone.image_size if backbone is not None else None,
        mask_overlays=streams.frames is not None and streams.frames.mask_overlays,
        rate=audio.rate if audio is not None else None,
        window_seconds=audio.window_seconds if audio is not None else 0.0,
        tokenizer=tokenizer if text is not None else None,
        max_tokens=text.max_tokens if text is not None else 0,
        extractor=extractor,
    )
