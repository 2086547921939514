"""The page of an evaluation: metrics, confusions, and a comparison with another classifier."""

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from framegate.finetune.classifier import GatedFusionClassifier
from framegate.recipes.finetuning.clips import StoreClips
from framegate.recipes.finetuning.compare import Comparison
from framegate.recipes.finetuning.measure import ClipOutputs
from framegate.recipes.reports.finetune_report import clip_cards
from framegate.recipes.reports.page import Name, Page

_PAIRS, _EACH, _CHANGED = 12, 4, 40


def write_evaluation_page(
    path: Path,
    model: GatedFusionClassifier,
    clips: StoreClips,
    outputs: ClipOutputs,
    *,
    tables: list[tuple[str, list[str], list[list[str]]]],
    comparison: Comparison | None,
    against: str,
) -> None:
    """Write the page, self-contained.

    Args:
        path: the file.
        model: the classifier.
        clips: of the store.
        outputs: the classifier's outputs for them.
        tables: the figures: heading, header and rows of each.
        comparison: with another classifier.
        against: the other classifier's name.
    """
    page = Page("framegate · evaluation", [f"{len(outputs.rows)} clips of ", Name(clips.store.path.resolve().name)])
    for heading, header, rows in tables:
        page.heading(heading)
        page.table(header, rows)
    page.heading("Confused pairs of leaves")
    pairs = confusion_pairs(model, clips, outputs)
    if not pairs:
        page.note("No clip is taken for another leaf.")
    for pair in pairs[:_PAIRS]:
        path_of = model.taxonomy.name_path
        true, predicted = Name(path_of(pair["true"])), Name(path_of(pair["predicted"]))
        page.note([true, " taken for ", predicted, f": {len(pair['numbers'])} clips"])
        page.clips(clip_cards(model, clips, outputs, numbers=pair["numbers"][:_EACH]))
    if comparison is not None:
        number_of = {int(row): number for number, row in enumerate(outputs.rows)}
        for name, rows_of in (("corrects", comparison.corrected), ("spoils", comparison.spoilt)):
            page.heading(f"{len(rows_of)} clips that this classifier {name}, against {against}")
            shown = [number_of[int(row)] for row in rows_of[:_CHANGED]]
            page.clips(clip_cards(model, clips, outputs, numbers=shown))
            if len(rows_of) > _CHANGED:
                page.note(f"and {len(rows_of) - _CHANGED} more: --json lists them all")
    page.write_output(path)


def confusion_pairs(model: GatedFusionClassifier, clips: StoreClips, outputs: ClipOutputs) -> list[dict[str, Any]]:
    """Pairs of leaves, ``true`` and ``predicted``, the most frequent first, with the ``numbers`` of their clips."""
    tree = model.taxonomy
    best = tree.leaves[outputs.probabilities[:, tree.leaves].argmax(axis=1)]
    wrong: dict[tuple[int, int], list[int]] = {}
    labels = outputs.nearest(model, clips.labels)
    for number, (label, leaf) in enumerate(zip(labels.tolist(), best.tolist(), strict=True)):
        if leaf != label and np.isin(label, tree.leaves):
            wrong.setdefault((label, leaf), []).append(number)
    ranked = Counter({pair: len(numbers) for pair, numbers in wrong.items()}).most_common()
    return [
        {"true": true, "predicted": predicted, "numbers": wrong[true, predicted]} for (true, predicted), _ in ranked
    ]
