"""Curves of a pretraining, as figures for its page."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from framegate.recipes.pretraining.similarities import SimilarityHistograms

Rows = Sequence[dict[str, Any]]

_NEIGHBOURS = {"neighbours_kept": "kept", "neighbours_shared": "shared with the teacher"}
_POSITIVE, _NEGATIVE = "tab:green", "tab:red"


def has_momentum(rows: Rows) -> bool:
    """Return whether the method has a key encoder, and so a momentum."""
    return any(_has(row, "momentum") for row in rows)


def training_curves(rows: Rows) -> Figure:
    """Plot loss, learning rate and momentum, and speed."""
    figure, (loss, rates, speed) = _row_of_axes(3)
    _lines(loss, rows, "loss")
    _lines(rates, rows, "lr")
    if has_momentum(rows):
        momentum = _second_scale(rates, "momentum")
        _lines(momentum, rows, "momentum", color="tab:orange")
        momentum.set_ylim(min([0.9, *(row["momentum"] for row in rows if _has(row, "momentum"))]), 1.0)
    _lines(speed, rows, "images_per_second")
    wait = _second_scale(speed, "waiting for data, %")
    _lines(wait, rows, "data_wait", color="tab:orange", percent=True)
    wait.set_ylim(0, max([10.0, *(100 * row["data_wait"] for row in rows if "data_wait" in row)]))
    _label(loss, "loss")
    _label(rates, "learning rate", "tab:blue")
    _label(speed, "images a second", "tab:blue")
    return figure


def embedding_curves(rows: Rows) -> Figure:
    """Plot alignment and uniformity of the embeddings, and how many dimensions they use."""
    figure, (near, alive, rank) = _row_of_axes(3)
    _lines(near, rows, "alignment")
    _lines(_second_scale(near, "uniformity"), rows, "uniformity", color="tab:orange")
    _label(near, "alignment", "tab:blue")
    for axes, figure_name, names in (
        (alive, "std × √dim", ("embedding_std", "feature_std")),
        (rank, "effective rank", ("embedding_rank", "feature_rank")),
    ):
        for name in names:
            _lines(axes, rows, name, label=name.partition("_")[0])
        axes.set_ylim(bottom=0)
        _label(axes, figure_name)
        if axes.get_lines():
            axes.legend(frameon=False)
    return figure


def similarity_curves(rows: Rows, latest: SimilarityHistograms | None) -> Figure:
    """Plot similarities of queries to positives and negatives: over time, and the latest histograms."""
    figure, (bands, histogram) = _row_of_axes(2)
    for name, color in (("positive", _POSITIVE), ("negative", _NEGATIVE)):
        known = [row for row in rows if f"{name}_p50" in row]
        steps = [row["step"] for row in known]
        low, middle, high = ([row[f"{name}_{part}"] for row in known] for part in ("p05", "p50", "p95"))
        bands.fill_between(steps, low, high, color=color, alpha=0.2, linewidth=0)
        bands.plot(steps, middle, color=color, label=name)
    bands.legend(frameon=False, loc="best")
    _label(bands, "median cosine, and 5–95%")
    if latest is not None:
        for name, color in (("positive", _POSITIVE), ("negative", _NEGATIVE)):
            counts = np.array(getattr(latest, name), dtype=float)
            edges = np.linspace(-1, 1, len(counts) + 1)
            histogram.stairs(counts / max(1.0, counts.sum()), edges, color=color, fill=True, alpha=0.5, label=name)
        histogram.legend(frameon=False)
        histogram.set(xlabel="cosine", ylabel=f"share, at step {latest.step}")
        _open(histogram)
    else:
        histogram.axis("off")
    return figure


def neighbour_curve(rows: Rows) -> Figure | None:
    """Plot the share of neighbours that stayed from look to look, and that a teacher finds, too; None without looks."""
    names = [name for name in ("neighbours_kept", "neighbours_shared") if any(_has(row, name) for row in rows)]
    if not names:
        return None
    figure, (axes,) = _row_of_axes(1)
    for name in names:
        _lines(axes, rows, name, marker="o", label=_NEIGHBOURS[name])
    axes.set_ylim(0, 1)
    axes.legend(frameon=False, loc="upper left", bbox_to_anchor=(1.01, 1))
    _label(axes, "share of neighbours")
    return figure


def probe_curves(rows: Rows) -> Figure | None:
    """Plot kNN accuracy at each level; None if none was measured."""
    levels = [
        name.removeprefix("knn_")
        for name in dict.fromkeys(name for row in rows for name in row)
        if name.startswith("knn_")
    ]
    levels = [level for level in levels if level == "leaf" or level.isdecimal()]
    if not levels:
        return None
    figure, (axes,) = _row_of_axes(1)
    for level in levels:
        name = f"knn_{level}"
        if level == "leaf":  # the same as the deepest level where all paths are as long, and must not hide it
            _lines(axes, rows, name, marker="o", label="leaf", linestyle="--", color="black")
        else:
            _lines(axes, rows, name, marker="o", label=f"level {level}")
    axes.set_ylim(0, 1)
    axes.legend(frameon=False, loc="upper left", bbox_to_anchor=(1.01, 1))
    _label(axes, "balanced accuracy")
    return figure


def audit_curves(rows: Rows) -> Figure | None:
    """Plot the light audits' values; None if there are none."""
    if not any("audit_score" in row for row in rows):
        return None
    figure, (axes,) = _row_of_axes(1)
    for name in ("score", "decodability", "same_overlay_neighbours"):
        _lines(axes, rows, f"audit_{name}", marker="o", label=name.replace("_", " "))
    axes.set_ylim(0, 1)
    axes.legend(frameon=False, loc="upper left", bbox_to_anchor=(1.01, 1))
    _label(axes, "score; shares above chance")
    return figure


def _row_of_axes(count: int) -> tuple[Figure, Sequence[Axes]]:
    figure = Figure(figsize=(11 if count > 1 else 8, 3), layout="constrained")
    return figure, figure.subplots(1, count, squeeze=False)[0]


def _lines(axes: Axes, rows: Rows, name: str, *, percent: bool = False, **style: Any) -> None:
    """Plot ``name`` over the steps of the rows that have it."""
    known = [row for row in rows if _has(row, name)]
    if known:
        scale = 100 if percent else 1
        axes.plot([row["step"] for row in known], [scale * row[name] for row in known], **style)


def _has(row: dict[str, Any], name: str) -> bool:
    """Return whether a row has a value of this name that is not null."""
    return row.get(name) is not None


def _second_scale(axes: Axes, name: str) -> Axes:
    second = axes.twinx()
    second.set_ylabel(name, color="tab:orange")
    second.spines["top"].set_visible(False)
    return second


def _label(axes: Axes, name: str, color: str = "black") -> None:
    axes.set_xlabel("step")
    axes.set_ylabel(name, color=color)
    _open(axes)


def _open(axes: Axes) -> None:
    axes.spines["top"].set_visible(False)
    axes.grid(alpha=0.25)
