"""What the validation clips are for: to say when to stop, and how sure the answers may sound."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Subset

from framegate.finetune.batch import collate
from framegate.finetune.calibration import fit_calibration
from framegate.finetune.classifier import GatedFusionClassifier
from framegate.finetune.hierarchy import best_leaf
from framegate.media import MediaError
from framegate.recipes.clips import StoreClips


def validate(model: GatedFusionClassifier, clips: StoreClips) -> float:
    """How good the answers to the validation clips are: their accuracy, and of equal ones the likelier labels'.

    Raises:
        MediaError: there are no labelled ones.
    """
    log_probs, _, labels = _answers(model, clips)
    if not len(labels):
        raise MediaError(f"{clips.store.path}: optim.patience needs labelled clips in split 'val', and there are none")
    own = log_probs.gather(1, labels)[:, 0]
    right = best_leaf(log_probs, model.hierarchy) == labels[:, 0]
    return float(right.float().mean() + own.mean() / 1000)


def calibrate(model: GatedFusionClassifier, clips: StoreClips) -> None:
    """Fit temperatures, and the verdict's share, on the validation clips; without any they stay 1 and 0."""
    model.verdict_share.zero_()
    with uncalibrated(model):
        log_probs, verdict, labels = _answers(model, clips)
    if len(labels):
        fitted = fit_calibration(log_probs, labels, model.hierarchy, verdict)
        model.temperature.copy_(fitted.temperature)
        model.verdict_share.copy_(fitted.share)


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
def _answers(model: GatedFusionClassifier, clips: StoreClips) -> tuple[Tensor, Tensor | None, Tensor]:
    """log p(node) and the verdict's (n, N), and first labels (n, 1), of labelled validation clips with content."""
    splits = clips.store.videos["split"].to_pylist()
    rows = [row for row, nodes in enumerate(clips.labels) if nodes and splits[row] == "val"]
    model.eval()
    log_probs, labels = [model.counts.new_empty(0, len(model.hierarchy))], [np.empty((0, 1), dtype=np.int64)]
    verdicts = []
    for batch in DataLoader(Subset(clips, rows), batch_size=64, collate_fn=collate):
        output = model(batch.to(model.counts.device))
        some = output.present.any(dim=1)
        log_probs.append(output.log_probs[some])
        if output.verdict is not None:
            verdicts.append(output.verdict[some])
        labels.append(batch.labels[:, :1].numpy()[some.cpu().numpy()])
    verdict = torch.cat(verdicts) if verdicts else None
    return torch.cat(log_probs), verdict, torch.from_numpy(np.concatenate(labels)).to(model.counts.device)
