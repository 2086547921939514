"""The classifiers that the demo compares, and its results."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from framegate.finetune.evaluation.metrics import Metrics
from framegate.recipes.reports.results import table

CLASSIFIERS: dict[str, tuple[str, ...]] = {
    "frames": ("streams.audio=null", "streams.text=null"),
    "audio": ("streams.frames=null", "streams.text=null"),
    "text": ("streams.frames=null", "streams.audio=null"),
    "concat": ("fusion.name=concat",),
    "gated": (),
}
"""What is compared, and how each differs from the gated fusion of all three modalities."""


@dataclass
class DemoResults:
    """The demo's results; accuracies are 0–1, on the test split."""

    leaf: dict[str, float] = field(default_factory=dict)
    levels: dict[str, dict[str, float]] = field(default_factory=dict)
    knn: dict[str, float] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    peak_memory_mb: float = 0.0

    def add(self, name: str, metrics: Metrics) -> None:
        """Add a classifier's top-1 accuracies."""
        self.leaf[name] = metrics.levels["leaf"].top1
        for level, values in metrics.levels.items():
            if level != "leaf":
                self.levels.setdefault(level, {})[name] = values.top1

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        """Add the time spent inside the block to ``seconds``."""
        sys.stderr.write(f"── {stage}\n")
        begin = time.perf_counter()
        yield
        self.seconds[stage] = round(self.seconds.get(stage, 0.0) + time.perf_counter() - begin, 1)

    def as_json(self) -> dict[str, Any]:
        """Return the values of ``results.json``."""
        return {
            "leaf": self.leaf,
            "levels": self.levels,
            "knn": self.knn,
            "seconds": self.seconds,
            "peak_memory_mb": self.peak_memory_mb,
        }


def results_table(results: DemoResults) -> str:
    """Return the results as a table for the terminal."""
    header, rows = results_cells(results)
    knn, seconds = results.knn, results.seconds
    return (
        f"Top-1 accuracy on the test split\n{table(header, rows)}\n\n"
        f"kNN accuracy of the backbone, leaf: {knn['before']:.3f} before pretraining, {knn['after']:.3f} after\n"
        f"{', '.join(f'{stage} {value:.0f} s' for stage, value in seconds.items())}; "
        f"{results.peak_memory_mb / 1024:.1f} GiB at most"
    )


def results_cells(results: DemoResults) -> tuple[list[str], list[list[str]]]:
    """Return header and rows of the table: a row for each classifier, a column for each level."""
    header = ["", *(f"level {level}" for level in results.levels), "leaf"]
    columns = [*results.levels.values(), results.leaf]
    return header, [[name, *(f"{column[name]:.3f}" for column in columns)] for name in CLASSIFIERS]
