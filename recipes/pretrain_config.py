"""What a pretraining recipe may say."""

from pathlib import Path
from typing import Literal

from pydantic import Field, PositiveFloat, PositiveInt, field_validator

from framegate.augment import ViewPolicy
from framegate.recipes.config import Section
from framegate.recipes.sections import Checkpoint, Compute, Log, Optim


class PretrainData(Section):
    """Which frames."""

    store: Path
    split: Literal["train", "val", "test", "all"] = "train"
    workers: int | None = Field(default=None, ge=0)
    """processes that make views, for each training process; null: its share of the cores"""
    frames_per_video: PositiveInt | None = None
    """an epoch takes this many frames of each video; null: each frame once"""


class BackboneChoice(Section):
    """Which network."""

    name: str = "efficientnet_b0"
    weights: str | None = None
    """null: random; timm: those timm downloads; or a path"""
    image_size: PositiveInt = 224


class Method(Section):
    """How it learns."""

    name: Literal["moco_v2"] = "moco_v2"
    dim: PositiveInt = 128
    temperature: PositiveFloat = 0.2
    momentum: float = Field(default=0.999, ge=0, le=1)
    queue: PositiveInt = 65536
    symmetric: bool = False
    batch_norm: Literal["split", "sync", "plain"] = "split"
    positive_seconds: float = Field(default=0.0, ge=0)
    """the second view may show a frame of the same shot this far away"""


class PretrainConfig(Section):
    """A whole pretraining recipe."""

    name: str = Field(pattern=r"^[A-Za-z0-9_.-]+$")
    seed: int = 0
    run_dir: Path = Path("runs")
    data: PretrainData
    backbone: BackboneChoice = BackboneChoice()
    method: Method = Method()
    views: ViewPolicy = ViewPolicy()
    optim: Optim = Optim()
    compute: Compute = Compute()
    log: Log = Log()
    checkpoint: Checkpoint = Checkpoint()

    @field_validator("views")
    @classmethod
    def _no_attention_yet(cls, views: ViewPolicy) -> ViewPolicy:
        if views.attention.drop or views.attention.crop:
            raise ValueError("moco_v2 does not drop or zoom by attention yet: leave attention.drop and .crop at 0")
        return views
