"""Measure a classifier: per level, per modality, and with modalities removed or broken."""

from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, Subset

from framegate.finetune.batch import MODALITIES, ClipBatch, ClipSample, collate
from framegate.finetune.classifier import GatedFusionClassifier
from framegate.finetune.metrics import Metrics, evaluate
from framegate.recipes.clips import StoreClips, noise_input
from framegate.recipes.labels import LabelError
from framegate.recipes.validation import uncalibrated

Alteration = Callable[[ClipBatch], ClipBatch]


@dataclass(frozen=True)
class ClipOutputs:
    """What a classifier says of n clips, in the order of ``rows``.

    Shape: ``probabilities`` (n, nodes), ``reliability`` and ``present`` (n, 3).
    """

    rows: np.ndarray
    probabilities: np.ndarray
    reliability: np.ndarray
    present: np.ndarray

    def metrics(self, model: GatedFusionClassifier, labels: Sequence[tuple[int, ...]]) -> Metrics:
        """All figures, each clip counted by its first label."""
        return evaluate(self.probabilities, np.array([labels[row][0] for row in self.rows]), model.taxonomy)


def labelled_rows(clips: StoreClips, split: str) -> np.ndarray:
    """The rows of a split's labelled clips.

    Raises:
        LabelError: there are none.
    """
    splits = clips.store.videos["split"].to_pylist()
    rows = [row for row, nodes in enumerate(clips.labels) if nodes and split in ("all", splits[row])]
    if not rows:
        raise LabelError(f"{clips.store.path}: no labelled clips in split '{split}'")
    return np.array(rows)


@torch.no_grad()
def run_clips(
    model: GatedFusionClassifier, clips: StoreClips, rows: np.ndarray, *, change: Alteration | None = None
) -> ClipOutputs:
    """The classifier's output for each clip, each batch changed by ``change`` first."""
    model.eval()
    device = next(model.parameters()).device
    probabilities, reliability, present = [], [], []
    for batch in DataLoader(Subset(clips, rows.tolist()), batch_size=64, collate_fn=collate):
        output = model((change(batch) if change else batch).to(device))
        probabilities.append(output.log_probs.exp().cpu())
        reliability.append(output.reliability.cpu())
        present.append(output.present.cpu())
    return ClipOutputs(
        rows, torch.cat(probabilities).numpy(), torch.cat(reliability).numpy(), torch.cat(present).numpy()
    )


def evaluation(model: GatedFusionClassifier, clips: StoreClips, rows: np.ndarray, *, seed: int = 0) -> dict[str, Any]:
    """The figures of ``framegate evaluate``; under ``modalities``, the deepest level's top-1 accuracy.

    ``only`` keeps one modality, ``without`` removes it, ``corrupted`` replaces it by noise; modalities that the model
    has no stream for are left out. ``ece_uncalibrated`` is what the error would be at temperature 1.
    """

    def top1(change: Alteration) -> float:
        levels = run_clips(model, clips, rows, change=change).metrics(model, clips.labels).levels
        return levels["leaf" if "leaf" in levels else max(levels)].top1

    streams = [name for name in MODALITIES if name in model.streams]
    figures = run_clips(model, clips, rows).metrics(model, clips.labels).as_json()
    with uncalibrated(model):
        before = run_clips(model, clips, rows).metrics(model, clips.labels)
    for level, values in before.levels.items():
        figures["levels"][level]["ece_uncalibrated"] = values.ece
    figures["modalities"] = {
        "only": {name: top1(_keep({name})) for name in streams},
        "without": {name: top1(_keep({*MODALITIES} - {name})) for name in streams},
        "corrupted": {name: top1(_corrupt(model, clips, name, seed)) for name in streams},
    }
    return figures


def _keep(wanted: Set[str]) -> Alteration:
    kept = torch.tensor([[name in wanted for name in MODALITIES]])
    return lambda batch: batch.keep(kept.expand(len(batch), -1))


def _corrupt(model: GatedFusionClassifier, clips: StoreClips, modality: str, seed: int) -> Alteration:
    """Replaces a modality, where a clip has it, by noise."""
    rng = np.random.default_rng(seed)
    titles = [title for title in clips.store.videos["title"].to_pylist() if title] or ["noise"]
    field = {"frames": "frames", "audio": "audio", "text": "tokens"}[modality]

    def noise() -> ClipSample:
        sample = model.prepare(noise_input(clips.sampling, rng, prepare=model.prepare, text=str(rng.choice(titles))))
        if modality == "frames" and clips.features is not None:
            encoder: nn.Module = model.streams["frames"].encoder  # type: ignore[assignment]
            sample = replace(sample, frames=encoder(sample.frames))
        return sample

    def change(batch: ClipBatch) -> ClipBatch:
        here = batch.present[:, MODALITIES.index(modality)]
        broken = collate([noise() if present else ClipSample() for present in here.tolist()])
        return replace(batch, **{name: getattr(broken, name) for name in (field, f"{field}_mask")})

    return change
