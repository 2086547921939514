"""Settings of attention, in a module without torch, so that recipes are read fast."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True, kw_only=True)
class AttentionPolicy:
    """When pretraining drops the parts that the key encoder attends to, or zooms into them.

    In a recipe it is ``views.attention``.

    Args:
        drop: probability per sample that the strongest part of the map is dropped from the query's view, at most 0.5.
        crop: probability per sample that the query's view is zoomed into the strong part instead, at most 0.5.
        from_epoch: the first epoch with changes; an untrained key encoder attends to overlays.
        ramp_epochs: epochs over which the probabilities then rise from 0.

    Raises:
        ValueError: a probability is not between 0 and 0.5.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    drop: float = 0.0
    crop: float = 0.0
    from_epoch: int = 10
    ramp_epochs: int = 5

    def __post_init__(self) -> None:
        for name in ("drop", "crop"):
            if not 0 <= getattr(self, name) <= 0.5:
                raise ValueError(f"attention.{name} is {getattr(self, name)}; it must lie between 0 and 0.5")

    def __bool__(self) -> bool:
        """Whether any view is ever changed."""
        return self.drop > 0 or self.crop > 0

    def probabilities(self, epoch: float) -> tuple[float, float]:
        """Return (drop, crop) at ``epoch``, which may be fractional: 0 until ``from_epoch``, then rising linearly.

        >>> AttentionPolicy(drop=0.5, from_epoch=10, ramp_epochs=5).probabilities(12.5)
        (0.25, 0.0)
        """
        ramp = min(max((epoch - self.from_epoch) / max(self.ramp_epochs, 1e-9), 0.0), 1.0)
        return self.drop * ramp, self.crop * ramp
