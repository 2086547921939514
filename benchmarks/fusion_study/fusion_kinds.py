"""The rows of `fusion.py`: what is trained, and on which variants."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from fusion_study.fusion_training import Kind

from framegate.finetune.data.batch import MODALITIES
from framegate.finetune.fusion.fusion import FusionConfig
from framegate.finetune.losses.path_losses import LossConfig

OURS = LossConfig(label_smoothing=0.05)
BOTH, CLEAN = ("clean", "hard"), ("clean",)


@dataclass(frozen=True, kw_only=True)
class Row:
    """Who answers.

    ``by`` a ``fusion`` of features of that ``kind``; ``whole``, the recipe, which trains the backbone too, on pictures;
    or ``informed``, no fusion, and of no kind (`fusion_informed.py`).
    """

    kind: Kind
    backbone: str = "pretrained"
    variants: tuple[str, ...] = BOTH
    by: Literal["fusion", "whole", "informed"] = "fusion"


def fused(name: str, **loss: float | bool) -> Row:
    return Row(kind=Kind(fusion=FusionConfig(name=name), loss=replace(OURS, **loss)))


def only(*modalities: str, backbone: str = "pretrained") -> Row:
    return Row(kind=Kind(modalities=modalities), backbone=backbone)


UNBROKEN = FusionConfig(modality_dropout=0.0)

KINDS: dict[str, Row] = {
    **{name: only(name) for name in MODALITIES},
    "reliability": fused("reliability"),
    "concat": fused("concat"),
    "concat-plain": Row(
        kind=Kind(
            fusion=FusionConfig(name="concat", modality_dropout=0, swap=0, noise=0), loss=replace(OURS, auxiliary=0)
        )
    ),
    "informed": Row(kind=Kind(), by="informed"),
    "gmu": fused("gmu"),
    "mean": fused("mean"),
    "attention": fused("attention"),
    **{f"without-{name}": only(*(m for m in MODALITIES if m != name)) for name in MODALITIES},
    "reliability-no-heads": fused("reliability", auxiliary=0.0),
    "reliability-no-agreement": Row(kind=Kind(agreement=False)),
    "reliability-no-dropout": Row(kind=Kind(fusion=UNBROKEN)),
    "reliability-no-trust-loss": fused("reliability", trust=0.0),
    "reliability-adaptive": replace(fused("reliability", adaptive=True), variants=CLEAN),
    "ogm-ge": Row(kind=Kind(balance="ogm-ge", loss=replace(OURS, auxiliary=0.5)), variants=CLEAN),
    "g-blending": Row(kind=Kind(balance="g-blending"), variants=CLEAN),
    "frames-random": replace(only("frames", backbone="random"), variants=CLEAN),
    "reliability-random": replace(only(*MODALITIES, backbone="random"), variants=CLEAN),
    "frames-whole": replace(only("frames"), variants=CLEAN, by="whole"),
    "frames-whole-random": replace(only("frames", backbone="random"), variants=CLEAN, by="whole"),
}
"""By name; `reliability` is framegate's default, and what the others are compared with."""
