"""Validation clips: they decide when to stop, and calibrate the probabilities."""

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import DataLoader, Subset

from framegate.finetune.classifier import GatedFusionClassifier
from framegate.finetune.data.batch import collate
from framegate.finetune.evaluation.calibration import fit_temperature
from framegate.finetune.heads.multilabel import Questions
from framegate.finetune.taxonomy.hierarchy import best_leaf
from framegate.media import MediaError
from framegate.recipes.finetuning.clips import StoreClips

_MAX_VALUES = 20_000_000  # log-probabilities that calibration works on, in float64 and some copies


class Score(NamedTuple):
    """A score of a classifier's answers. Scores compare as tuples: of equal accuracies the likelier labels win."""

    accuracy: float
    """share of clips whose most probable leaf is one of their labels, 0–1"""
    log_likelihood: float
    """mean over clips of the mean log-probability of their labels, at most 0"""


def validate(model: GatedFusionClassifier, clips: StoreClips) -> Score:
    """Score a classifier on the validation clips.

    Raises:
        MediaError: there are no labelled ones with anything in them.
    """
    rights, likelihoods = [], []
    for log_probs, _, labels in _answers(model, clips, _validation_rows(clips)):
        known = labels >= 0
        likelihoods.append((log_probs.gather(1, labels.clamp(min=0)) * known).sum(dim=1) / known.sum(dim=1))
        rights.append((best_leaf(log_probs, model.hierarchy).unsqueeze(1) == labels).any(dim=1))
    if not rights:
        raise MediaError(f"{clips.store.path}: optim.patience needs labelled clips in split 'val', and there are none")
    return Score(*(float(torch.cat(values).double().mean()) for values in (rights, likelihoods)))


def calibrate(model: GatedFusionClassifier, clips: StoreClips) -> None:
    """Fit the model's temperatures on the validation clips; without any they stay 1.

    Of large trees only every n-th clip takes part: a few numbers need no more, and all would not fit into memory.
    """
    rows = _validation_rows(clips)
    rows = rows[:: max(1, -(-len(rows) * len(model.hierarchy) // _MAX_VALUES))]
    with uncalibrated(model):
        found = [(log_probs.cpu(), asked, labels.cpu()) for log_probs, asked, labels in _answers(model, clips, rows)]
    if not found:
        return
    log_probs, asked, labels = zip(*found, strict=True)
    every = pad_sequence([row for batch in labels for row in batch], batch_first=True, padding_value=-1)
    questions = None
    if model.multilabel:
        questions = Questions(
            torch.cat([batch.yes.cpu() for batch in asked]), torch.cat([batch.no.cpu() for batch in asked])
        )
    tree = copy.deepcopy(model.hierarchy).cpu()
    model.temperature.copy_(fit_temperature(torch.cat(log_probs), every, tree, questions=questions))


@contextmanager
def uncalibrated(model: GatedFusionClassifier) -> Iterator[None]:
    """Set the model's temperatures to 1 for a while."""
    fitted = model.temperature.clone()
    model.temperature.fill_(1)
    try:
        yield
    finally:
        model.temperature.copy_(fitted)


def _validation_rows(clips: StoreClips) -> list[int]:
    splits = clips.store.videos["split"].to_pylist()
    return [row for row, nodes in enumerate(clips.labels) if nodes and splits[row] == "val"]


def _answers(
    model: GatedFusionClassifier, clips: StoreClips, rows: list[int]
) -> Iterator[tuple[Tensor, Questions | None, Tensor]]:
    """Yield for each batch log p(node) (n, N), a multi-label head's questions, and labels (n, K) padded with -1.

    Clips without any modality are left out.
    """
    model.eval()
    for batch in DataLoader(Subset(clips, rows), batch_size=64, collate_fn=collate):
        with torch.no_grad():
            output = model(batch.to(model.counts.device))
        some, questions = output.present.any(dim=1), output.questions
        if some.any():
            chosen = None if questions is None else Questions(questions.yes[some], questions.no[some])
            yield output.log_probs[some], chosen, batch.labels.to(some.device)[some]
