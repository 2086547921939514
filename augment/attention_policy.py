"""When attention changes views: the settings, apart from the torch code so that reading a recipe stays quick."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True, kw_only=True)
class AttentionPolicy:
    """When pretraining drops or zooms into what the key encoder looked at; the recipe's ``views.attention``.

    Args:
        drop: probability per sample that the strongest part of the map is dropped from the query's view, at most 0.5.
        crop: probability per sample that the query's view is zoomed into the strong part instead, at most 0.5.
        from_epoch: the first epoch in which it happens; before it, an untrained key looks at overlays.
        ramp_epochs: epochs over which the probabilities then rise from 0.
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
        """Whether it ever changes a view."""
        return self.drop > 0 or self.crop > 0

    def probabilities(self, epoch: float) -> tuple[float, float]:
        """(drop, crop) at ``epoch``, maybe fractional: 0 before ``from_epoch``, then rising to the full values."""
        ramp = min(max((epoch - self.from_epoch) / max(self.ramp_epochs, 1e-9), 0.0), 1.0)
        return self.drop * ramp, self.crop * ramp
