"""What a network may not rely on: views of frames in which overlays are worth nothing, overlay finding, attention."""

import os

os.environ.setdefault(
    "NO_ALBUMENTATIONS_UPDATE", "1"
)  # albumentations asks PyPI for its newest version at import otherwise

from framegate.augment.attention_policy import AttentionPolicy
from framegate.augment.hard_negatives import beside_same_look, look_numbers
from framegate.augment.jpeg import plain_view
from framegate.augment.layout import find_layout
from framegate.augment.masks import mask_layout
from framegate.augment.pairs import OverlayPolicy
from framegate.augment.views import Anchor, TwoViews, View, ViewPolicy

__all__ = [
    "Anchor",
    "AttentionPolicy",
    "OverlayPolicy",
    "TwoViews",
    "View",
    "ViewPolicy",
    "beside_same_look",
    "find_layout",
    "look_numbers",
    "mask_layout",
    "plain_view",
]
