"""Attention without a further forward: where the key encoder looked, dropped from the query's view or zoomed into."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True, kw_only=True)
class AttentionPolicy:
    """When pretraining drops or zooms into what the key encoder looked at; the recipe's ``views.attention``.

    Args:
        drop: probability per sample that the strongest part of the map is dropped from the query's view, at most 0.5.
        crop: probability per sample that the query's view is zoomed into the strong part instead, at most 0.5.
        from_epoch: the first epoch in which it happens; before it, keys look at overlays.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    drop: float = 0.0
    crop: float = 0.0
    from_epoch: int = 10
