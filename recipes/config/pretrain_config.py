"""What a pretraining recipe may say."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, PositiveInt, SerializeAsAny, model_validator

from framegate.augment import ViewPolicy
from framegate.augment.pairs import TWO_VIEWS_ALONE
from framegate.recipes.config.method_section import foreign_keys, read_method
from framegate.recipes.config.recipe import Section
from framegate.recipes.config.sections import Checkpoint, Compute, Log, Optim, TrainingConfig, Updates
from framegate.recipes.config.yaml_text import KeyPath
from framegate.ssl.methods.auto_value import AutoRate, AutoWeight, number
from framegate.ssl.methods.registry import KeyEncoderSettings, MethodSettings
from framegate.ssl.methods.settings import MoCoV2Settings


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
    """null: random; timm: those timm downloads; package: those of an installed package (framegate[distill]); or a
    path"""
    image_size: PositiveInt = 224


class PretrainOptim(Updates):
    """The optimizer and its schedule."""

    lr: AutoRate = 0.03
    """per 256 images: the highest rate of the schedule is lr × batch_size / 256; auto: by optimizer and batch"""
    warmup_epochs: float = Field(default=0.0, ge=0)
    weight_decay: AutoWeight = 1e-4
    """auto: by the rate and the number of steps"""

    @property
    def numbers(self) -> Optim:
        """The same without ``auto``.

        Raises:
            ValueError: a value is ``auto`` still; see `framegate.recipes.pretraining.settle_auto`.
        """
        lr, weight_decay = number(self.lr), number(self.weight_decay)
        return Optim(**self.model_dump(exclude={"lr", "weight_decay"}), lr=lr, weight_decay=weight_decay)


class PretrainConfig(TrainingConfig):
    """A whole pretraining recipe."""

    data: PretrainData
    backbone: BackboneChoice = BackboneChoice()
    method: Annotated[SerializeAsAny[MethodSettings], BeforeValidator(read_method)] = MoCoV2Settings()
    views: ViewPolicy = ViewPolicy()
    optim: PretrainOptim = PretrainOptim()
    compute: Compute = Compute()
    log: Log = Log()
    checkpoint: Checkpoint = Checkpoint()

    @property
    def unused(self) -> dict[KeyPath, str]:
        """The keys that have no effect because of what others say, each with the reason."""
        unused: dict[KeyPath, str] = {("method", *key): reason for key, reason in self.method.unused.items()}
        if self.method.pairing == "same_crop":
            reason = f"method.name is {self.method.name}: its student sees all overlays, its teacher none"
            unused |= {("views", "overlays", key): reason for key in TWO_VIEWS_ALONE}
        return unused

    def ignored(self, values: dict[str, Any]) -> dict[KeyPath, str]:
        """Find the keys in ``values`` that have no effect, each with the reason; those of other methods first."""
        given = values.get("method") or {}
        reasons = {
            ("method", *key): f"method.name is {self.method.name}, and {_alone(users)} it"
            for key, users in foreign_keys(type(self.method), given).items()
        }
        return reasons | super().ignored(values)

    @model_validator(mode="after")
    def _attention_needs_both_keys(self) -> "PretrainConfig":
        method = self.method
        if self.views.attention and not (isinstance(method, KeyEncoderSettings) and method.symmetric):
            raise ValueError(
                "views.attention needs a key encoder that sees both views: method.name moco_v2 or moco_v3, and "
                "method.symmetric true"
            )
        return self


def _alone(users: list[str]) -> str:
    return f"{' or '.join(users)} alone {'use' if users[1:] else 'uses'}"
