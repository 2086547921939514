"""What a recipe may say of LeJEPA, and how it is built."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BeforeValidator, Field, PositiveInt

from framegate.ssl.methods.registry import MethodSettings, register

if TYPE_CHECKING:  # a recipe is read without torch
    from framegate.ssl.backbones.backbone import Backbone
    from framegate.ssl.methods.method import Method


def _null_is_sync(value: Any) -> Any:
    return "sync" if value is None else value


@register
class LeJEPASettings(MethodSettings):
    """LeJEPA, which has neither negatives nor a key encoder; see `framegate.ssl.methods.lejepa.LeJEPA`."""

    name: Literal["lejepa"] = "lejepa"
    dim: PositiveInt = 64
    """length of an embedding"""
    hidden: PositiveInt = 2048
    """width of the head"""
    weight: float = Field(default=0.05, gt=0, lt=1)
    """λ, the share of SIGReg in the loss: as published where a step has 256 frames, and the same compromise with any
    other number"""
    directions: PositiveInt = 1024
    """drawn anew for each micro-batch; along each, embeddings are compared with a Gaussian"""
    knots: int = Field(default=17, ge=3)
    """points at which characteristic functions are compared"""
    batch_norm: Annotated[Literal["sync", "plain"], BeforeValidator(_null_is_sync)] = "sync"
    """null: the default (sync is plain batch norm on a single device)"""

    def build(self, backbone: Backbone, *, programmes: int) -> Method:
        """Make the method; see `MethodSettings.build`."""
        from framegate.ssl.methods.lejepa import LeJEPA

        return LeJEPA(
            backbone,
            dim=self.dim,
            hidden=self.hidden,
            weight=self.weight,
            directions=self.directions,
            knots=self.knots,
            batch_norm=self.batch_norm,
        )
