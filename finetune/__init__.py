"""The multimodal gated-fusion classifier over a taxonomy."""

import importlib
from typing import TYPE_CHECKING, Any

from framegate.finetune.taxonomy.taxonomy import Taxonomy, TaxonomyError, UnknownLabelError

if TYPE_CHECKING:
    from framegate.finetune.classifier import ClassifierConfig, GatedFusionClassifier
    from framegate.finetune.data.batch import MODALITIES, ClipBatch, ClipSample, Features, Raw, collate
    from framegate.finetune.data.corruption import SwapRates, corrupt
    from framegate.finetune.evaluation.metrics import evaluate
    from framegate.finetune.losses.criterion import training_loss
    from framegate.finetune.losses.path_losses import LossConfig
    from framegate.finetune.output import ClassifierOutput, Prediction
    from framegate.finetune.streams.prepare import ClipInput
    from framegate.finetune.trainable import parameter_groups

# Checking a manifest's labels takes the taxonomy alone: torch, timm and transformers are loaded where they are used.
_HOMES = {
    "MODALITIES": "framegate.finetune.data.batch",
    "ClassifierConfig": "framegate.finetune.classifier",
    "ClassifierOutput": "framegate.finetune.output",
    "ClipBatch": "framegate.finetune.data.batch",
    "ClipInput": "framegate.finetune.streams.prepare",
    "ClipSample": "framegate.finetune.data.batch",
    "Features": "framegate.finetune.data.batch",
    "GatedFusionClassifier": "framegate.finetune.classifier",
    "LossConfig": "framegate.finetune.losses.path_losses",
    "Prediction": "framegate.finetune.output",
    "Raw": "framegate.finetune.data.batch",
    "SwapRates": "framegate.finetune.data.corruption",
    "corrupt": "framegate.finetune.data.corruption",
    "collate": "framegate.finetune.data.batch",
    "evaluate": "framegate.finetune.evaluation.metrics",
    "training_loss": "framegate.finetune.losses.criterion",
    "parameter_groups": "framegate.finetune.trainable",
}

__all__ = [
    "MODALITIES",
    "ClassifierConfig",
    "ClassifierOutput",
    "ClipBatch",
    "ClipInput",
    "ClipSample",
    "Features",
    "GatedFusionClassifier",
    "LossConfig",
    "Prediction",
    "Raw",
    "SwapRates",
    "Taxonomy",
    "TaxonomyError",
    "UnknownLabelError",
    "collate",
    "corrupt",
    "evaluate",
    "parameter_groups",
    "training_loss",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
