"""What a pretraining recipe may say."""

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, PositiveFloat, PositiveInt, model_validator

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
    same_look: float = Field(default=0.5, ge=0, le=1)
    """share of the frames that stand in a batch beside frames of other sources with their look"""


class BackboneChoice(Section):
    """Which network."""

    name: str = "efficientnet_b0"
    weights: str | None = None
    """null: random; timm: those timm downloads; or a path"""
    image_size: PositiveInt = 224


class Method(Section):
    """How it learns."""

    name: Literal["moco_v2", "moco_v3", "simclr", "programme"] = "moco_v2"
    dim: PositiveInt = 128
    """length of a key"""
    hidden: PositiveInt = 4096
    """width of moco_v3's heads"""
    temperature: PositiveFloat = 0.2
    momentum: float = Field(default=0.999, ge=0, le=1)
    """of the key encoder"""
    momentum_end: float | None = Field(default=None, ge=0, le=1)
    """momentum rises to this by half a cosine; null: it stays"""
    queue: PositiveInt = 65536
    """keys that moco_v2 keeps"""
    symmetric: bool = False
    """each view is once the query; always so in simclr"""
    batch_norm: Literal["split", "sync", "plain"] = "split"
    """absent or null: split for moco_v2, sync for the others (plain batch norm on a single device)"""
    positive_seconds: float = Field(default=0.0, ge=0)
    """the second view may show a frame of the same shot this far away"""
    own: Literal["source", "frame"] = "source"
    """keys that are no negatives of a query: those of its source, or only those of its very frame"""
    freeze_patches: bool = True
    """moco_v3 leaves a transformer's patch projection at its initial values"""

    @model_validator(mode="before")
    @classmethod
    def _methods_own_batch_norm(cls, values: Any) -> Any:
        if isinstance(values, dict) and values.get("batch_norm") is None:
            return {**values, "batch_norm": "split" if values.get("name", "moco_v2") == "moco_v2" else "sync"}
        return values

    @model_validator(mode="after")
    def _pairs_stay_hidden(self) -> "Method":
        if self.name == "simclr" and self.batch_norm == "split":
            raise ValueError("simclr cannot hide its pairs by batch_norm: split; choose sync or plain")
        return self


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

    @model_validator(mode="after")
    def _attention_needs_both_keys(self) -> "PretrainConfig":
        if self.views.attention and not (self.method.name in ("moco_v2", "moco_v3") and self.method.symmetric):
            raise ValueError(
                "views.attention needs a key encoder that sees both views: method.name moco_v2 or moco_v3, and "
                "method.symmetric true"
            )
        return self
