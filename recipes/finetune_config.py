"""What a fine-tuning recipe may say."""

from pathlib import Path
from typing import Literal

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt

from framegate.finetune.classifier import ClassifierConfig
from framegate.finetune.experts import HeadConfig
from framegate.finetune.fusion import FusionConfig
from framegate.finetune.losses import LossConfig
from framegate.finetune.streams import StreamsConfig
from framegate.recipes.config import Section
from framegate.recipes.sections import Checkpoint, Compute, Log, Optim


class FinetuneData(Section):
    """Which clips, and how much of each."""

    store: Path
    taxonomy: Path | None = None
    """null: the one in the store"""
    workers: int = Field(default=0, ge=0)
    """processes that prepare clips; with cached features one process is enough"""
    frames: PositiveInt = 16
    """at most this many of a clip's frames, evenly spread"""
    audio_seconds: NonNegativeFloat = 10.0
    """at most this much of a clip's sound"""


class FinetuneOptim(Optim):
    """The optimizer; ``lr`` is taken as it is."""

    name: Literal["sgd", "lars", "adamw"] = "adamw"
    lr: PositiveFloat = 2e-3
    batch_size: PositiveInt = 32
    epochs: PositiveInt = 40
    warmup_epochs: float = Field(default=2.0, ge=0)
    weight_decay: float = Field(default=0.05, ge=0)
    clip_grad: PositiveFloat | None = 5.0


class FinetuneConfig(Section):
    """A whole fine-tuning recipe."""

    name: str = Field(pattern=r"^[A-Za-z0-9_.-]+$")
    seed: int = 0
    run_dir: Path = Path("runs")
    data: FinetuneData
    streams: StreamsConfig = StreamsConfig()
    fusion: FusionConfig = FusionConfig()
    head: HeadConfig = HeadConfig()
    loss: LossConfig = LossConfig()
    optim: FinetuneOptim = FinetuneOptim()
    compute: Compute = Compute()
    log: Log = Log()
    checkpoint: Checkpoint = Checkpoint()

    @property
    def classifier(self) -> ClassifierConfig:
        """The architecture."""
        return ClassifierConfig(streams=self.streams, fusion=self.fusion, head=self.head)
