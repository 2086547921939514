"""What a recipe may say of framegate's own methods, and how each is built: one class a method."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PositiveFloat,
    PositiveInt,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from framegate.media.errors import MediaError
from framegate.ssl.methods.auto_value import AutoCount, number
from framegate.ssl.methods.registry import KeyEncoderSettings, KeyPath, MethodSettings, register

if TYPE_CHECKING:  # a recipe is read without torch
    from framegate.ssl.backbones.backbone import Backbone
    from framegate.ssl.methods.method import Method
    from framegate.ssl.methods.programme_labels import ProgrammeLoss

_PROGRAMME_TEMPERATURE = 0.03  # tens of thousands of classes need a scale of 16 and more; see `margin_softmax`

_NO_LENGTH = "null is for moco_v2 alone; with any other loss say a length, such as 128"


def _refuse_null(dim: Any) -> Any:
    if dim is None:
        raise PydanticCustomError("no_length", _NO_LENGTH)
    return dim


Length = Annotated[PositiveInt, BeforeValidator(_refuse_null)]


class ProgrammeClasses(BaseModel):
    """The classifier of programmes."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    sampled: PositiveInt = 8192
    """programmes that a step compares with; time and memory grow with it, not with the programmes there are"""
    kind: Literal["cosface", "arcface"] = "cosface"
    margin: float = Field(default=0.35, ge=0)
    """by which a frame has to be nearer to its own programme; 0.5 is usual for arcface"""
    temperature: PositiveFloat | None = None
    """null: method.temperature where the method is programme, else 0.03"""

    def build(self, backbone: Backbone, *, programmes: int, dim: int, temperature: float) -> ProgrammeLoss:
        """Make the loss.

        Raises:
            MediaError: there are fewer than two programmes.
        """
        from framegate.ssl.methods.programme_labels import ProgrammeLoss

        if programmes < 2:
            raise MediaError(f"its clips are of {programmes} programmes; there is nothing to tell apart")
        return ProgrammeLoss(
            backbone.dim,
            programmes,
            dim=dim,
            sampled=self.sampled,
            temperature=temperature,
            margin=self.margin,
            kind=self.kind,
        )


class WeightedProgrammeClasses(ProgrammeClasses):
    """The classifier of programmes beside another method, where it has a weight."""

    weight: float = Field(default=0.0, ge=0)
    """of its loss beside the method's own, which counts 1; 0: none"""


class HeadSettings(MethodSettings):
    """What framegate's methods share: the head's output, its temperature, and batch norm."""

    dim: PositiveInt | None = 128
    """length of what the loss compares: a key, a projection, a programme's centre"""
    temperature: PositiveFloat = 0.2
    batch_norm: Literal["split", "sync", "plain"] = "sync"
    """null: the default (sync is plain batch norm on a single device)"""

    @field_validator("batch_norm", mode="before")
    @classmethod
    def _null_is_the_default(cls, value: Any) -> Any:
        return cls.model_fields["batch_norm"].default if value is None else value


class ContrastiveSettings(HeadSettings):
    """Settings of the methods that tell frames apart; the loss of programmes may stand beside theirs."""

    own: Literal["source", "frame"] = "source"
    """keys that are no negatives of a query: those of its source, or only those of its very frame"""
    programme: WeightedProgrammeClasses = WeightedProgrammeClasses()

    def build(self, backbone: Backbone, *, programmes: int) -> Method:
        """Make the method, and where it has a weight, the loss of programmes beside it; see `MethodSettings.build`."""
        from framegate.ssl.methods.programme_labels import WithProgramme

        method = self.build_alone(backbone)
        if self.programme.weight == 0:
            return method
        assert self.dim is not None, "a weight without a length is refused when the recipe is read"
        loss = self.programme.build(
            backbone, programmes=programmes, dim=self.dim, temperature=self.programme_temperature
        )
        return WithProgramme(method, loss, weight=self.programme.weight)

    @abstractmethod
    def build_alone(self, backbone: Backbone) -> Method:
        """Make the method itself."""

    @property
    def same(self) -> Literal["source", "frame"]:
        """See `MethodSettings.same`."""
        return self.own

    @property
    def unused(self) -> dict[KeyPath, str]:
        """The programmes' keys where their loss has no weight, each with the reason."""
        if self.programme.weight > 0:
            return {}
        return {("programme", name): "method.programme.weight is 0" for name in ProgrammeClasses.model_fields}

    @property
    def programme_temperature(self) -> float:
        """τ of the programme loss."""
        return self.programme.temperature or _PROGRAMME_TEMPERATURE


@register
class MoCoV2Settings(KeyEncoderSettings, ContrastiveSettings):
    """MoCo v2; see `framegate.ssl.methods.moco.MoCo`."""

    name: Literal["moco_v2"] = "moco_v2"
    dim: PositiveInt | None = 128
    """length of a key; null: no projection head, keys are the backbone's features"""
    batch_norm: Literal["split", "sync", "plain"] = "split"
    queue: AutoCount = 65536
    """keys that are kept; auto: a quarter to a half of the frames"""

    @model_validator(mode="after")
    def _programmes_need_a_length(self) -> MoCoV2Settings:
        if self.dim is None and self.programme.weight > 0:
            raise ValueError(f"dim: {_NO_LENGTH}")
        return self

    def build_alone(self, backbone: Backbone) -> Method:
        """Make the method itself."""
        from framegate.ssl.methods.moco import MoCo

        return MoCo(
            backbone,
            dim=self.dim,
            temperature=self.temperature,
            queue=number(self.queue),
            symmetric=self.symmetric,
            batch_norm=self.batch_norm,
        )


@register
class MoCoV3Settings(KeyEncoderSettings, ContrastiveSettings):
    """MoCo v3; see `framegate.ssl.methods.moco_v3.MoCoV3`."""

    name: Literal["moco_v3"] = "moco_v3"
    dim: Length = 256
    """length of a key"""
    hidden: PositiveInt = 4096
    """width of the heads"""
    freeze_patches: bool = True
    """a transformer's patch projection stays at its initial values"""

    def build_alone(self, backbone: Backbone) -> Method:
        """Make the method itself."""
        from framegate.ssl.methods.moco_v3 import MoCoV3

        return MoCoV3(
            backbone,
            dim=self.dim,
            hidden=self.hidden,
            temperature=self.temperature,
            symmetric=self.symmetric,
            batch_norm=self.batch_norm,
            freeze_patches=self.freeze_patches,
        )


@register
class SimCLRSettings(ContrastiveSettings):
    """SimCLR, in which each view is a query; see `framegate.ssl.methods.simclr.SimCLR`."""

    name: Literal["simclr"] = "simclr"
    dim: Length = 128
    """length of a projection"""

    @model_validator(mode="after")
    def _pairs_stay_hidden(self) -> SimCLRSettings:
        if self.batch_norm == "split":
            raise ValueError("simclr cannot hide its pairs by batch_norm: split; choose sync or plain")
        return self

    def build_alone(self, backbone: Backbone) -> Method:
        """Make the method itself."""
        from framegate.ssl.methods.simclr import SimCLR

        return SimCLR(backbone, dim=self.dim, temperature=self.temperature, batch_norm=self.batch_norm)


@register
class ProgrammeSettings(HeadSettings):
    """Telling programmes apart, alone; see `framegate.ssl.methods.programme_labels.Programme`."""

    name: Literal["programme"] = "programme"
    dim: Length = 128
    """length of a programme's centre"""
    temperature: PositiveFloat = _PROGRAMME_TEMPERATURE
    symmetric: bool = False
    """both views are classified, not the first alone"""
    programme: ProgrammeClasses = ProgrammeClasses()

    def build(self, backbone: Backbone, *, programmes: int) -> Method:
        """Make the method; see `MethodSettings.build`."""
        from framegate.ssl.methods.programme_labels import Programme

        loss = self.programme.build(
            backbone, programmes=programmes, dim=self.dim, temperature=self.programme_temperature
        )
        return Programme(backbone, loss, symmetric=self.symmetric, batch_norm=self.batch_norm)

    @property
    def programme_temperature(self) -> float:
        """τ of the programme loss."""
        return self.programme.temperature or self.temperature
