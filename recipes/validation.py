"""What the validation clips are for: to say when to stop, and how sure the answers may sound."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Subset

from framegate.finetune.batch import collate
from framegate.finetune.calibration import fit_temperature
from framegate.finetune.classifier import GatedFusionClassifier
from framegate.finetune.hierarchy import best_leaf
from framegate.media import MediaError
from framegate.recipes.clips import StoreClips


def validate(model: GatedFusionClassifier, clips: StoreClips) -> float:
    """How good the answers to the validation clips are: their accuracy, and of equal ones the likelier labels'.

    Raises:
        MediaError: there are no labelled ones.
    """
    log_probs, labels = _answers(model, clips)
    if not len(labels):
        raise MediaError(f"{clips.store.path}: optim.patience needs labelled clips in split 'val', and there are none")
    own = log_probs.gather(1, labels)[:, 0]
    right = best_leaf(log_probs, model.hierarchy) == labels[:, 0]
    return float(right.float().mean() + own.mean() / 1000)


def calibrate(model: GatedFusionClassifier, clips: StoreClips) -> None:
    """Fit the model's temperatures on the validation clips; without any they stay 1."""
    with uncalibrated(model):
        log_probs, labels = _answers(model, clips)
    if len(labels):
        model.temperature.copy_(fit_temperature(log_probs, labels, model.hierarchy))


@contextmanager
def uncalibrated(model: GatedFusionClassifier) -> Iterator[None]:
    """Set the model's temperatures to 1 for a while."""
    fitted = model.temperature.clone()
    model.temperature.fill_(1)
    try:
        yield
    finally:
        model.temperature.copy_(fitted)


@torch.no_grad()
def _answers(model: GatedFusionClassifier, clips: StoreClips) -> tuple[Tensor, Tensor]:
    """log p(node) (n, N), and first labels (n, 1), of the labelled validation clips with anything in them."""
    splits = clips.store.videos["split"].to_pylist()
    rows = [row for row, nodes in enumerate(clips.labels) if nodes and splits[row] == "val"]
    model.eval()
    log_probs, labels = [model.counts.new_empty(0, len(model.hierarchy))], [np.empty((0, 1), dtype=np.int64)]
    for batch in DataLoader(Subset(clips, rows), batch_size=64, collate_fn=collate):
        output = model(batch.to(model.counts.device))
        some = output.present.any(dim=1)
        log_probs.append(output.log_probs[some])
        labels.append(batch.labels[:, :1].numpy()[some.cpu().numpy()])
    return torch.cat(log_probs), torch.from_numpy(np.concatenate(labels)).to(model.counts.device)
