"""Measure a classifier: per level, per modality, and with modalities removed or broken."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from framegate.finetune.classifier import GatedFusionClassifier
from framegate.finetune.data.batch import MODALITIES, ClipSample, Modality, collate
from framegate.finetune.evaluation.bootstrap import ratio_interval
from framegate.finetune.evaluation.metrics import Metrics, ancestor_table, evaluate, nearest_labels, path_counts
from framegate.recipes.finetuning.clips import StoreClips
from framegate.recipes.finetuning.corruptions import CORRUPTIONS, Change, corrupt, swap_overlays
from framegate.recipes.finetuning.labels import LabelError
from framegate.recipes.finetuning.validation import uncalibrated


@dataclass(frozen=True)
class ClipOutputs:
    """A classifier's outputs for n clips, in the order of ``rows``.

    Shape: ``probabilities`` (n, nodes), ``reliability`` and ``present`` (n, 3).
    """

    rows: np.ndarray
    probabilities: np.ndarray
    reliability: np.ndarray
    present: np.ndarray

    def metrics(self, model: GatedFusionClassifier, labels: Sequence[tuple[int, ...]]) -> Metrics:
        """Compute all metrics. A clip with several labels counts by :meth:`nearest`, but by all in GAP and mean AP."""
        return evaluate(
            self.probabilities,
            self.nearest(model, labels),
            model.taxonomy,
            all_labels=[labels[row] for row in self.rows],
            counts=model.counts.cpu().numpy(),
        )

    def nearest(self, model: GatedFusionClassifier, labels: Sequence[tuple[int, ...]]) -> np.ndarray:
        """Return the label of each clip (n,): of several, the nearest to the best leaf."""
        return nearest_labels(self.probabilities, [labels[row] for row in self.rows], model.taxonomy)


@dataclass(frozen=True)
class EncodedClips:
    """The streams' outputs for n clips: ``hidden`` (n, 3, W), ``quality`` (n, 3, Q), ``present`` (n, 3), on the CPU."""

    rows: np.ndarray
    hidden: Tensor
    quality: Tensor
    present: Tensor

    def keep(self, wanted: Sequence[str]) -> "EncodedClips":
        """Return the same clips with only some modalities present."""
        kept = torch.tensor([name in wanted for name in MODALITIES])
        return EncodedClips(self.rows, self.hidden, self.quality, self.present & kept)

    def with_modality(self, name: str, other: "EncodedClips") -> "EncodedClips":
        """Return the same clips with one modality replaced by that of ``other``."""
        its = torch.tensor([name == modality for modality in MODALITIES])
        return EncodedClips(
            self.rows,
            torch.where(its.unsqueeze(-1), other.hidden, self.hidden),
            torch.where(its.unsqueeze(-1), other.quality, self.quality),
            torch.where(its, other.present, self.present),
        )


def labelled_rows(clips: StoreClips, split: str) -> np.ndarray:
    """Return the rows of a split's labelled clips.

    Raises:
        LabelError: there are none.
    """
    splits = clips.store.videos["split"].to_pylist()
    rows = [row for row, nodes in enumerate(clips.labels) if nodes and split in ("all", splits[row])]
    if not rows:
        raise LabelError(f"{clips.store.path}: no labelled clips in split '{split}'")
    return np.array(rows)


class _Rows(Dataset[ClipSample]):
    def __init__(self, clips: StoreClips, rows: np.ndarray, change: Change | None) -> None:
        self.clips, self.rows, self.change = clips, rows, change

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, item: int) -> ClipSample:
        row = int(self.rows[item])
        sample = self.clips[row]
        return sample if self.change is None else self.change(row, sample)


@torch.no_grad()
def encode_clips(
    model: GatedFusionClassifier, clips: StoreClips, rows: np.ndarray, *, change: Change | None = None
) -> EncodedClips:
    """Run the streams on each clip, after ``change`` where there is one."""
    model.eval()
    device = model.counts.device
    states = [
        model.encode(batch.to(device))
        for batch in DataLoader(_Rows(clips, rows, change), batch_size=32, collate_fn=collate)
    ]
    return EncodedClips(
        rows,
        torch.cat([state.hidden for state in states]).cpu(),
        torch.cat([state.quality for state in states]).cpu(),
        torch.cat([state.present for state in states]).cpu(),
    )


@torch.no_grad()
def answer(model: GatedFusionClassifier, encoded: EncodedClips) -> ClipOutputs:
    """Compute the classifier's outputs from those of its streams."""
    model.eval()
    device = model.counts.device
    probabilities, reliability = [], []
    for start in range(0, len(encoded.rows), 64):
        rows = slice(start, start + 64)
        present = encoded.present[rows].to(device)
        hidden = encoded.hidden[rows].to(device) * present.unsqueeze(-1)
        quality = encoded.quality[rows].to(device) * present.unsqueeze(-1)
        output = model.fuse(model.states(hidden, quality, present))
        probabilities.append(output.log_probs.exp().cpu())
        reliability.append(output.reliability.cpu())
    return ClipOutputs(
        encoded.rows, torch.cat(probabilities).numpy(), torch.cat(reliability).numpy(), encoded.present.numpy()
    )


def run_clips(model: GatedFusionClassifier, clips: StoreClips, rows: np.ndarray) -> ClipOutputs:
    """Run the classifier on each clip."""
    return answer(model, encode_clips(model, clips, rows))


def evaluation(
    model: GatedFusionClassifier, clips: StoreClips, rows: np.ndarray, *, seed: int = 0
) -> tuple[dict[str, Any], ClipOutputs]:
    """Compute the values of ``framegate evaluate``; return them and the classifier's outputs.

    Under ``modalities`` stands the deepest level's top-1 accuracy with one modality alone (``only``), without it, with
    noise in its place (``corrupted``); ``corruptions`` has every way of breaking it, with the reliability that it keeps
    on the clips that have it. ``overlays`` has the same with the frames' overlays swapped between programmes, where
    layout finding saw any. ``intervals`` are 95% bootstrap intervals over programmes. ``ece_uncalibrated`` is what the
    calibration error would be at temperature 1.
    """
    encoded = encode_clips(model, clips, rows)
    outputs = answer(model, encoded)
    metrics = outputs.metrics(model, clips.labels)
    deepest = "leaf" if "leaf" in metrics.levels else max(metrics.levels)
    streams = [name for name in MODALITIES if name in model.streams]

    def top1(changed: EncodedClips) -> float:
        right = hits(model, answer(model, changed), clips)[deepest]
        return float(np.nanmean(right))

    def measured(changed: EncodedClips, name: str) -> dict[str, float]:
        output, number = answer(model, changed), MODALITIES.index(name)
        had = outputs.present[:, number]
        trust = float(output.reliability[had, number].mean()) if had.any() else float("nan")
        return {"top1": float(np.nanmean(hits(model, output, clips)[deepest])), "reliability": trust}

    def broken(name: Modality, kind: str) -> EncodedClips:
        return encode_clips(model, clips, rows, change=corrupt(clips, rows, name, kind, seed=seed))

    noise = {name: broken(name, "noise") for name in streams}
    corruptions = {
        name: {
            "none": measured(encoded, name),
            **{
                kind: measured(
                    encoded.with_modality(name, noise[name] if kind == "noise" else broken(name, kind)), name
                )
                for kind in CORRUPTIONS[name]
            },
        }
        for name in streams
    }
    figures = metrics.as_json()
    with uncalibrated(model):
        before = answer(model, encoded).metrics(model, clips.labels)
    for level in before.levels.keys() & metrics.levels.keys():
        figures["levels"][level]["ece_uncalibrated"] = before.levels[level].ece
    figures["intervals"] = intervals(model, outputs, clips)
    figures["modalities"] = {
        "only": {name: top1(encoded.keep([name])) for name in streams},
        "without": {name: top1(encoded.keep([m for m in MODALITIES if m != name])) for name in streams},
        "corrupted": {name: corruptions[name]["noise"]["top1"] for name in streams},
        "corruptions": corruptions,
    }
    if "frames" in streams:
        change, swapped_clips = swap_overlays(clips, rows, seed=seed)
        if swapped_clips:
            swapped = encoded.with_modality("frames", encode_clips(model, clips, rows, change=change))
            levels = hits(model, answer(model, swapped), clips)
            figures["overlays"] = {
                "clips": swapped_clips,
                "levels": {
                    level: float(np.nanmean(right)) for level, right in levels.items() if level in metrics.levels
                },
                "only": {"frames": top1(swapped.keep(["frames"]))},
                "without": {
                    name: top1(swapped.keep([m for m in MODALITIES if m != name]))
                    for name in streams
                    if name != "frames"
                },
                "corrupted": {
                    name: top1(swapped.with_modality(name, noise[name])) for name in streams if name != "frames"
                },
            }
    return figures, outputs


def hits(model: GatedFusionClassifier, outputs: ClipOutputs, clips: StoreClips) -> dict[str, np.ndarray]:
    """Return by level and for the leaf (n,): 1 where the best class is right, 0 where wrong, NaN where unknown."""
    tree = model.taxonomy
    labels = outputs.nearest(model, clips.labels)
    truth, found = ancestor_table(tree)[labels], {}
    targets = {str(level): truth[:, level - 1] for level in range(1, tree.depth + 1)}
    targets["leaf"] = np.where(np.isin(labels, tree.leaves), labels, -1)
    for level, target in targets.items():
        nodes = tree.leaves if level == "leaf" else np.flatnonzero(tree.levels == int(level))
        best = nodes[outputs.probabilities[:, nodes].argmax(axis=1)]
        found[level] = np.where(target >= 0, best == target, np.nan)
    return found


def intervals(model: GatedFusionClassifier, outputs: ClipOutputs, clips: StoreClips) -> dict[str, Any]:
    """Return 95% intervals (low, high) over programmes of top-1 by level, hierarchical F1 and tree distance."""
    programmes = clip_programmes(clips, outputs.rows)
    labels = outputs.nearest(model, clips.labels)
    common, predicted, true = path_counts(outputs.probabilities, labels, model.taxonomy)
    top1 = {
        level: ratio_interval(np.nan_to_num(right), (~np.isnan(right)).astype(float), programmes)
        for level, right in hits(model, outputs, clips).items()
        if not np.isnan(right).all()
    }
    return {
        "programmes": len(np.unique(programmes)),
        "top1": top1,
        "hierarchical_f1": ratio_interval(2.0 * common, (predicted + true).astype(float), programmes),
        "tree_distance": ratio_interval(
            (predicted + true - 2 * common).astype(float), np.ones(len(labels)), programmes
        ),
    }


def clip_programmes(clips: StoreClips, rows: np.ndarray) -> np.ndarray:
    """Return the programme of each of ``rows``, (n,) str."""
    programmes = clips.store.videos["programme"].to_pylist()
    return np.array([programmes[row] for row in rows], dtype=str)
