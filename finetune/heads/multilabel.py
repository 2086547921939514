"""Clips of several labels: every node is a question of its own, asked where its parent holds.

    log p(node) = Σ log q(ancestor), over the path from the root to the node;   q(node) = p(node | its parent holds)

so no node is likelier than its parent, and siblings share nothing (Chen et al. 2019, "Deep Hierarchical Multi-label
Classification of Chest X-ray Images", §3). Training asks where the answer is known: in the families along the labels'
paths, of which each label says yes or no. Below a label that is an inner node nothing is known, and nothing asked.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from framegate.finetune.heads.experts import node_scores, start_low_rank
from framegate.finetune.taxonomy.hierarchy import Hierarchy, Part


@dataclass(frozen=True)
class Questions:
    """``yes`` = log q(node) and ``no`` = log(1 − q(node)), each (..., N), of the whole tree or of a part of it.

    Both are kept: where one rounds to 0, the other still tells how sure it is.
    """

    yes: Tensor
    no: Tensor

    def calibrated(self, temperature: Tensor, hierarchy: Hierarchy) -> "Questions":
        """Each question on level l at temperature T_l of ``temperature`` (D,): q' = σ(logit(q) / T_l)."""
        return answers((self.yes - self.no) / temperature[hierarchy.level - 1])


def answers(logits: Tensor) -> Questions:
    """Of q = σ(``logits``); softplus is exact at both ends, in ONNX too."""
    return Questions(-F.softplus(-logits), -F.softplus(logits))


class MultiLabelExperts(nn.Module):
    """YouTube-8M's mixture of experts (Abu-El-Haija et al. 2016, §5) for each node, given its parent.

        q(node) = Σ_{m ≤ M} softmax_{M+1}(g_node(x))_m σ(e_node,m(x))

    The gate's last share goes to a dummy expert that always says no; its own score is 0, for a softmax knows scores up
    to a constant. With ``rank`` R, expert m scores the nodes as U tanh(V_m x) and its gates as G tanh(V_m x), U and G
    shared: R(MF + 2N) weights instead of 2MFN, which start as
    :func:`~framegate.finetune.heads.experts.start_low_rank` says.

    Shape: (B, F) -> :class:`Questions` (B, N), or (B, n) of a part of the tree.
    """

    prior: Tensor

    def __init__(self, dim: int, hierarchy: Hierarchy, *, experts: int, rank: int | None = None) -> None:
        super().__init__()
        self.hierarchy, self.experts = hierarchy, experts
        self.project = None if rank is None else nn.Linear(dim, experts * rank)
        width, outputs = (dim, experts * len(hierarchy)) if rank is None else (rank, len(hierarchy))
        self.gates, self.scores = nn.Linear(width, outputs), nn.Linear(width, outputs)
        if self.project is not None:
            start_low_rank(self.project, self.gates, self.scores, experts=experts)
        self.register_buffer("prior", torch.zeros(len(hierarchy)))

    def forward(self, x: Tensor, part: Part | None = None) -> Questions:
        """The questions of the whole tree or of ``part`` alone."""
        gates, scores = self._of_experts(self.gates, x, part), self._of_experts(self.scores, x, part)  # (B, M, n)
        share = torch.cat([gates, torch.zeros_like(gates[:, :1])], dim=1).log_softmax(dim=1)
        of_experts = answers(scores)
        no = torch.cat([share[:, :-1] + of_experts.no, share[:, -1:]], dim=1).logsumexp(dim=1)
        return Questions((share[:, :-1] + of_experts.yes).logsumexp(dim=1), no)

    def _of_experts(self, layer: nn.Linear, x: Tensor, part: Part | None) -> Tensor:
        if self.project is None:
            return torch.unflatten(node_scores(layer, x, part, experts=self.experts), 1, (self.experts, -1))
        return node_scores(layer, self.project(x).tanh().unflatten(1, (self.experts, -1)), part)

    @torch.no_grad()
    def learn_prior(self, labels: Tensor) -> None:
        """Set ``prior``, log p(node) (N,) of a clip that shows nothing, from the training labels (n, K)."""
        yes, asked = torch.zeros_like(self.prior), torch.zeros_like(self.prior)
        for rows in torch.split(labels.to(self.prior.device), 256):
            holds, known = known_answers(rows, self.hierarchy)
            yes += holds.sum(dim=0)
            asked += known.sum(dim=0)
        self.prior.copy_(self.hierarchy.along_paths(((yes + 1) / (asked + 2)).log()))


def known_answers(labels: Tensor, hierarchy: Hierarchy) -> tuple[Tensor, Tensor]:
    """Which nodes hold, and of which that is known, of clips with ``labels`` (B, K), padded with -1: (B, N) bool twice.

    Known are the siblings of whatever holds.
    """
    path = hierarchy.paths[labels.clamp(min=0)].masked_fill((labels < 0).unsqueeze(-1), -1).flatten(1)  # (B, K D)
    nowhere = torch.where(path >= 0, path, len(hierarchy))
    holds = nowhere.new_zeros(len(labels), len(hierarchy) + 1, dtype=torch.bool).scatter(1, nowhere, True)[:, :-1]
    family = hierarchy.family.expand_as(holds)
    some = holds.new_zeros(len(labels), hierarchy.families, dtype=torch.int64).scatter_add(1, family, holds.long())
    return holds, some.gather(1, family) > 0
