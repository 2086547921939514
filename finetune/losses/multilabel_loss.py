"""The loss of clips that have several labels: binary cross-entropy of every question whose answer is known."""

import torch
from torch import Tensor

from framegate.finetune.heads.multilabel import Questions, known_answers
from framegate.finetune.losses.path_losses import LossConfig
from framegate.finetune.taxonomy.hierarchy import Hierarchy, Part


def multilabel_loss(
    questions: Questions, labels: Tensor, hierarchy: Hierarchy, config: LossConfig, *, part: Part | None = None
) -> Tensor:
    """Σ over what is known of w_l · binary cross-entropy of q(node), (B,); 0 for a clip without labels.

    w_l, by the node's level l of D: 1 for ``path``, (D − l + 1)/D for ``levels``, e^{−α(l−1)} for ``hxe``. Label
    smoothing ε asks for 1 − ε/2 and ε/2.

    Args:
        questions: (B, N), or of the ``part`` alone (B, n).
        labels: node indices (B, K), -1 where a clip has fewer labels.
        hierarchy: the tree.
        config: ``hierarchy``, ``alpha`` and ``label_smoothing``; classes are not balanced here.
        part: the part of the tree along ``labels`` that ``questions`` is of; None: the whole.
    """
    tree = hierarchy if part is None else part.hierarchy
    holds, known = known_answers(labels if part is None else part.labels, tree)
    target = holds.to(questions.yes.dtype) * (1 - config.label_smoothing) + config.label_smoothing / 2
    each = -(target * questions.yes + (1 - target) * questions.no)
    step = (tree.level - 1).to(questions.yes.dtype)
    match config.hierarchy:
        case "path":
            weight = torch.ones_like(step)
        case "levels":
            weight = 1 - step / hierarchy.depth
        case "hxe":
            weight = (-config.alpha * step).exp()
    return (weight * each.masked_fill(~known, 0.0)).sum(dim=1)
