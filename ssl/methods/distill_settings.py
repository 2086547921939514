"""What a recipe may say of distillation, and how it is built."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict, PositiveFloat, PositiveInt, field_validator

from framegate.ssl.methods.auto_value import AutoCount, number
from framegate.ssl.methods.registry import KeyPath, MethodSettings, register

if TYPE_CHECKING:  # a recipe is read without torch
    from framegate.ssl.backbones.backbone import Backbone
    from framegate.ssl.methods.method import Method


class TeacherChoice(BaseModel):
    """The network that teaches; it stays as it is."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = "tf_efficientnet_lite0"
    """a timm name, local-dir:PATH or hf-hub:OWNER/NAME"""
    weights: str = "timm"
    """timm: those that timm downloads, or those of the folder or of the hub; package: those of an installed package
    (framegate[distill]); or a path"""
    image_size: PositiveInt | None = None
    """pixels a side of the teacher's view; null: backbone.image_size"""


@register
class DistillSettings(MethodSettings):
    """A student learns from a frozen teacher; see `framegate.ssl.methods.distill.Distill`."""

    name: Literal["distill"] = "distill"
    teacher: TeacherChoice = TeacherChoice()
    objective: Literal["similarities", "features"] = "similarities"
    """what the student matches: the teacher's similarities to other frames, or the teacher's features themselves"""
    temperature: PositiveFloat = 0.1
    """of the student's similarities"""
    teacher_temperature: PositiveFloat = 0.05
    """of the teacher's similarities; lower than the student's, it sharpens them"""
    queue: AutoCount = 4096
    """features of the teacher that are kept to be compared with; auto: a quarter to a half of the frames"""
    mixup: bool = False
    """each picture is blended with another one, for teacher and student alike"""
    hidden: PositiveInt | None = None
    """width of the hidden layer of the student's head; null: the head is linear"""
    batch_norm: Literal["split", "sync", "plain"] = "plain"
    """of the student"""

    @field_validator("positive_seconds")
    @classmethod
    def _both_see_one_frame(cls, value: float) -> float:
        return 0.0  # what was given is named as unused

    def build(self, backbone: Backbone, *, programmes: int) -> Method:
        """Make the method; see `MethodSettings.build`.

        Raises:
            BackboneError: the teacher or its weights cannot be had.
        """
        from framegate.ssl.backbones.backbone import Backbone
        from framegate.ssl.methods.distill import Distill

        size = self.teacher.image_size or backbone.image_size
        return Distill(
            backbone,
            Backbone(self.teacher.name, weights=self.teacher.weights, image_size=size),
            temperature=self.temperature,
            teacher_temperature=self.teacher_temperature,
            queue=number(self.queue),
            objective=self.objective,
            mixup=self.mixup,
            hidden=self.hidden,
            batch_norm=self.batch_norm,
        )

    @property
    def pairing(self) -> Literal["two_views", "same_crop"]:
        """See `MethodSettings.pairing`."""
        return "same_crop"

    @property
    def second_size(self) -> int | None:
        """See `MethodSettings.second_size`."""
        return self.teacher.image_size

    @property
    def unused(self) -> dict[KeyPath, str]:
        """The keys without effect, each with the reason."""
        unused: dict[KeyPath, str] = {("positive_seconds",): "teacher and student see the same frame"}
        if self.objective == "features":
            reason = "method.objective is features, which compares with no other frames"
            unused |= {(key,): reason for key in ("temperature", "teacher_temperature", "queue")}
        return unused
