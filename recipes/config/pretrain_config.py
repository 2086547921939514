"""What a pretraining recipe may say."""

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from framegate.augment import ViewPolicy
from framegate.recipes.config.recipe import RecipeConfig, Section
from framegate.recipes.config.sections import Checkpoint, Compute, Log, Optim
from framegate.recipes.config.yaml_text import KeyPath

_PROGRAMME_TEMPERATURE = 0.03  # tens of thousands of classes need a scale of 16 and more; see `margin_softmax`


_CONTRASTIVE = ("moco_v2", "moco_v3", "simclr")
_WITH_KEY_ENCODER = ("moco_v2", "moco_v3")
_OF_SOME_METHODS: dict[KeyPath, tuple[str, ...]] = {
    ("queue",): ("moco_v2",),
    ("hidden",): ("moco_v3",),
    ("freeze_patches",): ("moco_v3",),
    ("momentum",): _WITH_KEY_ENCODER,
    ("momentum_end",): _WITH_KEY_ENCODER,
    ("symmetric",): (*_WITH_KEY_ENCODER, "programme"),
    ("own",): _CONTRASTIVE,
    ("programme", "weight"): _CONTRASTIVE,
}
"""Keys of ``method`` that some methods alone use, and which; all methods use the others."""


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


class ProgrammeChoice(Section):
    """The classifier of programmes: for the method ``programme``, and beside the others where it has a weight."""

    weight: float = Field(default=0.0, ge=0)
    """of its loss beside that of moco_v2, moco_v3 or simclr, which counts 1; 0: none"""
    sampled: PositiveInt = 8192
    """programmes that a step compares with; time and memory grow with it, not with the programmes there are"""
    kind: Literal["cosface", "arcface"] = "cosface"
    margin: float = Field(default=0.35, ge=0)
    """by which a frame has to be nearer to its own programme; 0.5 is usual for arcface"""
    temperature: PositiveFloat | None = None
    """null: method.temperature where the method is programme, else 0.03"""


class Method(Section):
    """How it learns."""

    name: Literal["moco_v2", "moco_v3", "simclr", "programme"] = "moco_v2"
    dim: PositiveInt | None = 128
    """length of a key; null, for moco_v2: no projection head, keys are the backbone's features"""
    hidden: PositiveInt = 4096
    """width of moco_v3's heads"""
    temperature: PositiveFloat = 0.2
    """absent: 0.2, or for programme 0.03"""
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
    programme: ProgrammeChoice = ProgrammeChoice()

    @model_validator(mode="before")
    @classmethod
    def _choose_batch_norm(cls, values: Any) -> Any:
        if isinstance(values, dict) and values.get("batch_norm") is None:
            return {**values, "batch_norm": "split" if values.get("name", "moco_v2") == "moco_v2" else "sync"}
        return values

    @model_validator(mode="before")
    @classmethod
    def _programmes_are_told_apart_finely(cls, values: Any) -> Any:
        if isinstance(values, dict) and values.get("name") == "programme":
            return {"temperature": _PROGRAMME_TEMPERATURE, **values}
        return values

    @model_validator(mode="after")
    def _pairs_stay_hidden(self) -> "Method":
        if self.name == "simclr" and self.batch_norm == "split":
            raise ValueError("simclr cannot hide its pairs by batch_norm: split; choose sync or plain")
        return self

    @model_validator(mode="after")
    def _others_project(self) -> "Method":
        if self.dim is None and (self.name != "moco_v2" or self.programme.weight > 0):
            raise ValueError("dim: null is for moco_v2 alone; with any other loss say a length, such as 128")
        return self

    @property
    def has_key_encoder(self) -> bool:
        """Whether the method has a second encoder, a moving average of the first."""
        return self.name in _WITH_KEY_ENCODER

    @property
    def unused(self) -> dict[KeyPath, str]:
        """The keys that the method does not use, each with the reason."""
        reasons = {
            key: f"method.name is {self.name}, and {' or '.join(users)} alone {'use' if users[1:] else 'uses'} it"
            for key, users in _OF_SOME_METHODS.items()
            if self.name not in users
        }
        if self.name != "programme" and self.programme.weight == 0:
            others = [name for name in ProgrammeChoice.model_fields if name != "weight"]
            reasons |= {("programme", name): "method.programme.weight is 0" for name in others}
        return reasons

    @property
    def programme_temperature(self) -> float:
        """τ of the programme loss."""
        alone = self.temperature if self.name == "programme" else _PROGRAMME_TEMPERATURE
        return self.programme.temperature or alone


class PretrainConfig(RecipeConfig):
    """A whole pretraining recipe."""

    data: PretrainData
    backbone: BackboneChoice = BackboneChoice()
    method: Method = Method()
    views: ViewPolicy = ViewPolicy()
    optim: Optim = Optim()
    compute: Compute = Compute()
    log: Log = Log()
    checkpoint: Checkpoint = Checkpoint()

    @property
    def unused(self) -> dict[KeyPath, str]:
        """The keys that the method does not use, each with the reason."""
        return {("method", *key): reason for key, reason in self.method.unused.items()}

    @model_validator(mode="after")
    def _attention_needs_both_keys(self) -> "PretrainConfig":
        if self.views.attention and not (self.method.has_key_encoder and self.method.symmetric):
            raise ValueError(
                "views.attention needs a key encoder that sees both views: method.name moco_v2 or moco_v3, and "
                "method.symmetric true"
            )
        return self
