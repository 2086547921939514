"""The page of a fine-tuning run: curves, and confusions and reliabilities on the held-out clips."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from rich.cells import cell_len

from framegate.finetune.classifier import GatedFusionClassifier
from framegate.finetune.data.batch import MODALITIES
from framegate.finetune.taxonomy.taxonomy import Taxonomy
from framegate.media import FrameStore
from framegate.recipes.finetuning.clips import StoreClips, spaced_frames
from framegate.recipes.finetuning.measure import ClipOutputs, labelled_rows, run_clips
from framegate.recipes.reports.page import ClipCard, Name, Page, Words, drawn_name, path_words, strip_of
from framegate.recipes.training.run_folder import RunFolder

_DRAWN = 60  # classes in a figure: more are not read, and a matrix of thousands does not fit into memory


def write_finetune_report(run: RunFolder, model: GatedFusionClassifier, clips: StoreClips) -> None:
    """Write ``RUN/report.html``; of the validation clips, or where none has a label, of the training clips."""
    rows = run.rows()
    page = Page(["framegate · ", Name(run.path.name)], f"{rows[-1]['step']} steps, last loss {rows[-1]['loss']:.3f}")
    page.heading("Curves")
    page.figure(loss_curve(rows), "Loss over steps")
    splits = clips.store.videos["split"].to_pylist()
    split = "val" if any(splits[row] == "val" and nodes for row, nodes in enumerate(clips.labels)) else "train"
    add_outcomes(page, model, clips, run_clips(model, clips, labelled_rows(clips, split)), name=split)
    page.write(run.path / "report.html")


def loss_curve(rows: Sequence[dict[str, Any]]) -> Figure:
    """Plot the loss over steps."""
    figure = Figure(figsize=(7, 2.8), layout="constrained")
    axes = figure.subplots()
    axes.plot([row["step"] for row in rows], [row["loss"] for row in rows])
    axes.set(xlabel="step", ylabel="loss")
    return figure


def add_outcomes(
    page: Page, model: GatedFusionClassifier, clips: StoreClips, outputs: ClipOutputs, *, name: str
) -> None:
    """Add sections on a classifier's outputs: confusions, reliabilities by class, single clips."""
    tree = model.taxonomy
    true = outputs.nearest(model, clips.labels)
    predicted = tree.leaves[outputs.probabilities[:, tree.leaves].argmax(axis=1)]
    page.heading(f"Confusion matrix ({name} split)")
    leaves = most_confused(true, predicted, tree)
    among = "" if len(leaves) == len(tree.leaves) else f", of the {len(leaves)} leaves with the most wrong answers"
    page.figure(
        confusion_matrix(true, predicted, tree, leaves), f"Share of each true leaf's clips by predicted leaf{among}"
    )
    page.heading("Reliabilities by class")
    page.figure(reliability_bars(true, outputs, tree), "Mean weight that each modality gets, by true leaf")
    page.heading("Some clips")
    page.clips(clip_cards(model, clips, outputs))


def most_confused(true: np.ndarray, predicted: np.ndarray, tree: Taxonomy) -> np.ndarray:
    """Return all leaves, or if they are too many to draw, those that take part in the most wrong answers."""
    leaves = tree.leaves
    if len(leaves) <= _DRAWN:
        return leaves
    wrong = np.isin(true, leaves) & (true != predicted)
    errors = np.bincount(np.concatenate([true[wrong], predicted[wrong]]), minlength=len(tree))[leaves]
    return np.sort(leaves[np.argsort(-errors, kind="stable")[:_DRAWN]])


def confusion_matrix(true: np.ndarray, predicted: np.ndarray, tree: Taxonomy, leaves: np.ndarray) -> Figure:
    """Plot the confusion matrix of ``leaves`` (sorted): rows are true leaves, as shares of their clips."""
    clips = np.array([(true == leaf).sum() for leaf in leaves])
    drawn = np.isin(true, leaves) & np.isin(predicted, leaves)
    counts = np.zeros((len(leaves), len(leaves)))
    np.add.at(counts, (np.searchsorted(leaves, true[drawn]), np.searchsorted(leaves, predicted[drawn])), 1)
    names = [drawn_name(tree.names[leaf]) for leaf in leaves]
    side, beside = max(4.0, 0.4 * len(leaves)), max(cell_len(name) for name in names) / 12  # inches
    figure = Figure(figsize=(side + 2 + beside, side + beside), layout="constrained")
    axes = figure.subplots()
    image = axes.imshow(counts / np.maximum(1, clips[:, None]), vmin=0, vmax=1, cmap="Blues")
    # anchored at the axes, a label that a browser draws longer than matplotlib measures grows away from them
    axes.set_xticks(
        range(len(names)), names, rotation=90, ha="right", va="center", rotation_mode="anchor", parse_math=False
    )
    axes.set_yticks(range(len(names)), names, parse_math=False)
    axes.set(xlabel="predicted", ylabel="true")
    figure.colorbar(image, shrink=0.6)
    return figure


def reliability_bars(true: np.ndarray, outputs: ClipOutputs, tree: Taxonomy) -> Figure:
    """Plot each modality's mean reliability as stacked bars, for each true class or the most frequent ones."""
    classes, clips = np.unique(true, return_counts=True)
    classes = np.sort(classes[np.argsort(-clips, kind="stable")[:_DRAWN]])
    means = np.array([outputs.reliability[true == node].mean(axis=0) for node in classes])
    figure = Figure(figsize=(9, max(2.5, 0.3 * len(classes))), layout="constrained")
    axes = figure.subplots()
    left = np.zeros(len(classes))
    for number, name in enumerate(MODALITIES):
        axes.barh(range(len(classes)), means[:, number], left=left, label=name)
        left += means[:, number]
    names = [drawn_name(tree.names[node]) for node in classes]
    axes.set_yticks(range(len(names)), names, parse_math=False)
    axes.invert_yaxis()
    axes.set(xlim=(0, 1), xlabel="reliability")
    axes.legend(ncols=3, loc="lower center", bbox_to_anchor=(0.5, 1))
    return figure


def clip_cards(
    model: GatedFusionClassifier,
    clips: StoreClips,
    outputs: ClipOutputs,
    *,
    numbers: Sequence[int] | None = None,
) -> list[ClipCard]:
    """Return cards with frames, text, prediction and reliabilities of the clips at ``numbers``, or of twelve."""
    chosen = spaced_frames(range(len(outputs.rows)), 12) if numbers is None else numbers
    tree = model.taxonomy
    cards = []
    for number in chosen:
        row = int(outputs.rows[number])
        video = clips.store.video(row)
        best = int(tree.leaves[outputs.probabilities[number, tree.leaves].argmax()])
        truth = clips.labels[row]
        weights = zip(MODALITIES, outputs.reliability[number], outputs.present[number], strict=True)
        trust = ", ".join(f"{name} {weight:.2f}" for name, weight, here in weights if here) or "nothing: the prior"
        verdict = path_words([tree.names[node] for node in tree.path(best)])
        lines: list[Words] = [Name(video.title) if video.title else "(no title)"]
        lines.append(Name(Path(video.source).name or video.id))
        lines.append(f"p = {outputs.probabilities[number, best]:.2f}; trusts {trust}")
        right = best in truth
        if not right:
            paths = [path_words([tree.names[n] for n in tree.path(node)]) for node in truth]
            lines.append(["true: ", *[word for path in paths for word in (", ", *path)][1:]])
        cards.append(ClipCard(clip_strip(clips.store, row), lines, verdict=verdict, right=right))
    return cards


def clip_strip(store: FrameStore, row: int) -> np.ndarray | None:
    """Return three of a clip's frames side by side, (90, W, 3) uint8; None if it has none."""
    return strip_of([store[frame] for frame in spaced_frames(store.frame_range(row), 3)], max_frames=3)
