"""Heads for labels that exclude each other: from a fused vector to log p(node), a distribution over the taxonomy."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from framegate.finetune.taxonomy.hierarchy import Hierarchy, Part


class PathHead(nn.Module):
    """One path model: a linear score for each node, a softmax among siblings, summed along the path.

    Shape: (B, F) -> log p(node) (B, N), or (B, n) of a part of the tree. With ``rank`` R the weights are R(F + N)
    instead of FN, and start as :func:`start_low_rank` says.
    """

    def __init__(self, dim: int, hierarchy: Hierarchy, *, rank: int | None = None) -> None:
        super().__init__()
        self.hierarchy = hierarchy
        self.project = None if rank is None else nn.Linear(dim, rank, bias=False)
        self.scores = nn.Linear(dim if rank is None else rank, len(hierarchy))
        if self.project is not None:
            start_low_rank(self.project, self.scores)

    def forward(self, x: Tensor, part: Part | None = None) -> Tensor:
        """log p(node), of the whole tree or of ``part`` alone."""
        features = x if self.project is None else self.project(x)
        return _log_probs(node_scores(self.scores, features, part), self.hierarchy, part)


class PathExperts(nn.Module):
    """A mixture of experts over *paths*: each expert is a complete path model, and whole paths are mixed.

        log p(path) = logsumexp_m (log π_m(x) + Σ_level log p_m(node | parent, x)),  π = softmax(W_π x)

    Mixing whole paths, not single steps, keeps a parent's probability the sum of its children's.
    With ``rank`` R, expert m scores the nodes as U tanh(V_m x) with U shared (a mixture of softmaxes, Yang et al.
    2018): R(MF + N) weights instead of MFN, which start as :func:`start_low_rank` says.

    Shape: (B, F) -> log p(node) (B, N), or (B, n) of a part of the tree.
    """

    def __init__(self, dim: int, hierarchy: Hierarchy, *, experts: int, rank: int | None = None) -> None:
        super().__init__()
        self.hierarchy, self.experts = hierarchy, experts
        self.gate = nn.Linear(dim, experts)
        self.project = None if rank is None else nn.Linear(dim, experts * rank)
        self.scores = nn.Linear(dim, experts * len(hierarchy)) if rank is None else nn.Linear(rank, len(hierarchy))
        if self.project is not None:
            start_low_rank(self.project, self.scores, experts=experts)

    def forward(self, x: Tensor, part: Part | None = None) -> Tensor:
        """log p(node), of the whole tree or of ``part`` alone."""
        log_weight = exact(self.gate(x)).log_softmax(dim=-1)  # (B, M)
        return (log_weight.unsqueeze(-1) + self.expert_log_probs(x, part)).logsumexp(dim=1)

    def expert_log_probs(self, x: Tensor, part: Part | None = None) -> Tensor:
        """log p_m(node) of each expert, (B, M, N) or (B, M, n)."""
        if self.project is None:
            scores = torch.unflatten(node_scores(self.scores, x, part, experts=self.experts), 1, (self.experts, -1))
        else:
            scores = node_scores(self.scores, self.project(x).tanh().unflatten(1, (self.experts, -1)), part)
        return _log_probs(scores, self.hierarchy, part)


@torch.no_grad()
def start_low_rank(project: nn.Linear, *scores: nn.Linear, experts: int = 1) -> None:
    """Each expert's projection orthogonal, and no scores yet.

    Among thousands of leaves most are met a few times only: random scores would never be worn off, and a projection
    that squeezes some directions would hide what lies along them. The rows are as long as Linear makes them.
    """
    for rows in project.weight.chunk(experts):
        nn.init.orthogonal_(rows, gain=3**-0.5)
    for layer in scores:
        nn.init.zeros_(layer.weight)
        nn.init.zeros_(layer.bias)


def node_scores(layer: nn.Linear, x: Tensor, part: Part | None, *, experts: int = 1) -> Tensor:
    """The ``layer`` (its outputs experts × nodes) at the nodes of ``part``, whose weights alone are read.

    Shape: ``x`` (..., F) -> (..., experts · n); at least float32.
    """
    if part is None:
        return exact(layer(x))
    weight, bias = layer.weight.view(experts, -1, layer.in_features), layer.bias.view(experts, -1)
    chosen = weight.index_select(1, part.nodes).flatten(0, 1), bias.index_select(1, part.nodes).flatten()
    return exact(F.linear(x, *chosen))


def exact(scores: Tensor) -> Tensor:
    """In float32 where autocast gave less: probabilities of thousands of nodes are told apart by their last digits."""
    return scores.float() if scores.dtype in (torch.float16, torch.bfloat16) else scores


def _log_probs(scores: Tensor, hierarchy: Hierarchy, part: Part | None) -> Tensor:
    return (hierarchy if part is None else part.hierarchy).log_probs(scores)
