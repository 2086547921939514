"""Heads: from a fused vector to log p(node) over the taxonomy."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from torch import Tensor, nn

from framegate.finetune.hierarchy import Hierarchy


@dataclass(frozen=True, kw_only=True)
class HeadConfig:
    """``experts``: how many path models are mixed. ``rank``: width of the shared low-rank scores; None: full rank."""

    __pydantic_config__: ClassVar = {"extra": "forbid"}
    name: Literal["experts", "linear"] = "experts"
    experts: int = 2
    rank: int | None = None


class PathHead(nn.Module):
    """One path model: a linear score for each node, a softmax among siblings, summed along the path.

    Shape: (B, F) -> log p(node) (B, N). With ``rank`` R the weights are R(F + N) instead of FN.
    """

    def __init__(self, dim: int, hierarchy: Hierarchy, *, rank: int | None = None) -> None:
        super().__init__()
        self.hierarchy = hierarchy
        nodes = len(hierarchy)
        self.scores = (
            nn.Linear(dim, nodes)
            if rank is None
            else nn.Sequential(nn.Linear(dim, rank, bias=False), nn.Linear(rank, nodes))
        )

    def forward(self, x: Tensor) -> Tensor:
        """log p(node), (B, N)."""
        return self.hierarchy.log_probs(self.scores(x).float())


class PathExperts(nn.Module):
    """A mixture of experts over *paths*: each expert is a complete path model, and whole paths are mixed.

        log p(path) = logsumexp_m (log π_m(x) + Σ_level log p_m(node | parent, x)),  π = softmax(W_π x)

    Mixing whole paths, not single steps, keeps a parent's probability the sum of its children's.
    With ``rank`` R, expert m scores the nodes as U tanh(V_m x) with U shared (a mixture of softmaxes, Yang et al.
    2018): R(MF + N) weights instead of MFN.

    Shape: (B, F) -> log p(node) (B, N).
    """

    def __init__(self, dim: int, hierarchy: Hierarchy, *, experts: int, rank: int | None = None) -> None:
        super().__init__()
        self.hierarchy, self.experts = hierarchy, experts
        self.gate = nn.Linear(dim, experts)
        self.project = None if rank is None else nn.Linear(dim, experts * rank)
        self.scores = nn.Linear(dim, experts * len(hierarchy)) if rank is None else nn.Linear(rank, len(hierarchy))

    def forward(self, x: Tensor) -> Tensor:
        """log p(node), (B, N)."""
        log_weight = self.gate(x).float().log_softmax(dim=-1)  # (B, M)
        return (log_weight.unsqueeze(-1) + self.expert_log_probs(x)).logsumexp(dim=1)

    def expert_log_probs(self, x: Tensor) -> Tensor:
        """log p_m(node) of each expert, (B, M, N)."""
        features = x if self.project is None else self.project(x).tanh().view(len(x), self.experts, -1)
        logits = self.scores(features).view(len(x), self.experts, len(self.hierarchy))
        return self.hierarchy.log_probs(logits.float())


def make_head(config: HeadConfig, dim: int, hierarchy: Hierarchy) -> PathHead | PathExperts:
    """The head that ``config`` names, for vectors of length ``dim``."""
    if config.name == "linear":
        return PathHead(dim, hierarchy, rank=config.rank)
    return PathExperts(dim, hierarchy, experts=config.experts, rank=config.rank)
