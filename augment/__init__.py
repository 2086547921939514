"""Views of frames from which a network cannot learn overlays; finding of overlays; attention to parts of a frame."""

import os
from typing import TYPE_CHECKING, Any

os.environ.setdefault(
    "NO_ALBUMENTATIONS_UPDATE", "1"
)  # albumentations asks PyPI for its newest version at import otherwise

from framegate.augment.attention_policy import AttentionPolicy
from framegate.augment.hard_negatives import beside_same_look, look_numbers
from framegate.augment.jpeg_view import plain_view
from framegate.augment.layout.find_layout import find_layout
from framegate.augment.overlays.borders import BorderStyle
from framegate.augment.overlays.dates import DateStyle
from framegate.augment.overlays.logos import LogoStyle
from framegate.augment.overlays.looks import Look, bank_look
from framegate.augment.overlays.masks import mask_layout
from framegate.augment.overlays.plates import Overlay
from framegate.augment.overlays.subtitles import SubtitleStyle
from framegate.augment.overlays.tickers import ClockStyle, TickerStyle
from framegate.augment.overlays.watermarks import RoundedFrameStyle, WatermarkStyle
from framegate.augment.overlays.words import WordsStyle
from framegate.augment.pairs import OverlayPolicy
from framegate.augment.traces.leave_traces import TracePolicy
from framegate.augment.views import Anchor, TwoViews, View, ViewPolicy
from framegate.media.clip_layout import Layout

if TYPE_CHECKING:
    from framegate.augment.overlays.transforms import (
        MaskBorder,
        MaskClock,
        MaskDate,
        MaskLayout,
        MaskLogo,
        MaskRoundedFrame,
        MaskSubtitles,
        MaskTicker,
        MaskWatermark,
        MaskWords,
        PaintBorder,
        PaintClock,
        PaintDate,
        PaintLogo,
        PaintRoundedFrame,
        PaintSubtitles,
        PaintTicker,
        PaintWatermark,
        PaintWords,
    )

__all__ = [
    "Anchor",
    "AttentionPolicy",
    "BorderStyle",
    "ClockStyle",
    "DateStyle",
    "Layout",
    "LogoStyle",
    "Look",
    "MaskBorder",
    "MaskClock",
    "MaskDate",
    "MaskLayout",
    "MaskLogo",
    "MaskRoundedFrame",
    "MaskSubtitles",
    "MaskTicker",
    "MaskWatermark",
    "MaskWords",
    "Overlay",
    "OverlayPolicy",
    "PaintBorder",
    "PaintClock",
    "PaintDate",
    "PaintLogo",
    "PaintRoundedFrame",
    "PaintSubtitles",
    "PaintTicker",
    "PaintWatermark",
    "PaintWords",
    "RoundedFrameStyle",
    "SubtitleStyle",
    "TickerStyle",
    "TracePolicy",
    "TwoViews",
    "View",
    "ViewPolicy",
    "WatermarkStyle",
    "WordsStyle",
    "bank_look",
    "beside_same_look",
    "find_layout",
    "look_numbers",
    "mask_layout",
    "plain_view",
]


def __getattr__(name: str) -> Any:
    """Import a transform when it is asked for: albumentations takes seconds to load, and extraction needs none."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import framegate.augment.overlays.transforms as transforms

    return getattr(transforms, name)


def __dir__() -> list[str]:
    return sorted(__all__)
