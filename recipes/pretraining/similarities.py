"""Histograms of the similarity of queries to positives and negatives, kept in ``RUN/similarities.json``."""

import json
from dataclasses import asdict, dataclass

from framegate.media.files import write_text
from framegate.recipes.training.run_folder import RunFolder
from framegate.ssl.diagnostics import Similarities, similarity_histogram

_FILE = "similarities.json"


@dataclass(frozen=True, kw_only=True)
class SimilarityHistograms:
    """Counts in equal bins over -1 … 1, after update ``step``."""

    step: int
    positive: list[int]
    negative: list[int]

    @classmethod
    def of(cls, similarities: Similarities, *, step: int) -> "SimilarityHistograms":
        """Count the similarities in equal bins."""
        return cls(
            step=step,
            positive=similarity_histogram(similarities.positive),
            negative=similarity_histogram(similarities.negative),
        )

    def write(self, run: RunFolder) -> None:
        """Write the histograms in the place of the previous ones."""
        write_text(run.path / _FILE, json.dumps(asdict(self)))

    @classmethod
    def read(cls, run: RunFolder) -> "SimilarityHistograms | None":
        """Read the latest histograms of a run; None if it has none."""
        path = run.path / _FILE
        return cls(**json.loads(path.read_text(encoding="utf-8"))) if path.exists() else None
