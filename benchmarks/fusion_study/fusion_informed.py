"""What there is to win: Bayes' rule by one who knows how the clips were made and broken; a row of `fusion.py`.

Each modality shows one of ten kinds, and which leaf has which kinds is known (`recipes/corpus/leaves.py`). An expert of
each modality learns to tell its kinds from clean clips; on the hard variant it is told which of its inputs are noise,
and that another clip's come in the place of the clip's own by chance ε, though not where:

    p(y) ∝ Π_m [(1 − ε) p_m(kind of y) / p(kind of y) + ε]        over the modalities m that are there, and no noise

No fusion is told any of this. What it lacks to this row is to be had from knowing more, or from better streams.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch
from fusion_study.fusion_data import HARD_TEST, NOISY, SWAPPED, Clips, draw_broken, hard, load_data
from fusion_study.fusion_training import Kind, train
from torch import Tensor

from framegate.finetune.data.batch import MODALITIES, ClipBatch
from framegate.finetune.evaluation.calibration import fit_temperature
from framegate.finetune.taxonomy.taxonomy import Node, Taxonomy
from framegate.recipes.corpus.leaves import LEAVES

SHOWS = {"frames": "pictures", "audio": "sound", "text": "text"}  # what of a leaf each modality shows


def right_of_informed(folder: Path, *, is_hard: bool, seed: int, epochs: int) -> list[int]:
    """1 for each test clip whose leaf is right; the hard variant breaks the clips as it does for every other row."""
    data = load_data(folder, "pretrained")
    taxonomy = Taxonomy.read(folder / "taxonomy.csv")
    leaf_of = torch.full((len(taxonomy),), -1)
    leaf_of[[taxonomy.resolve(leaf.id) for leaf in LEAVES]] = torch.arange(len(LEAVES))
    batch, heard, swaps = data["test"].own, data["test"].own.present, 0.0
    if is_hard:
        batch = hard(data["test"], seed=HARD_TEST + seed)
        heard = heard & ~draw_broken(data["test"], torch.Generator().manual_seed(HARD_TEST + seed))[1]
        swaps = SWAPPED / (1 - NOISY)
    ratios = [_likelihood_ratio(name, data, leaf_of, batch, seed=seed, epochs=epochs) for name in MODALITIES]
    answer = log_evidence(torch.stack(ratios, dim=1), heard, swaps=swaps).argmax(dim=1)
    return (answer == leaf_of[batch.labels[:, 0]]).int().tolist()


def log_evidence(ratios: Tensor, heard: Tensor, *, swaps: float) -> Tensor:
    """log p(what all modalities show | leaf) / Π p(what each shows), (B, L).

    ``ratios``: p(what a modality shows | leaf) / p(what it shows), (B, M, L), if it is the clip's own; (B, M) ``heard``
    says which count. Any of them is another clip's with the chance ``swaps``, and then as likely with every leaf.
    """
    each = ((1 - swaps) * ratios + swaps).log()
    return each.masked_fill(~heard.unsqueeze(-1), 0).sum(dim=1)  # not times 0: a ratio of 0 has no finite logarithm


def _likelihood_ratio(
    name: str, data: dict[str, Clips], leaf_of: Tensor, batch: ClipBatch, *, seed: int, epochs: int
) -> Tensor:
    """p(what ``name`` shows | leaf) / p(what it shows), (B, leaves), by an expert trained on clean clips."""
    shown = [getattr(leaf, SHOWS[name]) for leaf in LEAVES]
    kinds = Taxonomy(tuple(Node(kind) for kind in dict.fromkeys(shown)))
    kind_of_leaf = torch.tensor([kinds.resolve(kind) for kind in shown])

    def with_kinds(clips: ClipBatch) -> ClipBatch:
        return replace(clips, labels=kind_of_leaf[leaf_of[clips.labels]])

    expert = train(
        Kind(modalities=(name,)), with_kinds(data["train"].own), data["train"], kinds, seed=seed, epochs=epochs
    )
    with torch.no_grad():
        held_out = with_kinds(data["val"].own)
        there = held_out.present[:, MODALITIES.index(name)]
        log_probs = expert(held_out).log_probs[there]
    expert.temperature.copy_(fit_temperature(log_probs, held_out.labels[there], expert.hierarchy))
    with torch.no_grad():
        share = torch.bincount(kind_of_leaf).float() / len(LEAVES)
        return (expert(batch).log_probs - share.log()).exp()[:, kind_of_leaf]
