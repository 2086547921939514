"""The classifier's output: tensors for a batch, and a prediction for each clip."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor

from framegate.finetune.data.batch import MODALITIES
from framegate.finetune.heads.multilabel import Questions
from framegate.finetune.taxonomy.hierarchy import Hierarchy, Part, best_leaf, most_specific, top_leaves
from framegate.finetune.taxonomy.taxonomy import Taxonomy


@dataclass(frozen=True, kw_only=True)
class ClassifierOutput:
    """The classifier's output for B clips over N nodes; the 3 are frames, audio, text.

    Attributes:
        log_probs: log p(node) (B, N); the prior for a clip with nothing present.
        reliability: (B, 3), sums to 1 over the present modalities.
        score: (B, 3), reliability before the softmax.
        stream_log_probs: each stream's own log p(node), (B, 3, N); means nothing where absent.
        present: (B, 3) bool: present, and a stream of this model.
        embedding: the fused vector (B, W).
        questions: log q(node) and log(1 − q(node)) of a multi-label head (``multilabel.py``), (B, N); meaningless for a
            clip with nothing present. None for other heads, whose ``log_probs`` are a distribution.
        part: the part of the tree, of n nodes in place of N, that the log-probabilities cover; None: the whole.
        trust: the probability that each modality is the clip's own, (B, 3); None from fusions that know none.
        verdict: log p(node) by the streams' own predictions alone, each as far as it is trusted, (B, N); None likewise.
    """

    log_probs: Tensor
    reliability: Tensor
    score: Tensor
    stream_log_probs: Tensor
    present: Tensor
    embedding: Tensor
    questions: Questions | None = None
    part: Part | None = None
    trust: Tensor | None = None
    verdict: Tensor | None = None


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """A clip's place in the taxonomy.

    Attributes:
        path: names from the root to the predicted node, and ``path_ids`` their ids.
        probabilities: of each node of the path, falling.
        top: the most probable leaves (id, probability), best first.
        reliabilities: of each modality, 0 where absent.
        present: the modalities that the prediction rests on; empty: it is the prior.
        embedding: the fused vector.
        attention: how much of each of the clip's frames its description takes in, in 0..1; empty without frames.
    """

    path: tuple[str, ...]
    path_ids: tuple[str, ...]
    probabilities: tuple[float, ...]
    top: tuple[tuple[str, float], ...]
    reliabilities: dict[str, float]
    present: tuple[str, ...]
    embedding: np.ndarray
    attention: tuple[float, ...] = ()

    def best_frames(self, count: int = 3) -> list[int]:
        """Return the indices of the ``count`` frames with the highest attention, highest first."""
        order = np.argsort(-np.array(self.attention), kind="stable")
        return [int(place) for place in order[:count]]

    def as_json(self, *, embedding: bool = False) -> dict[str, Any]:
        """Return the fields of a line of predictions, without the clip's ``id``."""
        line: dict[str, Any] = {
            "path": list(self.path),
            "path_ids": list(self.path_ids),
            "probabilities": list(self.probabilities),
            "top": [{"id": id_, "score": score} for id_, score in self.top],
            "reliabilities": self.reliabilities,
            "present": list(self.present),
        }
        return line | ({"embedding": self.embedding.tolist()} if embedding else {})


def predictions(
    output: ClassifierOutput,
    taxonomy: Taxonomy,
    hierarchy: Hierarchy,
    *,
    top: int = 5,
    threshold: float | None = None,
    attention: Sequence[Sequence[float]] | None = None,
) -> list[Prediction]:
    """Decode a batch: to the best leaf, or with ``threshold`` to the most specific node more probable than that.

    A clip for which no node reaches the threshold gets an empty path. A clip of several labels has one path, too: what
    else is probable stands in ``top``. ``attention``: of each clip's real frames.
    """
    log_probs = output.log_probs.float()
    if threshold is None:
        nodes = best_leaf(log_probs, hierarchy)
    else:
        nodes = most_specific(log_probs, hierarchy, threshold=threshold)
    scores, leaves = top_leaves(log_probs, hierarchy, top)
    probs = log_probs.exp().cpu()
    found = []
    for row, node in enumerate(nodes.tolist()):
        path = taxonomy.path(node) if node >= 0 else []
        found.append(
            Prediction(
                path=tuple(taxonomy.names[i] for i in path),
                path_ids=tuple(taxonomy.ids[i] for i in path),
                probabilities=tuple(float(probs[row, i]) for i in path),
                top=tuple(
                    (taxonomy.ids[i], score)
                    for i, score in zip(leaves[row].tolist(), scores[row].tolist(), strict=True)
                ),
                reliabilities=dict(zip(MODALITIES, output.reliability[row].tolist(), strict=True)),
                present=tuple(m for m, here in zip(MODALITIES, output.present[row].tolist(), strict=True) if here),
                embedding=output.embedding[row].detach().float().cpu().numpy(),
                attention=() if attention is None else tuple(attention[row]),
            )
        )
    return found
