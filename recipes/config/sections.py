"""The parts that pretraining and fine-tuning recipes share."""

from typing import TYPE_CHECKING, Literal

from pydantic import Field, PositiveFloat, PositiveInt

from framegate.recipes.config.recipe import RecipeConfig, Section
from framegate.ssl.auto_settings import OptimizerName


class Compute(Section):
    """How a step is computed."""

    precision: Literal["fp32", "bf16", "fp16"] = "fp32"
    channels_last: bool = True
    compile: bool = False


class Log(Section):
    """What is logged during training."""

    every: PositiveInt = 10
    """steps between rows of metrics.jsonl"""
    probe_every: PositiveInt | None = None
    """steps between kNN probes of the validation split's labelled rows while pretraining; null: never. A probe that
    beats all before it at leaf level saves a checkpoint of its step: `framegate export --checkpoint best`"""
    audit_every: PositiveInt | None = None
    """steps between light shortcut audits while pretraining, about a second each; null: never. With it, the report and
    the model card end with the whole audit"""
    wandb_project: str | None = "framegate"
    """null: no W&B"""


class Checkpoint(Section):
    """When the state is saved."""

    every: PositiveInt = 500
    """steps between checkpoints; the end of the run always has one"""
    keep: PositiveInt = 2
    """how many of the newest are kept; the best by the online probe is kept, too"""


class Updates(Section):
    """The optimizer's name, and how many updates of what size. An update is a step, an epoch one pass over the data."""

    name: OptimizerName = "sgd"
    batch_size: PositiveInt = 256
    """global: processes × per process × accumulate"""
    epochs: PositiveInt = 100
    clip_grad: PositiveFloat | None = None
    """the largest norm of the gradient, over all parameters; null: no limit"""
    accumulate: PositiveInt = 1
    """micro-batches per update"""


class Optim(Updates):
    """The optimizer and its schedule. A step is one optimizer update, an epoch one pass over the anchors."""

    lr: PositiveFloat = 0.03
    """per 256 images: the highest rate of the schedule is lr × batch_size / 256; the rate of each step is logged"""
    warmup_epochs: float = Field(default=0.0, ge=0)
    weight_decay: float = Field(default=1e-4, ge=0)

    @property
    def highest_lr(self) -> float:
        """The highest learning rate, at the end of warm-up: ``lr`` × ``batch_size`` / 256; nothing else scales it."""
        return self.lr * self.batch_size / 256


class TrainingConfig(RecipeConfig):
    """A recipe that trains."""

    if TYPE_CHECKING:  # each recipe has these, but after its own sections: fields here would come first in config.yaml
        optim: Updates = Updates()
        compute: Compute = Compute()
        log: Log = Log()
        checkpoint: Checkpoint = Checkpoint()
