"""Self-supervised pretraining of video-frame backbones, and multimodal gated-fusion classifiers on top of them.

The names that a notebook needs. Each is loaded when it is first used, so that importing framegate takes no time.

    import framegate

    framegate.extract("clips.csv", "store")
    store = framegate.FrameStore("store")
    frames = store[:8]  # (8, H, W, 3) uint8 RGB
    print(framegate.audit("runs/first/backbone", "store").text)

Everything else is in the packages `framegate.media`, `framegate.augment`, `framegate.ssl`, `framegate.finetune` and
`framegate.recipes`.
"""

import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from framegate.augment import TwoViews, ViewPolicy, find_layout
    from framegate.finetune import ClipInput, GatedFusionClassifier, Taxonomy
    from framegate.media import FramegateError, FrameStore, read_frames
    from framegate.recipes.commands.data.extract_command import extract_manifest as extract
    from framegate.recipes.commands.training.audit_command import audit_backbone as audit
    from framegate.recipes.commands.training.probe_command import probe_backbone as probe
    from framegate.ssl.backbones.backbone import load_backbone
    from framegate.ssl.data.view_pairs import ViewPairs
    from framegate.ssl.methods.moco import MoCo

__version__ = "0.1.0"

__all__ = [
    "ClipInput",
    "FrameStore",
    "FramegateError",
    "GatedFusionClassifier",
    "MoCo",
    "Taxonomy",
    "TwoViews",
    "ViewPairs",
    "ViewPolicy",
    "__version__",
    "audit",
    "extract",
    "find_layout",
    "load_backbone",
    "probe",
    "read_frames",
]

_HOMES = {
    "ClipInput": ("framegate.finetune", "ClipInput"),
    "FrameStore": ("framegate.media", "FrameStore"),
    "FramegateError": ("framegate.media", "FramegateError"),
    "GatedFusionClassifier": ("framegate.finetune", "GatedFusionClassifier"),
    "MoCo": ("framegate.ssl.methods.moco", "MoCo"),
    "Taxonomy": ("framegate.finetune", "Taxonomy"),
    "TwoViews": ("framegate.augment", "TwoViews"),
    "ViewPairs": ("framegate.ssl.data.view_pairs", "ViewPairs"),
    "ViewPolicy": ("framegate.augment", "ViewPolicy"),
    "audit": ("framegate.recipes.commands.training.audit_command", "audit_backbone"),
    "extract": ("framegate.recipes.commands.data.extract_command", "extract_manifest"),
    "find_layout": ("framegate.augment", "find_layout"),
    "load_backbone": ("framegate.ssl.backbones.backbone", "load_backbone"),
    "probe": ("framegate.recipes.commands.training.probe_command", "probe_backbone"),
    "read_frames": ("framegate.media", "read_frames"),
}

# In a checkout the packages lie beside this folder. An editable install maps them, but for `framegate.ssl`: without an
# __init__.py, which would shadow the standard library's `ssl`, it is found only by a search of this path.
_root = Path(__file__).resolve().parents[1]
if (_root / "pyproject.toml").is_file() and (_root / "ssl").is_dir():
    __path__.append(str(_root))


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, attribute = _HOMES[name]
    return getattr(importlib.import_module(module), attribute)


def __dir__() -> list[str]:
    return list(__all__)
