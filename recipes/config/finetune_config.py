"""The options of a fine-tuning recipe."""

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from framegate.finetune.classifier import ClassifierConfig
from framegate.finetune.data.batch import MODALITIES
from framegate.finetune.fusion.fusion import FusionConfig
from framegate.finetune.heads.heads import HeadConfig
from framegate.finetune.losses.path_losses import LossConfig
from framegate.finetune.streams.streams import FramesConfig, StreamsConfig
from framegate.recipes.config.recipe import Section
from framegate.recipes.config.sections import Checkpoint, Compute, Log, Optim, TrainingConfig
from framegate.ssl.backbones.backbone import is_timm_model

AUTO = "auto"
"""The frame backbone that means: the one of the newest pretraining in the folder of runs, where there is one."""

_PRETRAINED = ("auto", "moco_small", "continue_small", "distill_small")  # runs, of which the newest has that backbone
_FIRST_LR = 2e-3  # of recipes without a version that named none


class FinetuneData(Section):
    """The clips to train on, and how much of each."""

    store: Path
    taxonomy: Path | None = None
    """null: the one in the store"""
    workers: int = Field(default=0, ge=0)
    """processes that prepare clips; with cached features one process is enough"""
    frames: int = Field(default=16, ge=1, le=10_000)
    """the largest number of frames of a clip, evenly spaced"""
    audio_seconds: float = Field(default=10.0, ge=0, le=1e5)
    """seconds of a clip's audio, at most"""
    sampler: Literal["shuffled", "class_balanced"] = "shuffled"
    """class_balanced: each label is drawn as often as any other; of a clip of several its first counts"""


class FinetuneOptim(Optim):
    """The optimizer; learning rates of single streams are per 256 images, too."""

    name: Literal["sgd", "lars", "adamw"] = "adamw"
    lr: PositiveFloat = 0.016
    batch_size: PositiveInt = 32
    epochs: PositiveInt = 40
    warmup_epochs: float = Field(default=2.0, ge=0)
    weight_decay: float = Field(default=0.05, ge=0)
    clip_grad: PositiveFloat | None = 5.0
    layer_decay: float = Field(default=1.0, gt=0, le=1)
    """the rate of an encoder's k-th layer from its end is multiplied by this to the k-th power"""
    ema: float | None = Field(default=None, gt=0, lt=1)
    """a moving average of the weights, with this momentum a step, is what is saved; null: the weights themselves"""
    patience: PositiveInt | None = None
    """stop after this many epochs without a better validation score, and save the best; null: never"""


class FinetuneAugment(Section):
    """Augmentation of training clips; dropped and corrupted modalities belong to the fusion's options."""

    mixup: float = Field(default=0.0, ge=0)
    """α of the shares in which two clips' streams are mixed; 0: none"""
    drop: float = Field(default=0.0, ge=0, le=1)
    """probability that the part of a frame with the strongest attention is hidden"""
    crop: float = Field(default=0.0, ge=0, le=1)
    """probability that the view zooms to that part"""


class FinetuneConfig(TrainingConfig):
    """A whole fine-tuning recipe."""

    first_version = (
        f"its learning rates hold for any batch (optim.lr is {_FIRST_LR} if absent); add 'version: 2' and multiply "
        "each by 256 / optim.batch_size"
    )

    data: FinetuneData
    streams: StreamsConfig = StreamsConfig()
    fusion: FusionConfig = FusionConfig()
    head: HeadConfig = HeadConfig()
    loss: LossConfig = LossConfig()
    augment: FinetuneAugment = FinetuneAugment()
    optim: FinetuneOptim = FinetuneOptim()
    compute: Compute = Compute()
    log: Log = Log()
    checkpoint: Checkpoint = Checkpoint()

    @classmethod
    def of(cls, values: dict[str, Any]) -> Self:
        """Check a recipe's values, and decide which backbone ``streams.frames.backbone: auto`` is.

        Raises:
            ValidationError: with all mistakes in them.
        """
        config = super().of(values)
        frames = config.streams.frames
        if frames is None or frames.backbone != AUTO:
            return config
        folders = [config.run_dir / name / "backbone" for name in _PRETRAINED]
        newest = max((folder for folder in folders if folder.is_dir()), key=lambda at: at.stat().st_mtime, default=None)
        found = replace(frames, backbone=FramesConfig.backbone if newest is None else str(newest))
        return config.model_copy(update={"streams": replace(config.streams, frames=found)})

    @model_validator(mode="after")
    def _frames_to_look_at(self) -> Self:
        trained = self.streams.frames is not None and self.streams.frames.train != "frozen"
        if (self.augment.drop or self.augment.crop) and not trained:
            raise ValueError("augment.drop and augment.crop change pictures: set streams.frames.train to last or all")
        return self

    @model_validator(mode="after")
    def _labels_of_one_clip(self) -> Self:
        _ = self.classifier  # says what does not go together there
        if self.head.name == "multilabel" and self.loss.balance != "none":
            raise ValueError("head.name=multilabel asks each node by itself: set loss.balance=none")
        return self

    @classmethod
    def of_first_version(cls, values: dict[str, Any]) -> Self:
        """Check values that were written before there were versions: their learning rates were not per 256 images."""
        optim = values.get("optim", {})
        if isinstance(optim, dict):
            values = {**values, "optim": {"lr": _FIRST_LR, **optim}}
        old = cls.model_validate(values)
        before, batch_size = old.optim.lr, old.optim.batch_size
        lr = _nearest(before * 256 / batch_size, lambda rate: rate * batch_size / 256, before)
        streams = {
            name: replace(stream, lr=_nearest(stream.lr * (lr / before), lambda rate: rate / lr, stream.lr / before))
            for name in MODALITIES
            if (stream := getattr(old.streams, name)) is not None and stream.lr is not None
        }
        return old.model_copy(
            update={"optim": old.optim.model_copy(update={"lr": lr}), "streams": replace(old.streams, **streams)}
        )

    @property
    def frame_backbone(self) -> str:
        """Which backbone the frames go through, in words; empty for a classifier without frames."""
        frames = self.streams.frames
        if frames is None:
            return ""
        if Path(frames.backbone).exists() or frames.pretrained or not is_timm_model(frames.backbone):
            return f"frames: {frames.backbone}"
        return (
            f"frames: {frames.backbone} with random weights; framegate pretrain auto makes better ones, "
            "or name streams.frames.backbone=FOLDER"
        )

    @property
    def classifier(self) -> ClassifierConfig:
        """The architecture of the classifier that the recipe describes."""
        return ClassifierConfig(streams=self.streams, fusion=self.fusion, head=self.head)


def _nearest(guess: float, effect: Callable[[float], float], wanted: float) -> float:
    """Return the rate near ``guess`` whose ``effect`` equals ``wanted``, to the last bit if such a number exists."""
    near = (guess, math.nextafter(guess, math.inf), math.nextafter(guess, 0.0))
    return min(near, key=lambda rate: abs(effect(rate) - wanted))
